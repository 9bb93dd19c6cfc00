//! The sweep: whoever is due is looked at again.
//!
//! It asks for *all* that is due from the beginning, never for one moment: an
//! index that lags shows an item later, and a later sweep must still find it.

use std::ops::Range;

use domain::key::ProfileId;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::{Save, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Queue};
use runtime::definitions::Cached;
use runtime::failure::{Failure, chain, guard};
use runtime::stored;

use crate::conduct::{Conduct as _, Proper};
use crate::load;
use crate::stage::Writer;

/// Profiles of one shard that one sweep takes; the next one goes on.
pub const TAKEN_MAX: usize = 500;
/// A profile whose outbox cannot be carried out is looked at again after this,
/// so that the oldest cannot starve the rest.
pub const BACKOFF: i64 = 5 * Timestamp::MINUTE;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub due: usize,
    pub resent: usize,
    pub failed: usize,
}

impl<P: People, Q: Queue, C: Clock, E: Entropy> Writer<P, Q, C, E> {
    /// Looks at all that is due; one that fails does not keep others waiting.
    pub async fn sweep<D: Definitions>(&self, definitions: &Cached<D>) -> Result<Swept, Failure> {
        self.sweep_of(Proper::SWEPT, definitions).await
    }

    pub(crate) async fn sweep_of<D: Definitions>(
        &self,
        shards: Range<u8>,
        definitions: &Cached<D>,
    ) -> Result<Swept, Failure> {
        let now = self.clock.now();
        let mut swept = Swept::default();
        for shard in shards {
            let due = self.people.due(shard, now, TAKEN_MAX).await.map_err(Failure::retry)?;
            for (workspace, id) in due {
                swept.due += 1;
                // One that hits a bug harms only itself.
                match guard(Box::pin(self.look_at(definitions, &workspace, id, now))).await {
                    Ok(resent) => swept.resent += usize::from(resent),
                    Err(cause) => {
                        swept.failed += 1;
                        let cause = chain(cause.cause());
                        tracing::warn!(profile.id = %id, "Could not carry out the outbox of profile `{id}`: {cause}.");
                    }
                }
            }
        }
        Ok(swept)
    }

    /// The index may be old; what is done follows from the profile itself.
    async fn look_at<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        workspace: &WorkspaceId,
        id: ProfileId,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let found = load::one(&self.people, workspace, id).await.map_err(Failure::retry)?;
        let Some(stored) = found.filter(|stored| stored.due.is_some_and(|due| due <= now)) else {
            return Ok(false);
        };
        let flushed = match stored::profile(id, &stored) {
            // Nothing to send, but an answer may have changed by itself.
            Ok(profile) if profile.outbox.is_empty() => {
                self.refresh(definitions, workspace, id, (&stored, &profile), 0).await.map(drop)
            }
            Ok(profile) => {
                self.flush(definitions, workspace, id, &stored, &profile).await.map_err(Failure::retry)
            }
            Err(unreadable) => Err(unreadable),
        };
        let Err(cause) = flushed else { return Ok(true) };
        self.postpone(workspace, id, stored, now.plus(BACKOFF)).await?;
        Err(cause)
    }

    async fn postpone(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        stored: StoredProfile,
        due: Timestamp,
    ) -> Result<(), Failure> {
        // As it stands: it may be one that this build cannot read.
        let next = StoredProfile { version: self.version(Some(stored.version)), due: Some(due), ..stored };
        let save = Save {
            id,
            seen: Some(stored.version),
            next,
            claims: Vec::new(),
            with: Vec::new(),
            checks: Vec::new(),
        };
        match self.people.save(workspace, save).await {
            Ok(()) | Err(SaveError::Conflict) => Ok(()),
            Err(SaveError::Unavailable(cause)) => Err(Failure::retry(cause)),
        }
    }
}
