//! What a profile answers, keeps and lets go of, by itself.

use serde_json::{Value, json};

use super::{Changed, FEATURE_BYTES_MAX};
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::EventName;
use crate::profile::Profile;
use crate::profile::outbox::Outbox;
use crate::segment::Cause;
use crate::segment::compiled::Compiled;
use crate::segment::feature::Feature;
use crate::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use crate::segment::verdict::{Person, Truth};
use crate::time::Timestamp;
use crate::workspace::SourceId;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

fn id(name: &str) -> SegmentId {
    SegmentId::parse(name).unwrap()
}

/// Definitions by their names, `when` or `value`; whoever is asked stands first.
fn set(definitions: &[(&str, &str, Value)]) -> SegmentSet {
    definitions.iter().fold(SegmentSet::default(), |set, (name, of, said)| {
        let document = json!({"name": name, *of: said}).to_string();
        set.with(set.publish(&id(name), &document, NOW).unwrap())
    })
}

fn compiled(definitions: &[(&str, &str, Value)]) -> Compiled {
    set(definitions).compile().unwrap()
}

/// The set once everybody was asked.
fn in_force(set: &SegmentSet) -> SegmentSet {
    let active = |one: &StoredSegment| one.pending.clone().or(one.active.clone());
    let segments = set.segments.iter();
    let segments = segments.map(|one| StoredSegment { active: active(one), pending: None, ..one.clone() });
    SegmentSet { version: set.version + 1, segments: segments.collect() }
}

fn event(number: u64, payload: &Value) -> (Event, EventName) {
    let event = Event {
        source: SourceId::parse("web").unwrap(),
        message_id: format!("m-{number}"),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse("user_id", "ann", None).unwrap()],
        blocked: Vec::new(),
        rules: 0,
        client_time: ClientTime::Sent(NOW),
        event_time: NOW,
        received_at: NOW,
        payload: payload.to_string(),
        as_sent: String::new(),
    };
    (event, EventName(number))
}

/// Folds events and settles after each.
fn fold(profile: &mut Profile, compiled: &Compiled, payloads: impl IntoIterator<Item = Value>) {
    for payload in payloads {
        let (event, name) = event(profile.counters.total(), &payload);
        let mut changed = Changed::default();
        profile.fold_under(compiled, &event, name, &mut changed);
        profile.settle(compiled, &changed, false, NOW, Cause::Event);
    }
}

#[test]
fn who_asks_a_segment_that_asks_a_history_is_answered_after_it() {
    let compiled = compiled(&[
        ("buyer", "when", json!({"event": "Ordered"})),
        ("was-buyer", "when", json!({"segment": "buyer", "ever": true})),
        ("new", "when", json!({"not": {"segment": "was-buyer"}})),
        ("not-new", "when", json!({"not": {"segment": "new"}})),
    ]);
    let mut ann = Profile::default();
    let holds =
        |ann: &Profile, name: &str| ann.segments.memberships.get(&id(name)).is_some_and(|of| of.holds);
    fold(&mut ann, &compiled, [json!({"event": "Viewed"})]);
    assert!(holds(&ann, "new") && !holds(&ann, "not-new"));
    fold(&mut ann, &compiled, [json!({"event": "Ordered"})]);
    assert!(!holds(&ann, "new") && holds(&ann, "not-new"), "in the same write");
}

#[test]
fn many_long_totals_of_a_lifetime_stay_within_their_bound_and_what_is_let_go_is_unknown() {
    let of = |at: usize| json!({"of": format!("p{at}")});
    let distinct = |at: usize, least: u32| json!({"event": "Seen", "distinct": {"of": format!("p{at}"), "at_least": least}});
    let names: Vec<String> = (0..16).map(|at| format!("s-{at}")).collect();
    let mut definitions: Vec<(&str, &str, Value)> =
        (0..).zip(&names).map(|(at, name)| (name.as_str(), "when", distinct(at, 90))).collect();
    definitions.push(("few", "when", distinct(0, 2)));
    definitions.push(("times", "when", json!({"event": "Seen", "count": {"is": 120}})));
    definitions.push(("all", "value", json!({"event": "Seen", "list": of(1)})));
    let compiled = compiled(&definitions);
    let text = |at: usize, number: usize| format!("{at}-{number}-{}", "x".repeat(240));
    let seen = |number: usize| {
        let properties = (0..16).map(|at| (format!("p{at}"), json!(text(at, number % 100))));
        json!({"event": "Seen", "properties": properties.collect::<serde_json::Map<_, _>>()})
    };
    let mut ann = Profile::default();
    for number in 0..120 {
        fold(&mut ann, &compiled, [seen(number)]);
        let bytes: usize = ann.segments.features.values().map(Feature::size).sum();
        assert!(bytes <= FEATURE_BYTES_MAX, "{bytes} after {number}");
    }
    let person = Person::new(&compiled, &ann, &ann.segments.memberships, NOW);
    let truth = |name: &str| person.verdict(&compiled.segment(&id(name)).unwrap().ready.rule).truth;
    assert_eq!([truth("few"), truth("times")], [Truth::Yes, Truth::Yes]);
    let (list, is_whole) = person.value(&compiled.computed[0].ready.rule).unwrap();
    assert!(!is_whole && list.as_array().unwrap().len() < 100);
    // A value that was let go and came again is not counted from its second time on.
    let known = |name: &String| matches!(truth(name), Truth::Unknown | Truth::Yes);
    assert!(names.iter().all(known) && names.iter().any(|name| truth(name) == Truth::Unknown));
    assert!(!ann.lacks(&compiled), "what was let go is not built again");
    let packed = Profile::decode(&ann.encode()).unwrap();
    assert_eq!(packed.segments, ann.segments);
}

