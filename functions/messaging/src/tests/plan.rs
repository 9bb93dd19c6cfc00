//! The planner among several messages, with quotas that cannot be asked and
//! parcels that never come back.

use std::time::Duration;

use domain::messaging::run::{self, Outcome};
use domain::profile::stored::{Item, Version};
use ports::People as _;
use ports::people::{Read, Save};
use serde_json::json;
use testkit::{Fault, Faulty};

use super::world::{World, allowed, key, person, workspace};

#[tokio::test(start_paused = true)]
async fn a_profile_that_cannot_be_read_harms_nobody_else() {
    let world = World::new();
    world.readers(0..20).await;
    let broken = person(7);
    let mut stored = world.people.profiles(&workspace(), &[broken], Read::Consistent).await.unwrap();
    let mut stored = stored.pop().flatten().unwrap();
    let seen = Some(stored.version);
    stored.version = Version { counter: 9, write: [0; 8] };
    stored.body = vec![3, 1, 4];
    let save =
        Save { id: broken, seen, next: stored, claims: Vec::new(), with: Vec::new(), checks: Vec::new() };
    world.people.save(&workspace(), save).await.unwrap();
    world.start("sale").await;
    assert_eq!(world.round().await.1.sent, 19);
    assert_eq!(world.outcomes("sale").await[&broken], Outcome::Unrendered);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_nothing_of_its_quota_stops_nobody() {
    let world = World::new();
    world.readers(0..10).await;
    world.planner().plan().await.unwrap();
    world.start("sale").await;
    let mut planner = world.planner();
    let failing = Faulty::new(world.mail.clone(), |_| Fault::Refused);
    let quotas = vec![(domain::messaging::Channel::Email, failing)];
    let planner = crate::plan::Planner {
        people: planner.people.clone(),
        definitions: runtime::definitions::Cached::new(world.definitions.clone()),
        queue: std::mem::take(&mut planner.queue),
        quotas,
        clock: world.clock,
        key: key(),
    };
    let planned = planner.plan().await.unwrap();
    assert_eq!(planned.handed, 10);
}

/// A message whose run cannot be read is told of; the others go on.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_harms_only_itself() {
    let world = World::new();
    world.readers(0..5).await;
    world.message("broken", &json!({}));
    world.start("sale").await;
    let collection = key().message_run(&workspace(), "broken");
    let item = Item { key: run::key(), body: vec![255] };
    world.people.put(&workspace(), collection, &[item]).await.unwrap();
    let planned = world.planner().plan().await.unwrap();
    assert_eq!((planned.open, planned.handed, planned.failed), (1, 5, 1));
}

/// The item of an address holds the newest letters alone: of older ones its pages tell.
#[tokio::test(start_paused = true)]
async fn rule_5_a_parcel_that_comes_again_after_many_others_writes_to_nobody_twice() {
    let world = World::new();
    world.reader(0).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    let parcels = world.queue.take();
    for nth in 0..45 {
        for parcel in parcels.iter().filter(|_| nth % 15 == 0) {
            let until = ports::Clock::now(&world.clock).plus(super::world::FUNCTION);
            Box::pin(world.sender().send(&parcel.body, until)).await.unwrap();
        }
        let other = format!("other-{nth}");
        world.message(&other, &json!({}));
        world.start(&other).await;
        world.round().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    assert_eq!(world.mail.sent().len(), 46);
    assert!(matches!(world.outcomes("sale").await[&person(0)], Outcome::Sent(..)));
}

/// Parcels that are lost, or given up, take no share of the pace for ever.
#[tokio::test(start_paused = true)]
async fn parcels_that_never_come_back_do_not_slow_the_others() {
    let world = World::new();
    world.readers(0..14 * 60 * 16).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    // Nearly all that was handed out is lost: what is left would be a handful a minute.
    let lost = world.queue.take().len() - 1;
    let (planner, sender) = (world.planner(), world.sender());
    let mut most = 0;
    for _ in 0..12 {
        planner.plan().await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut minute = 0;
        for parcel in world.queue.take() {
            let until = ports::Clock::now(&world.clock).plus(super::world::FUNCTION);
            minute += Box::pin(sender.send(&parcel.body, until)).await.unwrap().sent;
        }
        most = minute.max(most);
        tokio::time::sleep_until(begun + Duration::from_mins(1)).await;
    }
    assert!(lost > 30 && most >= 14 * 60, "{most} at once at most, {lost} parcels were lost");
}

/// Two workspaces write to many: neither waits until the other is through.
#[tokio::test(start_paused = true)]
async fn messages_of_one_priority_share_the_pace() {
    let world = World::new();
    world.mail.set_quota(allowed(14));
    world.readers(0..6_000).await;
    world.message("other", &json!({}));
    world.start("sale").await;
    world.start("other").await;
    world.planner().plan().await.unwrap();
    let handed = |world: &World| {
        let mut handed = std::collections::BTreeMap::<String, usize>::new();
        for parcel in world.queue.take() {
            let parcel = domain::messaging::parcel::Parcel::unpack(&parcel.body).unwrap();
            *handed.entry(parcel.message.to_string()).or_default() += parcel.to.len();
        }
        handed
    };
    let both = handed(&world);
    assert_eq!(both.values().sum::<usize>(), 14 * 180);
    assert!(both["sale"].abs_diff(both["other"]) < 100, "{both:?}");
}
