//! Every call of identity as a place to crash, and what redelivery makes of it.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsMessage;
use domain::event::Event;
use domain::rules::Rules;
use domain::time::Timestamp;
use ports::queue::Outgoing;
use testkit::people::Tables;
use testkit::{Faulty, SeededEntropy};

use super::crash_points::{Calls, ENDS, Point, Store, points, records};
use super::crowd::{defined, definitions, key, naming};
use super::oracle;
use super::rules_04_to_07::{batch, owner};
use super::world::{Call, TestIdentity};

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
const RECEIVES_MAX: u32 = 5;

/// Four who are one, tied in a circle and by one more, and one who is apart.
fn events() -> Vec<Event> {
    vec![
        naming(1, &[("email", "e@example.com")]),
        naming(2, &[("loyalty_card", "c")]),
        naming(3, &[("user_id", "u")]),
        naming(4, &[("device_id", "d")]),
        naming(5, &[("user_id", "apart")]),
        naming(6, &[("user_id", "u"), ("email", "e@example.com")]),
        naming(7, &[("email", "e@example.com"), ("loyalty_card", "c")]),
        naming(8, &[("loyalty_card", "c"), ("user_id", "u")]),
        naming(9, &[("device_id", "d"), ("loyalty_card", "c")]),
    ]
}

/// What lies in the tables and in identity's queue before it runs.
fn prepared(events: &[Event]) -> (Tables, Vec<SqsMessage>) {
    let store = Store::new(definitions());
    for event in events {
        store.deliver(&batch(&[event]), None);
    }
    let mut bodies: Vec<String> = store.merges.sent().into_iter().map(|sent: Outgoing| sent.body).collect();
    bodies.push("rubbish".to_owned());
    (store.tables(), records(bodies))
}

fn stage(store: &Store, calls: &Calls) -> TestIdentity {
    let people = Faulty::new(store.people.clone(), calls.fates());
    identity::Stage {
        definitions: people.sharing(store.definitions.clone()),
        rejections: people.sharing(store.rejections.clone()),
        clock: store.clock.clone(),
        entropy: SeededEntropy::seeded(5),
        key: key(),
        people,
    }
}

/// One delivery that ends at a call, or goes through; says what it called.
fn deliver(store: &Store, records: &[SqsMessage], end: Option<Point>) -> Vec<&'static str> {
    let calls = Calls::until(end);
    let stage = stage(store, &calls);
    let letters = Faulty::new(store.letters.clone(), calls.fates());
    calls.run(identity::batch::merge(&stage, &letters, records, NEVER, RECEIVES_MAX));
    calls.made()
}

/// Every call of identity that has crash points here.
pub(super) fn covered() -> BTreeSet<Call> {
    let (tables, records) = prepared(&events());
    let merging = deliver(&Store::of(&tables), &records, None);
    let (tables, records) = prepared(&refused());
    let refusing = deliver(&refusing(&tables), &records, None);
    merging.into_iter().chain(refusing).map(|call| ("identity", call)).collect()
}

fn whole(store: &Store) -> Result<(), String> {
    oracle::check(&store.tables(), &events())?;
    oracle::one_profile_a_person(&store.tables(), &events())?;
    if store.letters.sent().is_empty() { Err("what nobody can read is gone".to_owned()) } else { Ok(()) }
}

#[test]
fn a_crash_at_any_call_then_redelivery_gives_one_profile_a_person() {
    let (tables, records) = prepared(&events());
    assert_eq!(records.len(), 5, "four ties, and rubbish");
    let calls = deliver(&Store::of(&tables), &records, None);
    for (place, end) in points(calls.len()) {
        let store = Store::of(&tables);
        let made = deliver(&store, &records, Some((place, end)));
        let at = format!("{end:?} at call {place}, `{}`", calls[place]);
        assert_eq!(made.get(..=place), calls.get(..=place), "{at}");
        assert_eq!(oracle::invariants(&store.tables()), Ok(()), "{at}");
        deliver(&store, &records, None);
        assert_eq!(whole(&store), Ok(()), "{at}");
    }
    println!("{} calls, {} crash points", calls.len(), calls.len() * ENDS.len());
}

/// Two users whom the rules keep apart, tied by an address.
fn refused() -> Vec<Event> {
    vec![
        naming(1, &[("user_id", "a")]),
        naming(2, &[("user_id", "b"), ("email", "e@example.com")]),
        naming(3, &[("user_id", "a"), ("email", "e@example.com")]),
    ]
}

fn refusing(tables: &Tables) -> Store {
    let rules = Rules { limits: vec![("user_id".to_owned(), 1)], ..Rules::default() };
    let store = Store::new(defined(rules, 1_000));
    store.people.alter(|fresh| *fresh = tables.clone());
    store
}

#[test]
fn a_crash_at_any_call_of_a_refusal_then_redelivery_records_it_with_both() {
    let (tables, records) = prepared(&refused());
    let calls = deliver(&refusing(&tables), &records, None);
    let both = ["a", "b"].map(|user| owner(&tables, "user_id", user).0);
    for (place, end) in points(calls.len()) {
        let store = refusing(&tables);
        deliver(&store, &records, Some((place, end)));
        deliver(&store, &records, None);
        let after = store.tables();
        assert_eq!(after.profiles, tables.profiles, "{end:?} at call {place}");
        let kept = after.items.keys().filter(|(.., item)| item.0.starts_with("refusal#"));
        let kept: BTreeSet<_> = kept.map(|(_, id, _)| *id).collect();
        assert_eq!(kept, BTreeSet::from(both), "{end:?} at call {place}, `{}`", calls[place]);
    }
}
