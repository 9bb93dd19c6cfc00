//! Refused events in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::rejections::{Kept, Part, Place, Rejections};
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

    fn expired(&self) -> Timestamp {
        self.clock.now().plus(-Rejection::DAYS * Timestamp::DAY)
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

impl State {
    fn of_day<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        source: &'a SourceId,
        day: Timestamp,
        expired: Timestamp,
    ) -> impl Iterator<Item = &'a Minute> {
        let from = day.millis().div_euclid(Timestamp::DAY) * Timestamp::DAY;
        let on_day = from..from + Timestamp::DAY;
        let asked = move |(w, s, minute): &(WorkspaceId, SourceId, Timestamp)| {
            w == workspace && s == source && on_day.contains(&minute.millis()) && *minute > expired
        };
        self.minutes.iter().filter(move |(key, _)| asked(key)).map(|(_, minute)| minute)
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

    async fn kept(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Part, Unavailable> {
        let mut state = lock(&self.state);
        let expired = self.expired();
        let of_day = state.checked()?.of_day(workspace, source, day, expired);
        let mut all: Vec<Rejection> = of_day.flat_map(|minute| minute.kept.iter().cloned()).collect();
        all.sort_by_key(|refused| std::cmp::Reverse(refused.at));
        // Numbered from the oldest, so that what comes meanwhile moves nothing.
        let total = all.len();
        let from = match after {
            None => 0,
            Some(Place(number)) => total.saturating_sub(number.parse().map_err(|_| unknown())?),
        };
        let numbered = all.into_iter().enumerate().skip(from).take(limit.max(1));
        let kept: Vec<Kept> = numbered
            .map(|(position, rejection)| Kept { place: Place((total - position - 1).to_string()), rejection })
            .collect();
        let more = kept.last().is_some_and(|last| last.place.0 != "0");
        Ok(Part { kept, more })
    }

    async fn counts(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Vec<(String, u64)>, Unavailable> {
        let mut state = lock(&self.state);
        let mut counts = BTreeMap::<String, u64>::new();
        let expired = self.expired();
        for minute in state.checked()?.of_day(workspace, source, day, expired) {
            for (reason, count) in &minute.counts {
                *counts.entry(reason.clone()).or_default() += count;
            }
        }
        Ok(counts.into_iter().collect())
    }
}

fn unknown() -> Unavailable {
    Unavailable::new("finding a place in memory", Injected)
}
