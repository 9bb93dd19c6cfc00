//! Every call of asking everybody as a place to crash: the sweep that sends
//! parts, and the stage that walks them.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsMessage;
use domain::event::Event;
use domain::segment::fill::ROLLOUT;
use domain::time::Timestamp;
use ports::{Clock as _, Definitions as _};
use profile::Writer;
use runtime::definitions::Cached;
use testkit::people::Tables;
use testkit::{Faulty, MemoryQueue, SeededEntropy};

use super::crash_points::{Calls, ENDS, End, Point, Store, points, records};
use super::crowd::{bodies, definitions, event, key, naming};
use super::segments;
use super::world::{Call, TestSegments, finish};

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
const RECEIVES_MAX: u32 = 5;
/// People: few, for each crash point is a world of its own.
const EVENTS: usize = 14;
/// Minutes of a fill: it asks, comes into force, waits, and tells.
const ROUNDS_MAX: usize = 8;

/// People whom nobody has asked anything yet; a crash left a tie in an outbox.
fn prepared() -> Tables {
    let chance = SeededEntropy::seeded(5);
    let mut events: Vec<Event> = (0..EVENTS).map(|number| event(&chance, number)).collect();
    events.push(naming(1_000, &[("user_id", "tied")]));
    events.push(naming(1_001, &[("email", "tied@example.com")]));
    let store = Store::new(definitions());
    store.deliver(&records(bodies(events)), None);
    let tie = naming(1_002, &[("user_id", "tied"), ("email", "tied@example.com")]);
    let batch = records(bodies([tie].to_vec()));
    let calls = Store::of(&store.tables()).deliver(&batch, None);
    let send = calls.iter().rposition(|call| *call == "send").unwrap();
    store.deliver(&batch, Some((send, End::NotDone)));
    store.tables()
}

/// A store with these people and fresh definitions, at the time of a fill.
fn store(tables: &Tables) -> Store {
    let store = Store::new(segments::with_segments(definitions()));
    store.people.alter(|fresh| *fresh = tables.clone());
    store.clock.advance(ROLLOUT);
    store
}

/// A sweep sends the parts that are open.
fn send(store: &Store, queue: &MemoryQueue, end: Option<Point>) -> Vec<&'static str> {
    let calls = Calls::until(end);
    let definitions = Faulty::new(store.definitions.clone(), calls.fates());
    let queue = definitions.sharing(queue.clone());
    // One that fails is followed by the next.
    let _ = calls.run(profile::fill::send(&Cached::new(definitions), &queue, &store.clock));
    calls.made()
}

/// The parts are walked, one after the other, up to a call.
fn walk(store: &Store, parts: &[SqsMessage], end: Option<Point>) -> Vec<&'static str> {
    let calls = Calls::until(end);
    let people = Faulty::new(store.people.clone(), calls.fates());
    let stage = TestSegments {
        writer: Writer {
            merges: people.sharing(store.merges.clone()),
            messages: None,
            clock: store.clock.clone(),
            // Each try draws other numbers.
            entropy: SeededEntropy::seeded(u64::from(end.is_none()) + 77),
            key: key(),
            people: people.clone(),
        },
        definitions: Cached::new(people.sharing(store.definitions.clone())),
    };
    let letters = people.sharing(store.letters.clone());
    calls.run(::segments::batch::walk(&stage, &letters, parts, NEVER, RECEIVES_MAX));
    calls.made()
}

fn sent(queue: &MemoryQueue) -> Vec<SqsMessage> {
    records(queue.take().into_iter().map(|part| part.body).collect())
}

/// Whatever a crash left: minutes go by until nothing is open, and whoever is due is looked at.
fn settled(store: &Store) -> Result<(), String> {
    for _ in 0..ROUNDS_MAX {
        let queue = MemoryQueue::default();
        send(store, &queue, None);
        walk(store, &sent(&queue), None);
        store.clock.advance(ROLLOUT);
        store.sweep(None);
        if finish(store.definitions.fills()).map_err(|error| error.to_string())?.is_empty() {
            return segments::check(&store.tables(), store.clock.now());
        }
    }
    Err("the fill did not come to its end".to_owned())
}

/// A fill in which everybody was asked and what was pending is in force: what
/// is left is to tell.
fn telling(tables: &Tables) -> Store {
    let store = store(tables);
    let queue = MemoryQueue::default();
    send(&store, &queue, None);
    walk(&store, &sent(&queue), None);
    store.clock.advance(ROLLOUT);
    store
}

fn parts_of(store: &Store) -> Vec<SqsMessage> {
    let queue = MemoryQueue::default();
    send(store, &queue, None);
    sent(&queue)
}

/// Every call that has crash points here.
pub(super) fn covered() -> BTreeSet<Call> {
    let tables = prepared();
    let mut covered = BTreeSet::new();
    for store in [store(&tables), telling(&tables)] {
        covered.extend(send(&store, &MemoryQueue::default(), None).into_iter().map(|call| ("profile", call)));
        covered.extend(walk(&store, &parts_of(&store), None).into_iter().map(|call| ("segments", call)));
    }
    // Whoever folds reads the segments, too: a batch that dies there did nothing.
    covered.insert(("profile", "segments"));
    covered
}

#[test]
fn a_crash_at_any_call_of_sending_parts_is_mended_by_the_next_minute() {
    let tables = prepared();
    let count = send(&store(&tables), &MemoryQueue::default(), None).len();
    for (place, end) in points(count) {
        let store = store(&tables);
        let queue = MemoryQueue::default();
        send(&store, &queue, Some((place, end)));
        walk(&store, &sent(&queue), None);
        assert_eq!(settled(&store), Ok(()), "{end:?} at call {place}");
    }
}

#[test]
fn a_crash_at_any_call_of_a_walk_is_mended_by_the_next() {
    let tables = prepared();
    assert_eq!(settled(&store(&tables)), Ok(()));
    for (name, at) in [("asks", store as fn(&Tables) -> Store), ("tells", telling)] {
        let calm = at(&tables);
        let calls = walk(&calm, &parts_of(&calm), None);
        for (place, end) in points(calls.len()) {
            let store = at(&tables);
            let parts = parts_of(&store);
            walk(&store, &parts, Some((place, end)));
            let at = format!("a fill that {name}: {end:?} at call {place}, `{}`", calls[place]);
            assert_eq!(settled(&store), Ok(()), "{at}");
        }
        println!("a fill that {name}: {} calls, {} crash points", calls.len(), calls.len() * ENDS.len());
    }
}
