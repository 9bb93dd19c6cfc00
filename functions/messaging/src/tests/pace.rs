//! Sixteen senders on one pace: as fast as is allowed, and no faster.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::time::Timestamp;
use testkit::channel::Verdict;

use super::fleet::{Fleet, Hardship, beside, densest_second};
use super::wire::{Post, Wire};
use super::world::{START, World, allowed};

const SENDERS: u64 = 16;

/// The calls that begin in so many minutes, and the most people held at once.
async fn run(readers: u32, minutes: u64, mut quota: impl FnMut(u64) -> u64) -> (Vec<Timestamp>, usize) {
    let world = World::new();
    world.readers(0..readers).await;
    world.start("sale").await;
    let mut rng = fastrand::Rng::with_seed(1);
    let post = Post::new(world.mail.clone(), world.clock, Duration::from_millis(80))
        .answering(move || if rng.u8(0..100) == 0 { Verdict::Throttled } else { Verdict::Accepted });
    let people = Wire::new(world.people.clone(), Duration::from_millis(10));
    let fleet = Fleet::start(&world, world.sender_over(people, post.clone()), SENDERS, Hardship::default());
    let planner = world.planner();
    let mut chance = fastrand::Rng::with_seed(2);
    for minute in 0..minutes {
        world.mail.set_quota(allowed(quota(minute)));
        planner.plan().await.unwrap();
        fleet.receive(&world, Hardship::default(), &mut chance);
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let begun = post.begun().into_iter().map(|(at, _)| at).collect();
    assert_eq!(fleet.deeds.failed.load(Ordering::SeqCst), 0);
    (begun, fleet.deeds.most_held.load(Ordering::SeqCst))
}

fn check(begun: &[Timestamp], (from, to): (Timestamp, Timestamp), quota: u64) {
    let calls: Vec<Timestamp> = begun.iter().copied().filter(|at| (from..to).contains(at)).collect();
    let densest = densest_second(&calls);
    assert!(densest as u64 <= quota, "{densest} within a second, of {quota}");
    let seconds = u64::try_from(to.since(from) / Timestamp::SECOND).unwrap();
    let used = calls.len() as u64 * 1_000 / (quota * seconds);
    println!(
        "{quota} a second: {} calls in {seconds} s, {used} of a thousand; densest {densest}",
        calls.len()
    );
    assert!(used >= 950, "{used} of a thousand of {quota} a second");
}

fn minute(minute: i64) -> Timestamp {
    START.plus(minute * Timestamp::MINUTE)
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_used_and_no_second_holds_more() {
    for (quota, minutes, more) in [(1, 8, 180), (14, 4, 180), (100, 1, 60)] {
        // So many that there is work until the end, beside those who wait for a minute.
        let readers = u32::try_from(quota * (60 * minutes + more)).unwrap();
        let (begun, _) = beside(run(readers, minutes, |_| quota)).await;
        let to = i64::try_from(minutes).unwrap();
        check(&begun, (START.plus(Timestamp::SECOND), minute(to)), quota);
    }
}

/// What was taken ahead is called as it was taken; from then on the new one holds.
#[tokio::test(start_paused = true)]
async fn a_quota_that_is_lowered_holds_as_soon_as_it_is_known() {
    let quota = |minute| if minute < 5 { 14 } else { 7 };
    let (begun, _) = beside(run(14 * 60 * 5 + 7 * 60 * 5, 9, quota)).await;
    check(&begun, (START.plus(Timestamp::SECOND), minute(5)), 14);
    check(&begun, (minute(5).plus(20 * Timestamp::SECOND), minute(9)), 7);
}
