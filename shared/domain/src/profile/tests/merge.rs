//! Merges: commutative, whole, and refused by each rule.

use proptest::prelude::*;
use serde_json::json;

use super::{event, fold, key};
use crate::event::EventKind;
use crate::identifier::Identifier;
use crate::key::ProfileId;
use crate::profile::ledger::Entry;
use crate::profile::merge::{Merged, Named, Refusal, merge};
use crate::profile::outbox::{Tie, TieReason};
use crate::profile::{Held, Profile};
use crate::rules::{Cardinality, Frequency, Period, Rules};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn id(name: &str) -> Identifier {
    let (kind, value) = name.split_once(':').unwrap();
    Identifier::parse(kind, value, None).unwrap()
}

fn number(number: u8) -> ProfileId {
    ProfileId::from_bytes([number; 16])
}

fn tie(a: &str, b: &str) -> Tie {
    Tie {
        identifiers: [id(a), id(b)],
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: "m".to_owned(),
        at: NOW,
    }
}

/// A profile with one event at a moment, and what it holds since then.
fn named(name: u8, at: i64, held: &[&str]) -> Named {
    let event = event(&format!("m-{name}"), EventKind::Identify, at, &json!({"traits": {"n": name}}));
    let mut profile = fold([&event]);
    profile.ledger.add(Entry { at: event.client_time.at(), name: event.name(&key()) });
    profile.seed = Some(u64::from(name));
    for one in held {
        profile.identifiers.insert(id(one), Held { generation: 0, since: Timestamp::from_millis(at) });
    }
    (number(name), profile)
}

fn merged(a: &Named, b: &Named) -> Merged {
    merge(&Rules::default(), &tie("email:a@example.com", "user_id:1"), NOW, a.clone(), b.clone()).unwrap()
}

fn refused(rules: &Rules, a: &Named, b: &Named) -> Refusal {
    let tie = tie("email:a@example.com", "device:d");
    let refused = merge(rules, &tie, NOW, a.clone(), b.clone()).unwrap_err();
    assert_eq!(merge(rules, &tie, NOW, b.clone(), a.clone()).unwrap_err(), refused, "from either side");
    refused
}

#[test]
fn the_profile_that_was_seen_earlier_goes_on_whichever_is_named_first() {
    let (late, early) = (named(1, 200, &["email:a@example.com"]), named(2, 100, &["user_id:1"]));
    let by_one = merged(&late, &early);
    assert_eq!(by_one, merged(&early, &late));
    assert_eq!(by_one.survivor.0, number(2));
    assert_eq!(by_one.absorbed.0, number(1));
}

#[test]
fn the_survivor_has_what_both_had_and_the_other_is_frozen() {
    let (mut late, early) = (named(1, 200, &["email:a@example.com"]), named(2, 100, &["user_id:1"]));
    late.1.outbox.push(tie("email:a@example.com", "email:b@example.com"));
    let Merged { survivor: (_, survivor), absorbed: (_, absorbed) } = merged(&late, &early);
    assert_eq!(survivor.identifiers.len(), 2);
    assert_eq!(survivor.counters.kinds[&EventKind::Identify].count, 2);
    assert_eq!(survivor.ledger.entries().len(), 2);
    assert_eq!(survivor.outbox.ties(), late.1.outbox.ties(), "what was to be caused goes along");
    assert_eq!(survivor.family.absorbed.keys().collect::<Vec<_>>(), [&number(1)]);
    assert!(absorbed.outbox.is_empty());
    assert_eq!(absorbed.family.absorbed_into, Some(number(2)));
    let before = Profile { outbox: absorbed.outbox.clone(), family: absorbed.family.clone(), ..late.1 };
    assert_eq!(absorbed, before);
}

#[test]
fn rule_9_coverage_rises_to_that_of_both_ledgers() {
    let (mut a, mut b) = (named(1, 100, &[]), named(2, 200, &[]));
    let spilled = |profile: &mut Profile, at: i64| {
        let entries = profile.ledger.entries().to_vec();
        profile.ledger =
            crate::profile::ledger::Ledger::from_parts(entries, Some(Timestamp::from_millis(at)));
    };
    spilled(&mut a.1, 10);
    spilled(&mut b.1, 20);
    let survivor = merged(&a, &b).survivor.1;
    assert_eq!(survivor.ledger.spilled_to(), Some(Timestamp::from_millis(20)));
}

#[test]
fn a_merge_of_merged_profiles_lists_all_of_them() {
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| named(n, i64::from(n) * 100, &[]));
    let (ab, cd) = (merged(&a, &b).survivor, merged(&c, &d).survivor);
    let all = merged(&cd, &ab).survivor.1;
    assert_eq!(all.family.absorbed.keys().copied().collect::<Vec<_>>(), [number(2), number(3), number(4)]);
}

