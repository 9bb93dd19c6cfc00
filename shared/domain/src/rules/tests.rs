use proptest::prelude::*;

use super::*;
use crate::identifier::{ANONYMOUS_ID, PHONE};

fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier::parse(kind, value, None).unwrap()
}

fn blocks(value: &str) -> bool {
    Rules::default().blocks(&identifier(USER_ID, value))
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
    let rules = Rules { blocked: vec!["Нет".to_owned(), "ΚΑΝΕΙΣ".to_owned()], ..Rules::default() };
    for value in ["нет", "НЕТ", "κανεις", "κανεισ"] {
        // Greek writes its last s in two ways; only one of them is the other in lower case.
        let last_s = value.ends_with('ς');
        assert_eq!(rules.blocks(&identifier(USER_ID, value)), !last_s, "{value}");
    }
}

#[test]
fn a_value_is_blocked_whatever_its_kind() {
    let rules = Rules { blocked: vec!["Nobody@Example.com".to_owned()], ..Rules::default() };
    assert!(rules.blocks(&identifier(EMAIL, "nobody@example.com")));
    assert!(rules.blocks(&identifier("crm", "NOBODY@example.com")));
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
    Rules::default().sort(&mut found);
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
    prop::sample::subsequence(kinds, 0..=5).prop_shuffle().prop_map(|kinds| Rules {
        priority: kinds.into_iter().map(String::from).collect(),
        ..Rules::default()
    })
}

proptest! {
    #[test]
    fn the_order_in_which_identifiers_came_never_decides(
        rules in rules(),
        (came, shuffled) in identifiers().prop_flat_map(|came| (Just(came.clone()), Just(came).prop_shuffle())),
    ) {
        let (mut came, mut shuffled) = (came, shuffled);
        rules.sort(&mut came);
        rules.sort(&mut shuffled);
        prop_assert_eq!(came, shuffled);
    }

    #[test]
    fn a_stronger_kind_never_stands_behind_a_weaker_one(rules in rules(), found in identifiers()) {
        let mut found = found;
        rules.sort(&mut found);
        let rank = |kind: &str| rules.priority.iter().position(|named| named == kind).unwrap_or(usize::MAX);
        for pair in found.windows(2) {
            let (front, behind) = (rank(pair[0].kind()), rank(pair[1].kind()));
            prop_assert!(front < behind || (front == behind && pair[0] <= pair[1]));
        }
    }

    #[test]
    fn blocking_does_not_see_case(value in "[a-zA-Zа-яА-Я]{1,9}") {
        let rules = Rules { blocked: vec![value.to_lowercase()], ..Rules::default() };
        prop_assert!(rules.blocks(&identifier("crm", &value)));
        prop_assert!(rules.blocks(&identifier("crm", &value.to_uppercase())));
    }
}
