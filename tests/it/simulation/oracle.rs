//! What must be true, told by a sequential reading of the distinct events.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::{EventName, ProfileId};
use domain::profile::ledger::{Entry, Ledger};
use domain::profile::outbox::{Outbox, Tie, TieReason};
use domain::profile::stored::Owner;
use domain::profile::{Family, Held, Profile, group, page};
use domain::segment::Segments;
use testkit::people::Tables;

use super::crowd::{Said, key, message_id, start, workspace};

/// Joins what belongs together: a plain union-find.
#[derive(Default)]
struct Union(BTreeMap<Identifier, Identifier>);

impl Union {
    fn find(&mut self, identifier: &Identifier) -> Identifier {
        let above = self.0.entry(identifier.clone()).or_insert_with(|| identifier.clone()).clone();
        if above == *identifier { above } else { self.find(&above) }
    }

    fn join<'a>(&mut self, identifiers: impl IntoIterator<Item = &'a Identifier>) {
        let mut first = None;
        for identifier in identifiers {
            let root = self.find(identifier);
            match &first {
                None => first = Some(root),
                Some(first) => {
                    self.0.insert(root, first.clone());
                }
            }
        }
    }

    fn groups(&mut self) -> BTreeSet<BTreeSet<Identifier>> {
        let all: Vec<Identifier> = self.0.keys().cloned().collect();
        let mut groups: BTreeMap<Identifier, BTreeSet<Identifier>> = BTreeMap::new();
        for identifier in all {
            groups.entry(self.find(&identifier)).or_default().insert(identifier);
        }
        groups.into_values().collect()
    }
}

/// The part of a profile that is a fold of events, up to its id.
pub(crate) fn told(profile: &Profile) -> impl PartialEq + std::fmt::Debug + use<> {
    // Which event brought an identifier depends on the order of arrival, and so
    // does which profile took in which.
    let unordered = |(one, held): (&Identifier, &Held)| (one.clone(), Held { since: start(), ..*held });
    Profile {
        identifiers: profile.identifiers.iter().map(unordered).collect(),
        ledger: Ledger::default(),
        outbox: Outbox::default(),
        ties: BTreeSet::new(),
        seed: None,
        family: Family::default(),
        segments: Segments::default(),
        ..profile.clone()
    }
}

/// Holds after every step, whatever crashed in the middle of it.
pub(crate) fn invariants(tables: &Tables) -> Result<(), String> {
    let mut applied = BTreeSet::new();
    no_orphans(tables)?;
    frozen(tables)?;
    for (id, profile) in roots(tables)? {
        let stored = &tables.profiles[&(workspace(), id)];
        let names: BTreeSet<EventName> =
            entries(tables, id, &profile)?.into_iter().map(|entry| entry.name).collect();
        let (counted, named) = (profile.counters.total(), names.len() as u64);
        if counted != named {
            return Err(format!("profile {id} counts {counted} events and its ledger names {named}"));
        }
        for name in names {
            if !applied.insert(name) {
                return Err(format!("{name:?} is applied to two profiles"));
            }
        }
        if !profile.outbox.is_empty() && stored.due.is_none() {
            return Err(format!("profile {id} has something to send and is not due"));
        }
        for (identifier, held) in &profile.identifiers {
            let row = tables.identities.get(&(workspace(), key().identifier(&workspace(), identifier)));
            let leads_here = |owner| match owner {
                Owner::Profile(owner) => owner == id || profile.family.absorbed.contains_key(&owner),
                Owner::Nobody | Owner::Erased(_) => false,
            };
            if !row.is_some_and(|row| leads_here(row.owner) && row.generation == held.generation) {
                return Err(format!("a row does not lead to profile {id}, which holds its identifier"));
            }
        }
    }
    Ok(())
}

