use std::collections::{BTreeMap, BTreeSet};

use domain::identifier::{EMAIL, Identifier, PHONE};
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::Value;

use crate::{DAYS, Request, Source, Truth, YEAR_END, events, events_until};

const PEOPLE: u32 = 600;

fn year() -> (Vec<Request>, Truth) {
    let mut shop = events(7, PEOPLE);
    let requests = shop.by_ref().collect();
    (requests, shop.truth().clone())
}

/// The events of a request, read as tolerantly as the platform reads them.
fn read(request: &Request) -> Vec<Value> {
    let text = request.body.replace(":NaN", ":null").replace("\\ud83c", "\u{fffd}");
    let body: Value = serde_json::from_str(&text).expect("a batch");
    body["batch"].as_array().expect("an array").clone()
}

fn text<'a>(event: &'a Value, field: &str) -> Option<&'a str> {
    event.get(field).and_then(Value::as_str)
}

fn card(event: &Value) -> Option<&str> {
    event["context"]["externalIds"].get(0).and_then(|id| text(id, "id"))
}

/// Why the platform has to refuse an event, by its own rules.
fn refusal(event: &Value) -> Option<Reason> {
    let known = ["track", "identify", "page", "screen", "group", "alias"];
    if event.to_string().len() > 32 * 1024 {
        return Some(Reason::TooLarge);
    }
    if !known.contains(&text(event, "type").expect("a type")) {
        return Some(Reason::UnknownType);
    }
    let nobody = text(event, "userId").or(text(event, "anonymousId")).or(card(event)).is_none();
    nobody.then_some(Reason::NoIdentifier)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bodies = |seed| events(seed, 40).map(|request| (request.at, request.body)).collect::<Vec<_>>();
    assert_eq!(bodies(3), bodies(3));
    assert_ne!(bodies(3), bodies(4));
}

#[test]
fn requests_arrive_in_order_and_within_the_year() {
    let (requests, _) = year();
    assert!(requests.is_sorted_by_key(|request| request.at));
    let start = YEAR_END.plus(-DAYS * Timestamp::DAY);
    assert!(requests.iter().all(|request| start <= request.at && request.at < YEAR_END));
    for event in requests.iter().flat_map(read) {
        let at = Timestamp::parse(text(&event, "timestamp").expect("a time")).expect("a valid time");
        assert!(at < YEAR_END, "an event of the future");
    }
}

#[test]
fn the_year_ends_where_it_is_told_to() {
    let end = Timestamp::parse("2024-03-01T15:00:00Z").expect("a time");
    let requests: Vec<_> = events_until(1, 50, end).collect();
    for event in requests.iter().flat_map(read) {
        assert!(
            Timestamp::parse(text(&event, "timestamp").expect("a time")) < Some(end),
            "an event of the future"
        );
    }
    let last = requests.last().expect("a request");
    assert!(last.at < Timestamp::parse("2024-03-01T00:00:00Z").expect("a time"));
    assert!(last.at > Timestamp::parse("2024-02-20T00:00:00Z").expect("a time"));
}

