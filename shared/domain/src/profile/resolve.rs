//! Which profile an event belongs to, and what it claims and ties there.
//!
//! The resolver asks for what it does not know and is asked again; it never
//! reads. A batch is planned as a whole, so that events of one request that
//! make a new person make one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::outbox::{Tie, TieReason};
use super::stored::{IdentityRow, Owner};
use super::{Family, Profile, Standing};
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::{IdKey, ProfileId};
use crate::rejection::Reason;
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// Profiles that a way to the one that took them all in may pass.
const HOPS_MAX: usize = 128;

/// What has been read so far. A row or profile that was looked for and is not
/// there is known as `None`.
#[derive(Debug, Default)]
pub struct Known {
    pub rows: HashMap<Identifier, Option<IdentityRow>>,
    pub profiles: HashMap<ProfileId, Option<Profile>>,
}

/// What must be read before the plan can be made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub rows: BTreeSet<Identifier>,
    pub profiles: BTreeSet<ProfileId>,
}

/// What becomes of each event of a batch.
#[derive(Debug, Default)]
pub struct Plan {
    pub groups: BTreeMap<ProfileId, Group>,
    /// Events, by their place, that are not folded at all.
    pub unfolded: Vec<(usize, Unfolded)>,
}

/// The events of a batch that belong to one profile.
#[derive(Debug, Default)]
pub struct Group {
    /// Their places in the batch.
    pub events: Vec<usize>,
    pub claims: Vec<NewClaim>,
    pub ties: Vec<(usize, Tie)>,
    /// Identifiers that were left out of an event, and why.
    pub dropped: Vec<(usize, Identifier, Reason)>,
    /// Where else a copy of an event may have been folded, under other rules.
    pub elsewhere: Vec<(usize, Elsewhere)>,
}

/// Where a copy of an event would be, had it come under other rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// With this profile.
    Profile(ProfileId),
    /// Nowhere: the identifier names nobody, as its row says or the lack of one.
    Nobody(Identifier, Option<IdentityRow>),
}

/// An identifier that the profile takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    pub identifier: Identifier,
    pub generation: u32,
    pub seen: Option<IdentityRow>,
    /// When the event happened that brings it.
    pub since: Timestamp,
}

/// Why an event is not folded now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfolded {
    /// Its person was erased after it happened: it is dropped.
    Erased,
    /// Its profile is being erased: it waits.
    BeingErased,
    /// A row and its profile disagree: one of them was read too early, or a
    /// change is under way. Read again.
    Stale,
}

/// Whose an identifier is.
enum Whose {
    Profile(ProfileId),
    Free { generation: u32, seen: Option<IdentityRow> },
    Erased,
}

enum Stop {
    Need,
    Unfolded(Unfolded),
}

/// Plans the events of one workspace in one batch.
pub fn plan(
    key: &IdKey,
    workspace: &WorkspaceId,
    rules: &Rules,
    events: &[&Event],
    known: &Known,
) -> Result<Plan, Needs> {
    let mut planner = Planner {
        key,
        workspace,
        rules,
        known,
        needs: Needs::default(),
        taken: HashMap::new(),
        plan: Plan::default(),
    };
    // What ties identifiers together goes first, so that fewer profiles are
    // made only to be tied.
    let mut order: Vec<(usize, &Event)> = events.iter().copied().enumerate().collect();
    order.sort_by_key(|(place, event)| (std::cmp::Reverse(event.identifiers.len()), *place));
    for (place, event) in order {
        match planner.assign(place, event) {
            Ok(()) | Err(Stop::Need) => (),
            Err(Stop::Unfolded(why)) => planner.plan.unfolded.push((place, why)),
        }
    }
    let Planner { needs, mut plan, .. } = planner;
    if needs != Needs::default() {
        return Err(needs);
    }
    for group in plan.groups.values_mut() {
        group.events.sort_unstable();
    }
    Ok(plan)
}

struct Planner<'a> {
    key: &'a IdKey,
    workspace: &'a WorkspaceId,
    rules: &'a Rules,
    known: &'a Known,
    needs: Needs,
    /// What earlier events of this batch claim.
    taken: HashMap<Identifier, ProfileId>,
    plan: Plan,
}

