//! The sweep: whoever is due is looked at again.
//!
//! It asks for *all* that is due from the beginning, never for one moment: an
//! index that lags shows an item later, and a later sweep must still find it.
//!
//! It ends in time, and whoever ends it against its will (by a timeline that
//! takes all memory, say) keeps nobody else waiting for long: each minute it
//! begins with another shard, and within a shard with another person. To move
//! everybody's time back before they are looked at would say who it was, at the
//! price of a second write of everybody each time.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::task::Poll;

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
    /// Looks at all that is due, as far as the time goes; one that fails does not
    /// keep others waiting.
    pub async fn sweep<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        until: Timestamp,
    ) -> Result<Swept, Failure> {
        self.sweep_of(Proper::SWEPT, definitions, until).await
    }

    pub(crate) async fn sweep_of<D: Definitions>(
        &self,
        shards: Range<u8>,
        definitions: &Cached<D>,
        until: Timestamp,
    ) -> Result<Swept, Failure> {
        let now = self.clock.now();
        let mut swept = Swept::default();
        for shard in turned(shards.collect(), now) {
            if self.clock.now() >= until {
                return Ok(swept);
            }
            let due = self.people.due(shard, now, TAKEN_MAX).await.map_err(Failure::retry)?;
            for (workspace, id) in turned(due, now) {
                if self.clock.now() >= until {
                    return Ok(swept);
                }
                swept.due += 1;
                // One that hits a bug harms only itself.
                match guard(Box::pin(self.look_at(definitions, &workspace, id, (now, until)))).await {
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
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, Failure> {
        let found = load::one(&self.people, workspace, id).await.map_err(Failure::retry)?;
        let Some(stored) = found.filter(|stored| stored.due.is_some_and(|due| due <= now)) else {
            return Ok(false);
        };
        let look = async {
            let profile = stored::profile(id, &stored)?;
            if profile.outbox.is_empty() {
                // Nothing to send, but an answer may have changed by itself.
                return self.refresh(definitions, workspace, id, (&stored, &profile), 0).await.map(drop);
            }
            self.flush(definitions, workspace, id, &stored, &profile).await.map_err(Failure::retry)
        };
        let Err(cause) = within(&self.clock, until, look).await else { return Ok(true) };
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

#[derive(Debug, thiserror::Error)]
#[error("the sweep's time was over before the profile was looked at")]
struct OutOfTime;

/// Gives a look up once the time is over: what it has not written is as after a crash.
async fn within<C: Clock>(
    clock: &C,
    until: Timestamp,
    look: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut look = pin!(look);
    poll_fn(|context| match look.as_mut().poll(context) {
        Poll::Pending if clock.now() >= until => Poll::Ready(Err(Failure::retry(OutOfTime))),
        polled => polled,
    })
    .await
}

/// All of them, each minute from another one on.
fn turned<T>(mut all: Vec<T>, now: Timestamp) -> Vec<T> {
    let minute = now.millis().div_euclid(Timestamp::MINUTE).unsigned_abs();
    let first = usize::try_from(minute).ok().and_then(|minute| minute.checked_rem(all.len()));
    all.rotate_left(first.unwrap_or_default());
    all
}