#[test]
fn a_value_that_was_let_go_is_no_other_one_when_it_comes_again() {
    let distinct = |least: u32| json!({"event": "Seen", "distinct": {"of": "p", "at_least": least}});
    let compiled = compiled(&[("few", "when", distinct(2)), ("more", "when", distinct(5))]);
    let (mut ann, mut bob) = (Profile::default(), Profile::default());
    let seen = |value: &str| json!({"event": "Seen", "properties": {"p": value}});
    let of_four = ["a", "b", "c", "d"].map(seen);
    for one in [&mut ann, &mut bob] {
        fold(one, &compiled, of_four.clone());
        for (id, feature) in &mut one.segments.features {
            assert!(compiled.features[id].shrink(feature));
        }
        fold(one, &compiled, of_four.clone());
    }
    let mut other = Profile::default();
    fold(&mut other, &compiled, of_four);
    for mut one in [ann.clone(), ann.clone().union(bob), ann.union(other)] {
        one.settle(&compiled, &Changed::default(), true, NOW, Cause::Merge);
        let person = Person::new(&compiled, &one, &one.segments.memberships, NOW);
        let truth = |name: &str| person.verdict(&compiled.segment(&id(name)).unwrap().ready.rule).truth;
        assert_eq!([truth("few"), truth("more")], [Truth::Yes, Truth::Unknown], "there are four");
    }
}

#[test]
fn whatever_is_let_go_at_last_is_unknown_and_never_nothing() {
    let definitions = [
        ("ends", "when", json!({"event": "Seen", "last": {"of": "p", "is": "a"}})),
        ("sums", "when", json!({"event": "Seen", "sum": {"of": "p", "at_least": 0}})),
        ("some", "when", json!({"event": "Seen", "distinct": {"of": "p", "at_most": 5}})),
        ("now", "when", json!({"event": "Seen", "within": "1d", "sum": {"of": "p", "at_least": 0}})),
        ("visit", "when", json!({"event": "Seen", "session": {}, "count": {"at_most": 5}})),
    ];
    let compiled = compiled(&definitions);
    let mut ann = Profile::default();
    let seen = json!({"event": "Seen", "properties": {"p": "a"}});
    fold(&mut ann, &compiled, [seen.clone(), seen.clone()]);
    for (id, feature) in &mut ann.segments.features {
        let query = &compiled.features[id];
        while query.shrink(feature) {}
        assert!(feature.points.is_empty() && feature.totals.is_none() && feature.floor.is_some());
    }
    let all_are_unknown = |ann: &Profile| {
        let person = Person::new(&compiled, ann, &ann.segments.memberships, NOW);
        for segment in &compiled.segments {
            assert_eq!(person.verdict(&segment.ready.rule).truth, Truth::Unknown, "{}", segment.id);
        }
        assert!(!ann.lacks(&compiled));
    };
    all_are_unknown(&ann);
    fold(&mut ann, &compiled, [seen]);
    all_are_unknown(&ann);
    let mut other = Profile::default();
    fold(&mut other, &compiled, [json!({"event": "Seen", "properties": {"p": "b"}})]);
    let mut united = ann.union(other);
    united.settle(&compiled, &Changed::default(), true, NOW, Cause::Merge);
    all_are_unknown(&united);
}

/// A list is of one version: whoever stays because nothing is known stays in the new one.
#[test]
fn whoever_is_unknown_under_a_version_that_comes_into_force_is_in_its_list() {
    let sums = json!({"event": "Seen", "within": "1d", "sum": {"of": "p", "at_least": 1}});
    let first = set(&[("spenders", "when", json!({"event": "Seen"}))]);
    let mut ann = Profile::default();
    let seen = json!({"event": "Seen", "properties": {"p": 1}});
    fold(&mut ann, &in_force(&first).compile().unwrap(), [seen]);
    ann.outbox = Outbox::default();
    let document = json!({"name": "Spenders", "when": sums}).to_string();
    let second = in_force(&first);
    let second = second.with(second.publish(&id("spenders"), &document, NOW).unwrap());
    for (set, told) in [(second.clone(), vec![]), (in_force(&second), vec![(2, true, true)])] {
        let compiled = set.compile().unwrap();
        for id in compiled.features.keys() {
            // All that it kept was let go of.
            ann.segments.features.insert(*id, Feature { floor: Some(NOW), ..Feature::default() });
        }
        ann.settle(&compiled, &Changed::default(), true, NOW, Cause::Definition);
        let changes = ann.outbox.changes().iter().map(|change| (change.version, change.holds, change.silent));
        assert_eq!(changes.collect::<Vec<_>>(), told);
    }
    let membership = ann.segments.memberships[&id("spenders")];
    assert_eq!((membership.version, membership.holds), (2, true));
    // Asked again it has nothing more to say.
    let before = ann.clone();
    ann.settle(&in_force(&second).compile().unwrap(), &Changed::default(), true, NOW, Cause::Time);
    assert_eq!(ann.outbox.changes(), before.outbox.changes());
}
