//! Once a minute: who is to be written to next, as many as senders can take.
//!
//! Nobody is handed out before the list says where to go on after them, and
//! whoever is handed out twice gets one letter: the delivery is claimed once.

use std::collections::BTreeSet;

use domain::key::ProfileId;
use domain::messaging::Channel;
use domain::messaging::gate::Priority;
use domain::messaging::outreach::{Audience, Message, MessageId, expires};
use domain::messaging::pace::Quota as Allowed;
use domain::messaging::parcel::{PEOPLE_MAX, Parcel, Recipient};
use domain::messaging::run::{self, Run, Status};
use domain::profile::stored::Item;
use domain::segment::list;
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::channel::Quota;
use ports::people::SaveError;
use ports::queue::Outgoing;
use ports::{Clock, Definitions, People, Queue, Unavailable};
use runtime::definitions::Cached;
use runtime::failure::{Failure, chain};

use crate::call::paced;
use crate::store;

/// Senders have work for so long: a planner that does not come for once stops nobody.
const AHEAD: i64 = 3 * Timestamp::MINUTE;
/// People of one parcel are what a sender sends in so long, within bounds.
const PARCEL_OF: u64 = 5;
const PEOPLE_MIN: usize = 5;
/// A broadcast that has expired is looked at for so long: whoever waits is told.
const TOLD_FOR: i64 = 3 * Timestamp::DAY;
/// What was handed out is waited for no longer than this while senders have too
/// little to do: it is lost, or was given up.
const LOST_AFTER: i64 = 10 * Timestamp::MINUTE;

/// The planner over its ports.
#[derive(Debug)]
pub struct Planner<P, D, Q, N, C> {
    pub people: P,
    pub definitions: Cached<D>,
    /// The stage's own queue.
    pub queue: Q,
    /// What accounts may send, by channel; a channel without one keeps its pace.
    pub quotas: Vec<(Channel, N)>,
    pub clock: C,
    pub key: domain::key::IdKey,
}

/// What a run of the planner did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Planned {
    /// Messages that are under way.
    pub open: usize,
    /// People who were handed out.
    pub handed: u64,
    /// Messages that could not be looked at.
    pub failed: usize,
}

impl Planned {
    fn fail(&mut self, id: &MessageId, cause: &Unavailable) {
        self.failed += 1;
        let (id, cause) = (id.as_str(), chain(cause));
        tracing::warn!(message = id, cause, "Could not plan message `{id}`: {cause}");
    }
}

/// One message of one workspace, as far as the planner knows it.
#[derive(Clone)]
struct Open {
    workspace: WorkspaceId,
    id: MessageId,
    version: u64,
    message: Message,
    run: Option<(Item, Run)>,
}

