//! One person of a batch: what is new, folded and written in one condition.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::Event;
use domain::key::{EventName, ProfileId};
use domain::profile::ledger::{ADDED_MAX, Entry, Known, SPILL_ABOVE};
use domain::profile::rebuild::seed;
use domain::profile::resolve::{Elsewhere, Group, NewClaim};
use domain::profile::stored::{IdentityRow, Item, ItemKey, Owner, write_units};
use domain::profile::traits::Overflow;
use domain::profile::{Held, Profile, group, lineage, page};
use domain::rejection::{Reason, Rejection};
use domain::segment::Cause;
use domain::segment::compiled::Compiled;
use domain::segment::settle::Changed;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::Workspace;
use ports::people::{Check, Claim, Save, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::decision::{self, Decision};
use runtime::failure::Failure;

use crate::Stage;
use crate::conduct::{Conduct, Dedup, Order};
use crate::load::Loaded;

/// Items that a transaction of `DynamoDB` takes, less the profile's own.
const TRANSACTION_MAX: usize = 99;
/// Bytes of pages that one write takes: a transaction holds 4 MB.
const PAGES_MAX: usize = 3 * 1024 * 1024;
/// Lost races over a group's item before its event goes back to the queue.
const GROUP_ATTEMPTS_MAX: usize = 8;

/// An event, and what brought it.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'a> {
    /// The place of its record in the batch.
    pub record: usize,
    pub trace: &'a str,
    pub event: &'a Event,
}

/// The events of one workspace in one batch, and what was read for them.
#[derive(Debug)]
pub struct Batch<'a> {
    pub workspace: &'a Workspace,
    pub segments: &'a Compiled,
    pub events: &'a [Brought<'a>],
    pub loaded: &'a Loaded,
}

/// What one write took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Events that were new.
    pub folded: usize,
    /// Write units of the profile, its pages and its claims, by the sizes that
    /// we know; what an outbox takes is not in it.
    pub units: usize,
}

/// How far the write of one person came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All is done; `None` if nothing was new.
    All(Option<Spent>),
    /// There were more events than one write takes: go on with the rest.
    Part(Spent),
    /// Another writer came between, or the answer of our own write was lost:
    /// read again, the ledger tells.
    Conflict,
}

#[derive(Debug, thiserror::Error)]
#[error("the outbox of profile `{0}` is full; its receiver does not take what it holds")]
struct OutboxFull(ProfileId);

#[derive(Debug, thiserror::Error)]
#[error("the profile was written under newer definitions of segments")]
struct OlderDefinitions;

#[derive(Debug, thiserror::Error)]
#[error("a group's item was taken by others in {GROUP_ATTEMPTS_MAX} attempts")]
struct GroupContended;

/// What is to be written for one person.
struct Decided {
    next: Profile,
    claims: Vec<Claim>,
    /// Ledger and timeline pages, and what was left out.
    items: Vec<Item>,
    checks: Vec<Check>,
    /// What was left out of which event.
    refused: Vec<(usize, Rejection)>,
}

impl Decided {
    fn is_one_write(&self) -> bool {
        let bytes: usize = self.items.iter().map(|item| item.body.len()).sum();
        self.items.len() + self.claims.len() + self.checks.len() < TRANSACTION_MAX && bytes <= PAGES_MAX
    }
}

