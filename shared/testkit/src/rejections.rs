//! Refused events in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::rejections::{Listing, Rejections};
use ports::{Clock, Unavailable};

use crate::{Injected, TestClock, lock};

/// Keeps refused events under the same limits as a real store.
#[derive(Debug, Clone, Default)]
pub struct MemoryRejections {
    state: Arc<Mutex<State>>,
    clock: TestClock,
}

#[derive(Debug, Default)]
struct State {
    minutes: BTreeMap<(WorkspaceId, SourceId, Timestamp), Minute>,
    failing: bool,
}

#[derive(Debug, Default)]
struct Minute {
    kept: Vec<Rejection>,
    counts: BTreeMap<String, u64>,
    asked: usize,
}

impl MemoryRejections {
    /// With a clock, what is over [`Rejection::DAYS`] old is no longer listed.
    pub fn new(clock: TestClock) -> Self {
        Self { state: Arc::default(), clock }
    }

    /// Every call fails until this is called with `false`.
    pub fn set_failing(&self, failing: bool) {
        lock(&self.state).failing = failing;
    }

    /// Everything kept of a source, whatever its day, the oldest first.
    pub fn kept(&self, workspace: &WorkspaceId, source: &SourceId) -> Vec<Rejection> {
        let state = lock(&self.state);
        let of_source = state.minutes.iter().filter(|((w, s, _), _)| w == workspace && s == source);
        of_source.flat_map(|(_, minute)| minute.kept.clone()).collect()
    }
}

impl State {
    fn checked(&mut self) -> Result<&mut Self, Unavailable> {
        if self.failing {
            return Err(Unavailable::new("asking for rejections in memory", Injected));
        }
        Ok(self)
    }
}

impl Minute {
    fn record(&mut self, refused: &Rejection) {
        let count = self.counts.entry(refused.reason.name().to_owned()).or_default();
        *count += 1;
        self.asked += 1;
        let room = self.asked <= Rejection::KEPT_A_MINUTE as usize;
        if room && !self.kept.contains(refused) {
            self.kept.push(refused.clone());
        }
    }
}

impl Rejections for MemoryRejections {
    async fn record(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        refused: &[Rejection],
    ) -> Result<(), Unavailable> {
        let mut state = lock(&self.state);
        let state = state.checked()?;
        for refused in refused {
            let minute = (workspace.clone(), source.clone(), refused.at.floor_to_minute());
            state.minutes.entry(minute).or_default().record(refused);
        }
        Ok(())
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Listing, Unavailable> {
        let mut state = lock(&self.state);
        let from = day.millis().div_euclid(Timestamp::DAY) * Timestamp::DAY;
        let expired = self.clock.now().plus(-Rejection::DAYS * Timestamp::DAY);
        let mut kept = Vec::new();
        let mut counts = BTreeMap::<String, u64>::new();
        for ((w, s, minute), found) in &state.checked()?.minutes {
            let on_day = (from..from + Timestamp::DAY).contains(&minute.millis());
            if w == workspace && s == source && on_day && *minute > expired {
                kept.extend(found.kept.iter().cloned());
                found
                    .counts
                    .iter()
                    .for_each(|(reason, count)| *counts.entry(reason.clone()).or_default() += count);
            }
        }
        kept.sort_by_key(|refused| std::cmp::Reverse(refused.at));
        Ok(Listing { kept, counts: counts.into_iter().collect() })
    }
}
