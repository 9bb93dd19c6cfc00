//! How definitions are read, put together and stored.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::compiled::FEATURES_MAX;
use super::stored::{SegmentId, SegmentSet, StoredSegment, Versioned, WORKSPACE_FEATURES_MAX};
use super::{Change, Memberships, list, read};
use crate::key::ProfileId;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

fn id(name: &str) -> SegmentId {
    SegmentId::parse(name).unwrap()
}

/// The set as it stands once a document is published, or what is wrong with it.
fn published(set: &SegmentSet, name: &str, when: &Value) -> Result<SegmentSet, Vec<String>> {
    let document = json!({"name": name, "when": when}).to_string();
    let next = set.publish(&id(name), &document, NOW);
    next.map(|next| set.with(next)).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn every_mistake_has_its_place_its_reason_and_what_was_meant() {
    let bad: Value = serde_json::from_str(include_str!("../../../../events/segments/bad.json")).unwrap();
    for case in bad.as_array().unwrap() {
        let document = case["document"].as_str().map_or_else(|| case["document"].to_string(), str::to_owned);
        let mistakes = read::read(&document).expect_err(&document);
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let wanted: Vec<&str> =
            case["mistakes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(told, wanted, "{document}");
    }
}

#[test]
fn examples_are_read() {
    for example in [
        include_str!("../../../../events/segments/lapsing-buyers.json"),
        include_str!("../../../../events/segments/cart-abandoned.json"),
        include_str!("../../../../events/segments/best-customers.json"),
        include_str!("../../../../events/segments/spent-90-days.json"),
    ] {
        read::read(example).unwrap();
    }
}

#[test]
fn a_definition_has_bounds_and_each_is_named() {
    let deep = (0..read::DEPTH_MAX).fold(json!({"identifier": "email"}), |inner, _| json!({"not": inner}));
    let wide = json!({"any": vec![json!({"identifier": "email"}); read::NODES_MAX]});
    let heavy: Vec<Value> = (0..=FEATURES_MAX).map(|at| json!({"event": format!("e-{at}")})).collect();
    let set = SegmentSet::default();
    for (when, limit) in [
        (deep, format!("deeper than {}", read::DEPTH_MAX)),
        (wide, format!("more than {}", read::NODES_MAX)),
        (json!({"any": heavy}), format!("more than {FEATURES_MAX}")),
        (
            json!({"trait": "x", "in": vec![1; read::VALUES_MAX + 1]}),
            format!("more than {}", read::VALUES_MAX),
        ),
        (json!({"trait": "x", "is": "a".repeat(300)}), "at most 256".to_owned()),
    ] {
        let mistakes = published(&set, "big", &when).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(&limit)), "{limit}: {mistakes:?}");
    }
    let long = json!({"name": "x".repeat(read::LENGTH_MAX), "when": {"identifier": "email"}}).to_string();
    assert!(read::read(&long).unwrap_err()[0].reason.contains("at most 65536"));
}

#[test]
fn the_features_of_a_workspace_have_a_bound() {
    let when = |at: usize| {
        let events = (0..FEATURES_MAX).map(|number| json!({"event": format!("e-{at}-{number}")}));
        json!({"any": events.collect::<Vec<_>>()})
    };
    // As they stand there, without a look at each.
    let full = (0..WORKSPACE_FEATURES_MAX / FEATURES_MAX).fold(SegmentSet::default(), |set, at| {
        let document = json!({"name": "x", "when": when(at)}).to_string();
        let active = Versioned { version: 1, document, published: NOW, since: 1 };
        set.with(StoredSegment {
            id: id(&format!("s-{at}")),
            active: Some(active),
            pending: None,
            last_version: 1,
            ended: false,
        })
    });
    let few = published(&full, "few", &json!({"event": "e-0-0"})).unwrap();
    let mistakes = published(&few, "many", &when(usize::MAX)).unwrap_err();
    assert!(mistakes[0].contains("features of events in this workspace, more than 5000"), "{mistakes:?}");
    assert!(few.end(&id("few")).is_ok());
}

#[test]
fn segments_may_ask_others_but_not_in_a_circle() {
    let set = SegmentSet::default();
    let a = published(&set, "a", &json!({"segment": "b"})).unwrap_err();
    assert_eq!(a, ["`the document` the segment `a` asks the segment `b`, which does not exist"]);
    let set = published(&set, "b", &json!({"identifier": "email"})).unwrap();
    let set = published(&set, "a", &json!({"segment": "b", "ever": true})).unwrap();
    let circle = published(&set, "b", &json!({"not": {"segment": "a"}})).unwrap_err();
    assert_eq!(circle, ["`the document` segments ask each other in a circle: `a`, `b`"]);
    assert_eq!(set.end(&id("b")).unwrap_err(), "the segment `a` asks the segment `b`, which does not exist");
    let set = set.with(set.end(&id("a")).unwrap());
    let set = set.with(set.end(&id("b")).unwrap());
    assert_eq!(set.compile().unwrap().segments.len(), 0);
    assert!(set.end(&id("b")).is_err(), "it has ended");
}