/// Whoever was taken in has nothing to do any more, and its way leads to one
/// who lists it: there are no cycles.
fn frozen(tables: &Tables) -> Result<(), String> {
    let profiles = decoded(tables)?;
    for (id, profile) in &profiles {
        let Some(mut into) = profile.family.absorbed_into else { continue };
        if !profile.outbox.is_empty() || tables.profiles[&(workspace(), *id)].due.is_some() {
            return Err(format!("profile {id} was taken in and has something to do"));
        }
        for _ in 0..=profiles.len() {
            let Some(next) = profiles.get(&into) else {
                return Err(format!("profile {id} was taken in by {into}, which does not exist"));
            };
            if !next.family.absorbed.contains_key(id) {
                return Err(format!("profile {id} was taken in by {into}, which does not list it"));
            }
            let Some(further) = next.family.absorbed_into else { break };
            into = further;
        }
        if profiles[&into].family.absorbed_into.is_some() {
            return Err(format!("the way of profile {id} has no end"));
        }
    }
    Ok(())
}

/// Those who were taken in by nobody: each is a person.
pub(crate) fn roots(tables: &Tables) -> Result<BTreeMap<ProfileId, Profile>, String> {
    let mut profiles = decoded(tables)?;
    profiles.retain(|_, profile| profile.family.absorbed_into.is_none());
    Ok(profiles)
}

/// A page in a collection without a profile is one that no erasure finds, but
/// for those of a cut-off that is under way: they are with the profile that an
/// identifier's next generation would make, where an erasure can look.
fn no_orphans(tables: &Tables) -> Result<(), String> {
    let is_page = |item: &str| item.starts_with("page#") || item.starts_with("ledger#");
    let orphans = tables.items.keys().filter(|(workspace, id, item)| {
        is_page(&item.0) && !tables.profiles.contains_key(&(workspace.clone(), *id))
    });
    let mut orphans = orphans.map(|(_, id, _)| *id).peekable();
    if orphans.peek().is_none() {
        return Ok(());
    }
    let next = |(one, held): (&Identifier, &Held)| {
        key().profile(key().identifier(&workspace(), one), held.generation + 1)
    };
    let profiles = decoded(tables)?;
    let cut_off: BTreeSet<_> = profiles.values().flat_map(|one| one.identifiers.iter().map(next)).collect();
    let orphan = orphans.find(|id| !cut_off.contains(id));
    orphan.map_or(Ok(()), |id| Err(format!("a page stands with profile {id}, which does not exist")))
}

/// All that a profile's ledger names, on its pages and those of whom it took in.
pub(crate) fn entries(tables: &Tables, id: ProfileId, profile: &Profile) -> Result<BTreeSet<Entry>, String> {
    let mut entries: BTreeSet<Entry> = profile.ledger.entries().iter().copied().collect();
    for (item, body) in paged(tables, id, profile, "ledger#") {
        entries.extend(page::read_ledger_entries(body).map_err(|error| format!("{item}: {error}"))?);
    }
    Ok(entries)
}

/// Holds after every step: what an applied event causes outside its profile's
/// item has been written before, or lies in the outbox.
pub(crate) fn effects(tables: &Tables, events: &[&Event]) -> Result<(), String> {
    let by_name: BTreeMap<EventName, &Event> =
        events.iter().map(|event| (event.name(&key()), *event)).collect();
    for (id, profile) in roots(tables)? {
        for entry in entries(tables, id, &profile)? {
            let Some(event) = by_name.get(&entry.name) else { continue };
            if !knows_group(tables, event, entry.name)? {
                return Err(format!("{} is applied and its group does not know it", event.message_id));
            }
            let mut others = event.identifiers.iter().skip(1);
            if !others.all(|other| is_tied(tables, (id, &profile), event, other)) {
                return Err(format!("{} is applied and a tie that it makes is nowhere", event.message_id));
            }
        }
    }
    Ok(())
}

fn knows_group(tables: &Tables, event: &Event, name: EventName) -> Result<bool, String> {
    let Some(described) = group::described(event) else { return Ok(true) };
    let found = group_of(tables, &described)?;
    let mut again = found.clone();
    again.observe(event, name);
    Ok(again == found)
}

fn group_of(tables: &Tables, described: &str) -> Result<group::Group, String> {
    let id = key().group(&workspace(), described);
    let found = items(tables, id, "group").next().map(|(_, body)| group::Group::decode(body));
    Ok(found.transpose().map_err(|error| error.to_string())?.unwrap_or_default())
}

