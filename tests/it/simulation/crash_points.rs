//! Every call of the stage as a place to crash, alone and in pairs.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use domain::time::Timestamp;
use domain::event::Event;
use profile::{Proper, Stage};
use testkit::people::Tables;
use testkit::{Fault, Faulty, MemoryPeople, MemoryRejections, SeededEntropy, TestClock};

use super::oracle;
use super::world::{TestStage, bodies, definitions, event, finish, key, retry_of, start};

/// What happens at the call at which a try ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The process dies before the call is made.
    NotDone,
    /// The process dies with the call done and its answer not seen.
    Done,
    /// The call is done, its answer is lost, and the stage goes on.
    AnswerLost,
}

const ENDS: [End; 3] = [End::NotDone, End::Done, End::AnswerLost];

type Log = Arc<Mutex<Vec<&'static str>>>;

/// A stage over a store, with a log of its calls and a fault at one of them.
fn stage(people: &MemoryPeople, lost: Option<usize>) -> (TestStage<Proper>, Log) {
    let log = Log::default();
    let calls = Arc::clone(&log);
    let store = Faulty::new(people.clone(), move |call| {
        let mut calls = calls.lock().unwrap();
        if call != "due index" {
            calls.push(call);
        }
        if lost.map(|place| place + 1) == Some(calls.len()) { Fault::AnswerLost } else { Fault::None }
    });
    let clock = TestClock::at(start());
    let rejections = store.sharing(MemoryRejections::new(clock.clone()));
    (Stage::new(store, definitions(), rejections, clock, SeededEntropy::seeded(1), key()), log)
}

/// One delivery that ends at a call, or goes through.
fn deliver(people: &MemoryPeople, records: &[String], end: Option<(usize, End)>) -> Vec<&'static str> {
    let lost = end.filter(|(_, end)| *end == End::AnswerLost).map(|(place, _)| place);
    let (stage, log) = stage(people, lost);
    let bodies: Vec<&str> = records.iter().map(String::as_str).collect();
    let mut running = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
    // Each call waits once before and once after it is made.
    let polls = match end {
        Some((place, End::NotDone)) => 2 * place + 1,
        Some((place, End::Done)) => 2 * place + 2,
        Some((_, End::AnswerLost)) | None => usize::MAX,
    };
    for _ in 0..polls {
        if running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            break;
        }
    }
    log.lock().unwrap().clone()
}

/// The batches of one scenario: what came before, and the batch under test.
struct Scenario {
    before: Vec<String>,
    events: Vec<Event>,
    batch: Vec<String>,
}

/// A known person, a new one, a tie, a group and a ledger that spills.
fn scenario() -> Scenario {
    let chance = SeededEntropy::seeded(5);
    let events: Vec<Event> = (0..60).map(|number| event(&chance, number)).collect();
    let (early, late) = events.split_at(40);
    let again: Vec<Event> = early.iter().step_by(7).map(|event| retry_of(event, 1_000)).collect();
    let batch = bodies(late.iter().cloned().chain(again).collect());
    Scenario { before: bodies(early.to_vec()), batch, events }
}

fn prepared(scenario: &Scenario) -> MemoryPeople {
    let people = MemoryPeople::default();
    deliver(&people, &scenario.before, None);
    people
}

fn settled(people: &MemoryPeople, scenario: &Scenario) -> Tables {
    deliver(people, &scenario.batch, None);
    let (stage, _) = stage(people, None);
    finish(stage.writer.sweep()).unwrap();
    people.tables()
}

/// The stage writes several people at once; one at a time is what makes a
/// place in the list of calls mean one call. Crashes in between writes that
/// run side by side are the storm's to find.
fn calls(scenario: &Scenario) -> Vec<&'static str> {
    deliver(&prepared(scenario), &scenario.batch, None)
}

#[test]
fn the_scenario_makes_every_call_that_the_stage_can_make() {
    let made = calls(&scenario());
    for call in ["identities", "profiles", "items", "put", "replace", "save"] {
        assert!(made.contains(&call), "no crash point at `{call}`: {made:?}");
    }
}

#[test]
fn a_crash_at_any_call_then_redelivery_gives_what_a_sequential_fold_gives() {
    let scenario = scenario();
    let count = calls(&scenario).len();
    for place in 0..count {
        for end in ENDS {
            let people = prepared(&scenario);
            deliver(&people, &scenario.batch, Some((place, end)));
            assert_eq!(oracle::invariants(&people.tables()), Ok(()), "{end:?} at call {place}");
            assert_eq!(
                oracle::check(&settled(&people, &scenario), &scenario.events),
                Ok(()),
                "{end:?} at call {place}"
            );
        }
    }
    println!("{count} calls, {} crash points", count * ENDS.len());
}

#[test]
fn a_crash_at_any_call_of_the_first_try_and_any_of_the_second_is_mended_by_the_third() {
    let scenario = scenario();
    let count = calls(&scenario).len();
    let mut pairs = 0;
    for first in 0..count {
        for first_end in ENDS {
            let after_first = prepared(&scenario);
            deliver(&after_first, &scenario.batch, Some((first, first_end)));
            let tables = after_first.tables();
            for (second, second_end) in (0..count).flat_map(|place| ENDS.map(|end| (place, end))) {
                let people = MemoryPeople::default();
                people.alter(|fresh| *fresh = tables.clone());
                deliver(&people, &scenario.batch, Some((second, second_end)));
                let checked = oracle::check(&settled(&people, &scenario), &scenario.events);
                assert_eq!(
                    checked,
                    Ok(()),
                    "{first_end:?} at call {first}, then {second_end:?} at call {second}"
                );
                pairs += 1;
            }
        }
    }
    println!("{pairs} pairs of crash points");
}

#[test]
fn the_running_future_is_dropped_where_the_test_says() {
    let scenario = scenario();
    let (stage, log) = stage(&prepared(&scenario), None);
    let bodies: Vec<&str> = scenario.batch.iter().map(String::as_str).collect();
    let mut running = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
    let mut poll =
        || matches!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_));
    assert!(!poll());
    assert_eq!(log.lock().unwrap().len(), 0, "after one poll the first call is not made");
    assert!(!poll());
    assert_eq!(log.lock().unwrap().len(), 1, "after two it is");
}
