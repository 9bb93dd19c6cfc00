use proptest::prelude::*;

use super::*;
use crate::identifier::{ANONYMOUS_ID, PHONE};

fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier::parse(kind, value, None).unwrap()
}

fn blocking(values: &[&str]) -> Rules {
    let blocked = values.iter().map(ToString::to_string).collect();
    Rules { homing: Homing { blocked, ..Homing::default() }, ..Rules::default() }
}

fn preferring(kinds: &[&str]) -> Rules {
    let priority = kinds.iter().map(ToString::to_string).collect();
    Rules { homing: Homing { priority, ..Homing::default() }, ..Rules::default() }
}

fn blocks(value: &str) -> bool {
    Rules::default().homing.blocks(&identifier(USER_ID, value))
}

#[test]
fn the_default_limits_are_those_of_segment_unify() {
    let rules = Rules::default();
    assert_eq!(rules.limit(USER_ID), 1);
    for kind in [EMAIL, PHONE, ANONYMOUS_ID, "loyalty_card"] {
        assert_eq!(rules.limit(kind), 5, "{kind}");
    }
}

#[test]
fn a_limit_holds_for_its_kind_alone() {
    let rules = Rules { limits: vec![(PHONE.to_owned(), 2)], limit_default: 7, ..Rules::default() };
    assert_eq!(rules.limit(PHONE), 2);
    assert_eq!(rules.limit(USER_ID), 7);
    assert_eq!(rules.limit("Phone"), 7);
}

#[test]
fn values_that_name_nobody_are_blocked_in_any_case() {
    for value in ["-1", "null", "NULL", "Undefined", "anonymous", "None", "NaN", "[object Object]"] {
        assert!(blocks(value), "{value}");
    }
}

#[test]
fn nothing_but_zeros_and_dashes_is_blocked() {
    for value in ["0", "000", "-", "--", "00000000-0000-0000-0000-000000000000"] {
        assert!(blocks(value), "{value}");
    }
}

#[test]
fn values_that_only_hold_a_blocked_one_are_not_blocked() {
    for value in ["1", "10", "0a", "-10", "nullable", "anonymous-7", "u-1"] {
        assert!(!blocks(value), "{value}");
    }
}

#[test]
fn a_blocked_word_of_any_script_is_blocked_in_any_case() {
    let rules = blocking(&["Нет", "ΚΑΝΕΙΣ"]);
    for value in ["нет", "НЕТ", "κανεις", "κανεισ"] {
        // Greek writes its last s in two ways; only one of them is the other in lower case.
        let last_s = value.ends_with('ς');
        assert_eq!(rules.homing.blocks(&identifier(USER_ID, value)), !last_s, "{value}");
    }
}

#[test]
fn a_value_is_blocked_whatever_its_kind() {
    let rules = blocking(&["Nobody@Example.com"]);
    assert!(rules.homing.blocks(&identifier(EMAIL, "nobody@example.com")));
    assert!(rules.homing.blocks(&identifier("crm", "NOBODY@example.com")));
}

#[test]
fn the_named_kinds_come_first_and_the_others_by_name() {
    let mut found = [
        identifier("zebra", "1"),
        identifier(PHONE, "+79011226319"),
        identifier(EMAIL, "b@example.com"),
        identifier(ANONYMOUS_ID, "a"),
        identifier(EMAIL, "a@example.com"),
        identifier(USER_ID, "7"),
    ];
    Rules::default().homing.sort(&mut found);
    let order: Vec<_> = found.iter().map(|found| (found.kind(), found.value())).collect();
    let expected = [
        (USER_ID, "7"),
        (EMAIL, "a@example.com"),
        (EMAIL, "b@example.com"),
        (ANONYMOUS_ID, "a"),
        (PHONE, "+79011226319"),
        ("zebra", "1"),
    ];
    assert_eq!(order, expected);
}

fn identifiers() -> impl Strategy<Value = Vec<Identifier>> {
    let kind = prop::sample::select(vec![USER_ID, ANONYMOUS_ID, "crm", "loyalty_card", "device.id"]);
    prop::collection::vec((kind, "[a-z0-9]{1,3}").prop_map(|(kind, value)| identifier(kind, &value)), 0..8)
}

fn rules() -> impl Strategy<Value = Rules> {
    let kinds = vec![USER_ID, EMAIL, "crm", "device.id", "unseen"];
    prop::sample::subsequence(kinds, 0..=5).prop_shuffle().prop_map(|kinds| preferring(&kinds))
}

