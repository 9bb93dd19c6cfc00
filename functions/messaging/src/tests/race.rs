//! A word against a letter, at every moment between gate and call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::messaging::consent::Said;
use domain::messaging::gate::Why;
use domain::messaging::run::Outcome;
use domain::time::Timestamp;
use futures_util::FutureExt as _;
use ports::channel::{Letter, ProviderId, SendError};
use ports::{Clock as _, Email, People, Timer as _};
use serde_json::json;
use testkit::{Fault, Faulty};

use super::careless::Careless;
use super::wire::{Post, Wire, lock};
use super::world::{FUNCTION, START, World, email, key, person, word, workspace};
use crate::consent::hear;

/// What happened, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A call to the one who is about to leave began.
    Begun(Timestamp),
    /// Their word was kept; until then a call may still begin.
    Heard(Option<Timestamp>),
    /// They were told that it is done.
    Answered,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A provider that notes calls to one address.
#[derive(Clone)]
struct Noted {
    log: Log,
    world: super::world::Virtual,
    latency: Duration,
}

impl Email for Noted {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        if letter.to == email(1).value() {
            lock(&self.log).push(Seen::Begun(self.world.now()));
        }
        tokio::time::sleep(self.latency).await;
        Ok(ProviderId("noted".to_owned()))
    }
}

/// Calls that began once nobody could expect one any more.
fn too_late(log: &[Seen]) -> usize {
    let mut until = None;
    let mut late = 0;
    for seen in log {
        match seen {
            Seen::Heard(under_way) => until = Some(under_way.unwrap_or(START)),
            Seen::Answered => until = Some(START),
            Seen::Begun(at) => late += usize::from(until.is_some_and(|until| *at >= until)),
        }
    }
    late
}

