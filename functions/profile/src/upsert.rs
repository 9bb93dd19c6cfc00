//! From a batch of queue records to one verdict a record.
//!
//! A batch is folded slice by slice, each of so many people: that bounds the
//! memory it takes, and a batch that is too large for the time it has still
//! ends with what was done, the rest going back to the queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::event::Event;
use domain::identifier::Identifier;
use domain::key::ProfileId;
use domain::message::Message;
use domain::profile::resolve::{Group, Plan, Unfolded};
use domain::rejection::{Reason, Rejection};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use futures_util::StreamExt as _;
use ports::definitions::Workspace;
use ports::people::Read;
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::failure::{Failure, chain};
use runtime::{decision, guard};

use crate::conduct::{Conduct, Verdicts};
use crate::write::{Batch, Brought, Spent, Written};
use crate::{Stage, load, wire};

/// Lost races after which a batch's events go back to the queue.
pub const ATTEMPTS_MAX: usize = 8;
/// People written at once: enough to hide the store's latency.
const WRITES_AT_ONCE: usize = 16;
/// People of a slice. Their profiles are held together, 300 KB each at most,
/// and are read by a few calls.
const SLICE_PEOPLE: usize = 200;

#[derive(Debug, thiserror::Error)]
enum Waits {
    #[error("another writer came between in {ATTEMPTS_MAX} attempts")]
    Contended,
    #[error("the event's profile is being erased")]
    BeingErased,
    #[error("the batch held more than there was time for")]
    OutOfTime,
}

/// What a batch came to, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that are settled: folded, known already, or dropped.
    pub settled: usize,
    /// Of these, events that became part of a profile just now. One whose
    /// write went through while its answer was lost is not among them.
    pub folded: usize,
    /// Of these, late events of people who were erased.
    pub dropped: usize,
    /// Writes of profiles.
    pub people: usize,
    /// Write units of these, as far as [`Spent`] counts them.
    pub write_units: usize,
}

impl Counts {
    /// Events that their profiles had already.
    pub const fn repeated(&self) -> usize {
        self.settled.saturating_sub(self.folded + self.dropped)
    }

    fn wrote(&mut self, spent: Spent) {
        self.people += 1;
        self.folded += spent.folded;
        self.write_units += spent.units;
    }
}

/// The messages of one workspace, each with the place of its record.
type Received = (Option<Arc<Workspace>>, Vec<(usize, Message)>);
/// What became of a record's event; a record fails if one of its events does.
type Outcome = (usize, Result<(), Failure>);

