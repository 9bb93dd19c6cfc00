//! Segments as teams collect them: many about the same few traits and events.

use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment, Versioned};
use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::failed::Failed;

const SEED: u64 = 5;
const EVENTS: [&str; 12] = [
    "Product Viewed",
    "Products Searched",
    "Product List Viewed",
    "Product Clicked",
    "Product Added",
    "Order Completed",
    "API Key Created",
    "Subscription Renewed",
    "Invoice Paid",
    "Report Exported",
    "Signed Up",
    "Seat Added",
];
const SPANS: [&str; 9] = ["1d", "3d", "7d", "14d", "30d", "60d", "90d", "180d", "365d"];
const PLANS: [&str; 4] = ["free", "starter", "team", "business"];
const COUNTRIES: [&str; 6] = ["France", "Spain", "Germany", "Italy", "United States", "United Kingdom"];
const CITIES: [&str; 6] = ["Lyon", "Valencia", "Berlin", "Milan", "Austin", "Leeds"];
const LANGUAGES: [&str; 4] = ["en", "es", "de", "fr"];

/// The conditions of so many segments; the first of many are those of few.
pub(crate) fn conditions(count: usize) -> Vec<Value> {
    let mut rng = Rng::with_seed(SEED);
    (0..count).map(|_| condition(&mut rng)).collect()
}

/// The same as a workspace's definitions, in force.
pub(crate) fn set(count: usize, now: Timestamp) -> Result<SegmentSet, Failed> {
    set_of(&conditions(count), now)
}

pub(crate) fn set_of(conditions: &[Value], now: Timestamp) -> Result<SegmentSet, Failed> {
    let mut set = SegmentSet { version: u64::from(!conditions.is_empty()), segments: Vec::new() };
    for (number, when) in conditions.iter().enumerate() {
        let document = json!({ "name": format!("Segment {number}"), "when": when }).to_string();
        let id = SegmentId::parse(&format!("segment-{number}"))?;
        let active = Versioned { version: 1, document, published: now, since: 1 };
        let segment =
            StoredSegment { id, active: Some(active), pending: None, last_version: 1, ended: false };
        set.segments.push(segment);
    }
    Ok(set)
}

fn condition(rng: &mut Rng) -> Value {
    let parts = rng.usize(1..=3);
    let mut parts: Vec<Value> = (0..parts).map(|_| leaf(rng)).collect();
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let how = if rng.u8(0..4) == 0 { "any" } else { "all" };
    json!({ how: parts })
}

fn leaf(rng: &mut Rng) -> Value {
    let leaf = if rng.u8(0..10) < 4 { of_traits(rng) } else { of_events(rng) };
    if rng.u8(0..6) == 0 { json!({ "not": leaf }) } else { leaf }
}

fn of_traits(rng: &mut Rng) -> Value {
    let one = |rng: &mut Rng, of: &[&str]| rng.choice(of).copied().unwrap_or_default().to_owned();
    match rng.u8(0..8) {
        0 => json!({"trait": "plan", "is": one(rng, &PLANS)}),
        1 => json!({"trait": "plan", "in": [one(rng, &PLANS), one(rng, &PLANS)]}),
        2 => json!({"trait": "address.country", "is": one(rng, &COUNTRIES)}),
        3 => {
            json!({"trait": "address.city", "in": [one(rng, &CITIES), one(rng, &CITIES), one(rng, &CITIES)]})
        }
        4 => json!({"trait": "language", "is": one(rng, &LANGUAGES)}),
        5 => json!({"trait": "createdAt", "within_last": one(rng, &SPANS)}),
        6 => json!({"trait": "firstName", "starts_with": one(rng, &["a", "e", "l", "m", "p"])}),
        _ => json!({"trait": "email", "ends_with": one(rng, &["@example.com", "@example.net"])}),
    }
}

fn of_events(rng: &mut Rng) -> Value {
    let name = rng.choice(EVENTS).unwrap_or_default();
    let mut condition = Map::new();
    let mut say = |key: &str, value: Value| condition.insert(key.to_owned(), value);
    say("event", json!(name));
    if rng.u8(0..5) > 0 {
        say("within", json!(rng.choice(SPANS)));
    }
    match rng.u8(0..6) {
        0..3 => say("count", json!({ "at_least": rng.u8(1..=5) })),
        3 if name == "Order Completed" => {
            say("sum", json!({ "of": "revenue", "at_least": 50 * u32::from(rng.u8(1..=8)) }))
        }
        _ => None,
    };
    Value::Object(condition)
}
