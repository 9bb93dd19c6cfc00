//! Asking everybody of one part about new definitions, a while at a time.

use domain::key::ProfileId;
use domain::segment::fill::{Fill, Part, Phase, ROUNDS_MAX, Request, Walked};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use futures_util::StreamExt as _;
use ports::people::{Read, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Queue};
use profile::Writer;
use profile::refresh::Refreshed;
use runtime::definitions::Cached;
use runtime::failure::{Failure, chain, guard};
use runtime::stored;

/// People who are looked at side by side.
const AT_ONCE: usize = 16;
/// Lost races over one person before the part is left to the next minute.
const ATTEMPTS_MAX: usize = 8;

#[derive(Debug, thiserror::Error)]
#[error("the profile was written by others in {ATTEMPTS_MAX} attempts")]
struct Contended;

/// The stage over its ports.
#[derive(Debug)]
pub struct Stage<P, D, Q, C, E> {
    pub writer: Writer<P, Q, C, E>,
    pub definitions: Cached<D>,
}

/// What a while of walking came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    pub looked_at: u64,
    pub written: u64,
    /// Profiles that could not be looked at: the part stays where it is for a while.
    pub failed: u64,
    /// Profiles without which it then went on.
    pub left_out: u64,
    /// Fills that came to their end.
    pub ended: usize,
}

impl<P, D, Q, C, E> Stage<P, D, Q, C, E>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
{
    /// Goes on with what a request names, until `until`; what is left the next
    /// request goes on with. Whoever is through last ends the fill.
    pub async fn walk(&self, body: &str, until: Timestamp) -> Result<Walk, Failure> {
        let mut walk = Walk::default();
        let walked = match Request::unpack(body).map_err(Failure::reject)? {
            Request::Part(part) => self.walk_part(&part, until, &mut walk).await,
            Request::Count(count) => self.count(&count, until).await.map_err(SaveError::Unavailable),
        };
        match walked {
            // Somebody else goes on with it, or it was replaced by a newer one.
            Ok(()) | Err(SaveError::Conflict) => Ok(walk),
            Err(SaveError::Unavailable(cause)) => Err(Failure::retry(cause)),
        }
    }

    async fn walk_part(&self, part: &Part, until: Timestamp, walk: &mut Walk) -> Result<(), SaveError> {
        let Some(mut fill) = self.fill_of(part).await? else { return Ok(()) };
        while let Some(at) = fill.parts.get(usize::from(part.number)).filter(|at| !at.done).cloned() {
            if self.writer.clock.now() >= until {
                return Ok(());
            }
            let before = *walk;
            let to = self.look(&fill, part.number, &at, walk).await?;
            // Who holds the part up is looked at again, and counted once.
            let waits = to.rounds > 0;
            let looked_at = if waits { 0 } else { walk.looked_at - before.looked_at };
            self.definitions.store().walk(&fill, part.number, &to, looked_at).await?;
            if waits {
                return Ok(());
            }
            let left_out = to.left_out.saturating_sub(at.left_out);
            if left_out > 0 {
                walk.left_out += left_out;
                let of = &fill.is.workspace;
                tracing::warn!(workspace = %of, left_out, "Went on without {left_out} profiles that could not be asked in {ROUNDS_MAX} rounds");
            }
            if let Some(at) = fill.parts.get_mut(usize::from(part.number)) {
                *at = to;
            }
        }
        // Other parts went on meanwhile.
        match self.fill_of(part).await?.filter(Fill::is_through) {
            Some(through) => self.end(&through, until, walk).await,
            None => Ok(()),
        }
    }

    /// The fill of a part, if it is still under way and its time has come.
    async fn fill_of(&self, part: &Part) -> Result<Option<Fill>, SaveError> {
        let fills = self.definitions.store().fills().await?;
        let now = self.writer.clock.now();
        Ok(fills.into_iter().find(|fill| fill.is == part.of && !fill.waits(now)))
    }

    async fn end(&self, fill: &Fill, until: Timestamp, walk: &mut Walk) -> Result<(), SaveError> {
        let store = self.definitions.store();
        if fill.is.phase == Phase::Tell {
            store.end(&fill.is).await?;
        } else {
            let set = store.segments(&fill.is.workspace).await?;
            let now = self.writer.clock.now();
            let (switched, tell) = fill.switch(&set, now);
            let counting = self.count_again(&fill.is.workspace).await?;
            store.switch(&fill.is, set.version, &switched, tell.as_ref()).await?;
            self.count_new(counting, &fill.is.workspace, &switched, until).await?;
        }
        walk.ended += 1;
        Ok(())
    }

    /// Looks at the next people of a part; says how far it is then.
    async fn look(&self, fill: &Fill, part: u8, at: &Walked, walk: &mut Walk) -> Result<Walked, SaveError> {
        let people = &self.writer.people;
        let parts = u32::try_from(fill.parts.len()).unwrap_or(u32::MAX);
        let everyone = people.everyone(u32::from(part), parts, at.cursor.as_deref()).await?;
        let is_ours = |(workspace, id)| (workspace == fill.is.workspace).then_some(id);
        let ids: Vec<ProfileId> = everyone.people.into_iter().filter_map(is_ours).collect();
        let found = people.profiles(&fill.is.workspace, &ids, Read::Consistent).await?;
        let there = ids.into_iter().zip(found).filter_map(|(id, stored)| Some((id, stored?)));
        let looks = there.map(|(id, stored)| self.look_at(&fill.is.workspace, id, stored, fill.is.version));
        let failed = walk.failed;
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some((id, looked)) = looks.next().await {
            walk.looked_at += 1;
            match looked {
                Ok(Refreshed::Same) => (),
                Ok(Refreshed::Written | Refreshed::Overtaken) => walk.written += 1,
                Err(cause) => {
                    walk.failed += 1;
                    let cause = chain(cause.cause());
                    tracing::warn!(profile.id = %id, "Could not ask profile `{id}` about new segments: {cause}.");
                }
            }
        }
        Ok(at.on(everyone.next, walk.failed - failed))
    }

    async fn look_at(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        stored: StoredProfile,
        version: u64,
    ) -> (ProfileId, Result<Refreshed, Failure>) {
        (id, guard(Box::pin(self.ask(workspace, id, stored, version))).await)
    }

    /// Asks one person until the answers stand: whoever came between may have
    /// written those of before, for carrying out an outbox gives no new ones.
    async fn ask(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        mut stored: StoredProfile,
        version: u64,
    ) -> Result<Refreshed, Failure> {
        let writer = &self.writer;
        for _ in 0..ATTEMPTS_MAX {
            let profile = stored::profile(id, &stored)?;
            let known = (&stored, &profile);
            match writer.refresh(&self.definitions, workspace, id, known, version).await? {
                Refreshed::Overtaken => (),
                asked @ (Refreshed::Same | Refreshed::Written) => return Ok(asked),
            }
            let again = writer.people.profiles(workspace, &[id], Read::Consistent).await;
            match again.map_err(Failure::retry)?.pop().flatten() {
                Some(again) => stored = again,
                None => return Ok(Refreshed::Same), // There is nobody to ask any more.
            }
        }
        Err(Failure::retry(Contended))
    }
}