impl<P, D, R, Q, C, E, X> Stage<P, D, R, Q, C, E, X>
where
    P: People,
    D: Definitions,
    R: Rejections,
    Q: Queue,
    C: Clock,
    E: Entropy,
    X: Conduct,
{
    /// Folds the events of all bodies; a verdict for each, in their order.
    /// After `until` nobody's write is begun.
    pub async fn upsert(&self, bodies: &[&str], until: Timestamp) -> Vec<Result<(), Failure>> {
        self.upsert_counted(bodies, until).await.0
    }

    /// The same, and what it came to.
    pub async fn upsert_counted(
        &self,
        bodies: &[&str],
        until: Timestamp,
    ) -> (Vec<Result<(), Failure>>, Counts) {
        let mut counts = Counts::default();
        let mut verdicts: Vec<Result<(), Failure>> = bodies.iter().map(|_| Ok(())).collect();
        let mut workspaces: BTreeMap<WorkspaceId, Received> = BTreeMap::new();
        for (record, body) in bodies.iter().enumerate() {
            match self.read(body).await {
                Ok((message, workspace)) => {
                    let entry =
                        workspaces.entry(message.workspace.clone()).or_insert((workspace, Vec::new()));
                    entry.1.push((record, message));
                }
                Err(failure) => note(&mut verdicts, record, Err(failure)),
            }
        }
        for (workspace, messages) in workspaces.values() {
            let Some(workspace) = workspace else { continue };
            let events: Vec<Brought<'_>> = messages.iter().flat_map(brought).collect();
            for slice in slices(&events) {
                for (record, outcome) in self.fold_slice(workspace, &slice, until, &mut counts).await {
                    counts.settled += usize::from(outcome.is_ok());
                    note(&mut verdicts, record, outcome);
                }
            }
        }
        if X::VERDICTS == Verdicts::OneIgnored
            && let Some(failed) = verdicts.iter_mut().find(|verdict| verdict.is_err())
        {
            *failed = Ok(());
        }
        (verdicts, counts)
    }

    async fn read(&self, body: &str) -> Result<(Message, Option<Arc<Workspace>>), Failure> {
        let message = wire::read(body)?;
        let now = self.writer.clock.now();
        let workspace = self.definitions.workspace(&message.workspace, now).await.map_err(Failure::retry)?;
        wire::belongs(&message, workspace.as_deref())?;
        Ok((message, workspace))
    }

    /// Folds a slice at once. What panics there, or meets a profile that cannot
    /// be read, is done again record by record, so that it harms only its own.
    async fn fold_slice(
        &self,
        workspace: &Workspace,
        slice: &[Brought<'_>],
        until: Timestamp,
        counts: &mut Counts,
    ) -> Vec<Outcome> {
        let together = guard(async { Ok(self.fold(workspace, slice, until, counts).await) }).await;
        let is_spoilt = |(_, outcome): &Outcome| matches!(outcome, Err(Failure::Reject(_)));
        if let Ok(outcomes) = together
            && !outcomes.iter().any(is_spoilt)
        {
            return outcomes;
        }
        let mut outcomes = Vec::new();
        let mut records: BTreeMap<usize, Vec<Brought<'_>>> = BTreeMap::new();
        for brought in slice {
            records.entry(brought.record).or_default().push(*brought);
        }
        for (record, of_one) in records {
            match guard(async { Ok(self.fold(workspace, &of_one, until, counts).await) }).await {
                Ok(of_one) => outcomes.extend(of_one),
                Err(panicked) => outcomes.push((record, Err(panicked))),
            }
        }
        outcomes
    }

    async fn fold(
        &self,
        workspace: &Workspace,
        events: &[Brought<'_>],
        until: Timestamp,
        counts: &mut Counts,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut left = events.to_vec();
        let mut attempt = 0;
        while !left.is_empty() {
            if self.is_late(until) {
                outcomes.extend(left.drain(..).map(|brought| waits(brought, Waits::OutOfTime)));
                break;
            }
            // After a lost race what was read is too old to be asked again.
            let read = if attempt == 0 { Read::Eventual } else { Read::Consistent };
            let (again, progress) =
                self.attempt(workspace, &left, (read, until), (&mut outcomes, counts)).await;
            left = again;
            attempt = if progress { 1 } else { attempt + 1 };
            if attempt >= ATTEMPTS_MAX {
                outcomes.extend(left.drain(..).map(|brought| waits(brought, Waits::Contended)));
            }
        }
        outcomes
    }

    fn is_late(&self, until: Timestamp) -> bool {
        self.writer.clock.now() >= until
    }

    /// Tries to write everyone once; gives back the events to try again, and
    /// whether one of them is left only because its batch was large.
    async fn attempt<'a>(
        &self,
        workspace: &Workspace,
        events: &[Brought<'a>],
        (read, until): (Read, Timestamp),
        (outcomes, counts): (&mut Vec<Outcome>, &mut Counts),
    ) -> (Vec<Brought<'a>>, bool) {
        let only: Vec<&Event> = events.iter().map(|brought| brought.event).collect();
        let planned =
            load::plan(&self.writer.people, &self.writer.key, &workspace.id, &workspace.rules, &only, read)
                .await;
        let (plan, loaded) = match planned {
            Ok(planned) => planned,
            Err(failure) => {
                outcomes.extend(events.iter().map(|brought| (brought.record, Err(copy(&failure)))));
                return (Vec::new(), false);
            }
        };
        // Whoever wrote a profile last may have known newer definitions.
        let known = loaded.known.profiles.values().flatten().map(|profile| profile.segments.definitions);
        let wanted = known.chain([workspace.segments]).max().unwrap_or_default();
        let segments = match self.definitions.segments(&workspace.id, wanted).await.map_err(Failure::retry) {
            Ok(segments) => segments,
            Err(failure) => {
                outcomes.extend(events.iter().map(|brought| (brought.record, Err(copy(&failure)))));
                return (Vec::new(), false);
            }
        };
        let batch = Batch { workspace, segments: &segments, events, loaded: &loaded };
        let mut writes = Vec::new();
        for (id, group) in &plan.groups {
            writes.push(self.guarded(&batch, *id, group, until));
        }
        let written: Vec<_> =
            futures_util::stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
        let mut again = Vec::new();
        let mut progress = false;
        for (group, result) in written {
            let brought = group.events.iter().filter_map(|place| events.get(*place).copied());
            match result {
                Ok(Written::All(spent)) => {
                    if let Some(spent) = spent {
                        counts.wrote(spent);
                    }
                    outcomes.extend(brought.map(|brought| (brought.record, Ok(()))));
                }
                Ok(Written::Part(spent)) => {
                    counts.wrote(spent);
                    progress = true;
                    again.extend(brought);
                }
                Ok(Written::Conflict) => again.extend(brought),
                Err(failure) => {
                    outcomes.extend(brought.map(|brought| (brought.record, Err(copy(&failure)))));
                }
            }
        }
        let before = outcomes.len();
        again.extend(self.unfolded(workspace, events, &plan, outcomes).await);
        counts.dropped += outcomes.iter().skip(before).filter(|(_, outcome)| outcome.is_ok()).count();
        (again, progress)
    }

    async fn guarded<'g>(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        group: &'g Group,
        until: Timestamp,
    ) -> (&'g Group, Result<Written, Failure>) {
        if self.is_late(until) {
            return (group, Err(Failure::retry(Waits::OutOfTime)));
        }
        (group, guard(self.write(batch, id, group)).await)
    }

    async fn unfolded<'a>(
        &self,
        workspace: &Workspace,
        events: &[Brought<'a>],
        plan: &Plan,
        outcomes: &mut Vec<Outcome>,
    ) -> Vec<Brought<'a>> {
        let mut again = Vec::new();
        for (place, why) in &plan.unfolded {
            let Some(brought) = events.get(*place).copied() else { continue };
            match why {
                Unfolded::Stale => again.push(brought),
                Unfolded::BeingErased => outcomes.push(waits(brought, Waits::BeingErased)),
                Unfolded::Erased => {
                    outcomes.push((brought.record, self.refuse_erased(workspace, &brought).await));
                }
            }
        }
        again
    }

    /// An erased person's late event is dropped; that it came is counted, what
    /// it said is not kept.
    async fn refuse_erased(&self, workspace: &Workspace, brought: &Brought<'_>) -> Result<(), Failure> {
        let refusal = Rejection {
            at: self.writer.clock.now(),
            reason: Reason::Erased,
            detail: "the person was erased after this happened; nothing is to be done".to_owned(),
            message_id: None,
            sample: String::new(),
        };
        let refused = [refusal];
        let recorded = self.rejections.record(&workspace.id, &brought.event.source, &refused);
        recorded.await.map_err(Failure::retry)?;
        if decision::wanted() {
            self.log(&workspace.id, brought, "dropped", "");
        }
        Ok(())
    }
}

