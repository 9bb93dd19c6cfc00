//! What must be true, told by a sequential reading of the distinct events.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{Event, EventKind};
use domain::identifier::Identifier;
use domain::key::ProfileId;
use domain::profile::ledger::Ledger;
use domain::profile::outbox::Outbox;
use domain::profile::stored::Owner;
use domain::profile::{Profile, group, page};
use testkit::people::Tables;

use super::world::{key, workspace};

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
fn told(profile: &Profile) -> impl PartialEq + std::fmt::Debug + use<> {
    Profile {
        ledger: Ledger::default(),
        outbox: Outbox::default(),
        ties: BTreeSet::new(),
        seed: None,
        ..profile.clone()
    }
}

/// Holds after every step, whatever crashed in the middle of it.
pub(crate) fn invariants(tables: &Tables) -> Result<(), String> {
    let mut applied = BTreeSet::new();
    for ((_, id), stored) in &tables.profiles {
        let profile = Profile::decode(&stored.body).map_err(|error| error.to_string())?;
        let mut names: BTreeSet<_> = profile.ledger.entries().iter().map(|entry| entry.name).collect();
        for (item, body) in items(tables, *id, "ledger#") {
            names.extend(page::read_ledger(body).map_err(|error| format!("{item}: {error}"))?);
        }
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
            let right =
                row.is_some_and(|row| row.owner == Owner::Profile(*id) && row.generation == held.generation);
            if !right {
                return Err(format!("a row does not point to profile {id}, which holds its identifier"));
            }
        }
    }
    Ok(())
}

/// After everything was delivered and swept.
pub(crate) fn check(tables: &Tables, events: &[Event]) -> Result<(), String> {
    invariants(tables)?;
    let mut expected = Union::default();
    for event in events {
        expected.join(&event.identifiers);
    }
    let profiles = decoded(tables)?;
    let mut found = Union::default();
    for profile in profiles.values() {
        if !profile.outbox.is_empty() {
            return Err("an outbox is not empty".to_owned());
        }
        found.join(profile.identifiers.keys());
    }
    for id in profiles.keys() {
        for (_, body) in items(tables, *id, "tie#") {
            found.join(&page::read_tie(body).map_err(|error| error.to_string())?.identifiers);
        }
    }
    if expected.groups() != found.groups() {
        return Err("the partition of identifiers differs".to_owned());
    }
    for people in expected.groups() {
        one_person(&people, &profiles, events)?;
    }
    timelines(tables, &profiles, events)?;
    groups(tables, events)
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
            let held = domain::profile::Held { generation: 0 };
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
fn timelines(
    tables: &Tables,
    profiles: &BTreeMap<ProfileId, Profile>,
    events: &[Event],
) -> Result<(), String> {
    let mut shown = BTreeSet::new();
    for (id, profile) in profiles {
        let mut proven: BTreeSet<_> = profile.ledger.entries().iter().map(|entry| entry.name).collect();
        for (_, body) in items(tables, *id, "ledger#") {
            proven.extend(page::read_ledger(body).map_err(|error| error.to_string())?);
        }
        for (_, body) in items(tables, *id, "page#") {
            let on_page = page::read_timeline(body).map_err(|error| error.to_string())?;
            shown.extend(on_page.iter().map(|event| event.name(&key())).filter(|name| proven.contains(name)));
        }
    }
    let all: BTreeSet<_> = events.iter().map(|event| event.name(&key())).collect();
    if shown == all {
        Ok(())
    } else {
        Err(format!("{} of {} events are on timelines", shown.len(), all.len()))
    }
}

fn groups(tables: &Tables, events: &[Event]) -> Result<(), String> {
    let mut expected = group::Group::default();
    for event in events.iter().filter(|event| event.kind == EventKind::Group) {
        expected.observe(event, event.name(&key()));
    }
    let id = key().group(&workspace(), "g");
    let found = items(tables, id, "group").next().map(|(_, body)| group::Group::decode(body));
    let found = found.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
    if found == expected { Ok(()) } else { Err("the group's traits differ".to_owned()) }
}

fn items<'a>(
    tables: &'a Tables,
    id: ProfileId,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let of_profile =
        tables.items.iter().filter(move |((_, owner, key), _)| *owner == id && key.0.starts_with(prefix));
    of_profile.map(|((_, _, key), body)| (key.0.as_str(), body.as_slice()))
}
