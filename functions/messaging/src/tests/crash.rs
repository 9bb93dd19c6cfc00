//! Every call of the planner and of the sender as the place where it dies, or
//! where its answer is lost; then everything is received again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::messaging::consent::Said;
use domain::messaging::run::Outcome;
use ports::Clock as _;
use testkit::{Fault, Faulty, MemoryPeople};

use serde_json::json;

use super::world::{FUNCTION, World, email, person};

const READERS: u32 = 4;
/// Nobody waits longer: a planner that died comes again the next minute, and who
/// was given up is asked about once more.
const MINUTES: u32 = 25;

/// What one call does; the others do what they should.
fn at(place: usize, fault: Fault) -> (Arc<AtomicUsize>, impl FnMut(&'static str) -> Fault + Send) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let choose = move |_| if count.fetch_add(1, Ordering::SeqCst) == place { fault } else { Fault::None };
    (calls, choose)
}

async fn world() -> World {
    let world = World::with(MemoryPeople::with_pages_of(2));
    // A cap that one letter fills: nobody's own claim may count against them.
    world.settle(&json!({ "caps": [{ "most": 1, "per": "week" }] }));
    world.readers(0..READERS).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.say(READERS - 1, Said::Unsubscribed).await;
    world.start("sale").await;
    world
}

/// Drives a stage until it ends, or until it is seen to be dead.
async fn driven<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(50), work).await.ok()
}

/// Everybody who is to get a letter has one, or it is said that nobody knows;
/// nobody else has any.
async fn assert_exact(world: &World, unknown: usize, what: &str) {
    let letters = world.letters();
    let outcomes = world.outcomes("sale").await;
    assert!(letters.values().all(|letters| *letters == 1), "{what}: {letters:?}");
    assert!(!letters.contains_key(email(READERS - 1).value()), "{what}");
    let mut unknowns = 0;
    for number in 0..READERS - 1 {
        let outcome = outcomes.get(&person(number));
        let has_one = letters.contains_key(email(number).value());
        match outcome {
            Some(Outcome::Sent(..)) => assert!(has_one, "{what}: {number} has none"),
            Some(Outcome::Unknown(..)) => unknowns += 1,
            _ => panic!("{what}: {number} came to {outcome:?}"),
        }
    }
    assert!(unknowns <= unknown, "{what}: {unknowns} are unknown, of {unknown}");
}

const FAULTS: [Fault; 6] = [
    Fault::DiesBefore,
    Fault::DiesAfter,
    Fault::Refused,
    Fault::AnswerLost,
    Fault::Conflict,
    Fault::Repeated,
];

#[tokio::test(start_paused = true)]
async fn rule_5_a_sender_that_dies_or_fails_at_any_call_writes_to_nobody_twice() {
    let mut places = 0;
    for fault in FAULTS {
        for place in 0.. {
            let world = world().await;
            let (calls, choose) = at(place, fault);
            let people = Faulty::new(world.people.clone(), choose);
            let mail = people.sharing(world.mail.clone());
            let sender = world.sender_over(people, mail);
            world.planner().plan().await.unwrap();
            let parcels = world.queue.take();
            let mut again = Vec::new();
            for parcel in parcels {
                let until = world.clock.now().plus(FUNCTION);
                let sent = driven(Box::pin(sender.send(&parcel.body, until))).await;
                if !matches!(sent, Some(Ok(_))) {
                    again.push(parcel);
                }
            }
            let made = calls.load(Ordering::SeqCst);
            // What was not answered comes back from the queue, to one who is well.
            tokio::time::sleep(Duration::from_mins(6)).await;
            let sender = world.sender();
            for parcel in again {
                let until = world.clock.now().plus(FUNCTION);
                Box::pin(sender.send(&parcel.body, until)).await.unwrap();
            }
            world.rounds(MINUTES).await;
            // Only who dies or is told nothing cannot know.
            let unknown = usize::from(!matches!(fault, Fault::Conflict | Fault::Repeated));
            assert_exact(&world, unknown, &format!("{fault:?} at call {place}")).await;
            if made <= place {
                break;
            }
            places += 1;
        }
    }
    assert!(places > 100, "{places} places");
}

#[tokio::test(start_paused = true)]
async fn rule_5_a_planner_that_dies_or_fails_at_any_call_leaves_nobody_out() {
    let mut places = 0;
    for fault in FAULTS {
        for place in 0.. {
            let world = world().await;
            let (calls, choose) = at(place, fault);
            let people = Faulty::new(world.people.clone(), choose);
            let queue = people.sharing(world.queue.clone());
            let planner = world.planner_over(people, queue);
            drop(driven(Box::pin(planner.plan())).await);
            let made = calls.load(Ordering::SeqCst);
            world.rounds(MINUTES).await;
            assert_exact(&world, 0, &format!("{fault:?} at call {place}")).await;
            if made <= place {
                break;
            }
            places += 1;
        }
    }
    assert!(places > 50, "{places} places");
}

/// Several calls fail, at random, in planners and senders alike.
#[tokio::test(start_paused = true)]
async fn rule_5_whatever_fails_together_nobody_gets_two_letters() {
    for seed in 0..60 {
        let world = world().await;
        let mut rng = fastrand::Rng::with_seed(seed);
        let deaths = Arc::new(AtomicUsize::new(0));
        let died = Arc::clone(&deaths);
        let people = Faulty::new(world.people.clone(), move |_| {
            let fault = if rng.u8(0..20) == 0 { FAULTS[rng.usize(0..FAULTS.len())] } else { Fault::None };
            died.fetch_add(usize::from(fault != Fault::None), Ordering::SeqCst);
            fault
        });
        let sender = world.sender_over(people.clone(), people.sharing(world.mail.clone()));
        let planner = world.planner_over(people.clone(), people.sharing(world.queue.clone()));
        let mut received = Vec::new();
        for _ in 0..6 {
            drop(driven(Box::pin(planner.plan())).await);
            received.append(&mut world.queue.take());
            let mut again = Vec::new();
            for parcel in received {
                let until = world.clock.now().plus(FUNCTION);
                let sent = driven(Box::pin(sender.send(&parcel.body, until))).await;
                if !matches!(sent, Some(Ok(_))) {
                    again.push(parcel);
                }
            }
            received = again;
        }
        let sender = world.sender();
        for parcel in received {
            Box::pin(sender.send(&parcel.body, world.clock.now().plus(FUNCTION))).await.unwrap();
        }
        world.rounds(MINUTES).await;
        let unknown = deaths.load(Ordering::SeqCst);
        assert_exact(&world, unknown, &format!("seed {seed}")).await;
    }
}