fn brought((record, message): &(usize, Message)) -> impl Iterator<Item = Brought<'_>> {
    message.events.iter().map(|event| Brought { record: *record, trace: &message.trace, event })
}

/// Cuts a batch into slices of so many people, as far as their events alone
/// tell; all events of one home stay together. What came first is done first.
fn slices<'a>(events: &[Brought<'a>]) -> Vec<Vec<Brought<'a>>> {
    let mut slice_of: HashMap<Option<&Identifier>, usize> = HashMap::new();
    let mut slices: Vec<Vec<Brought<'a>>> = Vec::new();
    for brought in events {
        let new = slice_of.len() / SLICE_PEOPLE;
        let slice = *slice_of.entry(brought.event.home()).or_insert(new);
        if slice == slices.len() {
            slices.push(Vec::new());
        }
        if let Some(slice) = slices.get_mut(slice) {
            slice.push(*brought);
        }
    }
    slices
}

fn waits(brought: Brought<'_>, why: Waits) -> Outcome {
    (brought.record, Err(Failure::retry(why)))
}

/// One failure of the store fails all the records that needed it.
fn copy(failure: &Failure) -> Failure {
    let cause = chain(failure.cause());
    match failure {
        Failure::Retry(_) => Failure::retry(cause),
        Failure::Reject(_) => Failure::reject(cause),
    }
}

/// A record's first failure stands; a rejection outweighs a retry only if it came first.
fn note(verdicts: &mut [Result<(), Failure>], record: usize, outcome: Result<(), Failure>) {
    if let Some(verdict) = verdicts.get_mut(record)
        && verdict.is_ok()
    {
        *verdict = outcome;
    }
}

#[cfg(test)]
mod tests;
