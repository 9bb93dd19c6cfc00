//! The segments stage in the storm: parts of fills, in any order and side by side.

use std::sync::Arc;

use ports::Clock as _;

use super::{BATCH_TIME, Live, RECEIVES_MAX, Stop, World, finish};

/// Parts that are walked at once.
const WALKS: usize = 3;

impl<X: profile::Conduct, Y: ingest::Conduct> World<X, Y> {
    pub(super) fn may_walk(&self) -> bool {
        let running = self.live.iter().filter(|live| matches!(live, Live::Batch { of: Stop::Segments, .. }));
        running.count() < WALKS && !self.walks.is_empty()
    }

    /// A queue that is FIFO would give the parts of one number in turn; here
    /// nothing may rely on it.
    pub(super) fn walk(&mut self) {
        let records = self.take(Stop::Segments);
        if records.is_empty() {
            return;
        }
        self.tale.line(|| format!("segments takes {} parts", records.len()));
        let (stage, letters) = (Arc::clone(&self.segments), self.merge_letters.clone());
        let (taken, deadline) = (records.clone(), self.clock.now().plus(BATCH_TIME));
        let running = Box::pin(async move {
            ::segments::batch::walk(&stage, &letters, &taken, deadline, RECEIVES_MAX).await
        });
        self.live.push(Live::Batch { of: Stop::Segments, records, running });
    }

    /// Walks whatever is open, without faults.
    pub(super) fn calm_walk(&mut self) -> Result<(), String> {
        let sent = finish(profile::fill::send(&self.stage.definitions, &self.sent_parts, &self.clock));
        sent.map_err(|failure| format!("parts could not be sent in the calm: {failure:?}"))?;
        let until = self.clock.now().plus(BATCH_TIME);
        for part in self.parts.take() {
            let walked = finish(self.segments.walk(&part.body, until));
            walked.map_err(|failure| format!("a calm walk failed: {failure:?}"))?;
        }
        Ok(())
    }
}
