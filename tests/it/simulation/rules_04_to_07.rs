//! What is written where, and before what: the rules of pages, of effects
//! outside the profile's item, and of an event's name.

use std::collections::BTreeSet;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::sqs::SqsMessage;
use domain::access::{AccessKey, KeyKind};
use domain::cursor::SigningKeys;
use domain::event::{Event, EventKind};
use domain::identifier::Identifier;
use domain::key::ProfileId;
use domain::profile::stored::Version;
use domain::profile::{Profile, Standing, page};
use domain::rejection::Reason;
use domain::rules::Rules;
use domain::time::Timestamp;
use ports::Clock as _;
use ports::definitions::{Grant, Key, Scope};
use profile::api::{Api, Ports};
use serde_json::{Map, Value, json};
use testkit::people::Tables;
use testkit::{Faulty, MemoryIdempotency, MemoryQueue, SeededEntropy};

use super::crash_points::{Calls, End, Store, points, records};
use super::crowd::{bodies, defined, definitions, key, naming, retry_of, start, workspace};
use super::oracle;
use super::sdk::{self, Form};
use super::world::finish;

pub(super) fn batch(events: &[&Event]) -> Vec<SqsMessage> {
    records(bodies(events.iter().map(|event| (*event).clone()).collect()))
}

/// A store to which these batches were delivered.
pub(super) fn store(batches: &[&[&Event]]) -> Store {
    let store = Store::new(definitions());
    deliver(&store, batches);
    store
}

pub(super) fn deliver(store: &Store, batches: &[&[&Event]]) {
    for events in batches {
        store.deliver(&batch(events), None);
    }
}

/// The profile that holds an identifier.
pub(super) fn owner(tables: &Tables, kind: &str, value: &str) -> (ProfileId, Profile) {
    let identifier = Identifier::parse(kind, value, None).unwrap();
    let mut owners = tables.profiles.iter().filter_map(|((_, id), stored)| {
        let profile = Profile::decode(&stored.body).unwrap();
        profile.identifiers.contains_key(&identifier).then_some((*id, profile))
    });
    owners.next().unwrap()
}

/// The message ids on the timeline pages of every collection.
fn on_pages(tables: &Tables) -> BTreeSet<String> {
    let pages = tables.items.iter().filter(|((_, _, item), _)| item.0.starts_with("page#"));
    pages.flat_map(|(_, body)| page::read_timeline(body).unwrap()).map(|event| event.message_id).collect()
}

