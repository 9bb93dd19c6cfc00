//! Requests over ports in memory.

mod unmerge;

use std::sync::atomic::AtomicU32;

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Work};
use domain::key::{IdKey, ProfileId};
use domain::profile::ledger::Entry;
use domain::profile::merge::Refusal;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::stored::{IdentityRow, Owner, Version};
use domain::profile::{Held, Profile, lineage};
use domain::rules::Rules;
use domain::segment::Cause;
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Definitions as _;
use ports::definitions::{Source, Workspace};
use ports::people::StoredProfile;
use runtime::failure::Failure;
use testkit::{Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryRejections, SeededEntropy, TestClock};

use crate::{Outcome, Spent, Stage};

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

struct World {
    people: MemoryPeople,
    definitions: MemoryDefinitions,
    rejections: MemoryRejections,
    stage: Stage<Faulty<MemoryPeople>, MemoryDefinitions, MemoryRejections, TestClock, SeededEntropy>,
    /// Orders that were given.
    orders: AtomicU32,
}

impl World {
    fn new() -> Self {
        Self::with(|people| Faulty::new(people, |_| Fault::None))
    }

    fn with(faulty: impl FnOnce(MemoryPeople) -> Faulty<MemoryPeople>) -> Self {
        let people = MemoryPeople::default();
        Self::with_people(people.clone(), faulty(people))
    }

    fn over(people: MemoryPeople) -> Self {
        Self::with_people(people.clone(), Faulty::new(people, |_| Fault::None))
    }

    /// Looks at `people`, and works through `faulty`.
    fn with_people(people: MemoryPeople, faulty: Faulty<MemoryPeople>) -> Self {
        let definitions = MemoryDefinitions::default();
        let clock = TestClock::at(NOW);
        let rejections = MemoryRejections::new(clock.clone());
        let stage = Stage {
            people: faulty,
            definitions: definitions.clone(),
            rejections: rejections.clone(),
            clock,
            entropy: SeededEntropy::seeded(1),
            key: key(),
        };
        let world = Self { people, definitions, rejections, stage, orders: AtomicU32::new(0) };
        world.rules(Rules::default());
        world
    }

    fn rules(&self, rules: Rules) {
        let source =
            Source { id: SourceId::parse("web").unwrap(), region: None, origins: Vec::new(), rate: 1_000 };
        self.definitions.define(Workspace {
            id: workspace(),
            rules,
            sources: vec![source],
            segments: 0,
            outreach: 0,
        });
    }

    /// The workspace as it is defined now.
    async fn defined(&self) -> Workspace {
        self.definitions.workspace(&workspace()).await.unwrap().unwrap()
    }

    /// A profile that holds identifiers, with one event at this moment.
    fn person(&self, at: i64, held: &[&str]) -> ProfileId {
        let first = key().identifier(&workspace(), &id(held[0]));
        let profile_id = key().profile(first, 0);
        let event = event(held[0], at);
        let mut profile = Profile::default();
        profile.fold(&event, event.name(&key()));
        profile.ledger.add(Entry { at: event.client_time.at(), name: event.name(&key()) });
        let rows: Vec<_> = held.iter().map(|one| key().identifier(&workspace(), &id(one))).collect();
        for one in held {
            profile.identifiers.insert(id(one), Held { generation: 0, since: event.event_time });
        }
        let version = Version { counter: 1, write: [0; 8] };
        let stored = StoredProfile { version, body: profile.encode(), due: None };
        self.people.alter(|tables| {
            tables.profiles.insert((workspace(), profile_id), stored);
            for row in rows {
                let owner = IdentityRow { owner: Owner::Profile(profile_id), generation: 0 };
                tables.identities.insert((workspace(), row), owner);
            }
        });
        profile_id
    }

    fn profile(&self, id: ProfileId) -> Profile {
        Profile::decode(&self.people.tables().profiles[&(workspace(), id)].body).unwrap()
    }

    async fn tie(&self, a: &str, b: &str) -> Result<Outcome, Failure> {
        self.stage.carry_out(&body(a, b)).await
    }
}

/// A request to make two one, as it stands in the queue.
fn body(a: &str, b: &str) -> String {
    let tie = Tie {
        identifiers: [id(a), id(b)],
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: format!("{a}+{b}"),
        at: NOW,
    };
    IdentityRequest { workspace: workspace(), work: Work::Merge(tie) }.pack()
}

fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn id(name: &str) -> Identifier {
    let (kind, value) = name.split_once(':').unwrap();
    Identifier::parse(kind, value, None).unwrap()
}

fn event(of: &str, at: i64) -> Event {
    let at = NOW.plus(at);
    Event {
        source: SourceId::parse("web").unwrap(),
        message_id: format!("m-{of}"),
        kind: EventKind::Track,
        identifiers: vec![id(of)],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: r#"{"event":"Seen"}"#.to_owned(),
        as_sent: of.to_owned(),
    }
}

fn merged(outcome: Result<Outcome, Failure>) -> (ProfileId, ProfileId) {
    match outcome.unwrap() {
        Outcome::Merged { survivor, absorbed } => (survivor, absorbed),
        other => panic!("not merged: {other:?}"),
    }
}

