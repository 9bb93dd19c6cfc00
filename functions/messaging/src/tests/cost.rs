//! What the store asks for one letter, from the plan to its acceptance.

use std::time::Duration;

use domain::messaging::address::{DELIVERIES_MAX, Delivery, State};
use domain::messaging::consent::TopicId;
use domain::messaging::outreach::MessageId;
use domain::messaging::{Channel, Kind};
use ports::Clock as _;

use super::wire::Wire;
use super::world::{FUNCTION, START, World, allowed, email, key, workspace};
use crate::store;

/// US dollars a million, as infra/prices/prices.toml has them.
const WRITE_UNITS: f64 = 0.625;
const READ_UNITS: f64 = 0.125;
/// SES asks $0.10 for a thousand letters; of that the store may ask so much.
const SES: f64 = 100.0;
const SHARE_MAX: f64 = 0.018;

/// Dollars that the store asks for a million letters.
#[expect(clippy::cast_precision_loss, reason = "a few thousand units")]
async fn dollars(world: &World, quota: u64, readers: u32) -> f64 {
    world.mail.set_quota(allowed(quota));
    world.start("sale").await;
    let people = Wire::new(world.people.clone(), Duration::ZERO);
    let planner = world.planner_over(people.clone(), world.queue.clone());
    let sender = world.sender_over(people.clone(), world.mail.clone());
    for _ in 0..20 {
        planner.plan().await.unwrap();
        for parcel in world.queue.take() {
            let until = world.clock.now().plus(FUNCTION);
            Box::pin(sender.send(&parcel.body, until)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        if world.mail.calls() >= u64::from(readers) {
            break;
        }
    }
    assert_eq!(world.letters().len(), readers as usize);
    let letters = f64::from(readers);
    let writes = people.bill().writes() as f64 / letters;
    let reads = people.bill().half_reads() as f64 / 2.0 / letters;
    let dollars = writes * WRITE_UNITS + reads * READ_UNITS;
    println!(
        "{quota} a second: {writes:.3} write and {reads:.3} read units a letter, ${dollars:.3} a million, \
         {:.2} % of what SES asks",
        dollars * 100.0 / SES
    );
    dollars
}

#[tokio::test(start_paused = true)]
async fn the_store_asks_less_than_a_fiftieth_of_what_a_letter_costs() {
    for (quota, readers) in [(500, 1_600), (14, 800)] {
        let world = World::new();
        world.readers(0..readers).await;
        let dollars = dollars(&world, quota, readers).await;
        assert!(dollars <= SES * SHARE_MAX, "${dollars} a million");
    }
}

/// Whoever gets many letters has an address that remembers as many as it may.
#[tokio::test(start_paused = true)]
async fn an_address_that_got_many_letters_costs_not_much_more() {
    let (world, readers) = (World::new(), 300);
    world.readers(0..readers).await;
    for number in 0..readers {
        let collection = key().address(&workspace(), &email(number));
        let earlier = |nth: usize| Delivery {
            id: key().delivery(&workspace(), &format!("m{nth}#0"), Channel::Email, &email(number)),
            at: START.plus(-1_000_000 * i64::try_from(nth).unwrap()),
            channel: Channel::Email,
            kind: Kind::Promotional,
            topic: Some(TopicId::parse("news").unwrap()),
            message: MessageId::parse(&format!("an-earlier-message-{nth}")).unwrap(),
            variant: 0,
            state: State::Accepted,
        };
        store::change_address(&world.people, &workspace(), collection, |address| {
            for nth in 1..DELIVERIES_MAX - 4 {
                address.claim(earlier(nth), START);
            }
            (true, ())
        })
        .await
        .unwrap();
    }
    let dollars = dollars(&world, 500, readers).await;
    assert!(dollars <= SES * SHARE_MAX * 2.0, "${dollars} a million");
}
