//! Laws of the fold: what order, repetition and batching may never change.

mod ledger;
mod merge;
mod resolve;
mod traits;

use proptest::prelude::*;
use serde_json::json;

use super::packed::Corrupt;
use super::{Profile, page};
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::IdKey;
use crate::time::Timestamp;
use crate::workspace::SourceId;

pub(super) fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

/// An event of one person at a moment.
pub(super) fn event(message_id: &str, kind: EventKind, at: i64, payload: &serde_json::Value) -> Event {
    let at = Timestamp::from_millis(at);
    Event {
        source: SourceId::parse("web").unwrap(),
        message_id: message_id.to_owned(),
        kind,
        identifiers: vec![Identifier::parse("user_id", "u1", None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: payload.to_string(),
        as_sent: "u1".to_owned(),
    }
}

fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Profile {
    let mut profile = Profile::default();
    for event in events {
        profile.fold(event, event.name(&key()));
    }
    profile
}

/// Seven events that meet in the same registers: equal times, removals,
/// changes of type, nested paths, repeats of counters, first and last touch.
fn telling() -> Vec<Event> {
    use EventKind::{Group, Identify, Page, Track};
    let campaign = |name: &str| json!({"context": {"campaign": {"name": name}}});
    vec![
        event(
            "1",
            Identify,
            10,
            &json!({"traits": {"plan": "free", "address": {"city": "Omsk", "zip": "1"}}}),
        ),
        event("2", Identify, 10, &json!({"traits": {"plan": "paid", "address": "unknown"}})),
        event(
            "3",
            Identify,
            20,
            &json!({"traits": {"address": {"city": null, "street": {"name": "Lenina"}}}}),
        ),
        event("4", Identify, 15, &json!({"traits": {"plan": null, "address": {"street": "Mira"}}})),
        event(
            "5",
            Track,
            12,
            &json!({"event": "Order Completed", "properties": {"revenue": 0.1, "currency": "rub"}}),
        ),
        event("6", Page, 11, &campaign("spring")),
        event("7", Group, 30, &json!({"groupId": 42, "context": {"campaign": {"name": "none"}}})),
    ]
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let put = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| put(order, place))).collect()
}

#[test]
fn all_5_040_orders_of_seven_telling_events_give_one_profile() {
    let events = telling();
    let expected = fold(&events);
    let all = orders(events.len());
    assert_eq!(all.len(), 5_040);
    for order in all {
        assert_eq!(fold(order.iter().map(|place| &events[*place])), expected, "order {order:?}");
    }
    // Events 1 and 2 happened in one millisecond; by its name, 1 is the later.
    let seen = serde_json::Value::Object(expected.traits.value());
    assert_eq!(seen, json!({"address": {"street": {"name": "Lenina"}, "zip": "1"}}));
}

