//! Identity in the storm: its batches, and the calm in which all is made one.

use std::sync::Arc;

use ports::{Clock as _, Definitions as _};

use super::{BATCH_TIME, Live, RECEIVES_MAX, Stop, World, finish};

/// Batches of identity that run at once: they are to meet.
const BATCHES: usize = 3;
/// Rounds of the calm: what a merge moves to the survivor's outbox is sent in the next.
const ROUNDS_MAX: usize = 20;

impl<X: profile::Conduct, Y: ingest::Conduct> World<X, Y> {
    pub(super) fn is_idle(&self) -> bool {
        let queues = [&self.records, &self.requests, &self.walks];
        queues.iter().all(|queue| queue.is_empty()) && self.live.is_empty()
    }

    pub(super) fn may_merge(&self) -> bool {
        let running = self.live.iter().filter(|live| matches!(live, Live::Batch { of: Stop::Identity, .. }));
        running.count() < BATCHES && !self.requests.is_empty()
    }

    /// Identity takes requests, in whatever order: it promises to rely on none.
    pub(super) fn merge(&mut self) {
        let records = self.take(Stop::Identity);
        if records.is_empty() {
            return;
        }
        self.tale.line(|| format!("identity takes {} requests", records.len()));
        let (stage, letters) = (Arc::clone(&self.identity), self.merge_letters.clone());
        let (taken, deadline) = (records.clone(), self.clock.now().plus(BATCH_TIME));
        let running = Box::pin(async move {
            identity::batch::merge(&stage, &letters, &taken, deadline, RECEIVES_MAX).await
        });
        self.live.push(Live::Batch { of: Stop::Identity, records, running });
    }

    /// Sweeps and merges without faults, until nothing is left to do.
    pub(super) fn calm(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            self.tale.line(|| "a calm sweep".to_owned());
            let swept = finish(self.stage.sweep());
            let swept = swept.map_err(|failure| format!("a calm sweep failed: {failure:?}"))?;
            self.calm_walk()?;
            let fills = finish(self.known.fills()).map_err(|error| error.to_string())?;
            let sent = self.merges.take();
            if sent.is_empty() && swept.due == 0 && fills.is_empty() {
                return Ok(());
            }
            if !fills.is_empty() {
                self.clock.advance(domain::segment::fill::ROLLOUT);
            }
            for request in sent {
                let outcome = finish(self.identity.carry_out(&request.body));
                outcome.map_err(|failure| format!("a calm merge failed: {failure:?}"))?;
            }
        }
        Err(format!("something was due after each of {ROUNDS_MAX} calm rounds"))
    }
}
