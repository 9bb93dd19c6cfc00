//! Who waits: for the morning, for a clock, for an operator; and what is asked again then.

use std::time::Duration;

use domain::messaging::consent::Said;
use domain::messaging::gate::Why;
use domain::messaging::quiet::WallTime;
use domain::messaging::run::{Outcome, Pause, Run};
use domain::time::Timestamp;
use ports::Clock as _;
use ports::channel::{Letter, ProviderId, SendError};
use ports::{Definitions as _, Email};
use serde_json::json;

use super::world::{FUNCTION, START, Virtual, World, email, key, person, sale, workspace};
use crate::steer::{self, Steer};

/// A provider that remembers when each address got its letter.
#[derive(Clone)]
struct Dated(Virtual, std::sync::Arc<std::sync::Mutex<Vec<(String, Timestamp)>>>);

impl Email for Dated {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        super::wire::lock(&self.1).push((letter.to.clone(), self.0.now()));
        Ok(ProviderId("dated".to_owned()))
    }
}

/// When each person got their letter, within so many minutes.
async fn dates(world: &World, minutes: u32) -> Vec<(String, Timestamp)> {
    let dated = Dated(world.clock, std::sync::Arc::default());
    let (sender, planner) = (world.sender_over(world.people.clone(), dated.clone()), world.planner());
    for _ in 0..minutes {
        planner.plan().await.unwrap();
        for parcel in world.queue.take() {
            let until = world.clock.now().plus(FUNCTION);
            Box::pin(sender.send(&parcel.body, until)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let mut dates = super::wire::lock(&dated.1).clone();
    dates.sort();
    dates
}

async fn reader_of(world: &World, number: u32, zone: &str) {
    world.reader(number).await;
    world.keep(person(number), &World::profile_with(number, &json!({ "timezone": zone }))).await;
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Each letter came within three minutes of its time, in the order of people.
fn assert_dates(dates: &[(String, Timestamp)], expected: &[(u32, &str)]) {
    let whom: Vec<&str> = dates.iter().map(|(to, _)| to.as_str()).collect();
    let expected_whom: Vec<String> =
        expected.iter().map(|(number, _)| email(*number).value().to_owned()).collect();
    assert_eq!(whom, expected_whom);
    for ((to, got), (_, due)) in dates.iter().zip(expected) {
        let late = got.since(at(due));
        assert!((0..3 * Timestamp::MINUTE).contains(&late), "{to} got it {late} ms behind {due}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_5_who_sleeps_gets_it_in_the_morning_unless_they_left_meanwhile() {
    let world = World::new();
    // It is 14:13 in London's winter time; in Tokyo the night has begun.
    world.settle(&json!({ "quiet": { "from": "21:00", "to": "08:00" } }));
    reader_of(&world, 0, "UTC").await;
    reader_of(&world, 1, "Asia/Tokyo").await;
    reader_of(&world, 2, "Asia/Tokyo").await;
    world.start("sale").await;
    let first = dates(&world, 5).await;
    let waits = world.outcomes("sale").await[&person(1)];
    assert!(
        matches!(waits, Outcome::Waits { why: Why::Quiet, until } if until == at("2026-09-21T23:00:00Z")),
        "{waits:?}"
    );
    world.say(2, Said::Unsubscribed).await;
    let mut all = dates(&world, 9 * 60).await;
    all.extend(first);
    all.sort();
    assert_dates(&all, &[(0, "2026-09-21T14:13:20Z"), (1, "2026-09-21T23:00:00Z")]);
    let outcomes = world.outcomes("sale").await;
    assert_eq!(outcomes[&person(2)], Outcome::Skipped(Why::Unsubscribed));
    assert!(matches!(outcomes[&person(1)], Outcome::Sent(..)));
    let waiting = domain::messaging::run::waiting(None);
    let collection = key().message_run(&workspace(), sale().as_str());
    let left = ports::People::items(&world.people, &workspace(), collection, &waiting.0, &waiting.1).await;
    assert_eq!(left.unwrap().items, [], "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn each_person_gets_it_when_their_own_clock_shows_the_time() {
    let world = World::new();
    // Of no use half a day after it was due: each by their own clock.
    world.message("sale", &json!({ "expires_after": "12h" }));
    for (number, zone) in [(0, "America/Los_Angeles"), (1, "Asia/Tokyo"), (2, "UTC")] {
        reader_of(&world, number, zone).await;
    }
    let ten = WallTime::parse("2026-09-22T10:00").unwrap();
    world.start_as("sale", Run::at_local(ten)).await;
    let dates = dates(&world, 28 * 60).await;
    let expected = [(0, "2026-09-22T17:00:00Z"), (1, "2026-09-22T01:00:00Z"), (2, "2026-09-22T10:00:00Z")];
    assert_dates(&dates, &expected);
}

#[tokio::test(start_paused = true)]
async fn what_would_come_too_late_is_not_sent_and_says_so() {
    let world = World::new();
    world.settle(&json!({ "quiet": { "from": "21:00", "to": "08:00" } }));
    world.message("sale", &json!({ "expires_after": "1h" }));
    reader_of(&world, 0, "Asia/Tokyo").await;
    reader_of(&world, 1, "UTC").await;
    world.start("sale").await;
    steer(&world, Steer::Pause(Pause::Operator)).await;
    assert_eq!(dates(&world, 70).await, []);
    steer(&world, Steer::Resume).await;
    assert_eq!(dates(&world, 3).await, []);
    let outcomes = world.outcomes("sale").await;
    assert_eq!(outcomes[&person(1)], Outcome::Skipped(Why::Expired));
    assert_eq!(outcomes[&person(0)], Outcome::Skipped(Why::Expired));
    world.message("late", &json!({ "expires_after": "1h" }));
    world.start("late").await;
    dates(&world, 3).await;
    assert_eq!(world.outcomes("late").await[&person(0)], Outcome::Skipped(Why::Quiet));
}

async fn steer(world: &World, to: Steer) {
    let outreach = world.definitions.outreach(&workspace()).await.unwrap();
    let message = outreach.messages[&sale()].message().unwrap();
    let at = (&key(), &workspace());
    steer::steer(&world.people, at, (&sale(), &message), to, world.clock.now()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_was_handed_out_when_a_message_is_paused_waits_and_when_it_is_cancelled_is_told() {
    let world = World::new();
    world.readers(0..30).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    let parcels = world.queue.take();
    let sender = world.sender();
    steer(&world, Steer::Pause(Pause::Complaints)).await;
    for parcel in &parcels {
        let until = world.clock.now().plus(FUNCTION);
        Box::pin(sender.send(&parcel.body, until)).await.unwrap();
    }
    assert_eq!(world.mail.sent().len(), 0);
    assert_eq!(world.rounds(3).await.sent, 0);
    steer(&world, Steer::Resume).await;
    assert_eq!(world.round().await.1.sent, 30);
    steer(&world, Steer::Cancel).await;
    // A copy of a parcel that was handed out before does no harm to what was sent.
    for parcel in &parcels {
        let until = world.clock.now().plus(FUNCTION);
        Box::pin(sender.send(&parcel.body, until)).await.unwrap();
    }
    let outcomes = world.outcomes("sale").await;
    let sent = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Sent(..))).count();
    assert_eq!((sent, world.mail.sent().len()), (30, 30));
    assert!(START < world.clock.now());
}
