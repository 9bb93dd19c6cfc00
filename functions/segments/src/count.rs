//! Counting the members of segments: once a day, and when a version comes into force.

use domain::segment::list;
use domain::segment::size::{At, Count, Counting, Day};
use domain::segment::stored::{SegmentSet, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::{Clock, Definitions, Entropy, People, Queue, Unavailable};

use crate::Stage;

impl<P, D, Q, C, E> Stage<P, D, Q, C, E>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
{
    /// Goes on with a day's count until `until`; what is left the next request
    /// goes on with. A size that is written twice is written once.
    pub(crate) async fn count(&self, count: &Count, until: Timestamp) -> Result<(), Unavailable> {
        let Count { workspace, day } = count;
        let store = self.definitions.store();
        let counting = store.counts().await?.into_iter().find(|counting| counting.workspace == *workspace);
        // An older day than the last one is a request that came late.
        let Some(counting) = counting.filter(|counting| counting.done.is_none_or(|done| done < *day)) else {
            return Ok(());
        };
        for mut at in counting.left(&store.segments(workspace).await?, *day) {
            while !at.is_whole() {
                if self.writer.clock.now() >= until {
                    return store.count_on(&Counting { at: Some(at), ..counting.clone() }).await;
                }
                self.count_shard(workspace, &mut at).await?;
            }
            store.put_size(workspace, &at.segment, &at.size()).await?;
        }
        store.count_on(&Counting { done: Some(*day), at: None, ..counting }).await
    }

    /// Notes that a workspace is to be counted again, whatever was counted today;
    /// gives back what stood there.
    pub(crate) async fn count_again(&self, workspace: &WorkspaceId) -> Result<Option<Counting>, Unavailable> {
        let store = self.definitions.store();
        let counting = store.counts().await?.into_iter().find(|counting| counting.workspace == *workspace);
        if counting.is_some() {
            store.count_on(&Counting::new(workspace.clone())).await?;
        }
        Ok(counting)
    }

    /// Counts what has just come into force, as far as the time goes, so that
    /// nobody has to wait; then what `before` says stands again. If the time ends
    /// before, or the function does, the workspace is still to be counted.
    pub(crate) async fn count_new(
        &self,
        before: Option<Counting>,
        workspace: &WorkspaceId,
        switched: &[StoredSegment],
        until: Timestamp,
    ) -> Result<(), Unavailable> {
        let today = Day::of(self.writer.clock.now());
        let set = SegmentSet { version: 0, segments: switched.to_vec() };
        for mut at in Counting::new(workspace.clone()).left(&set, today) {
            while !at.is_whole() {
                if self.writer.clock.now() >= until {
                    return Ok(());
                }
                self.count_shard(workspace, &mut at).await?;
            }
            self.definitions.store().put_size(workspace, &at.segment, &at.size()).await?;
        }
        match before {
            Some(before) => self.definitions.store().count_on(&before).await,
            None => Ok(()),
        }
    }

    async fn count_shard(&self, workspace: &WorkspaceId, at: &mut At) -> Result<(), Unavailable> {
        let key = &self.writer.key;
        let collection = list::collection(key, workspace, &at.segment, at.version, at.shards);
        let (mut from, to) = list::rows_after(None);
        loop {
            let page = self.writer.people.items(workspace, collection, &from, &to).await?;
            for item in &page.items {
                let row = list::read_row(item).map_err(|cause| Unavailable::new("reading a row", cause))?;
                at.members += u64::from(row.holds);
            }
            match page.next {
                Some(last) => from = profile::after(&last),
                None => break,
            }
        }
        at.shards += 1;
        Ok(())
    }
}