#[tokio::test]
async fn two_become_one_and_a_copy_of_the_request_changes_nothing() {
    let world = World::new();
    let (visitor, user) = (world.person(-2, &["anonymous_id:a"]), world.person(-1, &["user_id:u"]));
    assert_eq!(merged(world.tie("user_id:u", "anonymous_id:a").await), (visitor, user));
    let tables = world.people.tables();
    let survivor = world.profile(visitor);
    assert_eq!(survivor.counters.kinds[&EventKind::Track].count, 2);
    assert_eq!(world.profile(user).family.absorbed_into, Some(visitor));
    let again = world.tie("user_id:u", "anonymous_id:a").await.unwrap();
    assert_eq!(again, Outcome::Already(visitor));
    assert_eq!(world.people.tables(), tables);
}

/// A segment that concerns neither of them may hold both.
#[tokio::test]
async fn two_who_were_never_written_under_the_definitions_are_due_once_they_are_one() {
    let world = World::new();
    let tied = async |a: &str, b: &str| {
        world.person(-2, &[a]);
        world.person(-1, &[b]);
        let (survivor, _) = merged(world.tie(a, b).await);
        (world.people.tables().profiles[&(workspace(), survivor)].due, world.profile(survivor).segments)
    };
    let (due, segments) = tied("anonymous_id:a", "user_id:a").await;
    assert!(due.is_none() && segments.is_empty(), "there are no segments");
    let document =
        r#"{"name": "Both", "when": {"all": [{"identifier": "email"}, {"identifier": "user_id"}]}}"#;
    let segment = SegmentSet::default().publish(&SegmentId::parse("both").unwrap(), document, NOW).unwrap();
    world.definitions.publish(&workspace(), segment, NOW);
    let (due, segments) = tied("email:b@example.com", "user_id:b").await;
    assert_eq!((due, segments.stale), (Some(NOW.floor_to_minute()), Some(Cause::Merge)));
}

#[tokio::test]
async fn a_batch_tells_the_write_units_of_what_it_wrote() {
    let world = World::new();
    world.rules(Rules { identifiers_max: 2, ..Rules::default() });
    let (a, b) = (world.person(-2, &["card:a"]), world.person(-1, &["card:b"]));
    world.person(-3, &["card:c"]);
    let units = async |of: &str, with: &str| {
        let spent = Spent::default();
        let outcome = world.stage.carry_out_counted(&body(of, with), &spent).await.unwrap();
        (outcome.name(), spent.units())
    };
    let stored = |id| (world.people.tables().profiles[&(workspace(), id)].body.len() + 120).div_ceil(1_024);
    let merged = units("card:a", "card:b").await;
    assert_eq!(merged, ("merged", 2 * (stored(a) + stored(b))), "a transaction prepares and commits");
    assert_eq!(units("card:a", "card:b").await, ("already one", 0));
    // The record of it stands with both, and is far smaller than a unit.
    assert_eq!(units("card:b", "card:c").await, ("refused", 2));
}

#[tokio::test]
async fn rows_keep_their_owner_and_lead_to_the_survivor_over_any_number_of_hops() {
    let world = World::new();
    let all: Vec<String> = (0..5).map(|n| format!("card:{n}")).collect();
    // Each next one is older, so that each merge takes in what was merged before.
    let ids: Vec<ProfileId> = all.iter().zip(1..).map(|(card, n)| world.person(-n, &[card])).collect();
    let rows = world.people.tables().identities;
    for pair in all.windows(2) {
        merged(world.tie(&pair[0], &pair[1]).await);
    }
    assert_eq!(world.people.tables().identities, rows);
    for (id, next) in ids.iter().zip(&ids[1..]) {
        assert_eq!(world.profile(*id).family.absorbed_into, Some(*next), "one hop further");
    }
    assert_eq!(world.tie("card:0", "card:3").await.unwrap(), Outcome::Already(ids[4]));
    assert_eq!(world.profile(ids[4]).counters.kinds[&EventKind::Track].count, 5);
}

#[tokio::test]
async fn a_refusal_stands_with_both_profiles_and_in_the_operators_list() {
    let world = World::new();
    let (a, b) = (world.person(-2, &["user_id:1"]), world.person(-1, &["user_id:2", "email:x@example.com"]));
    let before = world.people.tables().profiles;
    let limit = Refusal::Limit { kind: "user_id".to_owned(), limit: 1 };
    assert_eq!(world.tie("user_id:1", "email:x@example.com").await.unwrap(), Outcome::Refused(limit));
    let tables = world.people.tables();
    assert_eq!(tables.profiles, before);
    let kept: Vec<_> = tables.items.iter().filter(|((.., key), _)| key.0.starts_with("refusal#")).collect();
    assert_eq!(
        kept.iter().map(|((_, id, _), _)| *id).collect::<std::collections::BTreeSet<_>>(),
        [a, b].into()
    );
    assert_eq!(lineage::read_refused(kept[0].1).unwrap().reason, "limit");
    assert_eq!(world.rejections.kept(&workspace(), &SourceId::parse("web").unwrap()).len(), 1);
    world.rules(Rules { limits: vec![("user_id".to_owned(), 2)], ..Rules::default() });
    merged(world.tie("user_id:1", "email:x@example.com").await);
}

