//! Asking everybody of one part about new definitions, a while at a time.

use domain::key::ProfileId;
use domain::segment::fill::{Fill, Part, Phase, Request, Walked};
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
    /// Profiles that could not be looked at: the part stays where it is.
    pub failed: u64,
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
            if walk.failed > before.failed {
                return Ok(());
            }
            let looked_at = walk.looked_at - before.looked_at;
            self.definitions.store().walk(&fill, part.number, &to, looked_at).await?;
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
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some((id, looked)) = looks.next().await {
            walk.looked_at += 1;
            match looked {
                Ok(Refreshed::Same) => (),
                // Whoever came between knew the new definitions, too.
                Ok(Refreshed::Written | Refreshed::Overtaken) => walk.written += 1,
                Err(cause) => {
                    walk.failed += 1;
                    let cause = chain(cause.cause());
                    tracing::warn!(profile.id = %id, "Could not ask profile `{id}` about new segments: {cause}.");
                }
            }
        }
        Ok(Walked { done: everyone.next.is_none(), cursor: everyone.next })
    }

    async fn look_at(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        stored: StoredProfile,
        version: u64,
    ) -> (ProfileId, Result<Refreshed, Failure>) {
        let looked = match stored::profile(id, &stored) {
            Ok(profile) => {
                let known = (&stored, &profile);
                guard(Box::pin(self.writer.refresh(&self.definitions, workspace, id, known, version))).await
            }
            Err(unreadable) => Err(unreadable),
        };
        (id, looked)
    }
}