/// An event that the ledger does not know.
type Fresh<'a> = (usize, &'a Event, EventName);

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
    /// Folds what is new of one person's events and writes it.
    pub async fn write(&self, batch: &Batch<'_>, id: ProfileId, group: &Group) -> Result<Written, Failure> {
        let read = batch.loaded.known.profiles.get(&id).and_then(Option::as_ref);
        let profile = read.cloned().unwrap_or_default();
        // Whoever wrote it last knew definitions that this batch does not.
        if profile.segments.definitions > batch.segments.version {
            return Err(Failure::retry(OlderDefinitions));
        }
        let stored = batch.loaded.stored.get(&id);
        if let (true, Some(stored)) = (profile.outbox.is_full(), stored) {
            self.writer
                .flush(&self.definitions, &batch.workspace.id, id, stored, &profile)
                .await
                .map_err(Failure::retry)?;
            return Err(Failure::retry(OutboxFull(id)));
        }
        let fresh = self.fresh(batch, id, group, &profile).await?;
        let fresh = self.nowhere_else(batch, group, fresh).await?;
        let mut taken = fresh.get(..ADDED_MAX.min(fresh.len())).unwrap_or_default();
        if taken.is_empty() {
            self.tell(batch, id, group, &fresh, 0);
            return Ok(Written::All(None));
        }
        let mut decided = self.decide(batch, id, group, taken, &profile);
        while !decided.is_one_write() && taken.len() > 1 {
            taken = taken.get(..taken.len() / 2).unwrap_or_default();
            decided = self.decide(batch, id, group, taken, &profile);
        }
        self.before(batch, taken, std::mem::take(&mut decided.refused)).await?;
        let saved = self.save(batch, id, (stored, &profile), decided).await;
        if saved.is_ok() {
            self.tell(batch, id, group, &fresh, taken.len());
        }
        let spent = |units| Spent { folded: taken.len(), units };
        match saved {
            Ok(units) if taken.len() < fresh.len() => Ok(Written::Part(spent(units))),
            Ok(units) => Ok(Written::All(Some(spent(units)))),
            Err(SaveError::Conflict) => Ok(Written::Conflict),
            Err(SaveError::Unavailable(cause)) => Err(Failure::retry(cause)),
        }
    }

    /// Logs what became of the events: those taken were folded, those that the
    /// ledger knew are repetitions; the rest comes with the next write.
    fn tell(&self, batch: &Batch<'_>, id: ProfileId, group: &Group, fresh: &[Fresh<'_>], taken: usize) {
        if !decision::wanted() {
            return;
        }
        let profile = id.to_string();
        let of_fresh: BTreeMap<usize, usize> =
            fresh.iter().enumerate().map(|(nth, (place, ..))| (*place, nth)).collect();
        for place in &group.events {
            let Some(brought) = batch.events.get(*place) else { continue };
            let decision = match of_fresh.get(place) {
                None => "repeated",
                Some(nth) if *nth < taken => "folded",
                Some(_) => continue,
            };
            self.log(&batch.workspace.id, brought, decision, &profile);
        }
    }

    pub(crate) fn log(
        &self,
        workspace: &WorkspaceId,
        of: &Brought<'_>,
        decision: &'static str,
        profile: &str,
    ) {
        let Brought { trace, event, .. } = *of;
        let message_key = self.writer.key.message(&event.message_id);
        let (workspace, source, kind) = (workspace.as_str(), event.source.as_str(), event.kind.name());
        Decision { stage: "profile", trace, message_key, workspace, source, kind, decision, profile }.log();
    }

    /// What the new events make of the profile.
    fn decide(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        group: &Group,
        taken: &[Fresh<'_>],
        profile: &Profile,
    ) -> Decided {
        let mut next = profile.clone();
        let mut items = page::ledger(next.epoch, &spill::<X>(&mut next, taken.len()));
        let claims = self.take(batch, id, group, taken, &mut next);
        let refused = self.fold_into(batch, &mut next, group, taken, !claims.is_empty());
        let events: Vec<&Event> = taken.iter().map(|(_, event, _)| *event).collect();
        items.extend(page::timeline(next.epoch, &events));
        items.extend(left_out(batch, group, taken));
        let checks = self.checks(batch, group, taken, &claims);
        Decided { next, claims, items, checks, refused }
    }

    /// Without the events of which another profile has a copy, folded when
    /// other rules gave them another home.
    async fn nowhere_else<'b>(
        &self,
        batch: &Batch<'_>,
        group: &Group,
        mut fresh: Vec<Fresh<'b>>,
    ) -> Result<Vec<Fresh<'b>>, Failure> {
        if X::DEDUP == Dedup::None {
            return Ok(fresh);
        }
        for (place, elsewhere) in &group.elsewhere {
            let Elsewhere::Profile(other) = elsewhere else { continue };
            let Some(profile) = batch.loaded.known.profiles.get(other).and_then(Option::as_ref) else {
                continue;
            };
            let Some(at) = fresh.iter().position(|(of, ..)| of == place) else { continue };
            let Some((_, event, name)) = fresh.get(at) else { continue };
            let is_there = match profile.ledger.knows(*name, event.client_time) {
                Known::Applied => true,
                Known::New => false,
                Known::AskPages { from } => self.applied(batch, *other, profile, from).await?.contains(name),
            };
            if is_there {
                fresh.remove(at);
            }
        }
        Ok(fresh)
    }

    /// That no copy of the events is folded elsewhere meanwhile: whoever does
    /// it changes what is checked here, and checks what is changed here.
    fn checks(&self, batch: &Batch<'_>, group: &Group, taken: &[Fresh<'_>], claims: &[Claim]) -> Vec<Check> {
        let mut checks = Vec::new();
        let is_taken = |place: &usize| taken.iter().any(|(of, _, _)| of == place);
        for (_, elsewhere) in group.elsewhere.iter().filter(|(place, _)| is_taken(place)) {
            let check = match elsewhere {
                Elsewhere::Profile(id) => {
                    batch.loaded.stored.get(id).map(|stored| Check::Profile { id: *id, seen: stored.version })
                }
                Elsewhere::Nobody(identifier, seen) => {
                    let key = self.writer.key.identifier(&batch.workspace.id, identifier);
                    // A claim of the same row is on the same condition.
                    let is_claimed = claims.iter().any(|claim| claim.key == key);
                    (!is_claimed).then_some(Check::Row { key, seen: *seen })
                }
            };
            checks.extend(check.filter(|check| !checks.contains(check)));
        }
        checks
    }

    /// The events that were not applied yet: not in the ledger, not on its
    /// pages, and each once however often the batch holds it.
    async fn fresh<'b>(
        &self,
        batch: &Batch<'b>,
        id: ProfileId,
        group: &Group,
        profile: &Profile,
    ) -> Result<Vec<Fresh<'b>>, Failure> {
        let mut seen = BTreeSet::new();
        let mut fresh = Vec::new();
        let mut doubtful = Vec::new();
        for place in &group.events {
            let Some(event) = batch.events.get(*place).map(|brought| brought.event) else { continue };
            let name = event.name(&self.writer.key);
            if X::DEDUP == Dedup::None {
                fresh.push((*place, event, name));
                continue;
            }
            match profile.ledger.knows(name, event.client_time) {
                _ if !seen.insert(name) => (),
                Known::Applied => (),
                Known::New => fresh.push((*place, event, name)),
                Known::AskPages { from } => doubtful.push((from, (*place, event, name))),
            }
        }
        let Some(from) = doubtful.iter().map(|(from, _)| *from).min() else { return Ok(fresh) };
        let applied = self.applied(batch, id, profile, from).await?;
        fresh.extend(doubtful.into_iter().map(|(_, one)| one).filter(|(_, _, name)| !applied.contains(name)));
        Ok(fresh)
    }

    /// What the ledger's pages name, those of all profiles that were taken in
    /// included.
    async fn applied(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        profile: &Profile,
        from: Timestamp,
    ) -> Result<BTreeSet<EventName>, Failure> {
        let mut applied = BTreeSet::new();
        for (id, epoch) in profile.collections(id) {
            self.ledger_pages(batch, id, page::ledger_range(epoch, from), &mut applied).await?;
        }
        Ok(applied)
    }

    async fn ledger_pages(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        (mut from, to): (ItemKey, ItemKey),
        applied: &mut BTreeSet<EventName>,
    ) -> Result<(), Failure> {
        loop {
            let items = self
                .writer
                .people
                .items(&batch.workspace.id, id, &from, &to)
                .await
                .map_err(Failure::retry)?;
            for item in &items.items {
                applied.extend(page::read_ledger(&item.body).map_err(Failure::retry)?);
            }
            match items.next {
                Some(next) => from = after(&next),
                None => return Ok(()),
            }
        }
    }

    /// Takes the identifiers that the new events bring.
    fn take(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        group: &Group,
        taken: &[Fresh<'_>],
        next: &mut Profile,
    ) -> Vec<Claim> {
        let brought = |claim: &&NewClaim| {
            taken.iter().any(|(_, event, _)| event.identifiers.contains(&claim.identifier))
        };
        let mut claims = Vec::new();
        for claim in group.claims.iter().filter(brought) {
            let key = self.writer.key.identifier(&batch.workspace.id, &claim.identifier);
            let held = Held { generation: claim.generation, since: claim.since };
            next.identifiers.insert(claim.identifier.clone(), held);
            next.seed = next
                .seed
                .into_iter()
                .chain([seed(&self.writer.key, &batch.workspace.id, &claim.identifier)])
                .min();
            let row = IdentityRow { owner: Owner::Profile(id), generation: claim.generation };
            claims.push(Claim { key, seen: claim.seen, row });
        }
        claims
    }

    fn fold_into(
        &self,
        batch: &Batch<'_>,
        next: &mut Profile,
        group: &Group,
        taken: &[Fresh<'_>],
        is_named_anew: bool,
    ) -> Vec<(usize, Rejection)> {
        let now = self.writer.clock.now();
        let mut changed = Changed::default();
        if is_named_anew {
            changed.identifiers();
        }
        // What opened and closed before these events came happened before them.
        if next.segments.until.is_some_and(|until| until <= now) {
            next.advance(batch.segments, now);
        }
        let mut refused = Vec::new();
        for (place, event, name) in taken {
            let entry = Entry { at: event.client_time.at(), name: *name };
            next.ledger.add(entry);
            let overflow = next.fold_under(batch.segments, event, *name, &mut changed);
            refused.extend(overflow.iter().map(|left| (*place, traits_overflow(now, event, left))));
        }
        let is_taken = |place: &usize| taken.iter().any(|(of, _, _)| of == place);
        next.settle(batch.segments, &changed, false, now, Cause::Event);
        for (_, tie) in group.ties.iter().filter(|(place, _)| is_taken(place)) {
            if next.mark_tie(tie.mark()) {
                next.outbox.push(tie.clone());
            }
        }
        for (place, identifier, reason) in group.dropped.iter().filter(|(place, ..)| is_taken(place)) {
            let detail = format!("an identifier of kind `{}` was left out of the event", identifier.kind());
            refused.push((
                *place,
                Rejection { at: now, reason: *reason, detail, message_id: None, sample: String::new() },
            ));
        }
        refused
    }

    /// What stands outside the profile's collection is written first, and in a
    /// way that repeating it changes nothing.
    async fn before(
        &self,
        batch: &Batch<'_>,
        taken: &[Fresh<'_>],
        refused: Vec<(usize, Rejection)>,
    ) -> Result<(), Failure> {
        let mut by_source: BTreeMap<&SourceId, Vec<Rejection>> = BTreeMap::new();
        for (place, rejection) in refused {
            let Some(Brought { event, .. }) = batch.events.get(place) else { continue };
            by_source.entry(&event.source).or_default().push(rejection);
        }
        // One call a source: one event can have thousands of traits too many.
        for (source, refused) in by_source {
            let recorded = self.rejections.record(&batch.workspace.id, source, &refused);
            recorded.await.map_err(Failure::retry)?;
        }
        for (_, event, name) in taken {
            if let Some(described) = group::described(event) {
                self.describe(batch, &described, event, *name).await?;
            }
        }
        Ok(())
    }

    async fn describe(
        &self,
        batch: &Batch<'_>,
        described: &str,
        event: &Event,
        name: EventName,
    ) -> Result<(), Failure> {
        let workspace = &batch.workspace.id;
        let id = self.writer.key.group(workspace, described);
        let key = group::item_key();
        for _ in 0..GROUP_ATTEMPTS_MAX {
            let found =
                self.writer.people.items(workspace, id, &key, &after(&key)).await.map_err(Failure::retry)?;
            let seen = found.items.first();
            let mut known = seen
                .map(|item| group::Group::decode(&item.body))
                .transpose()
                .map_err(Failure::retry)?
                .unwrap_or_default();
            let before = known.clone();
            known.observe(event, name);
            if known == before {
                return Ok(());
            }
            let next = Item { key: key.clone(), body: known.encode() };
            match self.writer.people.replace(workspace, id, seen, &next).await {
                Ok(()) => return Ok(()),
                Err(SaveError::Conflict) => (),
                Err(SaveError::Unavailable(cause)) => return Err(Failure::retry(cause)),
            }
        }
        Err(Failure::retry(GroupContended))
    }

    /// Writes pages and profile. Pages travel in the profile's transaction
    /// whenever that creates a profile or claims an identifier: a page of an
    /// attempt that loses such a race would be an orphan that no erasure finds.
    ///
    /// Gives back the write units that this took.
    async fn save(
        &self,
        batch: &Batch<'_>,
        id: ProfileId,
        (stored, read): (Option<&StoredProfile>, &Profile),
        decided: Decided,
    ) -> Result<usize, SaveError> {
        let Decided { next, mut claims, items, checks, .. } = decided;
        let workspace = &batch.workspace.id;
        let mut spent: usize = items.iter().map(|item| write_units(item.body.len())).sum::<usize>();
        spent += claims.len() + checks.len();
        let mut seen = stored.map(|stored| stored.version);
        let is_transaction = stored.is_none() || !claims.is_empty() || !checks.is_empty();
        let with = if is_transaction {
            items
        } else {
            self.writer.people.put(workspace, id, &items).await?;
            Vec::new()
        };
        if let Some(half) = half::<X>(read, &next) {
            let first = self.writer.stored(seen, &half);
            let version = first.version;
            self.writer
                .people
                .save(
                    workspace,
                    Save {
                        id,
                        seen,
                        next: first,
                        claims: std::mem::take(&mut claims),
                        with: Vec::new(),
                        checks: checks.clone(),
                    },
                )
                .await?;
            seen = Some(version);
        }
        let whole = self.writer.stored(seen, &next);
        spent += write_units(whole.body.len());
        if is_transaction {
            spent *= 2; // A transaction prepares each write and then commits it.
        }
        self.writer
            .people
            .save(workspace, Save { id, seen, next: whole.clone(), claims, with, checks })
            .await?;
        if !next.outbox.is_empty() {
            // Whatever happens here, the profile is due and the sweep tries again.
            if let Err(cause) = self.writer.flush(&self.definitions, workspace, id, &whole, &next).await {
                tracing::warn!(profile.id = %id, "Will leave the outbox of profile `{id}` to the sweep: {cause}.");
            }
        }
        Ok(spent)
    }
}

/// What limits left out of the events: of each kind the last, so that a device
/// with a thousand owners takes the room of one.
fn left_out(batch: &Batch<'_>, group: &Group, taken: &[Fresh<'_>]) -> Vec<Item> {
    let mut items: BTreeMap<ItemKey, Item> = BTreeMap::new();
    for (place, event, _) in taken {
        for (_, identifier, reason) in group.dropped.iter().filter(|(of, ..)| of == place) {
            let item = lineage::left_out(identifier, *reason, event, batch.workspace.rules.version);
            items.insert(item.key.clone(), item);
        }
    }
    items.into_values().collect()
}

fn spill<X: Conduct>(next: &mut Profile, added: usize) -> Vec<Entry> {
    if X::DEDUP != Dedup::ShortLedger {
        return next.ledger.spill(added);
    }
    // A mutant: what is too much is forgotten.
    let kept = next.ledger.entries().iter().rev().take(SPILL_ABOVE.saturating_sub(added)).copied().collect();
    next.ledger = domain::profile::ledger::Ledger::from_parts(kept, None);
    Vec::new()
}

/// What a mutant writes first; the proper stage writes everything at once.
fn half<X: Conduct>(read: &Profile, next: &Profile) -> Option<Profile> {
    let identified = |profile: &Profile| Profile { identifiers: next.identifiers.clone(), ..profile.clone() };
    match X::ORDER {
        Order::Together => None,
        Order::MarkerFirst => Some(Profile { ledger: next.ledger.clone(), ..identified(read) }),
        Order::EffectFirst => Some(Profile { ledger: read.ledger.clone(), ..next.clone() }),
    }
}

fn traits_overflow(at: Timestamp, event: &Event, left: &Overflow) -> Rejection {
    Rejection {
        at,
        reason: Reason::TraitsOverflow,
        detail: format!(
            "the profile holds its fill of traits; `{}` was left out, remove others first",
            left.path
        ),
        message_id: Some(event.message_id.clone()),
        sample: String::new(),
    }
}

/// The least key behind another: where a reader goes on.
pub fn after(key: &ItemKey) -> ItemKey {
    ItemKey(format!("{}\0", key.0))
}