#[test]
fn what_was_taken_apart_stays_apart_whatever_each_side_took_in() {
    let (mut a, b, c, d) = (named(1, 100, &[]), named(2, 200, &[]), named(3, 300, &[]), named(4, 400, &[]));
    a.1.family.apart.insert(number(2));
    assert_eq!(refused(&Rules::default(), &a, &b), Refusal::Apart);
    let (with_c, with_d) = (merged(&a, &c).survivor, merged(&b, &d).survivor);
    assert_eq!(refused(&Rules::default(), &with_c, &with_d), Refusal::Apart);
    let under_d = merged(&named(5, 1, &[]), &b).survivor;
    assert_eq!(refused(&Rules::default(), &with_c, &under_d), Refusal::Apart);
}

#[test]
fn each_rule_refuses_by_its_name() {
    let two_users = (named(1, 100, &["user_id:1"]), named(2, 200, &["user_id:2"]));
    let limit = Refusal::Limit { kind: "user_id".to_owned(), limit: 1 };
    assert_eq!(refused(&Rules::default(), &two_users.0, &two_users.1), limit);
    let two_allowed = Rules { limits: vec![("user_id".to_owned(), 2)], ..Rules::default() };
    let shared = Rules { shared: vec!["device".to_owned()], ..two_allowed.clone() };
    assert_eq!(refused(&shared, &two_users.0, &two_users.1), Refusal::Shared { kind: "device".to_owned() });
    let card = Cardinality { of: "card".to_owned(), kind: "user_id".to_owned(), limit: 1 };
    let one_owner = Rules { cardinalities: vec![card], ..two_allowed.clone() };
    assert!(
        merge(&one_owner, &tie("device:d", "user_id:1"), NOW, two_users.0.clone(), two_users.1.clone())
            .is_ok()
    );
    let mut with_card = two_users.0.clone();
    with_card.1.identifiers.insert(id("card:7"), Held { generation: 0, since: NOW });
    assert!(matches!(refused(&one_owner, &with_card, &two_users.1), Refusal::Cardinality { .. }));
    let once_a_day = Frequency { kind: "user_id".to_owned(), limit: 1, period: Period::Day };
    let once_a_day = Rules { frequencies: vec![once_a_day], ..two_allowed.clone() };
    assert!(matches!(refused(&once_a_day, &two_users.0, &two_users.1), Refusal::Frequency { .. }));
    let next_day = named(3, 100 + Timestamp::DAY, &["user_id:3"]);
    let tie = tie("device:d", "user_id:1");
    assert!(merge(&once_a_day, &tie, NOW, two_users.0.clone(), next_day).is_ok());
    let few = Rules { identifiers_max: 1, ..two_allowed.clone() };
    assert_eq!(refused(&few, &two_users.0, &two_users.1), Refusal::Identifiers { limit: 1 });
    let none = Rules { merges_max: 0, ..two_allowed };
    assert_eq!(refused(&none, &two_users.0, &two_users.1), Refusal::Merges { limit: 0 });
}

#[test]
fn a_profile_of_format_2_is_still_read() {
    let kept = include_bytes!("../../../../../events/profile/profile-item-v2.bin");
    let mut merged = merged(&named(1, 100, &["user_id:1"]), &named(2, 200, &["email:a@example.com"]));
    merged.survivor.1.family.apart.insert(number(9));
    merged.survivor.1.counters.blocked("email", NOW);
    assert_eq!(Profile::decode(kept).unwrap(), merged.survivor.1);
}

proptest! {
    #[test]
    fn merges_in_any_order_come_to_the_same_person(order in Just((1..=6_u8).collect::<Vec<_>>()).prop_shuffle()) {
        let all = order.iter().map(|n| named(*n, i64::from(*n) % 3 * 100, &[&format!("card:{n}")]));
        let rules = Rules { limit_default: 9, ..Rules::default() };
        let tie = tie("card:1", "card:2");
        let united = all.reduce(|a, b| merge(&rules, &tie, NOW, a, b).unwrap().survivor).unwrap();
        let ordered = (1..=6_u8).map(|n| named(n, i64::from(n) % 3 * 100, &[&format!("card:{n}")]));
        let expected = ordered.reduce(|a, b| merge(&rules, &tie, NOW, a, b).unwrap().survivor).unwrap();
        prop_assert_eq!(&united, &expected, "the survivor too");
        prop_assert_eq!(Profile::decode(&united.1.encode()).unwrap(), united.1);
    }
}