fn is_tied(tables: &Tables, (id, profile): (ProfileId, &Profile), event: &Event, other: &Identifier) -> bool {
    let reason = if event.kind == EventKind::Alias { TieReason::Alias } else { TieReason::SameEvent };
    let tie = Tie {
        identifiers: [event.identifiers[0].clone(), other.clone()],
        reason,
        source: String::new(),
        message_id: String::new(),
        at: event.event_time,
    };
    profile.identifiers.contains_key(other)
        || profile.outbox.ties().iter().any(|known| known.mark() == tie.mark())
        || profile
            .collections(id)
            .any(|(id, _)| tables.items.contains_key(&(workspace(), id, page::tie(&tie).key)))
}

/// What was applied: the events on timelines that their ledgers prove.
pub(crate) fn applied(tables: &Tables) -> Result<BTreeMap<EventName, Event>, String> {
    let mut applied = BTreeMap::new();
    for (id, profile) in roots(tables)? {
        applied.extend(timeline(tables, id, &profile)?);
    }
    Ok(applied)
}

/// The events of one person that the ledger proves.
pub(crate) fn timeline(
    tables: &Tables,
    id: ProfileId,
    profile: &Profile,
) -> Result<BTreeMap<EventName, Event>, String> {
    let mut applied = BTreeMap::new();
    let proven = entries(tables, id, profile)?;
    for (_, body) in paged(tables, id, profile, "page#") {
        for event in page::read_timeline(body).map_err(|error| error.to_string())? {
            let name = event.name(&key());
            if proven.contains(&Entry { at: event.client_time.at(), name }) {
                applied.insert(name, event);
            }
        }
    }
    Ok(applied)
}

/// What came of what the crowd said: all that was answered with 200, and what
/// got through of the rest, each with the time of the copy that was applied.
pub(crate) fn brought(
    tables: &Tables,
    said: &[Said],
    answered: &BTreeSet<usize>,
) -> Result<Vec<Event>, String> {
    let mut applied = applied(tables)?;
    let mut brought = Vec::new();
    for (number, said) in said.iter().enumerate() {
        let Ok(event) = &said.meant else { continue };
        match applied.remove(&event.name(&key())) {
            Some(Event { client_time, event_time, .. }) if is_timeless(event) => {
                brought.push(Event { client_time, event_time, ..event.clone() });
            }
            Some(_) => brought.push(event.clone()),
            None if answered.contains(&number) => {
                return Err(format!("{} was answered with 200 and is on no timeline", message_id(number)));
            }
            None => (),
        }
    }
    match applied.len() {
        0 => Ok(brought),
        count => Err(format!("{count} events are on timelines that nobody sent, or not as they were sent")),
    }
}

const fn is_timeless(event: &Event) -> bool {
    matches!(event.client_time, ClientTime::Absent(_))
}

/// After everything was delivered and swept.
pub(crate) fn check(tables: &Tables, events: &[Event]) -> Result<(), String> {
    invariants(tables)?;
    let mut expected = Union::default();
    for event in events {
        expected.join(&event.identifiers);
    }
    let profiles = roots(tables)?;
    let mut found = Union::default();
    for profile in profiles.values() {
        if !profile.outbox.is_empty() {
            return Err("an outbox is not empty".to_owned());
        }
        found.join(profile.identifiers.keys());
    }
    for (id, profile) in &profiles {
        for (_, body) in collected(tables, *id, profile, "tie#") {
            found.join(&page::read_tie(body).map_err(|error| error.to_string())?.identifiers);
        }
    }
    ties_stand_with_both(tables)?;
    if expected.groups() != found.groups() {
        return Err("the partition of identifiers differs".to_owned());
    }
    for people in expected.groups() {
        one_person(&people, &profiles, events)?;
    }
    timelines(tables, events)?;
    groups(tables, events)
}

/// After all ties were carried out, too.
pub(crate) fn one_profile_a_person(tables: &Tables, events: &[Event]) -> Result<(), String> {
    let mut expected = Union::default();
    for event in events {
        expected.join(&event.identifiers);
    }
    let held = |profile: &Profile| profile.identifiers.keys().cloned().collect::<BTreeSet<_>>();
    let mut found: Vec<BTreeSet<Identifier>> = roots(tables)?.values().map(held).collect();
    found.sort();
    if found == expected.groups().into_iter().collect::<Vec<_>>() {
        return Ok(());
    }
    Err(format!("{} people are {} profiles", expected.groups().len(), found.len()))
}