async fn world() -> World {
    let world = World::new();
    world.readers(0..2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    world
}

/// Sends all parcels over a store in which the word is said before one call.
/// Says what happened, and whether there was such a call.
async fn said_before<P: People + Clone>(world: &World, people: P, place: usize) -> (Vec<Seen>, bool) {
    let log = Log::default();
    let (clock, truth, heard) = (world.clock, world.people.clone(), Arc::clone(&log));
    let mut calls = 0;
    let people = Faulty::new(people, move |_| {
        calls += 1;
        if calls == place + 1 {
            let now = clock.now();
            let (word, ids) = (word(1, Said::Unsubscribed, now), key());
            let of = email(1);
            let told = hear(&truth, (&ids, &workspace()), &of, &word, now).now_or_never().unwrap();
            lock(&heard).push(Seen::Heard(told.unwrap().under_way));
        }
        Fault::None
    });
    let noted = Noted { log: Arc::clone(&log), world: clock, latency: Duration::from_millis(40) };
    let sender = world.sender_over(people.clone(), people.sharing(noted));
    for parcel in world.queue.take() {
        let until = clock.now().plus(FUNCTION);
        Box::pin(sender.send(&parcel.body, until)).await.unwrap();
    }
    let log = lock(&log).clone();
    let was_said = log.iter().any(|seen| matches!(seen, Seen::Heard(_)));
    (log, was_said)
}

#[tokio::test(start_paused = true)]
async fn rule_5_wherever_a_word_comes_between_no_call_begins_once_it_is_answered() {
    let (mut before, mut allowed, mut none) = (0, 0, 0);
    for latency in [0, 5, 30, 150] {
        for place in 0.. {
            let world = world().await;
            let people = Wire::new(world.people.clone(), Duration::from_millis(latency));
            let (log, was_said) = said_before(&world, people, place).await;
            assert_eq!(too_late(&log), 0, "{latency} ms, before call {place}: {log:?}");
            if !was_said {
                break;
            }
            match &log[..] {
                [Seen::Begun(_), ..] => before += 1,
                [Seen::Heard(_), Seen::Begun(_), ..] => allowed += 1,
                _ => none += 1,
            }
            let outcome = world.outcomes("sale").await[&person(1)];
            let is_unsubscribed = outcome == Outcome::Skipped(Why::Unsubscribed);
            let was_called = log.iter().any(|seen| matches!(seen, Seen::Begun(_)));
            assert_eq!(is_unsubscribed, !was_called, "{latency} ms, before call {place}: {outcome:?}");
        }
    }
    assert!(before > 10 && allowed > 3 && none > 30, "{before} before, {allowed} allowed, {none} without");
}

/// Without the condition of the claim the gate is asked about what it saw when it
/// looked at the person, and a call begins behind the answer.
#[tokio::test(start_paused = true)]
async fn a_claim_without_its_condition_is_caught() {
    let mut late = 0;
    for place in 0.. {
        let world = world().await;
        let (log, was_said) = said_before(&world, Careless(world.people.clone()), place).await;
        late += too_late(&log);
        if !was_said {
            break;
        }
    }
    assert!(late > 0, "nobody saw it");
}

/// Words at any moment, said over a store that takes a while, and told as done
/// only when no call may begin any more.
#[tokio::test(start_paused = true)]
async fn rule_5_in_hundreds_of_races_no_call_begins_behind_an_answer() {
    let (mut called, mut left) = (0, 0);
    for seed in 0..400_u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let world = world().await;
        let people = Wire::new(world.people.clone(), Duration::from_millis(rng.u64(0..30)));
        let log = Log::default();
        let noted = Noted {
            log: Arc::clone(&log),
            world: world.clock,
            latency: Duration::from_millis(rng.u64(0..90)),
        };
        let sender = world.sender_over(people.clone(), noted);
        let leaving = async {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..700))).await;
            let now = world.clock.now();
            let word = word(1, Said::Unsubscribed, now);
            let heard = hear(&people, (&key(), &workspace()), &email(1), &word, now).await.unwrap();
            if let Some(until) = heard.under_way {
                world.clock.until(until).await;
            }
            lock(&log).push(Seen::Answered);
        };
        let sending = async {
            for parcel in world.queue.take() {
                let until = world.clock.now().plus(FUNCTION);
                Box::pin(sender.send(&parcel.body, until)).await.unwrap();
            }
        };
        futures_util::future::join(leaving, sending).await;
        let log = lock(&log).clone();
        assert_eq!(too_late(&log), 0, "seed {seed}: {log:?}");
        if log.len() > 1 { called += 1 } else { left += 1 }
    }
    assert!(called > 40 && left > 40, "{called} called, {left} left");
}

/// The gate is asked again in the slot: an evening begins while letters wait for theirs.
#[tokio::test(start_paused = true)]
async fn rule_5_quiet_hours_that_begin_while_letters_wait_for_their_slots_hold_them_back() {
    let world = World::new();
    // START is 2026-09-21T14:13:20Z; the quiet begins in forty seconds.
    world.settle(&json!({ "quiet": { "from": "14:14", "to": "15:00" } }));
    world.mail.set_quota(super::world::allowed(1));
    world.readers(0..60).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    let post = Post::new(world.mail.clone(), world.clock, Duration::from_millis(50));
    let sender = world.sender_over(world.people.clone(), post.clone());
    for parcel in world.queue.take() {
        let until = world.clock.now().plus(FUNCTION);
        Box::pin(sender.send(&parcel.body, until)).await.unwrap();
    }
    let (begun, quiet) = (post.begun(), START.plus(40 * Timestamp::SECOND));
    assert!(!begun.is_empty() && begun.iter().all(|(at, _)| *at < quiet), "{begun:?}");
    let waits = |outcome: &Outcome| matches!(outcome, Outcome::Waits { why: Why::Quiet, .. });
    let waiting = world.outcomes("sale").await.into_values().filter(waits).count();
    assert_eq!(waiting + begun.len(), 60);
}