impl Planner<'_> {
    fn assign(&mut self, place: usize, event: &Event) -> Result<(), Stop> {
        let Some((home, others)) = event.identifiers.split_first() else {
            return Err(Stop::Unfolded(Unfolded::Stale)); // The edge lets no such event through.
        };
        let (target, others) = match self.standing(home, event)? {
            Whose::Erased => return Err(Stop::Unfolded(Unfolded::Erased)),
            Whose::Profile(owner) => (self.confirm(owner, home)?, others),
            Whose::Free { generation, seen } => {
                let (target, kept) = self.home_for(home, generation, others, event)?;
                let (others, dropped) = others.split_at(kept);
                self.claim(target, home, event, (generation, seen));
                self.drop_all(target, place, dropped);
                (target, others)
            }
        };
        let mut waits = false;
        for other in others {
            match self.attach(target, place, event, other) {
                // What the rest of them needs is asked for in the same round.
                Err(Stop::Need) => waits = true,
                attached => attached?,
            }
        }
        for home in self.rules.other_homes(event) {
            match self.elsewhere(target, home) {
                Err(Stop::Need) => waits = true,
                found => {
                    let found = found?.map(|found| (place, found));
                    self.group(target).elsewhere.extend(found);
                }
            }
        }
        if waits {
            return Err(Stop::Need);
        }
        self.group(target).events.push(place);
        Ok(())
    }

    /// Where copies of an event are that had this home; `None` if that is the
    /// target, whose ledger is asked anyway. What this batch takes is not
    /// written yet: the row as read is what the write relies on.
    fn elsewhere(&mut self, target: ProfileId, home: &Identifier) -> Result<Option<Elsewhere>, Stop> {
        if self.taken.get(home) == Some(&target) {
            return Ok(None);
        }
        let Some(row) = self.known.rows.get(home).copied() else {
            self.needs.rows.insert(home.clone());
            return Err(Stop::Need);
        };
        match row {
            Some(IdentityRow { owner: Owner::Profile(owner), .. }) => {
                let root = self.confirm(owner, home)?;
                Ok((root != target).then_some(Elsewhere::Profile(root)))
            }
            row => Ok(Some(Elsewhere::Nobody(home.clone(), row))),
        }
    }

    /// The profile that takes a new home: that of the strongest other
    /// identifier, or a new one. Where a limit would break, the weakest
    /// identifier is left out and resolution tried again; says how many stay.
    fn home_for(
        &mut self,
        home: &Identifier,
        generation: u32,
        others: &[Identifier],
        event: &Event,
    ) -> Result<(ProfileId, usize), Stop> {
        self.rows_of(others)?;
        for kept in (0..=others.len()).rev() {
            match self.first_owner(others.iter().take(kept), event)? {
                None => {
                    let row = self.key.identifier(self.workspace, home);
                    return Ok((self.key.profile(row, generation), kept));
                }
                Some(owner) if self.has_room(owner, home, event) => return Ok((owner, kept)),
                Some(_) => (),
            }
        }
        Err(Stop::Unfolded(Unfolded::Stale)) // Not reached: with none kept there is no owner.
    }

    /// Asks for the rows of all of them in one round: an event with many names
    /// must not take as many.
    fn rows_of(&mut self, identifiers: &[Identifier]) -> Result<(), Stop> {
        let (taken, rows) = (&self.taken, &self.known.rows);
        let unknown = |one: &&Identifier| !taken.contains_key(*one) && !rows.contains_key(*one);
        let unknown: Vec<Identifier> = identifiers.iter().filter(unknown).cloned().collect();
        let all_known = unknown.is_empty();
        self.needs.rows.extend(unknown);
        if all_known { Ok(()) } else { Err(Stop::Need) }
    }

    fn first_owner<'b>(
        &mut self,
        others: impl Iterator<Item = &'b Identifier>,
        event: &Event,
    ) -> Result<Option<ProfileId>, Stop> {
        for other in others {
            if let Whose::Profile(owner) = self.standing(other, event)? {
                return Ok(Some(self.confirm(owner, other)?));
            }
        }
        Ok(None)
    }

    fn attach(
        &mut self,
        target: ProfileId,
        place: usize,
        event: &Event,
        other: &Identifier,
    ) -> Result<(), Stop> {
        if self.holds(target, other) {
            return Ok(());
        }
        match self.standing(other, event)? {
            Whose::Profile(owner) if self.is_of(owner, target) => Err(Stop::Unfolded(Unfolded::Stale)),
            Whose::Profile(_) => {
                if let Some(tie) = tie(event, other) {
                    self.group(target).ties.push((place, tie));
                }
                Ok(())
            }
            Whose::Free { generation, seen } => {
                if self.has_room(target, other, event) {
                    self.claim(target, other, event, (generation, seen));
                } else {
                    self.drop_all(target, place, std::slice::from_ref(other));
                }
                Ok(())
            }
            Whose::Erased => {
                self.group(target).dropped.push((place, other.clone(), Reason::Erased));
                Ok(())
            }
        }
    }

    fn standing(&mut self, identifier: &Identifier, event: &Event) -> Result<Whose, Stop> {
        if let Some(owner) = self.taken.get(identifier) {
            return Ok(Whose::Profile(*owner));
        }
        let Some(row) = self.known.rows.get(identifier) else {
            self.needs.rows.insert(identifier.clone());
            return Err(Stop::Need);
        };
        Ok(match *row {
            None => Whose::Free { generation: 0, seen: None },
            Some(IdentityRow { owner: Owner::Profile(owner), .. }) => Whose::Profile(owner),
            Some(seen @ IdentityRow { owner: Owner::Nobody, generation }) => {
                Whose::Free { generation, seen: Some(seen) }
            }
            Some(seen @ IdentityRow { owner: Owner::Erased(at), generation }) if is_after(event, at) => {
                Whose::Free { generation: generation.saturating_add(1), seen: Some(seen) }
            }
            Some(IdentityRow { owner: Owner::Erased(_), .. }) => Whose::Erased,
        })
    }

    /// A row is believed only if the profile at the end of its way agrees: it
    /// must hold the identifier in the row's generation. Gives that profile.
    fn confirm(&mut self, owner: ProfileId, identifier: &Identifier) -> Result<ProfileId, Stop> {
        if self.taken.get(identifier) == Some(&owner) {
            return Ok(owner);
        }
        let generation = self.known.rows.get(identifier).copied().flatten().map(|row| row.generation);
        let (root, profile) = self.root(owner)?;
        if profile.standing == Standing::Erased {
            return Err(Stop::Unfolded(Unfolded::BeingErased));
        }
        let held = profile.identifiers.get(identifier).map(|held| held.generation);
        if held == generation { Ok(root) } else { Err(Stop::Unfolded(Unfolded::Stale)) }
    }

    /// Follows a profile to the one that took it in. A hop is believed only if
    /// the end of the way lists the profile: one that was taken out again is
    /// listed no more, and the write holds only for the version that was read.
    fn root(&mut self, owner: ProfileId) -> Result<(ProfileId, &Profile), Stop> {
        let mut id = owner;
        for _ in 0..=HOPS_MAX {
            let Some(known) = self.known.profiles.get(&id) else {
                self.needs.profiles.insert(id);
                return Err(Stop::Need);
            };
            match known {
                Some(Profile { family: Family { absorbed_into: Some(next), .. }, .. }) => id = *next,
                Some(root) if id == owner || root.family.absorbed.contains_key(&owner) => {
                    return Ok((id, root));
                }
                Some(_) | None => break,
            }
        }
        Err(Stop::Unfolded(Unfolded::Stale))
    }

    /// Whether a profile is the target, or was taken in by it.
    fn is_of(&self, owner: ProfileId, target: ProfileId) -> bool {
        let stored = self.known.profiles.get(&target).and_then(Option::as_ref);
        owner == target || stored.is_some_and(|profile| profile.family.absorbed.contains_key(&owner))
    }

    fn holds(&self, target: ProfileId, identifier: &Identifier) -> bool {
        let stored = self.known.profiles.get(&target).and_then(Option::as_ref);
        self.taken.get(identifier) == Some(&target)
            || stored.is_some_and(|profile| profile.identifiers.contains_key(identifier))
    }

    fn has_room(&self, target: ProfileId, new: &Identifier, event: &Event) -> bool {
        let stored = self.known.profiles.get(&target).and_then(Option::as_ref);
        let stored = stored.into_iter().flat_map(|profile| &profile.identifiers);
        let stored = stored.map(|(identifier, held)| (identifier, held.since));
        let claims = self.plan.groups.get(&target).into_iter().flat_map(|group| &group.claims);
        let claims = claims.map(|claim| (&claim.identifier, claim.since));
        let held: Vec<_> = stored.chain(claims).chain([(new, event.event_time)]).collect();
        self.rules.broken(&held).is_none()
    }

    fn claim(
        &mut self,
        target: ProfileId,
        identifier: &Identifier,
        event: &Event,
        (generation, seen): (u32, Option<IdentityRow>),
    ) {
        self.taken.insert(identifier.clone(), target);
        let claim = NewClaim { identifier: identifier.clone(), generation, seen, since: event.event_time };
        self.group(target).claims.push(claim);
    }

    fn drop_all(&mut self, target: ProfileId, place: usize, identifiers: &[Identifier]) {
        let dropped = identifiers.iter().map(|left| (place, left.clone(), Reason::IdentifierLimit));
        self.group(target).dropped.extend(dropped);
    }

    fn group(&mut self, target: ProfileId) -> &mut Group {
        self.plan.groups.entry(target).or_default()
    }
}

fn tie(event: &Event, other: &Identifier) -> Option<Tie> {
    let reason = if event.kind == EventKind::Alias { TieReason::Alias } else { TieReason::SameEvent };
    Some(Tie {
        identifiers: [event.home()?.clone(), other.clone()],
        reason,
        source: event.source.to_string(),
        message_id: event.message_id.clone(),
        at: event.event_time,
    })
}

/// Only an event that is later by every clock may bring an erased identifier back.
fn is_after(event: &Event, erased_at: Timestamp) -> bool {
    let by_client = match event.client_time {
        ClientTime::Sent(at) => at > erased_at,
        ClientTime::Absent(_) | ClientTime::Ours(_) => true,
    };
    by_client && event.event_time > erased_at && event.received_at > erased_at
}