#[tokio::test]
async fn rule_17_a_request_is_of_identifiers_and_of_what_they_are_now() {
    let world = World::new();
    let (a, b) = (world.person(-3, &["card:1"]), world.person(-2, &["card:2"]));
    let c = world.person(-1, &["card:3"]);
    merged(world.tie("card:2", "card:3").await);
    // The request for the two of before finds the one that took the third in.
    assert_eq!(merged(world.tie("card:1", "card:3").await), (a, b));
    assert_eq!(
        world.profile(a).family.absorbed.keys().copied().collect::<std::collections::BTreeSet<_>>(),
        [b, c].into()
    );
}

#[tokio::test]
async fn an_identifier_that_is_nobodys_any_more_ends_the_request() {
    let world = World::new();
    world.person(-1, &["card:1"]);
    for owner in [Owner::Nobody, Owner::Erased(NOW)] {
        world.people.alter(|tables| {
            let row = (workspace(), key().identifier(&workspace(), &id("card:9")));
            tables.identities.insert(row, IdentityRow { owner, generation: 1 });
        });
        assert_eq!(world.tie("card:1", "card:9").await.unwrap(), Outcome::Nobody);
    }
}

/// A tie is only sent when both have rows, so what is missing is a fault and no answer.
#[tokio::test]
async fn a_row_that_is_missing_says_nothing_and_the_request_waits() {
    let world = World::new();
    let (a, b) = (world.person(-2, &["card:1"]), world.person(-1, &["card:9"]));
    let row = (workspace(), key().identifier(&workspace(), &id("card:9")));
    let mut taken = None;
    world.people.alter(|tables| taken = tables.identities.remove(&row));
    assert!(matches!(world.tie("card:1", "card:9").await, Err(Failure::Retry(_))));
    assert!(matches!(world.tie("card:9", "card:1").await, Err(Failure::Retry(_))));
    world.people.alter(|tables| {
        tables.identities.insert(row, taken.unwrap());
    });
    assert_eq!(merged(world.tie("card:1", "card:9").await), (a, b));
}

#[tokio::test]
async fn rule_11_a_row_of_another_generation_is_not_believed() {
    let world = World::new();
    world.person(-1, &["card:1"]);
    let two = world.person(-2, &["card:2"]);
    let row = (workspace(), key().identifier(&workspace(), &id("card:2")));
    world.people.alter(|tables| {
        tables.identities.insert(row, IdentityRow { owner: Owner::Profile(two), generation: 1 });
    });
    assert!(matches!(world.tie("card:1", "card:2").await, Err(Failure::Retry(_))));
}

#[tokio::test]
async fn what_the_ledgers_hold_too_much_goes_to_pages_in_the_same_transaction() {
    let world = World::new();
    let (a, b) = (world.person(-2, &["card:1"]), world.person(-1, &["card:2"]));
    for (nth, of) in [a, b].into_iter().enumerate() {
        let mut profile = world.profile(of);
        for n in 0..30_i64 {
            let event = event(&format!("card:{nth}{n}"), n);
            profile.ledger.add(Entry { at: event.client_time.at(), name: event.name(&key()) });
        }
        world.people.alter(|tables| {
            tables.profiles.get_mut(&(workspace(), of)).unwrap().body = profile.encode();
        });
    }
    merged(world.tie("card:1", "card:2").await);
    let pages = world.people.tables().items;
    assert!(pages.keys().all(|(_, of, key)| *of == a && key.0.starts_with("ledger#")));
    let paged: usize =
        pages.values().map(|body| domain::profile::page::read_ledger(body).unwrap().len()).sum();
    assert_eq!(paged + world.profile(a).ledger.entries().len(), 62, "none is lost");
}

#[tokio::test]
async fn a_lost_answer_is_found_to_have_been_a_merge() {
    let world = World::with(|people| {
        let mut lost = false;
        Faulty::new(people, move |call| {
            if call == "save_all" && !lost {
                lost = true;
                return Fault::AnswerLost;
            }
            Fault::None
        })
    });
    let (a, _) = (world.person(-2, &["card:1"]), world.person(-1, &["card:2"]));
    assert!(matches!(world.tie("card:1", "card:2").await, Err(Failure::Retry(_))));
    assert_eq!(world.tie("card:1", "card:2").await.unwrap(), Outcome::Already(a));
    assert_eq!(world.profile(a).counters.kinds[&EventKind::Track].count, 2);
}

#[tokio::test]
async fn a_body_that_is_no_request_is_rejected_and_one_of_a_newer_build_waits() {
    let world = World::new();
    assert!(matches!(world.stage.carry_out("{").await, Err(Failure::Reject(_))));
    assert!(matches!(world.stage.carry_out(r#"{"v":2}"#).await, Err(Failure::Retry(_))));
}
