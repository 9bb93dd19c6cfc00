//! One parcel: look at each person, wait for slots, send, and say what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::messaging::Channel;
use domain::messaging::gate::Why;
use domain::messaging::parcel::{PEOPLE_MAX, Parcel, Recipient};
use domain::messaging::run::{self, Outcome, Page, Row, Status};
use domain::segment::compiled::Compiled;
use domain::segment::stored::SegmentId;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use futures_util::StreamExt as _;
use ports::channel::{Email, Sms};
use ports::{Clock, Definitions, Entropy, People, Timer, Unavailable};
use runtime::failure::Failure;

use crate::Stage;
use crate::call::{CLAIMED_BEFORE, Called, paced};
use crate::store;
use crate::weigh::{Errand, Ready, Weighed};

/// People who are looked at side by side.
const LOOKED_AT_ONCE: usize = 16;
/// Letters that are under way side by side: all of a parcel, for each begins to
/// be claimed a while before its slot, and those of 500 a second come at once.
const CALLED_AT_ONCE: usize = PEOPLE_MAX;
/// Slots are taken no further ahead: a quota that is lowered holds from there on.
const AHEAD: i64 = 20 * Timestamp::SECOND;
/// Whoever finds those taken by others looks again when so much of them is left:
/// before the last is over, so that no slot is left out.
const LOOKED_AGAIN: i64 = 10 * Timestamp::SECOND;
/// Who found no slot in a sender's time is handed out again then.
const NO_SLOT: i64 = Timestamp::MINUTE;

/// What a parcel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    pub sent: u64,
    pub unknown: u64,
    pub refused: u64,
    pub skipped: u64,
    pub waiting: u64,
}

/// The parcel names a message that its workspace does not have.
#[derive(Debug, thiserror::Error)]
#[error("workspace `{workspace}` has no message `{message}`")]
struct NoMessage {
    workspace: String,
    message: String,
}

#[derive(Debug, thiserror::Error)]
#[error("message `{0}` is not one that this version can read")]
struct Unreadable(String);

/// What became of people so far: each has one word, the last.
type Outcomes = BTreeMap<Recipient, (u8, Outcome)>;

