//! Resolution: whose an event is, what it claims, what it ties.

use std::collections::BTreeSet;

use serde_json::json;

use super::{event, key};
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::ProfileId;
use crate::profile::resolve::{Known, Plan, Unfolded, plan};
use crate::profile::stored::{IdentityRow, Owner};
use crate::profile::{Held, Profile};
use crate::rejection::Reason;
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

fn id(name: &str) -> Identifier {
    let (kind, value) = name.split_once(':').unwrap();
    Identifier::parse(kind, value, None).unwrap()
}

fn carrying(message_id: &str, identifiers: &[&str]) -> Event {
    let mut event = event(message_id, EventKind::Track, 100, &json!({"event": "x"}));
    event.identifiers = identifiers.iter().map(|name| id(name)).collect();
    Rules::default().homing.sort(&mut event.identifiers);
    event
}

/// A store in which each profile is given by the identifiers that it holds.
fn store(profiles: &[&[&str]]) -> Known {
    let mut known = Known::default();
    for held in profiles {
        let owner = profile_of(held[0]);
        let mut profile = Profile::default();
        for name in *held {
            profile.identifiers.insert(id(name), Held { generation: 0, since: Timestamp::default() });
            known.rows.insert(id(name), Some(IdentityRow { owner: Owner::Profile(owner), generation: 0 }));
        }
        known.profiles.insert(owner, Some(profile));
    }
    known
}

fn profile_of(first: &str) -> ProfileId {
    generation_of(first, 0)
}