/// A tie is seen from either of the profiles that it ties.
fn ties_stand_with_both(tables: &Tables) -> Result<(), String> {
    for ((_, id, item), body) in tables.items.iter().filter(|((_, _, item), _)| item.0.starts_with("tie#")) {
        let tie = page::read_tie(body).map_err(|error| error.to_string())?;
        for identifier in &tie.identifiers {
            let row = tables.identities.get(&(workspace(), key().identifier(&workspace(), identifier)));
            let Some(Owner::Profile(owner)) = row.map(|row| row.owner) else { continue };
            if !tables.items.contains_key(&(workspace(), owner, item.clone())) {
                return Err(format!(
                    "a tie stands with profile {id} and not with {owner}, which it ties too"
                ));
            }
        }
    }
    Ok(())
}

fn decoded(tables: &Tables) -> Result<BTreeMap<ProfileId, Profile>, String> {
    let decode = |((_, id), stored): (&(_, ProfileId), &ports::people::StoredProfile)| {
        Profile::decode(&stored.body).map(|profile| (*id, profile)).map_err(|error| error.to_string())
    };
    tables.profiles.iter().map(decode).collect()
}

fn one_person(
    identifiers: &BTreeSet<Identifier>,
    profiles: &BTreeMap<ProfileId, Profile>,
    events: &[Event],
) -> Result<(), String> {
    let of_person = |profile: &&Profile| profile.identifiers.keys().any(|held| identifiers.contains(held));
    let parts = profiles.values().filter(of_person).cloned();
    let whole = parts.reduce(Profile::union).unwrap_or_default();
    let mut expected = Profile::default();
    for event in events.iter().filter(|event| identifiers.contains(&event.identifiers[0])) {
        for identifier in &event.identifiers {
            let held = Held { generation: 0, since: start() };
            expected.identifiers.entry(identifier.clone()).or_insert(held);
        }
        expected.fold(event, event.name(&key()));
    }
    let (found, wanted) = (told(&whole), told(&expected));
    if found == wanted {
        return Ok(());
    }
    let counts = (whole.counters.total(), expected.counters.total());
    Err(format!("a person differs; counted {} of {} events: {found:?} is not {wanted:?}", counts.0, counts.1))
}

/// Every event stands on a page of a collection whose ledger proves it.
fn timelines(tables: &Tables, events: &[Event]) -> Result<(), String> {
    let shown: BTreeSet<EventName> = applied(tables)?.into_keys().collect();
    let all: BTreeSet<EventName> = events.iter().map(|event| event.name(&key())).collect();
    if shown == all {
        Ok(())
    } else {
        Err(format!("{} of {} events are on timelines", shown.intersection(&all).count(), all.len()))
    }
}

fn groups(tables: &Tables, events: &[Event]) -> Result<(), String> {
    let mut expected = group::Group::default();
    for event in events.iter().filter(|event| event.kind == EventKind::Group) {
        expected.observe(event, event.name(&key()));
    }
    if group_of(tables, "g")? == expected { Ok(()) } else { Err("the group's traits differ".to_owned()) }
}

pub(crate) fn items<'a>(
    tables: &'a Tables,
    id: ProfileId,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let of_profile =
        tables.items.iter().filter(move |((_, owner, key), _)| *owner == id && key.0.starts_with(prefix));
    of_profile.map(|((_, _, key), body)| (key.0.as_str(), body.as_slice()))
}

/// Items of a person's own collection and of those that it took in.
fn collected<'a>(
    tables: &'a Tables,
    id: ProfileId,
    profile: &'a Profile,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    profile.collections(id).flat_map(move |(id, _)| items(tables, id, prefix))
}

/// Their pages: those of other epochs are invisible.
fn paged<'a>(
    tables: &'a Tables,
    id: ProfileId,
    profile: &'a Profile,
    prefix: &'static str,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    profile.collections(id).flat_map(move |(id, epoch)| {
        let of_epoch = format!("{prefix}{epoch:08x}#");
        items(tables, id, prefix).filter(move |(key, _)| key.starts_with(&of_epoch))
    })
}
