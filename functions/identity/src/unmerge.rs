//! The way back: an absorbed profile is taken out again, or an identifier with
//! its events made a profile of its own.
//!
//! Both sides are rebuilt from the events that the ledger proves, each event
//! going where its home identifier belongs, and switched in one transaction.
//! Until then nobody sees what was built; whoever comes between makes the
//! switch fail, and what they brought is added before it is tried again.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::Event;
use domain::identifier::Identifier;
use domain::identity_request::{Order, Part};
use domain::key::{ProfileId, halves};
use domain::profile::lineage::{self, TakenApart};
use domain::profile::outbox::Outbox;
use domain::profile::rebuild::{Rebuild, Rebuilt, Rest, Side};
use domain::profile::stored::{IdentityRow, Item, ItemKey, Owner};
use domain::profile::{Absorbed, Family, Held, Profile, Standing, ledger::Entry, page};
use domain::segment::{Cause, Segments};
use domain::workspace::WorkspaceId;
use ports::definitions::Workspace;
use ports::people::{Claim, Read, Save, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Rejections};
use runtime::failure::Failure;
use runtime::stored;

use crate::resolve::NoRow;
use crate::spent::{Spent, transaction};
use crate::{Outcome, Stage};

/// Lost races after which the work goes back to the queue.
const ATTEMPTS_MAX: usize = 32;
/// Profiles that a way to the one that took them all in may pass.
const HOPS_MAX: usize = 128;
/// Message ids of events that named both sides, kept in the record.
const NAMED_MAX: usize = 100;

#[derive(Debug, thiserror::Error)]
#[error("other writers came between in {ATTEMPTS_MAX} attempts")]
struct Contended;

/// A profile on a way, as it was read.
type Step = (ProfileId, StoredProfile, Profile);

/// The person as read, and who of it leaves.
struct Before {
    root: Step,
    /// The way from the part that leaves to the root, both left out.
    between: Vec<Step>,
    leaves: ProfileId,
    /// Where a copy of an order would find that it was carried out.
    first: ProfileId,
    /// The leaving profile's item, if it has one.
    left: Option<(StoredProfile, Profile)>,
    /// All profiles that leave.
    leaving: BTreeSet<ProfileId>,
    rows: BTreeMap<Identifier, Option<IdentityRow>>,
    /// There are segments, of which both have to be asked.
    is_asked: bool,
    /// The identifier that gets an owner of its own.
    cut: Option<Identifier>,
}

/// What was read and written of the pages so far.
struct Work {
    rebuild: Rebuild,
    seen: BTreeSet<(ProfileId, ItemKey)>,
    proven: BTreeSet<Entry>,
    /// Read, and not proven by any ledger yet.
    unproven: Vec<(ProfileId, Event)>,
    both: u64,
    named_both: Vec<String>,
}

