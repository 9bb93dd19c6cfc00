//! The smallest true run: who gets a letter, who does not, and what is said of each.

use domain::messaging::address::Reason;
use domain::messaging::consent::Said;
use domain::messaging::gate::Why;
use domain::messaging::run::Outcome;
use domain::profile::Standing;
use serde_json::json;

use super::world::{World, email, key, person, workspace};
use crate::store;

/// Ten people, of whom the first two agreed and nothing speaks against.
async fn ten(world: &World) {
    world.readers(0..8).await;
    for number in [8, 9] {
        world.keep(person(number), &World::profile(number)).await;
        world.enlist(person(number), true).await;
    }
    world.say(8, Said::Asked).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.say(2, Said::Unsubscribed).await;
    let collection = key().address(&workspace(), &email(3));
    store::change_address(&world.people, &workspace(), collection, |address| {
        (address.suppress(Some(Reason::Bounced), super::world::START, domain::key::EventName(1)), ())
    })
    .await
    .unwrap();
    let erased = domain::profile::Profile { standing: Standing::Erased, ..Default::default() };
    world.keep(person(4), &erased).await;
    let mut left = World::profile(5);
    left.traits = domain::profile::Profile::default().traits;
    world.keep(person(5), &left).await;
    let mut nowhere = World::profile(6);
    nowhere.identifiers.clear();
    world.keep(person(6), &nowhere).await;
    world.enlist(person(7), false).await;
}

#[tokio::test(start_paused = true)]
async fn who_agreed_gets_one_letter_and_of_everybody_it_is_said_why() {
    let world = World::new();
    ten(&world).await;
    world.start("sale").await;
    let (planned, sent) = world.round().await;
    assert_eq!((planned.open, planned.handed, planned.failed), (1, 9, 0));
    assert_eq!((sent.sent, sent.skipped, sent.waiting), (2, 7, 0));
    let letters = world.letters();
    assert_eq!(letters.into_iter().collect::<Vec<_>>(), [0, 1].map(|n| (email(n).value().to_owned(), 1)));
    let outcomes = world.outcomes("sale").await;
    let skipped = |why| Some(Outcome::Skipped(why));
    let told = [
        (2, skipped(Why::Unsubscribed)),
        (3, skipped(Why::Suppressed(Reason::Bounced))),
        (4, skipped(Why::Erased)),
        (5, Some(Outcome::Left)),
        (6, skipped(Why::NoAddress)),
        (7, None),
        (8, skipped(Why::Unconfirmed)),
        (9, skipped(Why::NoConsent)),
    ];
    for (number, outcome) in told {
        assert_eq!(outcomes.get(&person(number)).copied(), outcome, "person {number}");
    }
    assert!(matches!(outcomes[&person(0)], Outcome::Sent(..)));
    // The next minute nobody is left, and nobody gets a second one.
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    let (planned, sent) = world.round().await;
    assert_eq!((planned.handed, sent.sent, world.mail.sent().len()), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_letter_has_its_way_out_and_says_which_delivery_it_is() {
    let world = World::new();
    world.reader(0).await;
    world.start("sale").await;
    world.round().await;
    let [testkit::channel::Sent::Letter(_, letter)] = &world.mail.sent()[..] else { panic!("one letter") };
    let header = |name: &str| letter.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &value[..]);
    let unsubscribe = header("List-Unsubscribe").unwrap();
    assert!(unsubscribe.starts_with("<https://links.example/u/") && unsubscribe.ends_with('>'));
    assert_eq!(header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    assert!(letter.html.contains(unsubscribe.trim_matches(['<', '>'])));
    assert_eq!((letter.from.as_str(), letter.subject.as_str()), ("hi@shop.example", "Sale"));
    let Outcome::Sent(_, delivery) = world.outcomes("sale").await[&person(0)] else { panic!("it was sent") };
    assert!(letter.tags.contains(&("t-delivery".to_owned(), delivery.to_string())));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_out_gets_nothing_and_variants_have_their_shares() {
    let world = World::new();
    world.template("other", &super::world::letter());
    let variants = json!([{ "template": "letter", "share": 40 }, { "template": "other", "share": 40 }]);
    world.message("split", &json!({ "template": null, "variants": variants, "hold_out": 20 }));
    world.readers(0..200).await;
    world.start("split").await;
    world.rounds(2).await;
    let outcomes = world.outcomes("split").await;
    let held_out = outcomes.values().filter(|outcome| **outcome == Outcome::HeldOut).count();
    assert_eq!(outcomes.len(), 200);
    assert_eq!(world.letters().len() + held_out, 200);
    assert!((20..=60).contains(&held_out), "{held_out} of 200");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asked_for_needs_no_consent_and_no_topic() {
    let world = World::new();
    let body = json!({ "email": { "subject": "Your order", "html": "<p>It is on its way</p>" } });
    let receipt = json!({ "kind": "transactional", "default_language": "en", "languages": { "en": body } });
    world.template("receipt", &receipt);
    world.message("order", &json!({ "template": "receipt" }));
    world.keep(person(0), &World::profile(0)).await;
    world.enlist(person(0), true).await;
    world.start("order").await;
    let (_, sent) = world.round().await;
    assert_eq!(sent.sent, 1, "{:?}", world.outcomes("order").await);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_says_nothing_is_told_as_such() {
    let world = World::new();
    world.template("letter", &json!({ "kind": "promotional", "topic": "news", "languages": {} }));
    world.reader(0).await;
    world.start("sale").await;
    world.round().await;
    assert_eq!(world.outcomes("sale").await[&person(0)], Outcome::Unrendered);
}

/// A sender that looked at the workspace before its first segment was published
/// would find nobody in it for a minute.
#[tokio::test(start_paused = true)]
async fn a_segment_that_a_sender_has_not_heard_of_is_read_before_anybody_is_left_out() {
    let world = World::new();
    let set = ports::Definitions::segments(&world.definitions, &workspace()).await.unwrap();
    world.definitions.segment(&workspace(), domain::segment::stored::SegmentSet::default());
    let sender = world.sender();
    sender.definitions.workspace(&workspace(), ports::Clock::now(&world.clock)).await.unwrap();
    world.definitions.segment(&workspace(), set);
    world.reader(0).await;
    world.start("sale").await;
    world.planner().plan().await.unwrap();
    let [parcel] = &world.queue.take()[..] else { panic!("one parcel") };
    let until = ports::Clock::now(&world.clock).plus(super::world::FUNCTION);
    let sent = Box::pin(sender.send(&parcel.body, until)).await.unwrap();
    assert_eq!(sent.sent, 1, "{:?}", world.outcomes("sale").await);
}