fn generation_of(first: &str, generation: u32) -> ProfileId {
    key().profile(key().identifier(&workspace(), &id(first)), generation)
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

/// Plans with everything known; what is not in the store is not there.
fn planned(known: Known, events: &[&Event]) -> Plan {
    planned_by(&Rules::default(), known, events)
}

fn planned_by(rules: &Rules, mut known: Known, events: &[&Event]) -> Plan {
    for identifier in events.iter().flat_map(|event| &event.identifiers) {
        known.rows.entry(identifier.clone()).or_insert(None);
    }
    plan(&key(), &workspace(), rules, events, &known).unwrap()
}

fn claimed(plan: &Plan, owner: ProfileId) -> BTreeSet<Identifier> {
    plan.groups[&owner].claims.iter().map(|claim| claim.identifier.clone()).collect()
}

#[test]
fn what_is_not_known_is_asked_for_and_nothing_more() {
    let event = carrying("1", &["user_id:u", "anonymous_id:a"]);
    let needs = plan(&key(), &workspace(), &Rules::default(), &[&event], &Known::default()).unwrap_err();
    assert_eq!(needs.rows, BTreeSet::from([id("user_id:u")]), "the home comes first");
    let known = store(&[&["user_id:u", "anonymous_id:a"]]);
    let rows_only = Known { rows: known.rows.clone(), ..Known::default() };
    let needs = plan(&key(), &workspace(), &Rules::default(), &[&event], &rows_only).unwrap_err();
    assert_eq!(needs.profiles, BTreeSet::from([profile_of("user_id:u")]));
    let home_only =
        Known { rows: [(id("user_id:u"), known.rows[&id("user_id:u")])].into(), profiles: known.profiles };
    let plan = plan(&key(), &workspace(), &Rules::default(), &[&event], &home_only).unwrap();
    assert_eq!(plan.groups.len(), 1, "a profile that holds the others saves the reading of their rows");
}

/// Rounds of reading until events are planned over a store.
fn rounds(store: &Known, events: &[&Event]) -> usize {
    let mut known = Known::default();
    for round in 0..100 {
        match plan(&key(), &workspace(), &Rules::default(), events, &known) {
            Ok(_) => return round,
            Err(needs) => {
                let row = |one: Identifier| (one.clone(), store.rows.get(&one).copied().flatten());
                known.rows.extend(needs.rows.into_iter().map(row));
                let profile = |id: ProfileId| (id, store.profiles.get(&id).cloned().flatten());
                known.profiles.extend(needs.profiles.into_iter().map(profile));
            }
        }
    }
    panic!("the planner never has enough");
}

#[test]
fn an_event_with_many_names_takes_no_more_rounds_than_one_with_two() {
    let names: Vec<String> = (0..16).map(|number| format!("card:{number}")).collect();
    let names: Vec<&str> = std::iter::once("user_id:u").chain(names.iter().map(String::as_str)).collect();
    let event = carrying("1", &names);
    let each: Vec<&[&str]> = names.chunks(1).collect();
    let stores =
        [store(&[]), store(&[&["user_id:u"]]), store(&[&["card:9"]]), store(&each), store(&each[1..])];
    for store in stores {
        assert!(rounds(&store, &[&event]) <= 3, "{} rows", store.rows.len());
    }
}

#[test]
fn two_racing_creators_make_the_same_profile() {
    let first = planned(Known::default(), &[&carrying("1", &["user_id:u", "anonymous_id:a"])]);
    let second = planned(Known::default(), &[&carrying("2", &["user_id:u"])]);
    assert_eq!(first.groups.keys().collect::<Vec<_>>(), second.groups.keys().collect::<Vec<_>>());
}

#[test]
fn a_batch_that_makes_a_new_person_makes_one() {
    let events = [
        carrying("1", &["anonymous_id:a"]),
        carrying("2", &["user_id:u"]),
        carrying("3", &["user_id:u", "anonymous_id:a"]),
    ];
    let plan = planned(Known::default(), &events.iter().collect::<Vec<_>>());
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(plan.groups.values().next().unwrap().events, [0, 1, 2]);
}

#[test]
fn a_login_attaches_to_the_visitor() {
    let event = carrying("1", &["user_id:u", "anonymous_id:a"]);
    let plan = planned(store(&[&["anonymous_id:a"]]), &[&event]);
    assert_eq!(claimed(&plan, profile_of("anonymous_id:a")), BTreeSet::from([id("user_id:u")]));
}

#[test]
fn an_event_that_names_two_profiles_goes_to_its_home_and_leaves_a_tie() {
    let event = carrying("1", &["user_id:u", "anonymous_id:a"]);
    let plan = planned(store(&[&["user_id:u"], &["anonymous_id:a"]]), &[&event]);
    let group = &plan.groups[&profile_of("user_id:u")];
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(group.ties[0].1.identifiers, [id("user_id:u"), id("anonymous_id:a")]);
}

#[test]
fn a_second_user_on_a_shared_device_is_a_second_profile() {
    let event = carrying("1", &["user_id:u2", "anonymous_id:a"]);
    let plan = planned(store(&[&["user_id:u1", "anonymous_id:a"]]), &[&event]);
    let group = &plan.groups[&profile_of("user_id:u2")];
    assert_eq!(group.claims.len(), 1);
    assert_eq!(group.dropped, [(0, id("anonymous_id:a"), Reason::IdentifierLimit)]);
}

#[test]
fn the_sixth_value_of_a_kind_is_left_out() {
    let held = ["user_id:u", "device_id:1", "device_id:2", "device_id:3", "device_id:4", "device_id:5"];
    let event = carrying("1", &["user_id:u", "device_id:6"]);
    let plan = planned(store(&[&held]), &[&event]);
    let group = &plan.groups[&profile_of("user_id:u")];
    assert!(group.claims.is_empty());
    assert_eq!(group.dropped, [(0, id("device_id:6"), Reason::IdentifierLimit)]);
}

/// The examples by which Segment documents Unify's rules, each as an event
/// over the profiles that its text describes.
mod segments_examples {
    use super::*;
    use crate::rules::{Frequency, Period};

    #[test]
    fn a_new_user_with_a_known_email_is_a_new_profile_without_the_email() {
        let known = store(&[&["user_id:abc123", "email:jane@example1.com"]]);
        let event = carrying("1", &["user_id:abc456", "email:jane@example1.com"]);
        let plan = planned(known, &[&event]);
        let new = profile_of("user_id:abc456");
        assert_eq!(claimed(&plan, new), BTreeSet::from([id("user_id:abc456")]));
        let group = &plan.groups[&new];
        assert_eq!(group.dropped, [(0, id("email:jane@example1.com"), Reason::IdentifierLimit)]);
        assert!(group.ties.is_empty());
    }

    #[test]
    fn two_users_may_share_an_email_where_the_limits_say_so() {
        let limits = vec![("email".to_owned(), 1), ("user_id".to_owned(), 2)];
        let rules = Rules { limits, ..Rules::default() };
        let known = || store(&[&["email:jane@example1.com", "user_id:shop"]]);
        let second = carrying("1", &["user_id:internal", "email:jane@example1.com"]);
        let plan = planned_by(&rules, known(), &[&second]);
        let jane = profile_of("email:jane@example1.com");
        assert_eq!(claimed(&plan, jane), BTreeSet::from([id("user_id:internal")]));
        let other_email = carrying("2", &["user_id:shop", "email:jane@example2.com"]);
        let plan = planned_by(&rules, known(), &[&other_email]);
        assert!(claimed(&plan, jane).is_empty());
        assert_eq!(plan.groups[&jane].dropped.len(), 1, "one e-mail address is all that she may have");
    }

    #[test]
    fn kinds_without_a_rank_follow_by_name_and_a_new_one_moves_the_others() {
        let order = |kinds: &[&str]| {
            let event = carrying("1", kinds);
            event.identifiers.iter().map(|one| one.kind().to_owned()).collect::<Vec<_>>()
        };
        let all = ["ga_client_id:g", "anonymous_id:a", "email:e@example.com", "user_id:u"];
        assert_eq!(order(&all), ["user_id", "email", "anonymous_id", "ga_client_id"]);
        let more = [&all[..], &["android.id:x"]].concat();
        assert_eq!(order(&more), ["user_id", "email", "android.id", "anonymous_id", "ga_client_id"]);
    }

    #[test]
    fn customers_of_a_shared_tablet_stay_apart() {
        let known = store(&[&["user_id:first", "ios.id:tablet"]]);
        let event = carrying("1", &["user_id:second", "ios.id:tablet"]);
        let plan = planned(known, &[&event]);
        assert_eq!(plan.groups.keys().collect::<Vec<_>>(), [&profile_of("user_id:second")]);
    }

    #[test]
    fn five_weekly_takes_a_sixth_when_the_week_is_over() {
        let weekly = Frequency { kind: "anonymous_id".to_owned(), limit: 5, period: Period::Week };
        let rules = Rules { limit_default: 50, frequencies: vec![weekly], ..Rules::default() };
        let held: Vec<String> = (0..5).map(|n| format!("anonymous_id:{n}")).collect();
        let held: Vec<&str> = std::iter::once("user_id:u").chain(held.iter().map(String::as_str)).collect();
        let sixth = |at: i64| {
            let mut event = carrying("1", &["user_id:u", "anonymous_id:5"]);
            event.event_time = Timestamp::from_millis(at);
            let plan = planned_by(&rules, store(&[&held]), &[&event]);
            claimed(&plan, profile_of("user_id:u")).len()
        };
        let week = 7 * Timestamp::DAY;
        assert_eq!((sixth(week - 1), sixth(week + 1)), (0, 1));
    }

    #[test]
    fn what_it_suggests_to_block_is_blocked() {
        for value in ["0000-0000", "0", "---", "-1", "null", "anonymous"] {
            assert!(Rules::default().homing.blocks(&id(&format!("user_id:{value}"))), "{value}");
        }
    }
}

#[test]
fn rule_08_resolution_starts_from_the_home_that_the_edge_chose() {
    let mut event = carrying("1", &["user_id:u", "email:m@example.com"]);
    event.identifiers.reverse(); // Under older rules the e-mail came first.
    let plan = planned(store(&[&["user_id:u"], &["email:m@example.com"]]), &[&event]);
    assert_eq!(plan.groups.keys().copied().collect::<Vec<_>>(), [profile_of("email:m@example.com")]);
}

#[test]
fn rule_13_an_identifier_that_was_cut_off_makes_another_profile() {
    let mut known = store(&[&["user_id:u"]]);
    known.rows.insert(id("anonymous_id:a"), Some(IdentityRow { owner: Owner::Nobody, generation: 1 }));
    let plan = planned(known, &[&carrying("1", &["anonymous_id:a"])]);
    let owner = generation_of("anonymous_id:a", 1);
    assert_ne!(owner, profile_of("anonymous_id:a"));
    assert_eq!(plan.groups[&owner].claims[0].generation, 1);
}

#[test]
fn rule_13_a_row_that_its_profile_does_not_confirm_is_read_again() {
    let mut known = store(&[&["user_id:u"]]);
    known.rows.insert(
        id("user_id:u"),
        Some(IdentityRow { owner: Owner::Profile(profile_of("user_id:u")), generation: 1 }),
    );
    let plan = planned(known, &[&carrying("1", &["user_id:u"])]);
    assert_eq!(plan.unfolded, [(0, Unfolded::Stale)]);
}

/// The person was erased at 1,000.
fn erased(name: &str) -> Known {
    let row = IdentityRow { owner: Owner::Erased(Timestamp::from_millis(1_000)), generation: 0 };
    Known { rows: [(id(name), Some(row))].into(), ..Known::default() }
}

fn moments(client: i64, happened: i64, received: i64) -> Event {
    let mut event = carrying("1", &["user_id:u"]);
    event.client_time = ClientTime::Sent(Timestamp::from_millis(client));
    event.event_time = Timestamp::from_millis(happened);
    event.received_at = Timestamp::from_millis(received);
    event
}

#[test]
fn rule_14_an_erased_person_comes_back_only_by_an_event_that_is_later_by_every_clock() {
    for (client, happened, received) in [(999, 2_000, 2_000), (2_000, 999, 2_000), (2_000, 2_000, 1_000)] {
        let event = moments(client, happened, received);
        let plan = planned(erased("user_id:u"), &[&event]);
        assert_eq!(plan.unfolded, [(0, Unfolded::Erased)], "{client} {happened} {received}");
    }
    let plan = planned(erased("user_id:u"), &[&moments(1_001, 1_001, 1_001)]);
    let claim = &plan.groups[&generation_of("user_id:u", 1)].claims[0];
    assert_eq!(claim.generation, 1, "the returning person is a new one");
    assert!(claim.seen.is_some(), "the claim meets the tombstone");
}

#[test]
fn rule_14_a_shared_device_of_an_erased_person_is_stripped_and_the_event_stands() {
    let plan = planned(erased("anonymous_id:a"), &[&carrying("1", &["user_id:u2", "anonymous_id:a"])]);
    let group = &plan.groups[&profile_of("user_id:u2")];
    assert_eq!(group.events, [0]);
    assert_eq!(group.dropped, [(0, id("anonymous_id:a"), Reason::Erased)]);
}
