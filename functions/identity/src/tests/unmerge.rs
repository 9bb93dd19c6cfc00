//! The way back, over people that the profile stage folded.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use domain::event::ClientTime;
use domain::profile::page;
use domain::profile::rebuild::seed;

use super::*;
use domain::identity_request::{Order, Part};

fn order(number: u32) -> Order {
    Order { id: format!("order-{number}"), by: "ak_shop_1".to_owned(), why: "two customers".to_owned() }
}

impl World {
    /// Adds an event to a profile as the profile stage does: page, ledger, fold.
    fn add(&self, of: ProfileId, message_id: &str, at: i64, identifiers: &[&str]) {
        let event = said(message_id, at, identifiers);
        let name = event.name(&key());
        let mut profile = self.profile(of);
        profile.ledger.add(Entry { at: event.client_time.at(), name });
        profile.fold(&event, name);
        let spilled = page::ledger(profile.epoch, &profile.ledger.spill(1));
        let pages = page::timeline(profile.epoch, &[&event]).into_iter().chain(spilled);
        self.people.alter(|tables| {
            for page in pages {
                tables.items.insert((workspace(), of, page.key), page.body);
            }
            let stored = tables.profiles.get_mut(&(workspace(), of)).unwrap();
            stored.version.counter += 1;
            stored.body = profile.encode();
        });
    }

    /// A person without the event that [`World::person`] makes.
    fn nobody_yet(&self, held: &[&str]) -> ProfileId {
        let id = self.person(0, held);
        let empty = Profile { identifiers: self.profile(id).identifiers, ..Profile::default() };
        self.people
            .alter(|tables| tables.profiles.get_mut(&(workspace(), id)).unwrap().body = empty.encode());
        id
    }

    /// Carries out an order that was not given before.
    async fn take_out(&self, part: Part) -> Outcome {
        let number = self.orders.fetch_add(1, Ordering::SeqCst);
        self.stage.take_out(&self.defined().await, &part, &order(number), &Spent::default()).await.unwrap()
    }

    async fn allow(&self, profiles: [ProfileId; 2]) -> Outcome {
        let number = self.orders.fetch_add(1, Ordering::SeqCst);
        self.stage.allow(&workspace(), profiles, &order(number), &Spent::default()).await.unwrap()
    }

    /// The names of all events that a person's ledger, pages included, proves.
    fn proven(&self, of: ProfileId) -> BTreeSet<String> {
        let profile = self.profile(of);
        let tables = self.people.tables();
        let collections: Vec<_> = profile.collections(of).collect();
        let items = |prefix: &str| -> Vec<Vec<u8>> {
            let of_epoch = |id: &ProfileId, at: &str| {
                collections
                    .iter()
                    .any(|(of, epoch)| id == of && at.starts_with(&format!("{prefix}#{epoch:08x}")))
            };
            tables
                .items
                .iter()
                .filter(|((_, id, at), _)| of_epoch(id, &at.0))
                .map(|(_, body)| body.clone())
                .collect()
        };
        let mut names: BTreeSet<_> = profile.ledger.entries().iter().map(|entry| entry.name).collect();
        for body in items("ledger") {
            names.extend(page::read_ledger(&body).unwrap());
        }
        let events = items("page").into_iter().flat_map(|body| page::read_timeline(&body).unwrap());
        events.filter(|event| names.contains(&event.name(&key()))).map(|event| event.message_id).collect()
    }
}