#[test]
fn the_truth_is_what_the_bodies_say() {
    let (requests, truth) = year();
    let mut seen = BTreeSet::new();
    let (mut repeated, mut kinds, mut refused, mut revenue) =
        (0, BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for event in requests.iter().flat_map(read) {
        if let Some(reason) = refusal(&event) {
            *refused.entry(reason).or_insert(0) += 1;
        } else if seen.insert(text(&event, "messageId").expect("an id").to_owned()) {
            *kinds.entry(text(&event, "type").expect("a type").to_owned()).or_insert(0) += 1;
            if let Some(amount) = event["properties"]["revenue"].as_f64() {
                let currency = text(&event["properties"], "currency").expect("a currency").to_owned();
                *revenue.entry(currency).or_insert(0.0) += amount * 100.0;
            }
        } else {
            repeated += 1;
        }
    }
    assert_eq!(truth.requests, requests.len() as u64);
    assert_eq!(truth.events, seen.len() as u64);
    assert_eq!(truth.repeated, repeated);
    assert_eq!(truth.refused, refused);
    assert_eq!(truth.sent(), requests.iter().map(|request| request.len() as u64).sum::<u64>());
    let told: BTreeMap<_, _> =
        truth.kinds.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect();
    assert_eq!(told, kinds);
    assert_eq!(truth.sources.values().sum::<u64>(), truth.events);
    assert_eq!(truth.revenue_cents.len(), revenue.len());
    for (currency, cents) in &truth.revenue_cents {
        assert_eq!(revenue[*currency].round().to_string(), cents.to_string(), "revenue in {currency}");
    }
}

#[test]
fn everybody_is_seen_and_some_never_say_who_they_are() {
    let (_, truth) = year();
    assert_eq!(truth.people, u64::from(PEOPLE));
    assert!((300..550).contains(&truth.named), "{} of {PEOPLE} are named", truth.named);
}

#[test]
fn the_year_holds_what_makes_real_data_hard() {
    let (requests, truth) = year();
    for source in Source::ALL {
        assert!(requests.iter().any(|request| request.source == source), "no requests of {source:?}");
    }
    assert!(truth.repeated > 100 && truth.late > 100 && truth.mended > 0, "{truth:?}");
    for reason in [Reason::NoIdentifier, Reason::TooLarge, Reason::UnknownType] {
        assert!(truth.refused.contains_key(&reason), "no {reason:?}");
    }
    let bodies: String = requests.iter().map(|request| request.body.as_str()).collect();
    for telling in
        [":NaN", "\\ud83c", "Кузнецов", "Müller", "EXAMPLE.", "\"campaign\"", "loyalty_card", "555-01"]
    {
        assert!(bodies.contains(telling), "nothing says {telling}");
    }
}

#[test]
fn families_share_tablets() {
    let (requests, _) = year();
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in requests.iter().flat_map(read) {
        if let (Some(user), Some(device)) = (text(&event, "userId"), text(&event, "anonymousId")) {
            users.entry(device.to_owned()).or_default().insert(user.to_owned());
        }
    }
    let shared = users.values().filter(|users| users.len() > 1).count();
    assert!(shared > 5, "{shared} shared tablets");
    assert!(users.values().all(|users| users.len() <= 3), "a tablet of more than a family");
}

/// Addresses and numbers read as identifiers, and never as somebody else's.
#[test]
fn what_names_a_person_names_one_only() {
    let (requests, _) = year();
    let mut owners: BTreeMap<Identifier, BTreeSet<String>> = BTreeMap::new();
    for request in &requests {
        for event in read(request) {
            let Some(user) = text(&event, "userId") else { continue };
            for kind in [EMAIL, PHONE] {
                let Some(raw) = text(&event["traits"], kind) else { continue };
                let identifier = Identifier::parse(kind, raw, request.source.region());
                let identifier = identifier.unwrap_or_else(|_| panic!("{raw} is no {kind}"));
                owners.entry(identifier).or_default().insert(user.to_owned());
            }
        }
    }
    assert!(owners.values().all(|owners| owners.len() == 1));
    let phones = owners.keys().filter(|identifier| identifier.kind() == PHONE).count();
    assert!(phones > 200, "{phones} phones");
}

#[test]
fn a_stamped_body_differs_from_its_repetition_only_in_its_envelope() {
    let request = events(1, 5).next().expect("a request");
    let first: Value = serde_json::from_str(&request.stamped(YEAR_END)).expect("JSON");
    let second: Value = serde_json::from_str(&request.stamped(YEAR_END.plus(1500))).expect("JSON");
    assert_eq!(first["batch"], second["batch"]);
    assert_eq!(first["sentAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(second["sentAt"], "2026-01-01T00:00:01.500Z");
}

#[test]
fn nothing_personal_is_printed() {
    let request = events(1, 5).next().expect("a request");
    let email = read(&request).iter().find_map(|event| text(&event["traits"], EMAIL).map(str::to_owned));
    let printed = format!("{request:?}");
    assert!(email.is_none_or(|email| !printed.contains(&email)));
    assert!(!printed.contains("batch\":"));
}

#[test]
fn a_shop_without_people_is_silent() {
    assert_eq!(events(1, 0).filter(|request| request.source != Source::Pos).count(), 0);
}
