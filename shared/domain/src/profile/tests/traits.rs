//! Traits: paths, removals, changes of type, limits.

use serde_json::{Map, Value, json};

use crate::key::EventName;
use crate::profile::stamp::Stamp;
use crate::profile::traits::{BYTES_MAX, COUNT_MAX, Traits};
use crate::time::Timestamp;
use crate::workspace::SourceId;

fn observe(traits: &mut Traits, at: i64, value: Value) -> usize {
    let Value::Object(map) = value else { panic!("an object") };
    observe_map(traits, at, &map)
}

fn observe_map(traits: &mut Traits, at: i64, map: &Map<String, Value>) -> usize {
    let stamp = Stamp { at: Timestamp::from_millis(at), event: EventName(0) };
    traits.observe(map, stamp, &SourceId::parse("web").unwrap()).len()
}

/// Applies the writes in both orders and compares what a person would see.
fn check(older: Value, newer: Value, expected: &Value) {
    let mut forth = Traits::default();
    observe(&mut forth, 1, older.clone());
    observe(&mut forth, 2, newer.clone());
    let mut back = Traits::default();
    observe(&mut back, 2, newer);
    observe(&mut back, 1, older);
    assert_eq!(Value::Object(forth.value()), *expected);
    assert_eq!(forth, back);
}

#[test]
fn objects_merge_by_path() {
    check(json!({"a": {"x": 1, "y": 1}}), json!({"a": {"y": 2}}), &json!({"a": {"x": 1, "y": 2}}));
}

#[test]
fn arrays_are_replaced() {
    check(json!({"a": [1, 2]}), json!({"a": [3]}), &json!({"a": [3]}));
}

#[test]
fn a_null_removes_whatever_arrives_later_but_happened_before() {
    check(json!({"a": 1}), json!({"a": null}), &json!({}));
    check(json!({"a": {"x": 1, "y": 1}}), json!({"a": {"x": null}}), &json!({"a": {"y": 1}}));
    check(json!({"a": {"x": 1}}), json!({"a": null}), &json!({}));
    check(json!({"a": null}), json!({"a": 1}), &json!({"a": 1}));
}

#[test]
fn a_change_of_type_wins_like_any_write() {
    check(json!({"a": {"x": 1}}), json!({"a": "text"}), &json!({"a": "text"}));
    check(json!({"a": "text"}), json!({"a": {"x": 1}}), &json!({"a": {"x": 1}}));
    check(json!({"a": [1]}), json!({"a": {"x": {"y": 1}}}), &json!({"a": {"x": {"y": 1}}}));
}

#[test]
fn what_was_covered_still_covers_what_is_older() {
    let mut traits = Traits::default();
    observe(&mut traits, 2, json!({"a": "text"}));
    observe(&mut traits, 3, json!({"a": {"x": 1}}));
    observe(&mut traits, 1, json!({"a": {"y": 1}}));
    assert_eq!(Value::Object(traits.value()), json!({"a": {"x": 1}}));
}

#[test]
fn an_object_below_the_fourth_level_is_replaced_whole() {
    check(
        json!({"a": {"b": {"c": {"d": {"x": 1}}}}}),
        json!({"a": {"b": {"c": {"d": {"y": 2}}}}}),
        &json!({"a": {"b": {"c": {"d": {"y": 2}}}}}),
    );
}

#[test]
fn a_profile_holds_500_traits_and_says_what_did_not_fit() {
    let many: Map<String, Value> = (0..COUNT_MAX + 3).map(|n| (format!("t{n:04}"), json!(n))).collect();
    let mut traits = Traits::default();
    assert_eq!(observe_map(&mut traits, 1, &many), 3);
    assert_eq!(traits.value().len(), COUNT_MAX);
    assert_eq!(observe(&mut traits, 2, json!({"t0001": "new"})), 0, "what is held can still change");
}

#[test]
fn a_profile_holds_64_kb_of_traits() {
    let mut traits = Traits::default();
    let long = "x".repeat(BYTES_MAX / 2);
    assert_eq!(observe(&mut traits, 1, json!({"a": long})), 0);
    assert_eq!(observe(&mut traits, 1, json!({"b": long})), 1);
    assert_eq!(observe(&mut traits, 1, json!({"c": "small"})), 0);
}