impl<P, D, Q, N, C> Planner<P, D, Q, N, C>
where
    P: People,
    D: Definitions,
    Q: Queue,
    N: Quota,
    C: Clock,
{
    /// Hands out who waits and whose time has come, then goes on with broadcasts.
    pub async fn plan(&self) -> Result<Planned, Failure> {
        let mut planned = Planned::default();
        let open = self.open(&mut planned).await.map_err(Failure::retry)?;
        planned.open = open.len();
        let channels: BTreeSet<Channel> = open.iter().map(|open| paced(&open.message.channels)).collect();
        for channel in channels {
            if let Err(cause) = self.learn(channel).await {
                // What was known last goes on to hold; it is asked again the next minute.
                let (channel, cause) = (channel.name(), chain(&cause));
                tracing::warn!(channel, cause, "Could not ask what may be sent by {channel}: {cause}");
            }
            let (mut room, each) = self.room(channel).await.map_err(Failure::retry)?;
            for priority in [Priority::High, Priority::Normal] {
                let is_ours = |open: &&Open| {
                    paced(&open.message.channels) == channel && open.message.priority == priority
                };
                let ours: Vec<&Open> = open.iter().filter(is_ours).collect();
                for waiting in [true, false] {
                    room = self.share(&ours, waiting, (room, each), &mut planned).await;
                }
            }
        }
        Ok(planned)
    }

    /// Hands out people of messages of one priority, of each as many as of the
    /// others while it has as many; says what room is left.
    async fn share(
        &self,
        ours: &[&Open],
        waiting: bool,
        (mut room, each): (u64, usize),
        planned: &mut Planned,
    ) -> u64 {
        let mut left: Vec<Open> = ours.iter().map(|open| (*open).clone()).collect();
        while room > 0 && !left.is_empty() {
            let share = room.div_ceil(u64::try_from(left.len()).unwrap_or(u64::MAX));
            let mut more = Vec::new();
            for mut open in left {
                let share = share.min(room);
                let handed = if waiting {
                    self.hand_waiting(&open, share, each).await
                } else {
                    self.hand_listed(&mut open, share, each).await
                };
                match handed {
                    Ok(handed) => {
                        planned.handed += handed;
                        room = room.saturating_sub(handed);
                        if handed >= share {
                            more.push(open);
                        }
                    }
                    // One that cannot be read harms only itself.
                    Err(cause) => planned.fail(&open.id, &cause),
                }
            }
            left = more;
        }
        room
    }

    /// The messages that somebody may get now. One that cannot be read harms only
    /// itself; where none can, it is the store that fails.
    async fn open(&self, planned: &mut Planned) -> Result<Vec<Open>, Unavailable> {
        let (mut open, mut failed) = (Vec::new(), None);
        for workspace in self.definitions.store().senders().await? {
            let known = self.definitions.workspace(&workspace, self.clock.now()).await?;
            let Some(version) = known.map(|known| known.outreach) else { continue };
            let outreach = self.definitions.outreach(&workspace, version).await?;
            for (id, document) in &outreach.messages {
                let Ok(message) = document.message() else { continue };
                let run = match store::run(&self.people, (&self.key, &workspace), id).await {
                    Ok(run) => run,
                    Err(cause) => {
                        planned.fail(id, &cause);
                        failed = Some(cause);
                        continue;
                    }
                };
                if is_open(&message, run.as_ref().map(|(_, run)| run), self.clock.now()) {
                    let (workspace, version, id) = (workspace.clone(), outreach.version, id.clone());
                    open.push(Open { workspace, id, version, message, run });
                }
            }
        }
        failed.filter(|_| open.is_empty()).map_or(Ok(open), Err)
    }

    /// Asks the provider what the account may send, if that is not known any more.
    async fn learn(&self, channel: Channel) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let Some((_, provider)) = self.quotas.iter().find(|(of, _)| *of == channel) else { return Ok(()) };
        let is_stale =
            store::change_pace(&self.people, &self.key, channel, |pace| pace.is_stale(now)).await?;
        if !is_stale {
            return Ok(());
        }
        let quota = provider.quota().await?;
        let per_second_milli = if quota.is_enabled { quota.max_send_rate_milli } else { 0 };
        let allowed = Allowed { per_second_milli, per_day: quota.max_24_hours.unwrap_or(u64::MAX) };
        let counted = quota.sent_24_hours;
        store::change_pace(&self.people, &self.key, channel, |pace| pace.learn(allowed, counted, now)).await
    }

    /// How many people to hand out now, and how many a parcel.
    async fn room(&self, channel: Channel) -> Result<(u64, usize), Unavailable> {
        let now = self.clock.now();
        store::change_pace(&self.people, &self.key, channel, |pace| {
            // What never comes back would hold its share of the work for ever.
            if pace.is_idle(now, LOST_AFTER) && pace.outstanding() > 0 {
                pace.forget();
            }
            let each = pace.quota().per_second_milli.saturating_mul(PARCEL_OF) / 1_000;
            let each = usize::try_from(each).unwrap_or(PEOPLE_MAX).clamp(PEOPLE_MIN, PEOPLE_MAX);
            // A day that has no room needs nobody to be handed out for it.
            (if pace.next(now).is_some() { pace.wanted(AHEAD) } else { 0 }, each)
        })
        .await
    }

    /// Hands out who waits until now; who is put back is on the queue first.
    async fn hand_waiting(&self, open: &Open, room: u64, each: usize) -> Result<u64, Unavailable> {
        let collection = self.key.message_run(&open.workspace, open.id.as_str());
        let (mut handed, mut from_to) = (0, run::waiting(Some(self.clock.now())));
        while handed < room {
            let page = self.people.items(&open.workspace, collection, &from_to.0, &from_to.1).await?;
            for item in &page.items {
                if handed >= room {
                    break;
                }
                let people = run::read_wait(item).map_err(store::unreadable("reading who waits"))?;
                handed += self.hand(open, &people, each).await?;
                self.people.remove(&open.workspace, collection, std::slice::from_ref(&item.key)).await?;
            }
            match page.next {
                Some(last) => from_to.0 = store::after(&last),
                None => break,
            }
        }
        Ok(handed)
    }

    /// Goes on with a broadcast's list.
    async fn hand_listed(&self, open: &mut Open, room: u64, each: usize) -> Result<u64, Unavailable> {
        let (Audience::Broadcast(segment), Some((item, run))) = (&open.message.audience, &open.run) else {
            return Ok(0);
        };
        let (mut item, mut run, mut handed) = (item.clone(), run.clone(), 0);
        if run.start > self.clock.now() || run.status != Status::Running {
            return Ok(0);
        }
        let set = self.definitions.store().segments(&open.workspace).await?;
        let Some(version) = active(&set, segment) else { return Ok(0) };
        let collection = self.key.message_run(&open.workspace, open.id.as_str());
        while handed < room && !run.is_through() {
            let shard = list::collection(&self.key, &open.workspace, segment, version, run.shard);
            let (from, to) = list::rows_after(run.after);
            let page = self.people.items(&open.workspace, shard, &from, &to).await?;
            let room_left = usize::try_from(room - handed).unwrap_or(usize::MAX);
            let mut members = Vec::new();
            let mut last: Option<ProfileId> = None;
            let mut rows = page.items.iter();
            for row in rows.by_ref() {
                let row =
                    list::read_row(row).map_err(store::unreadable("reading a row of a segment's list"))?;
                last = Some(row.profile);
                if row.holds {
                    members.push(Recipient { profile: row.profile, turn: 0, due: run.start });
                }
                if members.len() >= room_left {
                    break;
                }
            }
            let is_end = rows.len() == 0 && page.next.is_none();
            // First to the queue: after a crash they are handed out again, and nobody is left out.
            let now_handed = self.hand(open, &members, each).await?;
            run.advance(last, is_end, now_handed);
            let next = run.item();
            match self.people.replace(&open.workspace, collection, Some(&item), &next).await {
                Ok(()) => item = next,
                // Paused or cancelled meanwhile, or another planner goes on: the next minute looks again.
                Err(SaveError::Conflict) => {
                    open.run = None;
                    return Ok(handed + now_handed);
                }
                Err(SaveError::Unavailable(cause)) => return Err(cause),
            }
            handed += now_handed;
        }
        open.run = Some((item, run));
        Ok(handed)
    }

    async fn hand(&self, open: &Open, people: &[Recipient], each: usize) -> Result<u64, Unavailable> {
        let parcel = |some: &[Recipient]| {
            let (workspace, message) = (open.workspace.clone(), open.id.clone());
            let parcel = Parcel { workspace, message, version: open.version, to: some.to_vec() };
            Outgoing { body: parcel.pack(), ..Outgoing::default() }
        };
        let parcels: Vec<Outgoing> = people.chunks(each.max(1)).map(parcel).collect();
        let handed = u64::try_from(people.len()).unwrap_or(u64::MAX);
        if handed > 0 {
            let channel = paced(&open.message.channels);
            store::change_pace(&self.people, &self.key, channel, |pace| pace.hand(handed)).await?;
            self.queue.send(parcels).await?;
        }
        Ok(handed)
    }
}

/// Whether there may be somebody to hand out.
fn is_open(message: &Message, run: Option<&Run>, now: Timestamp) -> bool {
    match (run, &message.audience) {
        (Some(run), Audience::Broadcast(_)) => {
            // Whoever waits is told that a message was cancelled, or is of no use any more.
            let last = expires(message, run.start).plus(TOLD_FOR);
            let is_over = run.is_through() || run.status == Status::Cancelled;
            !matches!(run.status, Status::Paused(_)) && (!is_over || now < last)
        }
        (None, Audience::Broadcast(_)) => false,
        (run, Audience::Entering(_)) => !run.is_some_and(|run| matches!(run.status, Status::Paused(_))),
    }
}

/// The version of a segment's list whose rows count now. A list that everybody
/// was not asked for yet has not all: who comes behind the run would be left out.
fn active(set: &SegmentSet, segment: &SegmentId) -> Option<u32> {
    let found = set.find(segment).filter(|found| !found.ended)?;
    found.active.as_ref().map(|versioned| versioned.version)
}