fn said(message_id: &str, at: i64, identifiers: &[&str]) -> Event {
    let at = NOW.plus(at);
    Event {
        message_id: message_id.to_owned(),
        identifiers: identifiers.iter().map(|one| id(one)).collect(),
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: format!(r#"{{"event":"{message_id}"}}"#),
        ..event(identifiers[0], 0)
    }
}

/// The fold of events, and nothing of a store.
fn folded(events: &[Event]) -> Profile {
    let mut profile = Profile::default();
    for event in events {
        profile.fold(event, event.name(&key()));
    }
    profile
}

fn is_fold_of(profile: &Profile, events: &[Event]) {
    let expected = folded(events);
    assert_eq!(profile.counters, expected.counters);
    assert_eq!(profile.traits, expected.traits);
    assert_eq!(profile.sources, expected.sources);
}

#[tokio::test]
async fn rule_12_each_side_is_the_fold_of_its_own_events_also_of_those_after_the_merge() {
    let world = World::new();
    let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
    let mut of = [Vec::new(), Vec::new()];
    for n in 0..50_i64 {
        for (side, (id, card)) in [(a, "card:1"), (b, "card:2")].into_iter().enumerate() {
            let name = format!("{card}-{n}");
            world.add(id, &name, n * 10 + i64::try_from(side).unwrap(), &[card]);
            of[side].push(said(&name, n * 10 + i64::try_from(side).unwrap(), &[card]));
        }
    }
    let (survivor, absorbed) = merged(world.tie("card:1", "card:2").await);
    assert_eq!((survivor, absorbed), (a, b));
    for n in 50..100_i64 {
        for (side, card) in ["card:1", "card:2"].into_iter().enumerate() {
            let name = format!("{card}-{n}");
            world.add(a, &name, n, &[card]);
            of[side].push(said(&name, n, &[card]));
        }
    }
    world.add(a, "both", 7, &["card:2", "card:1"]);
    of[1].push(said("both", 7, &["card:2", "card:1"]));
    let Outcome::TakenApart(record) = world.take_out(Part::Absorbed(b)).await else { panic!("not done") };
    assert_eq!((record.stays, record.leaves, record.events), (a, b, (100, 101)));
    assert_eq!((record.both, record.named_both), (1, vec!["both".to_owned()]), "listed, and with its home");
    for (id, card, events) in [(a, "card:1", &of[0]), (b, "card:2", &of[1])] {
        let profile = world.profile(id);
        is_fold_of(&profile, events);
        assert_eq!(profile.identifiers.keys().collect::<Vec<_>>(), [&self::id(card)]);
        assert_eq!(profile.seed, Some(seed(&key(), &workspace(), &self::id(card))));
        assert!(profile.family.absorbed.is_empty() && profile.family.absorbed_into.is_none());
    }
    let expect = |prefix: &str| (0..100).map(|n| format!("{prefix}-{n}")).collect::<BTreeSet<_>>();
    assert_eq!(world.proven(a), expect("card:1"));
    let mut with_both = expect("card:2");
    with_both.insert("both".to_owned());
    assert_eq!(world.proven(b), with_both);
}

#[tokio::test]
async fn what_was_taken_out_stays_out_until_it_is_allowed() {
    let world = World::new();
    let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
    world.add(a, "m-1", 1, &["card:1"]);
    world.add(b, "m-2", 2, &["card:2"]);
    merged(world.tie("card:1", "card:2").await);
    assert!(matches!(world.take_out(Part::Absorbed(b)).await, Outcome::TakenApart(_)));
    is_fold_of(&world.profile(a), &[said("m-1", 1, &["card:1"])]);
    is_fold_of(&world.profile(b), &[said("m-2", 2, &["card:2"])]);
    assert_eq!(world.tie("card:1", "card:2").await.unwrap(), Outcome::Refused(Refusal::Apart));
    assert_eq!(world.take_out(Part::Absorbed(b)).await, Outcome::Nothing, "it is out already");
    assert_eq!(world.allow([b, a]).await, Outcome::Allowed);
    merged(world.tie("card:1", "card:2").await);
    assert_eq!(world.allow([b, a]).await, Outcome::Nothing);
}

#[tokio::test]
async fn a_profile_leaves_with_all_that_it_had_taken_in_and_over_those_between() {
    let world = World::new();
    // d was seen last: c takes d, b takes c, a takes b.
    let cards = ["card:1", "card:2", "card:3", "card:4"];
    let ids = cards.map(|card| world.nobody_yet(&[card]));
    for (n, (id, card)) in ids.iter().zip(cards).enumerate() {
        world.add(*id, &format!("m-{n}"), i64::try_from(n).unwrap(), &[card]);
    }
    let [a, b, c, d] = ids;
    for pair in [("card:3", "card:4"), ("card:2", "card:3"), ("card:1", "card:2")] {
        merged(world.tie(pair.0, pair.1).await);
    }
    assert!(matches!(world.take_out(Part::Absorbed(c)).await, Outcome::TakenApart(_)));
    assert_eq!(world.proven(a), ["m-0", "m-1"].map(String::from).into());
    assert_eq!(world.proven(c), ["m-2", "m-3"].map(String::from).into());
    assert_eq!(world.profile(a).family.absorbed.keys().collect::<Vec<_>>(), [&b]);
    assert!(world.profile(b).family.absorbed.is_empty(), "b would take c along otherwise");
    assert!(matches!(world.take_out(Part::Absorbed(b)).await, Outcome::TakenApart(_)));
    assert!(matches!(world.take_out(Part::Absorbed(d)).await, Outcome::TakenApart(_)));
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(world.proven(id), [format!("m-{n}")].into());
    }
}

