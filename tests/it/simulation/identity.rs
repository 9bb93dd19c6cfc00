//! Identity against itself: many merges at once, merges and separations that
//! meet, limits, and what becomes of people who are taken apart.

mod orders;
mod at_once;
mod reference;
mod limits;
mod workers;
mod apart;
mod storm;
mod rules_09_to_17;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::event::Event;
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Order, Part, Work};
use domain::key::ProfileId;
use domain::profile::Profile;
use domain::profile::outbox::{Tie, TieReason};
use domain::rules::Rules;
use identity::Outcome;
use runtime::Failure;
use testkit::people::Tables;
use testkit::{Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryRejections, SeededEntropy, TestClock};

use super::crash_points::Store;
use super::crowd::{Crowd, defined, key, naming, workspace};
use super::rules_04_to_07::deliver;
use super::world::finish;
use super::{seeds, shortest};

/// Identity over a store that interrupts it; what it only reads does not.
pub(super) type Stage =
    identity::Stage<Faulty<MemoryPeople>, MemoryDefinitions, MemoryRejections, TestClock, SeededEntropy>;

/// Graphs of names in one ordinary run.
const GRAPHS: u64 = 10;

/// What came of a request.
pub(super) type Came = Result<Outcome, Failure>;

/// Identifiers by number, of any kind that has no limit.
type Name = (&'static str, &'static str);

/// An instance of identity; no two may draw the same numbers.
pub(super) fn stage(store: &Store, number: u64, people: Faulty<MemoryPeople>) -> Arc<Stage> {
    Arc::new(identity::Stage {
        people,
        definitions: store.definitions.clone(),
        rejections: store.rejections.clone(),
        clock: store.clock.clone(),
        entropy: SeededEntropy::seeded(0x1d00 + number),
        key: key(),
    })
}

/// What identity makes of a request that nothing disturbs.
pub(super) fn carry_out(store: &Store, body: &str) -> Came {
    let people = Faulty::new(store.people.clone(), |_| Fault::None);
    // After whatever was written before, so that no number is drawn again.
    let number = store.tables().profiles.values().map(|stored| stored.version.counter).sum();
    finish(stage(store, number, people).carry_out(body))
}

/// Rules without limits, so that order decides nothing.
pub(super) fn unlimited() -> Rules {
    Rules { limits: Vec::new(), limit_default: 1_000, ..Rules::default() }
}

pub(super) fn id((kind, value): (&str, &str)) -> Identifier {
    Identifier::parse(kind, value, None).unwrap()
}

/// A request as the profile stage sends it for one event that names two.
pub(super) fn request(a: (&str, &str), b: (&str, &str)) -> String {
    let tie = Tie {
        identifiers: [id(a), id(b)],
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: format!("{}+{}", a.1, b.1),
        at: super::crowd::start(),
    };
    IdentityRequest { workspace: workspace(), work: Work::Merge(tie) }.pack()
}

pub(super) fn take_out(part: Part, number: u64) -> String {
    let order = Order { id: format!("order-{number}"), by: "ak_1".to_owned(), why: "two people".to_owned() };
    IdentityRequest { workspace: workspace(), work: Work::TakeOut { part, order } }.pack()
}

pub(super) fn allow(profiles: [ProfileId; 2], number: u64) -> String {
    let order = Order { id: format!("order-{number}"), by: "ak_1".to_owned(), why: String::new() };
    IdentityRequest { workspace: workspace(), work: Work::Allow { profiles, order } }.pack()
}

/// People who are each named by one event, the first seen first.
pub(super) fn people(rules: Rules, names: &[(&str, &str)]) -> Store {
    let store = Store::new(defined(rules, 1_000));
    for (number, name) in (0..).zip(names) {
        deliver(&store, &[&[&naming(number, &[*name])]]);
    }
    store
}

/// The id that a profile has whose first identifier this is.
pub(super) fn profile_id(name: (&str, &str)) -> ProfileId {
    key().profile(key().identifier(&workspace(), &id(name)), 0)
}

pub(super) fn profile(tables: &Tables, id: ProfileId) -> Profile {
    Profile::decode(&tables.profiles[&(workspace(), id)].body).unwrap()
}

/// Who is a person, by what they hold.
pub(super) fn partition(tables: &Tables) -> BTreeSet<BTreeSet<Identifier>> {
    let profiles = tables.profiles.values().map(|stored| Profile::decode(&stored.body).unwrap());
    let roots = profiles.filter(|profile| profile.family.absorbed_into.is_none());
    roots.map(|root| root.identifiers.into_keys().collect()).collect()
}

/// Groups of names as a partition.
pub(super) fn groups(groups: &[&[(&str, &str)]]) -> BTreeSet<BTreeSet<Identifier>> {
    groups.iter().map(|group| group.iter().map(|name| id(*name)).collect()).collect()
}

/// Ties that were refused: with which profiles each stands, and for what reason.
pub(super) fn refusals(tables: &Tables) -> BTreeMap<(String, u64), BTreeSet<ProfileId>> {
    let mut refusals: BTreeMap<(String, u64), BTreeSet<ProfileId>> = BTreeMap::new();
    for ((_, id, item), body) in &tables.items {
        if item.0.starts_with("refusal#") {
            let refused = domain::profile::lineage::read_refused(body).unwrap();
            refusals.entry((refused.reason, refused.tie.mark())).or_default().insert(*id);
        }
    }
    refusals
}

#[test]
fn any_graph_of_names_ends_in_the_partition_of_a_union_find() {
    let failed = seeds(GRAPHS).find_map(|seed| {
        println!("SEED={seed}"); // Shown if what runs panics.
        shortest::failure::<profile::Proper, ingest::Proper>((Crowd::Names, seed), shortest::PATIENCE)
    });
    if let Some(failed) = failed {
        panic!("{failed}");
    }
}