/// Until a new version is in force the one before it answers, and asks.
#[test]
fn what_a_version_asks_that_is_about_to_be_replaced_cannot_end() {
    let set = SegmentSet::default();
    let mut set = published(&set, "b", &json!({"identifier": "email"})).unwrap();
    set = published(&set, "a", &json!({"segment": "b"})).unwrap();
    for segment in &mut set.segments {
        segment.active = segment.pending.take();
    }
    let set = published(&set, "a", &json!({"identifier": "phone"})).unwrap();
    assert_eq!(set.end(&id("b")).unwrap_err(), "the segment `a` asks the segment `b`, which does not exist");
    assert_eq!(set.compile().unwrap().segments.len(), 3);
}

#[test]
fn no_number_breaks_off_what_reads_it() {
    for number in [i64::MIN, i64::MAX] {
        assert_eq!(super::value::moment(&json!(number)), Some(Timestamp::from_millis(number)));
    }
    for time in ["1093:00", "65535:59", "24:01", "25:00", "12:60"] {
        let when = json!({"event": "Seen", "hours": {"from": time}});
        let mistakes = published(&SegmentSet::default(), "a", &when).unwrap_err();
        assert!(mistakes[0].contains("is no time of day"), "{time}: {mistakes:?}");
    }
}

#[test]
fn the_same_feature_is_kept_once_whoever_needs_it() {
    let set = SegmentSet::default();
    let count =
        |least: u8, days: &str| json!({"event": "Seen", "within": days, "count": {"at_least": least}});
    let set = published(&set, "a", &count(3, "25d")).unwrap();
    let set = published(&set, "b", &count(2, "30d")).unwrap();
    assert_eq!(set.compile().unwrap().features.len(), 1, "thirty days and four points serve both");
    let set = published(&set, "c", &count(30, "30d")).unwrap();
    assert_eq!(set.compile().unwrap().features.len(), 2);
    let set = set.with(set.end(&id("c")).unwrap());
    assert_eq!(set.compile().unwrap().features.len(), 1);
}

#[test]
fn versions_never_go_back_even_if_a_segment_ends_and_returns() {
    let when = json!({"identifier": "email"});
    let set = published(&SegmentSet::default(), "a", &when).unwrap();
    let set = set.with(set.end(&id("a")).unwrap());
    let set = published(&set, "a", &when).unwrap();
    let StoredSegment { last_version, ended, pending, .. } = set.find(&id("a")).unwrap().clone();
    assert_eq!((last_version, ended, pending.unwrap().version, set.version), (2, false, 2, 3));
}

#[test]
fn rule_22_a_row_is_replaced_by_a_newer_answer_alone() {
    let profile = ProfileId::from_bytes([7; 16]);
    let change = |seq, holds| Change {
        of: None,
        segment: id("a"),
        version: 1,
        seq,
        holds,
        at: NOW,
        cause: super::Cause::Event,
        silent: false,
    };
    let entered = list::row(profile, &change(1, true), None).unwrap().unwrap();
    let left = list::row(profile, &change(2, false), Some(&entered)).unwrap().unwrap();
    assert!(!list::read_row(&left).unwrap().holds);
    assert_eq!(
        list::row(profile, &change(1, true), Some(&left)),
        Ok(None),
        "a late answer brings nobody back"
    );
    assert_eq!(list::row(profile, &change(2, true), Some(&left)), Ok(None), "nor does a copy");
    let names: BTreeSet<u64> =
        [change(1, true), change(1, false), change(2, true)].iter().map(Change::id).collect();
    assert_eq!(names.len(), 2, "an answer is named by what counts it");
    assert!(Memberships::new().is_empty());
}

#[test]
fn a_list_made_by_hand_and_a_computed_trait_are_read() {
    for (document, features) in [
        (json!({"name": "x", "when": {"listed": "vip", "since": "2026-11-05"}}), 0),
        (json!({"name": "x", "when": {"not": {"listed": "vip"}}}), 0),
        (
            json!({"name": "x", "value": {"event": "Order Completed", "within": "90d", "sum": {"of": "total"}}}),
            1,
        ),
        (json!({"name": "x", "value": {"page": "*", "session": {}, "count": {}}}), 2),
        (json!({"name": "x", "value": {"event": "Order Completed", "list": {"of": "category"}}}), 1),
    ] {
        let set = SegmentSet::default();
        let next = set
            .publish(&id("x"), &document.to_string(), NOW)
            .unwrap_or_else(|why| panic!("{document}: {why:?}"));
        let compiled = set.with(next).compile().unwrap();
        assert_eq!(compiled.features.len(), features, "{document}");
        assert_eq!(compiled.computed.len() + compiled.segments.len(), 1, "{document}");
    }
}

#[test]
fn what_is_a_segment_does_not_become_a_computed_trait() {
    let set = published(&SegmentSet::default(), "x", &json!({"identifier": "email"})).unwrap();
    let value = json!({"name": "x", "value": {"event": "Seen"}}).to_string();
    let mistakes = set.publish(&id("x"), &value, NOW).unwrap_err();
    assert!(
        mistakes[0].reason.contains("is a computed trait, and `x` is a segment; end it first"),
        "{mistakes:?}"
    );
    let computed = set.with(set.publish(&id("y"), &value, NOW).unwrap());
    let asks = published(&computed, "z", &json!({"segment": "y"})).unwrap_err();
    assert!(asks[0].contains("asks the segment `y`, which does not exist"), "{asks:?}");
}

#[test]
fn whoever_is_another_person_from_now_on_is_due_even_if_no_segment_concerned_them() {
    let anew = super::Segments::default().anew(super::Cause::Split, NOW);
    assert_eq!((anew.until, anew.stale), (Some(NOW), Some(super::Cause::Split)));
}
