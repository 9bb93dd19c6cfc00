//! What a profile answers, keeps and lets go of, by itself.

use serde_json::{Value, json};

use super::Changed;
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::EventName;
use crate::profile::Profile;
use crate::segment::Cause;
use crate::segment::compiled::Compiled;
use crate::segment::stored::{SegmentId, SegmentSet};
use crate::time::Timestamp;
use crate::workspace::SourceId;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

fn id(name: &str) -> SegmentId {
    SegmentId::parse(name).unwrap()
}

/// Definitions by their names, `when` or `value`; whoever is asked stands first.
fn compiled(definitions: &[(&str, &str, Value)]) -> Compiled {
    let set = definitions.iter().fold(SegmentSet::default(), |set, (name, of, said)| {
        let document = json!({"name": name, *of: said}).to_string();
        set.with(set.publish(&id(name), &document, NOW).unwrap())
    });
    set.compile().unwrap()
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