/// The place of a call among those that a batch makes.
fn place(calls: &[&'static str], name: &str) -> usize {
    calls.iter().position(|call| *call == name).unwrap()
}

/// A person's events as the API shows them, by their message ids.
fn shown(store: &Store, id: ProfileId) -> Vec<String> {
    let chance = SeededEntropy::seeded(77);
    let bytes = || ports::Entropy::bytes(&chance);
    let admin = AccessKey::make(KeyKind::Admin, workspace(), bytes(), [bytes(), bytes()]);
    let grant = Grant::Admin(Scope::ALL.to_vec());
    store.definitions.add_key(&workspace(), admin.id(), Key { secret_sha256: admin.sha256(), grant });
    let ports = Ports {
        people: store.people.clone(),
        definitions: store.definitions.clone(),
        rejections: store.rejections.clone(),
        merges: MemoryQueue::default(),
        queue: MemoryQueue::default(),
        idempotency: MemoryIdempotency::default(),
        clock: store.clock.clone(),
        entropy: chance,
    };
    let api = Api::new(ports, key(), SigningKeys::make("k1", [[9; 16]; 2]).unwrap());
    let request: ApiGatewayV2httpRequest = serde_json::from_value(json!({
        "version": "2.0",
        "rawPath": format!("/v1/profiles/{id}/timeline"),
        "rawQueryString": "limit=1000",
        "headers": {"authorization": format!("Bearer {}", admin.reveal())},
        "requestContext": {"http": {"method": "GET"}},
        "isBase64Encoded": false,
    }))
    .unwrap();
    let Some(Body::Text(body)) = finish(api.handle(request)).body else { panic!("a timeline is a text") };
    let body: Value = serde_json::from_str(&body).unwrap();
    let events = body["events"].as_array().unwrap_or_else(|| panic!("no timeline: {body}"));
    events.iter().map(|event| event["message_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rule_04_a_page_that_no_ledger_names_shows_nothing_until_it_does_and_then_once() {
    let events: Vec<Event> = (0..50).map(|number| naming(number, &[("user_id", "u")])).collect();
    let (early, late) = events.split_at(45);
    // Five at a time, so that the ledger spills and pages prove what it forgot.
    let early: Vec<Vec<&Event>> = early.chunks(5).map(|chunk| chunk.iter().collect()).collect();
    let late: Vec<&Event> = late.iter().collect();
    let fresh = || store(&early.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let save = place(&fresh().deliver(&batch(&late), None), "save");
    let store = fresh();
    store.deliver(&batch(&late), Some((save, End::NotDone)));
    let (id, _) = owner(&store.tables(), "user_id", "u");
    let all: Vec<String> = events.iter().map(|event| event.message_id.clone()).collect();
    assert!(on_pages(&store.tables()).contains("m49"), "the attempt left its page");
    assert_eq!(shown(&store, id), all[..45]);
    // Redelivered in other company, so that another page holds the same events.
    deliver(&store, &[&late[3..], &late[..4]]);
    assert_eq!(shown(&store, id), all);
}

#[test]
fn rule_05_a_page_travels_with_the_write_that_creates_or_claims() {
    let (first, login) =
        (naming(1, &[("user_id", "u")]), naming(2, &[("user_id", "u"), ("anonymous_id", "a")]));
    let plain = naming(3, &[("user_id", "u")]);
    let cases: [(&[&Event], &Event, bool); 3] =
        [(&[], &first, false), (&[&first], &login, false), (&[&first, &login], &plain, true)];
    for (before, event, is_put_first) in cases {
        let fresh = || store(&[before]);
        let calls = fresh().deliver(&batch(&[event]), None);
        let save = place(&calls, "save");
        assert_eq!(calls[..save].contains(&"put"), is_put_first, "{calls:?}");
        let store = fresh();
        store.deliver(&batch(&[event]), Some((save, End::NotDone)));
        let left = on_pages(&store.tables()).contains(&event.message_id);
        assert_eq!(left, is_put_first, "{} leaves a page of an attempt that died", event.message_id);
    }
}

#[test]
fn rule_05_whoever_loses_the_race_for_an_identifier_leaves_no_page() {
    let (one, other) =
        (naming(1, &[("user_id", "u"), ("anonymous_id", "a")]), naming(2, &[("anonymous_id", "a")]));
    let mut lost = 0;
    for before in 0.. {
        let store = store(&[]);
        let calls = Calls::until(None);
        let stage = store.stage(&calls);
        let bodies = bodies(vec![one.clone()]);
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let mut running = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let is_done = (0..before).any(|_| running.as_mut().poll(&mut context).is_ready());
        if is_done {
            break;
        }
        deliver(&store, &[&[&other]]);
        let verdicts = finish(running);
        assert!(verdicts.iter().all(Result::is_ok), "after {before} polls");
        lost += usize::from(calls.made().iter().filter(|call| **call == "save").count() > 1);
        let tables = store.tables();
        assert_eq!(oracle::check(&tables, &[one.clone(), other.clone()]), Ok(()), "after {before} polls");
        // Every page is in the collection whose ledger proves it, and in no other.
        for ((_, id, item), body) in &tables.items {
            if item.0.starts_with("page#") {
                let (proving, _) = owner(&tables, "anonymous_id", "a");
                assert_eq!(
                    (*id, page::read_timeline(body).unwrap().len()),
                    (proving, 1),
                    "after {before} polls"
                );
            }
        }
    }
    assert!(lost > 0, "the race is to be lost at least once");
}

#[test]
fn rule_05_an_erased_profile_stays_and_takes_nothing_from_whoever_read_it_before() {
    let (first, late) = (naming(1, &[("user_id", "u")]), naming(2, &[("user_id", "u")]));
    let mut erased_between = 0;
    for before in 0.. {
        let store = store(&[&[&first]]);
        let stage = store.stage(&Calls::until(None));
        let bodies = bodies(vec![late.clone()]);
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let mut running = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut saved = (0..before).map(|_| running.as_mut().poll(&mut context).is_ready());
        if saved.any(|ended| ended) {
            break;
        }
        let (id, profile) = owner(&store.tables(), "user_id", "u");
        if profile.counters.total() == 2 {
            continue; // It was written before the erasure.
        }
        let erased = Profile { standing: Standing::Erased, ..Profile::default() }.encode();
        store.people.alter(|tables| {
            let stored = tables.profiles.get_mut(&(workspace(), id)).unwrap();
            stored.version = Version { counter: stored.version.counter + 1, write: [0xee; 8] };
            stored.body.clone_from(&erased);
            tables.items.retain(|(_, owner, _), _| *owner != id);
        });
        erased_between += 1;
        let verdicts = finish(running);
        assert!(
            verdicts.iter().all(|verdict| matches!(verdict, Err(runtime::Failure::Retry(_)))),
            "it waits"
        );
        let stored = store.tables().profiles[&(workspace(), id)].clone();
        assert_eq!((stored.body, stored.version.write), (erased, [0xee; 8]), "after {before} polls");
    }
    assert!(erased_between > 3, "the erasure is to come between each two calls");
}

/// A person with as many devices as one may have, and a second person.
fn full_person() -> Store {
    let store = Store::new(defined(Rules { limits: Vec::new(), ..Rules::default() }, 1_000));
    let devices: Vec<Event> = (0..5)
        .map(|number| naming(number, &[("user_id", "u"), ("anonymous_id", &format!("a{number}"))]))
        .collect();
    deliver(&store, &[&devices.iter().collect::<Vec<_>>(), &[&naming(5, &[("email", "e@example.com")])]]);
    store
}

/// Events that each cause something elsewhere: a group's traits, a tie, a note
/// on an identifier that was left out.
fn causing() -> [Event; 3] {
    let described = json!({"groupId": "g", "traits": {"size": 3}}).to_string();
    let group = Event { kind: EventKind::Group, payload: described, ..naming(11, &[("user_id", "u")]) };
    let tying = naming(12, &[("user_id", "u"), ("email", "e@example.com")]);
    [group, tying, naming(13, &[("user_id", "u"), ("anonymous_id", "a9")])]
}

#[test]
fn rule_06_what_an_event_causes_elsewhere_never_comes_only_after_its_marker() {
    let causing = causing();
    let events: Vec<&Event> = causing.iter().collect();
    let batch = batch(&events);
    let calls = full_person().deliver(&batch, None);
    for name in ["replace", "record", "save", "put"] {
        assert!(calls.contains(&name), "the batch is to call `{name}`: {calls:?}");
    }
    for point in points(calls.len()) {
        let store = full_person();
        store.deliver(&batch, Some(point));
        check_effects(&store, &causing, &format!("{point:?}"));
        let group = groups(&store.tables());
        store.deliver(&batch, None);
        store.sweep(None);
        check_effects(&store, &causing, &format!("{point:?}, again"));
        if !group.is_empty() {
            assert_eq!(groups(&store.tables()), group, "{point:?}: a repetition changes a group");
        }
        let (person, _) = owner(&store.tables(), "user_id", "u");
        let (other, _) = owner(&store.tables(), "email", "e@example.com");
        for id in [person, other] {
            assert_eq!(ties(&store.tables(), id), 1, "{point:?}: the tie stands with both");
        }
    }
}

/// If the ledger names an event, all that it causes is there or in the outbox.
fn check_effects(store: &Store, causing: &[Event], at: &str) {
    let tables = store.tables();
    let [group, tying, dropping] = causing else { panic!("three events cause something") };
    assert_eq!(oracle::effects(&tables, &[group, tying]), Ok(()), "{at}");
    let (_, person) = owner(&tables, "user_id", "u");
    let name = dropping.name(&key());
    if person.ledger.entries().iter().any(|entry| entry.name == name) {
        let noted = store.rejections.kept(&workspace(), &dropping.source);
        assert!(noted.iter().any(|noted| noted.reason == Reason::IdentifierLimit), "{at}: nobody can see it");
    }
}

fn groups(tables: &Tables) -> Vec<Vec<u8>> {
    let id = key().group(&workspace(), "g");
    tables.items.iter().filter(|((_, owner, _), _)| *owner == id).map(|(_, body)| body.clone()).collect()
}

pub(super) fn ties(tables: &Tables, id: ProfileId) -> usize {
    tables.items.keys().filter(|(_, owner, item)| *owner == id && item.0.starts_with("tie#")).count()
}

#[test]
fn rule_06_a_tie_to_a_profile_that_is_still_being_made_stands_with_both_in_the_end() {
    let known = naming(1, &[("user_id", "u")]);
    let new = naming(2, &[("email", "e@example.com"), ("loyalty_card", "c")]);
    let tying = naming(3, &[("user_id", "u"), ("email", "e@example.com")]);
    let fresh = || store(&[&[&known]]);
    let events = batch(&[&new, &tying]);
    let calls = fresh().deliver(&events, None);
    for point in points(calls.len()) {
        let store = fresh();
        store.deliver(&events, Some(point));
        deliver(&store, &[&[&new, &tying]]);
        store.clock.advance(Timestamp::HOUR);
        store.sweep(None);
        let ended = oracle::check(&store.tables(), &[known.clone(), new.clone(), tying.clone()]);
        assert_eq!(ended, Ok(()), "{point:?} of {calls:?}");
    }
}

#[test]
fn rule_07_one_message_id_on_two_people_counts_twice_in_any_order() {
    let said = |names: Value| -> Map<String, Value> {
        let Value::Object(mut event) = json!({
            "type": "track", "event": "Order Completed", "messageId": "order-1",
            "timestamp": start().rfc3339(), "properties": {"revenue": 5},
        }) else {
            panic!("an event is an object")
        };
        event.extend(names.as_object().unwrap().clone());
        event
    };
    let browser = said(json!({"anonymousId": "a"}));
    let server = said(json!({"userId": "u"}));
    let tie = said(json!({"userId": "u", "anonymousId": "a", "messageId": "login-1"}));
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let store = store(&[]);
        let events = order.map(|place| [&browser, &server, &tie][place]);
        // Each is sent again, in another request, once all were sent.
        for event in events {
            post(&store, Form::Single, &[event]);
        }
        post(&store, Form::Enveloped, &events);
        let profiles =
            store.tables().profiles.into_values().map(|stored| Profile::decode(&stored.body).unwrap());
        let whole = profiles.reduce(Profile::union).unwrap();
        let revenue = whole.counters.revenue.values().map(|money| money.count).sum::<u64>();
        assert_eq!((whole.counters.total(), revenue), (3, 3), "{order:?}");
    }
}

/// Sends events through ingest and folds what it took.
fn post(store: &Store, form: Form, events: &[&Map<String, Value>]) {
    store.clock.advance(Timestamp::MINUTE);
    let queue = MemoryQueue::default();
    let taken = Faulty::new(queue.clone(), |_| testkit::Fault::None);
    let ingest = ingest::Ingest::new(
        store.definitions.clone(),
        taken,
        store.rejections.clone(),
        store.clock.clone(),
        SeededEntropy::seeded(6),
    );
    let answer = finish(ingest.handle(sdk::request(form, "web", events, store.clock.now())));
    assert_eq!(answer.status_code, 200);
    store.deliver(&records(queue.take().into_iter().map(|sent| sent.body).collect()), None);
}

#[test]
fn rule_07_a_retry_has_the_name_of_what_it_repeats() {
    let event = naming(1, &[("user_id", "u")]);
    assert_eq!(event.name(&key()), retry_of(&event, Timestamp::DAY).name(&key()));
}
