//! The decisions of a run: drawn from a seed and kept, so that the same run can
//! be told again with fewer of them.
//!
//! **Invariant:** zero is always the plainest decision: no fault, one event,
//! whoever has waited longest. What a told run does not say is zero.

use std::sync::{Arc, Mutex};

use testkit::SeededEntropy;

/// One kind of decisions, in the order in which they are made; clones go on together.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<Mutex<Decisions>>);

#[derive(Debug)]
struct Decisions {
    seeded: SeededEntropy,
    told: Option<Vec<u64>>,
    made: Vec<u64>,
}

impl Decisions {
    fn make(&mut self, bound: u64, draw: impl FnOnce(&SeededEntropy) -> u64) -> u64 {
        let decision = match &self.told {
            None => draw(&self.seeded),
            Some(told) => told.get(self.made.len()).copied().unwrap_or(0),
        };
        let decision = decision.min(bound.saturating_sub(1));
        self.made.push(decision);
        decision
    }
}

impl Chance {
    /// Decides by the seed, or by what is told in its place.
    pub(crate) fn new(seed: u64, told: Option<Vec<u64>>) -> Self {
        let decisions = Decisions { seeded: SeededEntropy::seeded(seed), told, made: Vec::new() };
        Self(Arc::new(Mutex::new(decisions)))
    }

    /// A number below the bound.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.lock().unwrap().make(bound, |seeded| seeded.number() % bound.max(1))
    }

    /// A place in a list.
    pub(crate) fn pick(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Zero, or so often in a thousand times one of so many kinds, from 1 on.
    pub(crate) fn rarely(&self, in_thousand: u64, kinds: u64) -> u64 {
        let draw = |seeded: &SeededEntropy| {
            let (happens, kind) = (seeded.number() % 1_000 < in_thousand, seeded.number() % kinds);
            if happens { 1 + kind } else { 0 }
        };
        self.0.lock().unwrap().make(kinds + 1, draw)
    }

    /// Whether something happens that happens so often in a thousand times.
    pub(crate) fn sometimes(&self, in_thousand: u64) -> bool {
        self.rarely(in_thousand, 1) == 1
    }

    /// What was decided so far.
    pub(crate) fn made(&self) -> Vec<u64> {
        self.0.lock().unwrap().made.clone()
    }
}