#[tokio::test]
async fn rule_13_an_identifier_that_is_cut_off_is_a_new_person_of_a_new_generation() {
    let world = World::new();
    let a = world.nobody_yet(&["card:1", "card:2"]);
    world.add(a, "m-1", 1, &["card:1"]);
    world.add(a, "m-2", 2, &["card:2"]);
    let Outcome::TakenApart(record) = world.take_out(Part::Identifier(id("card:2"))).await else { panic!() };
    let row = key().identifier(&workspace(), &id("card:2"));
    assert_eq!(record.leaves, key().profile(row, 1));
    let stored = world.people.tables().identities[&(workspace(), row)];
    assert_eq!(stored, IdentityRow { owner: Owner::Profile(record.leaves), generation: 1 });
    assert_eq!(world.profile(record.leaves).identifiers[&id("card:2")].generation, 1);
    assert_eq!(world.proven(a), ["m-1".to_owned()].into());
    assert_eq!(world.proven(record.leaves), ["m-2".to_owned()].into());
    assert_eq!(world.take_out(Part::Identifier(id("card:2"))).await, Outcome::Nothing, "it is all there is");
}

#[tokio::test]
async fn rule_4_a_page_that_no_ledger_proves_goes_to_neither_side() {
    let world = World::new();
    let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
    world.add(a, "m-1", 1, &["card:1"]);
    world.add(b, "m-2", 2, &["card:2"]);
    let orphan = page::timeline(0, &[&said("lost", 3, &["card:1"])]).remove(0);
    world.people.alter(|tables| {
        tables.items.insert((workspace(), a, orphan.key), orphan.body);
    });
    merged(world.tie("card:1", "card:2").await);
    world.take_out(Part::Absorbed(b)).await;
    is_fold_of(&world.profile(a), &[said("m-1", 1, &["card:1"])]);
    assert_eq!(world.proven(a), ["m-1".to_owned()].into());
}

#[tokio::test]
async fn what_was_left_over_is_removed() {
    let world = World::new();
    let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
    for n in 0..40 {
        world.add(a, &format!("a-{n}"), n, &["card:1"]);
        world.add(b, &format!("b-{n}"), n, &["card:2"]);
    }
    merged(world.tie("card:1", "card:2").await);
    world.take_out(Part::Absorbed(b)).await;
    let epochs = [world.profile(a).epoch, world.profile(b).epoch];
    assert_eq!(epochs[0], epochs[1]);
    let old = world.people.tables().items.into_keys().filter(|(_, _, at)| {
        let paged = at.0.starts_with("page#") || at.0.starts_with("ledger#");
        paged && !at.0.contains(&format!("#{:08x}#", epochs[0]))
    });
    assert_eq!(old.count(), 0);
}

