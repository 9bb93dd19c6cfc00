//! From a seed that fails to the shortest run that still does.
//!
//! A run is what was sent, the steps taken and the faults met. Parts of each
//! are left out, large ones first, as long as the run without them fails too.

use std::collections::BTreeSet;
use std::ops::Range;

use super::crowd::Crowd;
use super::world::{self, Plan, World};

/// Steps that looking for a shorter run may take: about half a minute.
pub(crate) const PATIENCE: usize = 200_000;

/// A run that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) why: String,
    /// Why the whole run failed, where that is something else.
    at_first: Option<String>,
    pub(crate) seed: u64,
    /// Events and refused calls that are sent, of so many.
    pub(crate) sent: usize,
    pub(crate) of: usize,
    pub(crate) faults: usize,
    pub(crate) steps: usize,
    lines: Vec<String>,
    plan: Plan,
}

/// Runs a seed; if it fails, gives back the shortest run that was found to fail.
pub(crate) fn failure<X: profile::Conduct, Y: ingest::Conduct>(
    (crowd, seed): (Crowd, u64),
    patience: usize,
) -> Option<Failed> {
    let first = attempt::<X, Y>(&Plan { seed, crowd, ..Plan::default() })?;
    let mut search = Search { best: first, patience, attempt: attempt::<X, Y> };
    let why = search.best.why.clone();
    search.run();
    let shortest = attempt::<X, Y>(&Plan { is_told: true, ..search.best.plan })?;
    Some(Failed { at_first: Some(why).filter(|why| *why != shortest.why), ..shortest })
}

fn attempt<X: profile::Conduct, Y: ingest::Conduct>(plan: &Plan) -> Option<Failed> {
    let mut world = World::<X, Y>::new(plan);
    let why = world.run().err()?;
    let has_not_ended = why == world::LIVELOCK && plan.steps_max.is_some();
    if has_not_ended {
        return None;
    }
    let recorded = world.plan(plan);
    let faults = recorded.fates.iter().flatten().filter(|fate| **fate != 0).count();
    Some(Failed {
        why,
        at_first: None,
        seed: plan.seed,
        sent: world.crowd() - plan.without.len(),
        of: world.crowd(),
        faults,
        steps: world.steps(),
        lines: world.lines(),
        plan: recorded,
    })
}

struct Search {
    best: Failed,
    /// Steps that are left.
    patience: usize,
    attempt: fn(&Plan) -> Option<Failed>,
}

impl Search {
    fn run(&mut self) {
        loop {
            let before = weight(&self.best);
            self.parts(|failed| failed.sent, without);
            self.parts(
                |failed| length(failed.plan.fates.as_deref()),
                |failed, part| Plan {
                    fates: plain(failed.plan.fates.as_deref(), &part),
                    ..failed.plan.clone()
                },
            );
            self.parts(
                |failed| length(failed.plan.steps.as_deref()),
                |failed, part| Plan {
                    steps: cut(failed.plan.steps.as_deref(), &part),
                    ..failed.plan.clone()
                },
            );
            self.parts(
                |failed| length(failed.plan.steps.as_deref()),
                |failed, part| Plan {
                    steps: plain(failed.plan.steps.as_deref(), &part),
                    ..failed.plan.clone()
                },
            );
            if weight(&self.best) == before || self.patience == 0 {
                return;
            }
        }
    }

    /// Tries to do without each part of a list: halves, then quarters, to the
    /// single entries.
    fn parts(&mut self, length: impl Fn(&Failed) -> usize, without: impl Fn(&Failed, Range<usize>) -> Plan) {
        let mut size = length(&self.best).div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < length(&self.best) && self.patience > 0 {
                let plan = without(&self.best, from..from + size);
                let shorter = self.try_out(&plan);
                from += if shorter { 0 } else { size };
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Takes a plan that fails and is shorter in something and longer in nothing
    /// that counts for more.
    fn try_out(&mut self, plan: &Plan) -> bool {
        let same = plan.steps == self.best.plan.steps
            && plan.fates == self.best.plan.fates
            && plan.without == self.best.plan.without;
        if same {
            return false;
        }
        let steps_max = 2 * self.best.steps + 100;
        let tried = (self.attempt)(&Plan { steps_max: Some(steps_max), ..plan.clone() });
        let taken = tried.as_ref().map_or(self.best.steps, |tried| tried.steps);
        self.patience = self.patience.saturating_sub(taken);
        let Some(tried) = tried.filter(|tried| weight(tried) < weight(&self.best)) else { return false };
        self.best = tried;
        true
    }
}

/// Fewer events count for more than fewer faults, and those than fewer steps
/// and plainer ones.
fn weight(failed: &Failed) -> (usize, usize, usize, usize) {
    let decided = failed.plan.steps.iter().flatten().filter(|step| **step != 0).count();
    (failed.sent, failed.faults, failed.steps, decided)
}

fn length(list: Option<&[u64]>) -> usize {
    list.map_or(0, <[u64]>::len)
}

/// A list with one part as plain as can be.
fn plain(list: Option<&[u64]>, part: &Range<usize>) -> Option<Vec<u64>> {
    let plain = |(place, decision): (usize, &u64)| if part.contains(&place) { 0 } else { *decision };
    list.map(|list| list.iter().enumerate().map(plain).collect())
}

/// A list without one part.
fn cut(list: Option<&[u64]>, part: &Range<usize>) -> Option<Vec<u64>> {
    let kept = |(place, _): &(usize, &u64)| !part.contains(place);
    list.map(|list| list.iter().enumerate().filter(kept).map(|(_, decision)| *decision).collect())
}

/// A plan that does not send a part of what is sent.
fn without(failed: &Failed, part: Range<usize>) -> Plan {
    let sent = (0..failed.of).filter(|number| !failed.plan.without.contains(number));
    let left: BTreeSet<usize> = sent.skip(part.start).take(part.len()).collect();
    let without = failed.plan.without.union(&left).copied().collect();
    Plan { without, ..failed.plan.clone() }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { why, at_first, seed, sent, of, faults, steps, lines, .. } = self;
        writeln!(f, "SEED={seed}: {}", at_first.as_ref().unwrap_or(why))?;
        if at_first.is_some() {
            writeln!(f, "in the shortest run found: {why}")?;
        }
        writeln!(
            f,
            "the shortest run found sends {sent} of {of}, meets {faults} faults and takes {steps} steps:"
        )?;
        lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
