use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{ClientTime, EventKind};
use crate::identifier::{EMAIL, Identifier, USER_ID};
use crate::time::Timestamp;
use crate::workspace::SourceId;

fn event(payload: &str) -> Event {
    Event {
        source: SourceId::parse("web").unwrap(),
        message_id: "m-1".to_owned(),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse(USER_ID, "7", None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(Timestamp::from_millis(1)),
        event_time: Timestamp::from_millis(2),
        received_at: Timestamp::from_millis(3),
        payload: payload.to_owned(),
        as_sent: "7".to_owned(),
    }
}

fn message(events: Vec<Event>) -> Message {
    Message { workspace: WorkspaceId::parse("main").unwrap(), trace: "t-1".to_owned(), events }
}

/// Text that no compression makes much smaller, the same on every run.
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed | 1;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + 1 + u8::try_from((state >> 33) % 93).unwrap())
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn characters_that_sqs_does_not_take_travel_as_escapes() {
    let odd = "a\u{fffe}b\u{ffff}c";
    let sent = message(vec![Event { message_id: odd.to_owned(), ..event(&format!("{{\"a\":\"{odd}\"}}")) }]);
    let bodies = sent.clone().pack();
    assert!(!bodies[0].contains(['\u{fffe}', '\u{ffff}']));
    assert_eq!(Message::unpack(&bodies[0]), Ok(sent));
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

fn is_packed(body: &str) -> bool {
    json_of(body).get("packed").is_some()
}

/// What the bodies hold together, each read on its own.
fn unpacked_events(bodies: &[String]) -> Vec<Event> {
    bodies.iter().flat_map(|body| Message::unpack(body).unwrap().events).collect()
}

fn refused(body: &str) -> Unreadable {
    Message::unpack(body).unwrap_err()
}

fn packed(json: &[u8]) -> String {
    let small = zstd::bulk::compress(json, 1).unwrap();
    json!({ "v": VERSION, "packed": STANDARD.encode(small) }).to_string()
}

#[test]
fn a_small_message_travels_as_plain_json() {
    let bodies = message(vec![event("{}")]).pack();
    assert_eq!(bodies.len(), 1);
    assert!(!is_packed(&bodies[0]));
    assert_eq!(json_of(&bodies[0])["v"], VERSION);
    assert_eq!(Message::unpack(&bodies[0]), Ok(message(vec![event("{}")])));
}

#[test]
fn a_message_over_one_billing_step_is_compressed_into_one_body() {
    let events: Vec<Event> = (0..40).map(|_| event(&r#"{"page":"home"}"#.repeat(2_000))).collect();
    let bodies = message(events.clone()).pack();
    assert_eq!(bodies.len(), 1);
    assert!(is_packed(&bodies[0]));
    assert!(bodies[0].len() < COMPRESS_ABOVE);
    assert_eq!(unpacked_events(&bodies), events);
}

#[test]
fn a_message_that_stays_big_is_split_and_keeps_its_order() {
    let events: Vec<Event> = (0..100).map(|number| event(&noise(30_000, number))).collect();
    let bodies = message(events.clone()).pack();
    assert!((2..=32).contains(&bodies.len()), "{} bodies", bodies.len());
    assert!(bodies.iter().all(|body| body.len() <= BODY_MAX && is_packed(body)));
    assert_eq!(unpacked_events(&bodies), events);
    for body in &bodies {
        let part = Message::unpack(body).unwrap();
        assert_eq!((part.workspace.as_str(), part.trace.as_str()), ("main", "t-1"));
    }
}

#[test]
fn one_event_is_never_split() {
    let bodies = message(vec![event(&noise(400_000, 1))]).pack();
    assert_eq!(bodies.len(), 1);
    assert_eq!(unpacked_events(&bodies), [event(&noise(400_000, 1))]);
}

/// A request's context stands in each of its events: what was 4 MB can unfold
/// to hundreds, and compresses to next to nothing.
#[test]
fn a_message_is_split_where_it_could_not_be_unfolded() {
    let events: Vec<Event> = (0..1_200).map(|_| event(&"x".repeat(30_000))).collect();
    let bodies = message(events.clone()).pack();
    assert_eq!(bodies.len(), 4);
    assert_eq!(unpacked_events(&bodies), events);
}

#[test]
fn a_newer_version_is_told_apart_whatever_else_it_holds() {
    assert_eq!(refused(r#"{"v":2}"#), Unreadable::Newer(2));
    assert_eq!(refused(r#"{"batch":[{"x":null}],"v":4294967295}"#), Unreadable::Newer(u32::MAX));
}

#[test]
fn a_version_that_no_build_reads_any_more_is_told_apart() {
    assert_eq!(refused(r#"{"v":0,"message":7}"#), Unreadable::Older(0));
}

#[test]
fn what_is_no_message_is_refused() {
    let whole = message(vec![event("{}")]).pack().remove(0);
    let cut = &whole[..whole.len() / 2];
    let both = json!({ "v": 1, "message": json_of(&whole)["message"], "packed": "" }).to_string();
    let deep = format!(r#"{{"v":1,"message":{}"#, "[".repeat(10_000));
    for body in ["", "null", "[]", "{}", r#"{"v":-1}"#, r#"{"v":"1"}"#, r#"{"v":1}"#, cut, &both, &deep] {
        assert_eq!(refused(body), Unreadable::Json, "{body:.40}");
    }
}

#[test]
fn a_packed_part_that_unpacks_to_something_else_is_refused() {
    for json in ["", "{", "{}", r#"{"v":1}"#, &"[".repeat(10_000)] {
        assert_eq!(refused(&packed(json.as_bytes())), Unreadable::Json, "{json:.40}");
    }
    assert_eq!(refused(&packed(&[0xff, 0xfe])), Unreadable::Json);
}

#[test]
fn a_packed_part_that_is_not_base64_is_refused() {
    for packed in ["?", "AAA", "AA A="] {
        assert_eq!(refused(&json!({ "v": 1, "packed": packed }).to_string()), Unreadable::Base64);
    }
}

#[test]
fn a_packed_part_that_does_not_unfold_is_refused() {
    let small = zstd::bulk::compress(text(&message(vec![event("{}")])).as_bytes(), 1).unwrap();
    let mut flipped = small.clone();
    flipped[0] ^= 1;
    for broken in [&small[..small.len() - 1], &flipped, b"plain".as_slice()] {
        let body = json!({ "v": 1, "packed": STANDARD.encode(broken) }).to_string();
        assert_eq!(refused(&body), Unreadable::Compression);
    }
}

#[test]
fn a_packed_part_that_unfolds_without_end_is_refused() {
    let bomb = packed(&vec![b' '; UNPACKED_MAX + 1]);
    assert!(bomb.len() < 4 * 1024);
    assert_eq!(refused(&bomb), Unreadable::Compression);
}

#[test]
fn a_message_without_events_is_refused() {
    assert_eq!(refused(&message(Vec::new()).pack()[0]), Unreadable::Empty);
    assert_eq!(refused(&packed(text(&message(Vec::new())).as_bytes())), Unreadable::Empty);
}

#[test]
fn an_event_that_names_nobody_spoils_its_message() {
    let nobody = Event { identifiers: Vec::new(), ..event("{}") };
    assert_eq!(refused(&message(vec![event("{}"), nobody]).pack()[0]), Unreadable::Empty);
}

#[test]
fn a_field_that_a_later_build_added_is_passed_over() {
    let mut body = json_of(&message(vec![event("{}")]).pack()[0]);
    body["added"] = json!(1);
    body["message"]["added"] = json!({ "x": [1] });
    body["message"]["events"][0]["added"] = json!("x");
    assert_eq!(Message::unpack(&body.to_string()), Ok(message(vec![event("{}")])));
}

/// A body as version 1 was released: this build and the next must read it.
#[test]
fn the_released_version_is_still_read() {
    let released = concat!(
        r#"{"v":1,"message":{"workspace":"main","trace":"t-1","events":[{"source":"web","message_id":"m-1","#,
        r#""kind":"track","identifiers":[{"kind":"user_id","value":"7"}],"rules":1,"client_time":{"Sent":1},"#,
        r#""event_time":2,"received_at":3,"payload":"{}","as_sent":"7"}]}}"#,
    );
    assert_eq!(Message::unpack(released), Ok(message(vec![event("{}")])));
    assert_eq!(message(vec![event("{}")]).pack(), [released]);
}

#[test]
fn neither_a_message_nor_an_error_prints_a_person() {
    let canary = Event {
        message_id: "canary".to_owned(),
        identifiers: vec![Identifier::parse(EMAIL, "canary@example.com", None).unwrap()],
        as_sent: "canary".to_owned(),
        ..event(r#"{"canary":1}"#)
    };
    let message = message(vec![canary]);
    assert!(!format!("{message:?}").contains("canary"));
    let error = refused(&message.pack()[0].replace("\"v\":1", "\"v\":\"canary\""));
    assert!(!format!("{error} {error:?}").contains("canary"));
}

fn moments() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn client_times() -> impl Strategy<Value = ClientTime> {
    prop_oneof![
        moments().prop_map(ClientTime::Sent),
        moments().prop_map(ClientTime::Absent),
        moments().prop_map(ClientTime::Ours)
    ]
}

fn identifiers() -> impl Strategy<Value = Vec<Identifier>> {
    let identifier = ("[a-z_]{1,9}", "\\PC{1,20}")
        .prop_filter_map("no identifier", |(kind, value)| Identifier::parse(&kind, &value, None).ok());
    prop::collection::vec(identifier, 1..4)
}

fn kinds() -> impl Strategy<Value = EventKind> {
    use EventKind::{Alias, Group, Identify, Page, Screen, Track};
    prop::sample::select(vec![Track, Identify, Page, Screen, Group, Alias])
}

prop_compose! {
    fn events()(
        (source, message_id, as_sent) in ("[a-z0-9-]{1,32}", any::<String>(), any::<String>()),
        kind in kinds(),
        (identifiers, blocked) in (identifiers(), prop_oneof![Just(Vec::new()), identifiers()]),
        (rules, client_time) in (any::<u32>(), client_times()),
        (event_time, received_at) in (moments(), moments()),
        payload in prop_oneof![any::<String>(), (0..30_000_usize, any::<u64>()).prop_map(|(length, seed)| noise(length, seed))],
    ) -> Event {
        let source = SourceId::parse(&source).unwrap();
        Event { source, message_id, kind, identifiers, blocked, rules, client_time, event_time, received_at, payload, as_sent }
    }
}

/// Bodies that look like ours, with something wrong somewhere.
fn damaged() -> impl Strategy<Value = String> {
    let whole = [vec![event("{}")], (0..5).map(|number| event(&noise(20_000, number))).collect()]
        .map(|events| message(events).pack().remove(0));
    (prop::sample::select(whole.to_vec()), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(whole, place, byte)| {
            let mut bytes = whole.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            String::from_utf8_lossy(&bytes).into_owned()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_packed_is_unpacked(trace in any::<String>(), events in prop::collection::vec(events(), 1..30)) {
        let sent = Message { trace, ..message(events) };
        let bodies = sent.clone().pack();
        prop_assert!(bodies.len() == 1 || bodies.iter().all(|body| body.len() <= BODY_MAX));
        let parts: Vec<Message> = bodies.iter().map(|body| Message::unpack(body).unwrap()).collect();
        prop_assert!(parts.iter().all(|part| part.trace == sent.trace && part.workspace == sent.workspace));
        let events: Vec<Event> = parts.into_iter().flat_map(|part| part.events).collect();
        prop_assert_eq!(events, sent.events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_makes_unpacking_panic(body in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Message::unpack(&body);
        let _ = Message::unpack(&json!({ "v": VERSION, "packed": body }).to_string());
        let _ = Message::unpack(&json!({ "v": VERSION, "packed": STANDARD.encode(&bytes) }).to_string());
        let _ = Message::unpack(&packed(&bytes));
    }

    #[test]
    fn a_damaged_body_is_refused_or_read_but_never_panics(body in damaged()) {
        if let Ok(message) = Message::unpack(&body) {
            prop_assert!(!message.events.is_empty());
        }
    }
}