#[tokio::test]
async fn whoever_comes_between_is_added_before_the_switch() {
    let people = MemoryPeople::default();
    let meddled = people.clone();
    let mut left = 3;
    let faulty = Faulty::new(people.clone(), move |call| {
        if call == "save_all" && left > 0 {
            left -= 1;
            let a = key().profile(key().identifier(&workspace(), &id("card:1")), 0);
            let other = World::over(meddled.clone());
            other.add(a, &format!("between-{left}"), 100 + left, &["card:2"]);
        }
        Fault::None
    });
    let world = World::over(people.clone());
    let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
    world.add(a, "m-1", 1, &["card:1"]);
    world.add(b, "m-2", 2, &["card:2"]);
    merged(world.tie("card:1", "card:2").await);
    let hot = World::with_people(people, faulty);
    hot.take_out(Part::Absorbed(b)).await;
    let expected = ["m-2", "between-0", "between-1", "between-2"].map(String::from);
    assert_eq!(hot.proven(b), expected.into());
    assert_eq!(hot.proven(a), ["m-1".to_owned()].into());
}

/// The queue delivers at least once: what an order did may be changed by the
/// time at which a copy of it comes, and the copy must not bring it back.
#[tokio::test]
async fn a_copy_of_an_order_that_was_carried_out_changes_nothing() {
    let world = World::new();
    let (a, b) = (world.nobody_yet(&["card:1", "card:3"]), world.nobody_yet(&["card:2"]));
    world.add(a, "m-1", 1, &["card:1"]);
    world.add(b, "m-2", 2, &["card:2"]);
    merged(world.tie("card:1", "card:2").await);
    let (stage, shop) = (&world.stage, world.defined().await);
    let out =
        async || stage.take_out(&shop, &Part::Absorbed(b), &order(100), &Spent::default()).await.unwrap();
    let allowed = async || stage.allow(&workspace(), [a, b], &order(101), &Spent::default()).await.unwrap();
    assert!(matches!(out().await, Outcome::TakenApart(_)));
    assert_eq!(allowed().await, Outcome::Allowed);
    merged(world.tie("card:1", "card:2").await);
    let tables = world.people.tables();
    assert_eq!(out().await, Outcome::Nothing);
    assert_eq!(world.people.tables(), tables, "they were made one again since");
    assert!(matches!(world.take_out(Part::Absorbed(b)).await, Outcome::TakenApart(_)), "another order");
    let tables = world.people.tables();
    assert_eq!(allowed().await, Outcome::Nothing);
    assert_eq!(world.people.tables(), tables, "they were taken apart again since");
    let cut = Part::Identifier(id("card:3"));
    let cut_off = async || stage.take_out(&shop, &cut, &order(102), &Spent::default()).await.unwrap();
    let Outcome::TakenApart(record) = cut_off().await else { panic!("not done") };
    let c = world.nobody_yet(&["card:4"]);
    world.add(c, "m-4", 3, &["card:4"]);
    world.add(record.leaves, "m-3", 4, &["card:3"]);
    merged(world.tie("card:3", "card:4").await);
    let tables = world.people.tables();
    assert_eq!(cut_off().await, Outcome::Nothing);
    assert_eq!(world.people.tables(), tables, "it was tied to another since");
}

/// One of no answer that was worth keeping is another person, too.
#[tokio::test]
async fn both_are_asked_about_all_segments_once_they_are_two_if_there_are_some() {
    for with_segments in [false, true] {
        let world = World::new();
        let (a, b) = (world.nobody_yet(&["card:1"]), world.nobody_yet(&["card:2"]));
        world.add(a, "m-1", 1, &["card:1"]);
        world.add(b, "m-2", 2, &["card:2"]);
        merged(world.tie("card:1", "card:2").await);
        if with_segments {
            let document = r#"{"name": "Emails", "when": {"identifier": "email"}}"#;
            let id = SegmentId::parse("emails").unwrap();
            let segment = SegmentSet::default().publish(&id, document, NOW).unwrap();
            world.definitions.publish(&workspace(), segment, NOW);
        }
        assert!(matches!(world.take_out(Part::Absorbed(b)).await, Outcome::TakenApart(_)));
        let tables = world.people.tables();
        for id in [a, b] {
            let is_due = tables.profiles[&(workspace(), id)].due.is_some();
            assert_eq!(is_due, with_segments, "without segments it costs no look");
        }
    }
}