impl<P, D, R, C, E> Stage<P, D, R, C, E>
where
    P: People,
    D: Definitions,
    R: Rejections,
    C: Clock,
    E: Entropy,
{
    /// Makes a part of a person a person of its own.
    pub async fn take_out(
        &self,
        Workspace { id: workspace, segments, .. }: &Workspace,
        part: &Part,
        order: &Order,
        spent: &Spent,
    ) -> Result<Outcome, Failure> {
        let mut work: Option<(Before, Work)> = None;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.before(workspace, part, *segments > 0).await?;
            let Some(before) = before else { return Ok(Outcome::Nothing) };
            if self.was_carried_out(workspace, [before.first], order).await? {
                return Ok(Outcome::Nothing);
            }
            let going_on = work.take().filter(|(last, _)| before.goes_on_from(last));
            let mut going_on = going_on.map_or_else(|| self.start(), |(_, going_on)| going_on);
            self.read_on(workspace, &before, &mut going_on, spent).await?;
            match self.switch(workspace, &before, &going_on, order, spent).await? {
                Some(record) => {
                    self.clean(workspace, &before, going_on.rebuild.epoch(), spent).await;
                    return Ok(Outcome::TakenApart(record));
                }
                None => work = Some((before, going_on)),
            }
        }
        Err(Failure::retry(Contended))
    }

    /// Lets two people that were taken apart be made one again, and forgets that
    /// their tie was recorded, so that the next event that ties them counts.
    pub async fn allow(
        &self,
        workspace: &WorkspaceId,
        profiles: [ProfileId; 2],
        order: &Order,
        spent: &Spent,
    ) -> Result<Outcome, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut roots, mut passed) = (Vec::new(), Vec::new());
            for id in profiles {
                let mut way = self.way(workspace, id).await?;
                passed.extend(way.iter().map(|(id, ..)| *id));
                let Some(root) = way.pop() else { return Ok(Outcome::Nothing) };
                roots.push(root);
            }
            if self.was_carried_out(workspace, passed, order).await? {
                return Ok(Outcome::Nothing);
            }
            let groups: Vec<BTreeSet<ProfileId>> = roots
                .iter()
                .map(|(id, _, profile)| profile.collections(*id).map(|(id, _)| id).collect())
                .collect();
            let mut saves = Vec::new();
            for (nth, (id, stored, profile)) in roots.iter().enumerate() {
                let Some(others) = groups.get(1 - nth) else { continue };
                let mut next = profile.clone();
                next.family.apart.retain(|apart| !others.contains(apart));
                if next.family.apart != profile.family.apart {
                    next.ties.clear();
                    let (id, seen) = (*id, Some(stored.version));
                    let next = self.stored(seen, &next);
                    let with = vec![lineage::carried_out(&order.id, self.clock.now())];
                    saves.push(Save { id, seen, next, claims: Vec::new(), with, checks: Vec::new() });
                }
            }
            if saves.is_empty() {
                return Ok(Outcome::Nothing);
            }
            let units = transaction(&saves);
            match self.people.save_all(workspace, saves).await {
                Ok(()) => {
                    spent.add(units);
                    return Ok(Outcome::Allowed);
                }
                Err(SaveError::Conflict) => (),
                Err(SaveError::Unavailable(cause)) => return Err(Failure::retry(cause)),
            }
        }
        Err(Failure::retry(Contended))
    }

    /// Whether this is a copy of an order that was carried out: what came of it
    /// may have been changed since, and is not to be brought back. Asked once
    /// the profiles are read, so that whoever does it meanwhile is a conflict.
    async fn was_carried_out(
        &self,
        workspace: &WorkspaceId,
        with: impl IntoIterator<Item = ProfileId>,
        order: &Order,
    ) -> Result<bool, Failure> {
        let from = lineage::carried_out(&order.id, self.clock.now()).key;
        let to = ItemKey(format!("{}\0", from.0));
        for id in with {
            let found = self.people.items(workspace, id, &from, &to).await.map_err(Failure::retry)?;
            if !found.items.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn start(&self) -> Work {
        // Never one that was before: pages of an attempt that ended halfway
        // must not be taken for ours.
        let [[a, b, c, d, ..], _] = halves(self.entropy.bytes());
        Work {
            rebuild: Rebuild::new(u32::from_be_bytes([a, b, c, d])),
            seen: BTreeSet::new(),
            proven: BTreeSet::new(),
            unproven: Vec::new(),
            both: 0,
            named_both: Vec::new(),
        }
    }

    /// Reads the person, and what is to leave.
    async fn before(
        &self,
        workspace: &WorkspaceId,
        part: &Part,
        is_asked: bool,
    ) -> Result<Option<Before>, Failure> {
        let first = match part {
            Part::Absorbed(id) => *id,
            Part::Identifier(identifier) => {
                let key = [self.key.identifier(workspace, identifier)];
                let row = self.people.identities(workspace, &key, Read::Consistent).await;
                let row = row.map_err(Failure::retry)?.pop().flatten();
                match row.ok_or_else(|| Failure::retry(NoRow))?.owner {
                    Owner::Profile(owner) => owner,
                    Owner::Nobody | Owner::Erased(_) => return Ok(None),
                }
            }
        };
        let mut way = self.way(workspace, first).await?;
        let Some(root) = way.pop() else { return Ok(None) };
        if root.2.standing != Standing::Live {
            return Ok(None);
        }
        let rows = self.rows(workspace, root.2.identifiers.keys()).await?;
        match part {
            Part::Absorbed(id) => {
                if way.is_empty() {
                    return Ok(None);
                }
                let (leaves, stored, left) = way.remove(0);
                let leaving = left.family.absorbed.keys().copied().chain([*id]).collect();
                let left = Some((stored, left));
                Ok(Some(Before {
                    root,
                    between: way,
                    leaves,
                    first,
                    left,
                    leaving,
                    rows,
                    is_asked,
                    cut: None,
                }))
            }
            Part::Identifier(identifier) => {
                let held = root.2.identifiers.get(identifier).filter(|_| root.2.identifiers.len() > 1);
                let Some(held) = held else { return Ok(None) };
                let key = self.key.identifier(workspace, identifier);
                let leaves = self.key.profile(key, held.generation.saturating_add(1));
                let cut = Some(identifier.clone());
                let leaving = BTreeSet::from([leaves]);
                let between = Vec::new();
                Ok(Some(Before { root, between, leaves, first, left: None, leaving, rows, is_asked, cut }))
            }
        }
    }

    /// A profile, and those on its way to the one that took them all in.
    async fn way(&self, workspace: &WorkspaceId, first: ProfileId) -> Result<Vec<Step>, Failure> {
        let mut way = Vec::new();
        let mut next = Some(first);
        while let Some(id) = next.filter(|_| way.len() <= HOPS_MAX) {
            let found = self.people.profiles(workspace, &[id], Read::Consistent).await;
            let Some(stored) = found.map_err(Failure::retry)?.pop().flatten() else { return Ok(Vec::new()) };
            let profile = stored::profile(id, &stored)?;
            next = profile.family.absorbed_into;
            way.push((id, stored, profile));
        }
        Ok(way)
    }

    async fn rows(
        &self,
        workspace: &WorkspaceId,
        identifiers: impl Iterator<Item = &Identifier>,
    ) -> Result<BTreeMap<Identifier, Option<IdentityRow>>, Failure> {
        let identifiers: Vec<Identifier> = identifiers.cloned().collect();
        let keys: Vec<_> = identifiers.iter().map(|one| self.key.identifier(workspace, one)).collect();
        let rows =
            self.people.identities(workspace, &keys, Read::Consistent).await.map_err(Failure::retry)?;
        Ok(identifiers.into_iter().zip(rows).collect())
    }

    /// Reads what is new on the pages, folds it, and writes it to its side.
    async fn read_on(
        &self,
        workspace: &WorkspaceId,
        before: &Before,
        work: &mut Work,
        spent: &Spent,
    ) -> Result<(), Failure> {
        let (root, _, profile) = &before.root;
        work.proven.extend(profile.ledger.entries());
        for (id, epoch) in profile.collections(*root) {
            let all = page::ledger_range(epoch, domain::time::Timestamp::from_millis(i64::MIN));
            for item in self.unseen(workspace, id, all, work).await? {
                work.proven.extend(page::read_ledger_entries(&item.body).map_err(Failure::reject)?);
            }
        }
        for (id, epoch) in profile.collections(*root) {
            let all = page::timeline_range(
                epoch,
                domain::time::Timestamp::from_millis(i64::MIN),
                domain::time::Timestamp::from_millis(i64::MAX),
            );
            for item in self.unseen(workspace, id, all, work).await? {
                let events = page::read_timeline(&item.body).map_err(Failure::reject)?;
                work.unproven.extend(events.into_iter().map(|event| (id, event)));
            }
        }
        let mut pages: BTreeMap<Side, Vec<Event>> = BTreeMap::new();
        for (id, event) in std::mem::take(&mut work.unproven) {
            let name = event.name(&self.key);
            if !work.proven.contains(&Entry { at: event.client_time.at(), name }) {
                work.unproven.push((id, event));
                continue;
            }
            let side = before.side_of(&event, id);
            if !work.rebuild.take(side, &event, name) {
                continue;
            }
            if before.names_both(&event) {
                work.both += 1;
                if work.named_both.len() < NAMED_MAX {
                    work.named_both.push(event.message_id.clone());
                }
            }
            pages.entry(side).or_default().push(event);
        }
        for (side, events) in pages {
            let events: Vec<&Event> = events.iter().collect();
            let items = page::timeline(work.rebuild.epoch(), &events);
            self.people.put(workspace, before.id(side), &items).await.map_err(Failure::retry)?;
            spent.items(&items);
        }
        Ok(())
    }

    async fn unseen(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        (mut from, to): (ItemKey, ItemKey),
        work: &mut Work,
    ) -> Result<Vec<Item>, Failure> {
        let mut unseen = Vec::new();
        loop {
            let read = self.people.items(workspace, id, &from, &to).await.map_err(Failure::retry)?;
            for item in read.items {
                if work.seen.insert((id, item.key.clone())) {
                    unseen.push(item);
                }
            }
            match read.next {
                Some(next) => from = ItemKey(format!("{}\0", next.0)),
                None => return Ok(unseen),
            }
        }
    }

    /// Writes the ledgers' pages, then switches all profiles at once; `None` if
    /// somebody came between.
    async fn switch(
        &self,
        workspace: &WorkspaceId,
        before: &Before,
        work: &Work,
        order: &Order,
        spent: &Spent,
    ) -> Result<Option<TakenApart>, Failure> {
        let mut built = BTreeMap::new();
        for side in Side::BOTH {
            let Rebuilt { profile, pages } = work.rebuild.side(side, self.rest(workspace, before, side));
            self.people.put(workspace, before.id(side), &pages).await.map_err(Failure::retry)?;
            spent.items(&pages);
            built.insert(side, profile);
        }
        let count = |side| u64::try_from(work.rebuild.count(side)).unwrap_or(u64::MAX);
        let record = TakenApart {
            stays: before.id(Side::Stays),
            leaves: before.id(Side::Leaves),
            at: self.clock.now(),
            by: order.by.clone(),
            why: order.why.clone(),
            events: (count(Side::Stays), count(Side::Leaves)),
            both: work.both,
            named_both: work.named_both.clone(),
        };
        let mut saves = Vec::new();
        for (side, profile) in &built {
            saves.push(self.save_side(workspace, before, *side, profile, (&record, order)));
        }
        for (id, stored, profile) in &before.between {
            let mut absorbed = profile.family.absorbed.clone();
            absorbed.retain(|id, _| !before.leaving.contains(id));
            let family = Family { absorbed, ..profile.family.clone() };
            let next = self.stored(Some(stored.version), &Profile { family, ..profile.clone() });
            let seen = Some(stored.version);
            saves.push(Save {
                id: *id,
                seen,
                next,
                claims: Vec::new(),
                with: Vec::new(),
                checks: Vec::new(),
            });
        }
        let units = transaction(&saves);
        match self.people.save_all(workspace, saves).await {
            Ok(()) => {
                spent.add(units);
                Ok(Some(record))
            }
            Err(SaveError::Conflict) => Ok(None),
            Err(SaveError::Unavailable(cause)) => Err(Failure::retry(cause)),
        }
    }

    fn save_side(
        &self,
        workspace: &WorkspaceId,
        before: &Before,
        side: Side,
        profile: &Profile,
        (record, order): (&TakenApart, &Order),
    ) -> Save {
        let seen = match side {
            Side::Stays => Some(before.root.1.version),
            Side::Leaves => before.left.as_ref().map(|(stored, _)| stored.version),
        };
        let mut claims = Vec::new();
        if let (Side::Leaves, Some(cut)) = (side, &before.cut) {
            let seen = before.rows.get(cut).copied().flatten();
            let generation = profile.identifiers.get(cut).map(|held| held.generation).unwrap_or_default();
            let row = IdentityRow { owner: Owner::Profile(before.leaves), generation };
            claims.push(Claim { key: self.key.identifier(workspace, cut), seen, row });
        }
        let mut with = vec![lineage::taken_apart(record)];
        if side == Side::Leaves {
            with.push(lineage::carried_out(&order.id, record.at));
        }
        Save { id: before.id(side), seen, next: self.stored(seen, profile), claims, with, checks: Vec::new() }
    }

    fn rest<'a>(&'a self, workspace: &'a WorkspaceId, before: &Before, side: Side) -> Rest<'a> {
        let root = &before.root.2;
        let mut identifiers: BTreeMap<Identifier, Held> = root
            .identifiers
            .iter()
            .filter(|(one, _)| before.side_of_identifier(one) == Some(side))
            .map(|(one, held)| (one.clone(), *held))
            .collect();
        if let (Side::Leaves, Some(cut)) = (side, &before.cut)
            && let Some(held) = identifiers.get_mut(cut)
        {
            held.generation = held.generation.saturating_add(1);
        }
        let absorbed: BTreeMap<ProfileId, Absorbed> = match side {
            Side::Stays => {
                let stays = |(id, _): &(&ProfileId, &Absorbed)| !before.leaving.contains(*id);
                root.family.absorbed.iter().filter(stays).map(|(id, how)| (*id, *how)).collect()
            }
            Side::Leaves => {
                before.left.as_ref().map(|(_, left)| left.family.absorbed.clone()).unwrap_or_default()
            }
        };
        let apart = root.family.apart.iter().copied().chain([before.id(side.other())]).collect();
        let ties = root.outbox.ties().iter().filter(|tie| {
            let [home, _] = &tie.identifiers;
            before.side_of_identifier(home).unwrap_or(Side::Stays) == side
        });
        let ties = ties.cloned().collect();
        let now = self.clock.now();
        let anew = |known: &Segments| {
            let is_asked = before.is_asked || !known.is_empty();
            if is_asked { known.anew(Cause::Split, now) } else { Segments::default() }
        };
        let (outbox, segments) = match side {
            Side::Stays => {
                let changes = root.outbox.changes().to_vec();
                (Outbox::from_parts(ties, changes), anew(&root.segments))
            }
            Side::Leaves => {
                // In no list since it was taken in; what it knew then counts on.
                let left = before.left.as_ref().map(|(_, left)| anew(&left.segments));
                let segments = left.filter(|left| !left.is_empty()).unwrap_or_else(|| {
                    let memberships = domain::segment::Memberships::new();
                    Segments { memberships, ..anew(&root.segments) }
                });
                (Outbox::from_parts(ties, Vec::new()), segments)
            }
        };
        Rest { key: &self.key, workspace, identifiers, absorbed, apart, outbox, segments }
    }

    /// Removes what is invisible now. A crash here leaves pages that nobody
    /// reads; they cost their storage and nothing else.
    async fn clean(&self, workspace: &WorkspaceId, before: &Before, epoch: u32, spent: &Spent) {
        let (root, _, profile) = &before.root;
        for (id, old) in profile.collections(*root).filter(|(_, old)| *old != epoch) {
            if let Err(cause) = self.clean_one(workspace, id, old, spent).await {
                tracing::warn!(profile.id = %id, "Could not remove old pages of profile `{id}`: {cause}.");
            }
        }
    }

    async fn clean_one(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        epoch: u32,
        spent: &Spent,
    ) -> Result<(), ports::Unavailable> {
        let least = domain::time::Timestamp::from_millis(i64::MIN);
        let most = domain::time::Timestamp::from_millis(i64::MAX);
        for (mut from, to) in [page::timeline_range(epoch, least, most), page::ledger_range(epoch, least)] {
            loop {
                let read = self.people.items(workspace, id, &from, &to).await?;
                let keys: Vec<ItemKey> = read.items.iter().map(|item| item.key.clone()).collect();
                self.people.remove(workspace, id, &keys).await?;
                spent.items(&read.items);
                match read.next {
                    Some(next) => from = ItemKey(format!("{}\0", next.0)),
                    None => break,
                }
            }
        }
        Ok(())
    }
}

impl Before {
    /// Whether what was folded for an earlier reading holds for this one: the
    /// same profiles leave, and nobody else has left meanwhile, or it would be
    /// folded into who stays what is not theirs any more.
    fn goes_on_from(&self, last: &Self) -> bool {
        let collections = |of: &Self| -> BTreeSet<_> { of.root.2.collections(of.root.0).collect() };
        self.leaving == last.leaving && collections(self).is_superset(&collections(last))
    }

    fn id(&self, side: Side) -> ProfileId {
        match side {
            Side::Stays => self.root.0,
            Side::Leaves => self.leaves,
        }
    }

    /// Where an identifier of the person belongs; nothing for one that is not
    /// the person's any more.
    fn side_of_identifier(&self, identifier: &Identifier) -> Option<Side> {
        if self.cut.as_ref() == Some(identifier) {
            return Some(Side::Leaves);
        }
        match self.rows.get(identifier).copied().flatten()?.owner {
            Owner::Profile(owner) if self.leaving.contains(&owner) => Some(Side::Leaves),
            Owner::Profile(_) => Some(Side::Stays),
            Owner::Nobody | Owner::Erased(_) => None,
        }
    }

    /// Where an event belongs: with its home identifier; with the collection
    /// that it lies in if that is nobody's any more.
    fn side_of(&self, event: &Event, lies_in: ProfileId) -> Side {
        let lies = if self.leaving.contains(&lies_in) { Side::Leaves } else { Side::Stays };
        event.home().and_then(|home| self.side_of_identifier(home)).unwrap_or(lies)
    }

    fn names_both(&self, event: &Event) -> bool {
        let sides: BTreeSet<Side> =
            event.identifiers.iter().filter_map(|one| self.side_of_identifier(one)).collect();
        sides.len() > 1
    }
}