#[test]
fn folding_in_parts_and_uniting_gives_what_folding_at_once_gives() {
    let events = telling();
    for cut in 0..=events.len() {
        let (front, back) = events.split_at(cut);
        assert_eq!(fold(front).union(fold(back)), fold(&events), "cut at {cut}");
        assert_eq!(fold(back).union(fold(front)), fold(&events), "cut at {cut}, turned round");
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i32>().prop_map(|number| json!(number)),
        "[a-zа-я]{0,6}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|list| json!(list)),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn payload() -> impl Strategy<Value = (EventKind, serde_json::Value)> {
    let traits = prop::collection::btree_map("[a-c]", value(), 0..4);
    prop_oneof![
        3 => traits.prop_map(|traits| (EventKind::Identify, json!({"traits": traits}))),
        2 => ("[a-z]{1,2}", -1_000_000_000_i64..1_000_000_000, 0_u32..12).prop_map(|(name, amount, scale)| {
            let revenue = rust_decimal::Decimal::new(amount, scale).to_string();
            (EventKind::Track, json!({"event": name, "properties": {"revenue": revenue}}))
        }),
        1 => "[a-z]{1,3}".prop_map(|name| (EventKind::Page, json!({"context": {"campaign": {"name": name}}}))),
        1 => (0_u32..300).prop_map(|group| (EventKind::Group, json!({"groupId": group}))),
    ]
}

fn history(count: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((payload(), 0_i64..20), count).prop_map(|drawn| {
        let numbered = drawn.into_iter().enumerate();
        numbered.map(|(place, ((kind, payload), at))| event(&place.to_string(), kind, at, &payload)).collect()
    })
}

proptest! {
    #[test]
    fn any_order_of_fifty_events_gives_one_profile(
        (events, shuffled) in history(50).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        prop_assert_eq!(fold(&events), fold(&shuffled));
    }

    #[test]
    fn a_profile_is_read_back_as_it_was_written(events in history(30)) {
        let mut profile = fold(&events);
        for event in &events {
            profile.ledger.add(super::ledger::Entry { at: event.client_time.at(), name: event.name(&key()) });
        }
        prop_assert_eq!(Profile::decode(&profile.encode()).unwrap(), profile);
    }

    #[test]
    fn a_timeline_page_holds_its_events(events in history(20)) {
        let references: Vec<&Event> = events.iter().collect();
        let mut read: Vec<Event> = Vec::new();
        for item in page::timeline(0, &references) {
            read.extend(page::read_timeline(&item.body).unwrap());
        }
        let by_id = |mut events: Vec<Event>| { events.sort_by(|a, b| a.message_id.cmp(&b.message_id)); events };
        prop_assert_eq!(by_id(read), by_id(events));
    }

    #[test]
    fn stored_bytes_that_are_damaged_are_refused_and_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let _ = Profile::decode(&bytes);
        let _ = page::read_timeline(&bytes);
        let _ = page::read_ledger(&bytes);
    }
}

#[test]
fn an_item_of_a_newer_build_is_told_from_a_broken_one() {
    let mut bytes = Profile::default().encode();
    bytes[0] = 4;
    assert_eq!(Profile::decode(&bytes), Err(Corrupt::Newer(4)));
    bytes[0] = 0;
    assert_eq!(Profile::decode(&bytes), Err(Corrupt::Older(0)));
    assert_eq!(Profile::decode(&[]), Err(Corrupt::Bytes));
}

#[test]
fn sums_are_exact_decimals() {
    let order = |id: &str, revenue: serde_json::Value| {
        event(
            id,
            EventKind::Track,
            1,
            &json!({"event": "Order Completed", "properties": {"revenue": revenue, "currency": "EUR"}}),
        )
    };
    let events = [
        order("1", json!(0.1)),
        order("2", json!(0.2)),
        order("3", json!("1e-9")),
        order("4", json!("much")),
    ];
    let profile = fold(&events);
    assert_eq!(profile.counters.revenue["EUR"].decimal(), "0.300000001");
    assert_eq!(profile.counters.revenue["EUR"].count, 3);
}

#[test]
fn first_touch_is_the_earliest_event_and_not_the_first_to_arrive() {
    let visit = |id: &str, at: i64, name: &str| {
        event(id, EventKind::Page, at, &json!({"context": {"campaign": {"name": name}}}))
    };
    let profile = fold(&[visit("1", 50, "second"), visit("2", 10, "first"), visit("3", 90, "last")]);
    assert_eq!(profile.campaigns.first.unwrap().1["name"], "first");
    assert_eq!(profile.campaigns.last.unwrap().1["name"], "last");
}

/// The format of the first release. If this fails, the format has changed:
/// raise its version and keep reading this one.
#[test]
fn a_profile_of_format_1_is_still_read() {
    let mut profile = fold(&telling());
    for event in &telling() {
        profile.ledger.add(super::ledger::Entry { at: event.client_time.at(), name: event.name(&key()) });
    }
    let kept = include_bytes!("../../../../events/profile/profile-item-v1.bin");
    assert_eq!(Profile::decode(kept).unwrap(), profile);
}