proptest! {
    #[test]
    fn the_order_in_which_identifiers_came_never_decides(
        rules in rules(),
        (came, shuffled) in identifiers().prop_flat_map(|came| (Just(came.clone()), Just(came).prop_shuffle())),
    ) {
        let (mut came, mut shuffled) = (came, shuffled);
        rules.homing.sort(&mut came);
        rules.homing.sort(&mut shuffled);
        prop_assert_eq!(came, shuffled);
    }

    #[test]
    fn a_stronger_kind_never_stands_behind_a_weaker_one(rules in rules(), found in identifiers()) {
        let mut found = found;
        rules.homing.sort(&mut found);
        let rank = |kind: &str| rules.homing.priority.iter().position(|named| named == kind).unwrap_or(usize::MAX);
        for pair in found.windows(2) {
            let (front, behind) = (rank(pair[0].kind()), rank(pair[1].kind()));
            prop_assert!(front < behind || (front == behind && pair[0] <= pair[1]));
        }
    }

    #[test]
    fn blocking_does_not_see_case(value in "[a-zA-Zа-яА-Я]{1,9}") {
        let rules = blocking(&[&value.to_lowercase()]);
        prop_assert!(rules.homing.blocks(&identifier("crm", &value)));
        prop_assert!(rules.homing.blocks(&identifier("crm", &value.to_uppercase())));
    }
}

/// An event of these identifiers, read at a moment under rules of a version.
fn event(named: &[&Identifier], blocked: &[&Identifier], received_at: Timestamp, rules: u32) -> Event {
    let owned = |some: &[&Identifier]| some.iter().map(|one| (*one).clone()).collect();
    Event {
        source: crate::workspace::SourceId::parse("web").unwrap(),
        message_id: "m".to_owned(),
        kind: crate::event::EventKind::Track,
        identifiers: owned(named),
        blocked: owned(blocked),
        rules,
        client_time: crate::event::ClientTime::Sent(received_at),
        event_time: received_at,
        received_at,
        payload: "{}".to_owned(),
        as_sent: String::new(),
    }
}

#[test]
fn rule_08_a_change_of_homes_is_remembered_for_as_long_as_copies_come() {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let (user, email) = (identifier(USER_ID, "u"), identifier(EMAIL, "e@example.com"));
    let first = Rules::default();
    let limits = Rules { version: 2, limit_default: 9, ..Rules::default() }.after(&first, now);
    assert_eq!((limits.former.len(), limits.homes_from), (0, Timestamp::default()), "no home has changed");
    let swapped = Rules { version: 3, ..preferring(&[EMAIL, USER_ID]) }.after(&limits, now);
    let at = now.plus(ROLLOUT);
    let read = event(&[&email, &user], &[], at, 3);
    assert_eq!(swapped.other_homes(&read), [&user]);
    assert_eq!(swapped.other_homes(&event(&[&user, &email], &[], now, 1)), [&email], "its copy of before");
    assert!(swapped.other_homes(&event(&[&user], &[], at, 3)).is_empty(), "its home is the same");
    let blocked = Rules { version: 4, ..blocking(&["e@example.com"]) }.after(&swapped, at);
    let read = event(&[&user], &[&email], at.plus(ROLLOUT), 4);
    assert_eq!(blocked.other_homes(&read), [&email], "blocked, it still says where copies are");
    let over = at.plus(ROLLOUT + COPIES_MAX);
    assert!(blocked.other_homes(&event(&[&user], &[&email], over, 4)).is_empty());
    let later = Rules { version: 5, ..Rules::default() }.after(&blocked, now.plus(ROLLOUT + COPIES_MAX));
    assert_eq!(later.former.len(), 2, "one is over, one still runs, one was added");
}

#[test]
fn rule_08_homes_change_when_every_stage_knows_of_it() {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let first = Rules::default();
    let second = preferring(&[EMAIL, USER_ID]).after(&first, now);
    assert_eq!(second.homing(now), &first.homing);
    assert_eq!(second.homing(now.plus(ROLLOUT - 1)), &first.homing);
    assert_eq!(second.homing(now.plus(ROLLOUT)), &second.homing);
    // A change before the last one has begun: nobody who knows of it lets that begin, the others do.
    let soon = now.plus(ROLLOUT - 1);
    let third = blocking(&["x"]).after(&second, soon);
    assert_eq!(third.homing(now.plus(ROLLOUT)), &first.homing);
    assert_eq!(third.homing(soon.plus(ROLLOUT)), &third.homing);
    let remembered: Vec<&Homing> = third.former.iter().map(|former| &former.homing).collect();
    assert_eq!(remembered, [&second.homing, &first.homing]);
}