impl<P, D, M, S, C, E, T> Stage<P, D, M, S, C, E, T>
where
    P: People,
    D: Definitions,
    M: Email,
    S: Sms,
    C: Clock,
    E: Entropy,
    T: Timer,
{
    /// Sends what a parcel asks for, and begins nothing from `until` on: whoever
    /// is left then waits for the next minute.
    pub async fn send(&self, body: &str, until: Timestamp) -> Result<Sent, Failure> {
        let parcel = Parcel::unpack(body).map_err(|unreadable| match unreadable {
            domain::message::Unreadable::Newer(_) => Failure::retry(unreadable),
            _ => Failure::reject(unreadable),
        })?;
        let now = self.clock.now();
        let known = self.definitions.workspace(&parcel.workspace, now).await.map_err(Failure::retry)?;
        let (outreach, segments) = known.map_or((0, 0), |known| (known.outreach, known.segments));
        let wanted = outreach.max(parcel.version);
        let outreach = self.definitions.outreach(&parcel.workspace, wanted).await.map_err(Failure::retry)?;
        let document = outreach.messages.get(&parcel.message).ok_or_else(|| {
            let (workspace, message) = (parcel.workspace.to_string(), parcel.message.to_string());
            Failure::reject(NoMessage { workspace, message })
        })?;
        let message =
            document.message().map_err(|_| Failure::retry(Unreadable(parcel.message.to_string())))?;
        let run = store::run(&self.people, (&self.key, &parcel.workspace), &parcel.message).await;
        let run = run.map_err(Failure::retry)?.map(|(_, run)| run);
        let channel = paced(&message.channels);
        let mut outcomes = Outcomes::new();
        match run.as_ref().map(|run| run.status) {
            Some(Status::Cancelled) => {
                outcomes.extend(parcel.to.iter().map(|to| (*to, (0, Outcome::Cancelled))));
            }
            Some(Status::Paused(_)) => {
                let waits = Outcome::Waits { until: now, why: Why::Paused };
                outcomes.extend(parcel.to.iter().map(|to| (*to, (0, waits))));
            }
            Some(Status::Running) | None => {
                let compiled = self.compiled(&parcel.workspace, message.audience.segment(), segments).await;
                let compiled = compiled.map_err(Failure::retry)?;
                let errand = Errand {
                    workspace: &parcel.workspace,
                    id: &parcel.message,
                    message: &message,
                    outreach: &outreach,
                    policy: outreach.settings.policy(),
                    compiled: &compiled,
                    run: run.as_ref(),
                };
                self.send_all(&errand, &parcel.to, until, &mut outcomes).await?;
            }
        }
        self.record(&parcel, outcomes, channel).await
    }

    /// The segments made ready. What is known of the workspace may be a minute
    /// old, and a segment be newer: before everybody is left out it is looked for.
    async fn compiled(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        version: u64,
    ) -> Result<Arc<Compiled>, Unavailable> {
        let compiled = self.definitions.segments(workspace, version).await?;
        if compiled.has(segment) {
            return Ok(compiled);
        }
        let newest = self.definitions.store().workspace(workspace).await?;
        self.definitions.segments(workspace, newest.map_or(version, |newest| newest.segments)).await
    }

    async fn send_all(
        &self,
        errand: &Errand<'_>,
        to: &[Recipient],
        until: Timestamp,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        let people = self.people_of(errand.workspace, to).await?;
        let now = self.clock.now();
        let looks = people
            .iter()
            .map(|(to, found)| async move { (*to, Box::pin(self.weigh(errand, *to, found, now)).await) });
        // Made before they run: a stream of closures over borrowed data is not `Send` to the compiler.
        let looks: Vec<_> = looks.collect();
        let mut looks = futures_util::stream::iter(looks).buffered(LOOKED_AT_ONCE);
        let mut ready: BTreeMap<Channel, Vec<Box<Ready>>> = BTreeMap::new();
        while let Some((to, weighed)) = looks.next().await {
            match weighed.map_err(Failure::retry)? {
                Weighed::Done(variant, outcome) => drop(outcomes.insert(to, (variant, outcome))),
                Weighed::Ready(one) => ready.entry(one.channel).or_default().push(one),
            }
        }
        drop(looks);
        for (channel, ready) in ready {
            self.send_by(errand, channel, ready, until, outcomes).await?;
        }
        Ok(())
    }

    /// Sends letters of one channel, each in a slot of its pace.
    #[expect(clippy::vec_box, reason = "a letter is large, and goes from hand to hand")]
    async fn send_by(
        &self,
        errand: &Errand<'_>,
        channel: Channel,
        mut left: Vec<Box<Ready>>,
        until: Timestamp,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        while !left.is_empty() {
            let now = self.clock.now();
            // A slot that begins at once would be over before anything is claimed.
            let (first, last) = (now.plus(CLAIMED_BEFORE), until.min(now.plus(AHEAD)));
            let taken = store::change_pace(&self.people, &self.key, channel, |pace| {
                (pace.take(left.len(), first, last), pace.next(first))
            });
            let (slots, next) = taken.await.map_err(Failure::retry)?;
            if slots.is_empty() {
                // To hand all of them back would cost more than to wait, which others do not hear of.
                if let Some(next) = next.filter(|next| *next < until) {
                    self.timer.until(next.plus(-LOOKED_AGAIN).max(first)).await;
                    continue;
                }
                let waits = Outcome::Waits { until: now.plus(NO_SLOT), why: Why::Pace };
                outcomes.extend(left.into_iter().map(|ready| (ready.to, (ready.variant, waits))));
                return Ok(());
            }
            let rest = left.split_off(slots.len().min(left.len()));
            let calls =
                left.into_iter().zip(slots).map(|(ready, slot)| Box::pin(self.call(errand, ready, slot)));
            let calls: Vec<_> = calls.collect();
            let mut calls = futures_util::stream::iter(calls).buffer_unordered(CALLED_AT_ONCE);
            left = rest;
            let mut failed = None;
            while let Some(called) = calls.next().await {
                match called {
                    Ok(Called::Done(ready, outcome)) => {
                        outcomes.insert(ready.to, (ready.variant, outcome));
                    }
                    Ok(Called::Again(ready)) => left.push(ready),
                    // The others go on: a redelivery knows of them.
                    Err(cause) => failed = Some(cause),
                }
            }
            if let Some(cause) = failed {
                return Err(Failure::retry(cause));
            }
        }
        Ok(())
    }

    /// Keeps who waits and what became of everybody; only then is the parcel done.
    async fn record(&self, parcel: &Parcel, outcomes: Outcomes, channel: Channel) -> Result<Sent, Failure> {
        let now = self.clock.now();
        let mut waits: BTreeMap<Timestamp, Vec<Recipient>> = BTreeMap::new();
        let mut told = Sent::default();
        let mut rows = Vec::new();
        for (to, (variant, outcome)) in outcomes {
            rows.push(Row { profile: to.profile, turn: to.turn, variant, outcome });
            match outcome {
                Outcome::Waits { until, .. } => {
                    told.waiting += 1;
                    waits.entry(until.max(now)).or_default().push(to);
                }
                Outcome::Sent(..) => told.sent += 1,
                Outcome::Unknown(..) => told.unknown += 1,
                Outcome::Refused(..) => told.refused += 1,
                Outcome::Skipped(_)
                | Outcome::Unrendered
                | Outcome::HeldOut
                | Outcome::Left
                | Outcome::Cancelled => told.skipped += 1,
            }
        }
        let mut items: Vec<_> = waits.iter().map(|(until, people)| run::wait(*until, people)).collect();
        items.extend(Page { at: now, rows }.item());
        let collection = self.key.message_run(&parcel.workspace, parcel.message.as_str());
        self.people.put(&parcel.workspace, collection, &items).await.map_err(Failure::retry)?;
        let people = u64::try_from(parcel.to.len()).unwrap_or(u64::MAX);
        let done = store::change_pace(&self.people, &self.key, channel, |pace| pace.done(people));
        done.await.map_err(Failure::retry)?;
        Ok(told)
    }
}
