use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::rules::Rules;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::Source;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::SeededEntropy;

use super::*;

const NOW: &str = "2026-11-22T01:00:00.000Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

fn access() -> Access {
    let source = Source {
        id: SourceId::parse("web").unwrap(),
        region: Some("RU".into()),
        origins: Vec::new(),
        rate: 1,
    };
    Access::test(WorkspaceId::parse("shop").unwrap(), Rules { version: 7, ..Rules::default() }, source)
}

fn reading(body: &str, kind: Option<EventKind>, connection: &Connection) -> Reading {
    let access = access();
    let entropy = SeededEntropy::seeded(1);
    let reader = Reader { access: &access, kind, received_at: now(), connection, entropy: &entropy };
    reader.read(&wire::open(body.as_bytes()).unwrap()).unwrap()
}

fn event(body: &str) -> Event {
    let mut reading = reading(body, None, &Connection::default());
    assert_eq!(reading.rejected, 0, "{body}: {:?}", reading.noted);
    reading.events.pop().unwrap()
}

fn payload(body: &str, connection: &Connection) -> Value {
    let mut reading = reading(body, None, connection);
    serde_json::from_str(&reading.events.pop().unwrap().payload).unwrap()
}

fn refused(body: &str) -> Reason {
    let reading = reading(body, None, &Connection::default());
    assert_eq!((reading.events.len(), reading.rejected), (0, 1), "{}", &body[..body.len().min(200)]);
    reading.noted[0].reason
}

fn identifiers(body: &str) -> Vec<(String, String)> {
    let text = |identifier: &Identifier| (identifier.kind().to_owned(), identifier.value().to_owned());
    event(body).identifiers.iter().map(text).collect()
}

fn check_identifiers(body: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(kind, value)| ((*kind).into(), (*value).into())).collect();
    assert_eq!(identifiers(body), expected, "{body}");
}

#[test]
fn an_event_names_whom_it_is_about_strongest_first() {
    check_identifiers(
        r#"{"type":"track","event":"e","anonymousId":"a","userId":" u "}"#,
        &[("user_id", "u"), ("anonymous_id", "a")],
    );
    check_identifiers(
        r#"{"type":"identify","userId":"u","traits":{"email":"A@x.example","phone":"+7 916 123-45-67"}}"#,
        &[("user_id", "u"), ("email", "a@x.example"), ("phone", "+79161234567")],
    );
    check_identifiers(
        r#"{"type":"alias","userId":"u","previousId":"p"}"#,
        &[("user_id", "u"), ("anonymous_id", "p")],
    );
}

#[test]
fn null_and_empty_name_nobody() {
    check_identifiers(r#"{"type":"page","userId":"","anonymousId":"a"}"#, &[("anonymous_id", "a")]);
    check_identifiers(r#"{"type":"page","userId":null,"anonymousId":"a"}"#, &[("anonymous_id", "a")]);
    assert_eq!(refused(r#"{"type":"page","userId":"  ","anonymousId":null}"#), Reason::NoIdentifier);
}

#[test]
fn a_numeric_id_is_read_as_its_text() {
    check_identifiers(r#"{"type":"page","userId":42}"#, &[("user_id", "42")]);
    let huge = "1000000000000000000000000000000";
    check_identifiers(&format!(r#"{{"type":"page","userId":{huge}}}"#), &[("user_id", huge)]);
}

#[test]
fn an_id_of_another_type_is_refused() {
    for wrong in ["{}", "[1]", "true"] {
        assert_eq!(refused(&format!(r#"{{"type":"page","userId":{wrong}}}"#)), Reason::WrongType);
        assert_eq!(
            refused(&format!(r#"{{"type":"page","userId":"u","messageId":{wrong}}}"#)),
            Reason::WrongType
        );
    }
}

#[test]
fn blocked_values_name_nobody() {
    let device = r#""context":{"device":{"advertisingId":"00000000-0000-0000-0000-000000000000"}}"#;
    check_identifiers(
        &format!(r#"{{"type":"page","userId":"null","anonymousId":"a",{device}}}"#),
        &[("anonymous_id", "a")],
    );
    assert_eq!(refused(r#"{"type":"page","userId":"anonymous","anonymousId":"-1"}"#), Reason::Blocked);
}

#[test]
fn an_address_that_is_none_stays_a_trait() {
    let body = r#"{"type":"identify","userId":"u","traits":{"email":"nobody","phone":"none"}}"#;
    check_identifiers(body, &[("user_id", "u")]);
    assert_eq!(payload(body, &Connection::default())["traits"]["email"], "nobody");
    assert_eq!(refused(r#"{"type":"identify","traits":{"email":{"a":1}}}"#), Reason::NoIdentifier);
}

#[test]
fn a_national_number_is_read_by_the_sources_region() {
    check_identifiers(r#"{"type":"identify","traits":{"phone":89161234567}}"#, &[("phone", "+79161234567")]);
}

#[test]
fn traits_stand_at_the_root_or_else_in_the_context() {
    let context = r#""context":{"traits":{"email":"c@x.example"}}"#;
    for root in ["", r#""traits":null,"#, r#""traits":{},"#, r#""traits":[],"#] {
        check_identifiers(&format!(r#"{{"type":"identify",{root}{context}}}"#), &[("email", "c@x.example")]);
    }
    let both = format!(r#"{{"type":"identify","traits":{{"email":"r@x.example"}},{context}}}"#);
    check_identifiers(&both, &[("email", "r@x.example")]);
    assert_eq!(refused(&format!(r#"{{"type":"track","event":"e",{context}}}"#)), Reason::NoIdentifier);
}

#[test]
fn devices_and_external_ids_name_a_person() {
    let body = r#"{"type":"screen","context":{"device":{"id":"d","advertisingId":"ad"},"externalIds":[
        {"id":"c1","type":"card","collection":"users"},{"id":7,"type":"crm"},{"id":"x","type":"acme","collection":"accounts"},
        {"id":"y"},"rubbish",{"id":"z","type":"not a kind"}]}}"#;
    check_identifiers(body, &[("advertising_id", "ad"), ("card", "c1"), ("crm", "7"), ("device_id", "d")]);
}

#[test]
fn one_person_named_twice_is_named_once() {
    let body = r#"{"type":"alias","anonymousId":"a","previousId":"a"}"#;
    check_identifiers(body, &[("anonymous_id", "a")]);
}

#[test]
fn more_identifiers_than_an_event_may_have_are_left_out_and_noted() {
    let ids: Vec<Value> = (1..=20).map(|n| json!({"id": n, "type": "card"})).collect();
    let body = json!({"type": "page", "userId": "u", "context": {"externalIds": ids}}).to_string();
    let reading = reading(&body, None, &Connection::default());
    assert_eq!(reading.events[0].identifiers.len(), naming::IDENTIFIERS_MAX);
    assert_eq!(reading.events[0].identifiers[0].kind(), "user_id");
    assert_eq!((reading.rejected, reading.noted[0].reason), (0, Reason::IdentifierLimit));
}

#[test]
fn an_identifier_that_is_none_is_left_out_and_noted_without_its_value() {
    let body =
        r#"{"type":"identify","userId":"u","messageId":"m","traits":{"email":"nobody","phone":"none"}}"#;
    let reading = reading(body, None, &Connection::default());
    assert_eq!((reading.events.len(), reading.rejected, reading.noted.len()), (1, 0, 1));
    let noted = &reading.noted[0];
    assert_eq!((noted.reason, noted.message_id.as_deref()), (Reason::InvalidIdentifier, Some("m")));
    assert!(
        noted.detail.contains("`traits.email`") && noted.detail.contains("`traits.phone`"),
        "{}",
        noted.detail
    );
    assert!(!noted.detail.contains("nobody") && !noted.detail.contains("none;"), "{}", noted.detail);
}

#[test]
fn what_is_blocked_is_left_out_noted_and_kept_for_the_day_when_it_is_not() {
    let body = r#"{"type":"page","userId":"null","anonymousId":"a","messageId":"m"}"#;
    let reading = reading(body, None, &Connection::default());
    assert_eq!((reading.events.len(), reading.rejected, reading.noted.len()), (1, 0, 1));
    let noted = &reading.noted[0];
    assert_eq!((noted.reason, noted.message_id.as_deref()), (Reason::IdentifierBlocked, Some("m")));
    assert!(noted.detail.contains("`userId`"), "{}", noted.detail);
    let [event] = reading.events.as_slice() else { panic!("{:?}", reading.events) };
    assert_eq!((event.home().unwrap().kind(), event.blocked.len()), ("anonymous_id", 1));
    assert_eq!((event.blocked[0].kind(), event.blocked[0].value()), ("user_id", "null"));
}

#[test]
fn what_was_not_sent_is_no_note() {
    for traits in [r#""email":"","phone":null"#, r#""phone":"  ""#, r#""email":{"a":1}"#] {
        let body = format!(r#"{{"type":"identify","userId":"u","traits":{{{traits}}}}}"#);
        assert_eq!(reading(&body, None, &Connection::default()).noted, [], "{traits}");
    }
}

#[test]
fn an_event_whose_only_identifier_is_none_says_which() {
    let reading = reading(r#"{"type":"identify","traits":{"email":"nobody"}}"#, None, &Connection::default());
    assert_eq!((reading.rejected, reading.noted[0].reason), (1, Reason::NoIdentifier));
    assert!(reading.noted[0].detail.contains("`traits.email`"), "{}", reading.noted[0].detail);
}

#[test]
fn a_reserved_name_costs_its_event_and_no_other() {
    let reserved = [
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"$serde_json::private::RawValue":"{}"}"#,
        r#"{"\u0024serde_json::private::RawValue":"[1]"}"#,
        r#"[{"a":{"b":1,"$serde\u005Fjson::private::Number":"abc"}}]"#,
    ];
    for value in reserved {
        let body = format!(
            r#"{{"batch":[{{"type":"page","userId":"u"}},{{"type":"page","userId":"v","messageId":"m","properties":{value}}},
            {{"type":"page","userId":"w","x":"$serde_json::private::Number","y":"\u0024"}}]}}"#
        );
        let reading = reading(&body, None, &Connection::default());
        assert_eq!((reading.events.len(), reading.rejected), (2, 1), "{value}");
        let noted = &reading.noted[0];
        assert_eq!((noted.reason, noted.message_id.as_deref()), (Reason::ReservedName, Some("m")), "{value}");
        assert!(noted.detail.contains("rename it"), "{}", noted.detail);
    }
    let root = r#"{"\u0024serde_json::private::RawValue":"{}","type":"page","userId":"u"}"#;
    assert_eq!(refused(root), Reason::ReservedName);
}

#[test]
fn a_shared_context_that_cannot_be_kept_is_not_dropped_in_silence() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let reserved = r#"{"a":{"\u0024serde_json::private::Number":"1"}}"#.to_owned();
    for (shared, reason) in [(deep, Reason::TooDeep), (reserved, Reason::ReservedName)] {
        for member in ["context", "integrations"] {
            let body = format!(r#"{{"batch":[{{"type":"page","userId":"u"}}],"{member}":{shared}}}"#);
            assert_eq!(refused(&body), reason, "{member}");
        }
    }
}

#[test]
fn the_shared_context_of_a_batch_names_nobody() {
    let shared = r#""context":{"device":{"id":"d"},"traits":{"email":"e@x.example"}}"#;
    let body = format!(r#"{{"batch":[{{"type":"identify","userId":"u"}}],{shared}}}"#);
    check_identifiers(&body, &[("user_id", "u")]);
}

/// Rule 7: an event is named by the identifiers that it carries as sent.
#[test]
fn rule_7_one_message_id_for_two_people_is_two_events() {
    let name = |body: &str| event(body).name(&IdKey::new([1; 32]));
    let browser = r#"{"type":"track","event":"e","messageId":"m","anonymousId":"a"}"#;
    let server = r#"{"type":"track","event":"e","messageId":"m","userId":"a"}"#;
    assert_ne!(name(browser), name(server));
    let retry = r#"{"batch":[{"messageId":"m","anonymousId":"a","type":"track","event":"e","sentAt":"2026-11-22T01:00:07Z"}],
        "context":{"library":{"name":"x"}},"sentAt":"2026-11-22T01:00:07Z"}"#;
    assert_eq!(name(browser), name(retry));
    assert_eq!(event(server).as_sent, "a");
    assert_eq!(event(browser).as_sent, "\u{1f}a");
}

/// Rule 8: the home is chosen once, and says by which rules.
#[test]
fn rule_8_the_rules_version_travels_with_the_event() {
    let event = event(r#"{"type":"page","userId":"u","anonymousId":"a"}"#);
    assert_eq!((event.rules, event.home().unwrap().kind()), (7, "user_id"));
}

fn check_client_time(members: &str, expected: ClientTime) {
    let body = format!(r#"{{"type":"page","userId":"u",{members}}}"#);
    assert_eq!(event(&body).client_time, expected, "{members}");
}

/// Rule 3: what all copies share orders the ledger, never the corrected time.
#[test]
fn rule_3_the_clients_own_time_is_kept_as_sent() {
    let at = Timestamp::parse("2026-11-22T00:59:00.123Z").unwrap();
    let sent = ClientTime::Sent(at);
    check_client_time(r#""messageId":"m","timestamp":"2026-11-22T00:59:00.123Z""#, sent);
    check_client_time(r#""messageId":"m","originalTimestamp":"2026-11-22T03:59:00.123456+03:00""#, sent);
    check_client_time(
        r#""messageId":"m","originalTimestamp":"2001-01-01T00:00:00Z","timestamp":"2026-11-22T00:59:00.123456789Z""#,
        sent,
    );
    check_client_time(
        r#""messageId":"m","timestamp":"soon","originalTimestamp":"2026-11-22T00:59:00.123Z""#,
        sent,
    );
    check_client_time(
        r#""messageId":"m","timestamp":"2026-11-22T00:59:00.123Z","sentAt":"2020-01-01T00:00:00Z""#,
        sent,
    );
    check_client_time(r#""messageId":"m""#, ClientTime::Absent(now()));
    check_client_time(r#""timestamp":"2026-11-22T00:59:00.123Z""#, ClientTime::Ours(now()));
}

#[test]
fn a_clock_that_is_far_off_is_mended_by_the_senders_own_words() {
    let time = |body: &str| event(body).event_time.rfc3339();
    let own =
        r#"{"type":"page","userId":"u","timestamp":"2026-11-21T00:00:00Z","sentAt":"2026-11-21T01:00:00Z"}"#;
    assert_eq!(time(own), "2026-11-22T00:00:00.000Z");
    let batch = r#"{"batch":[{"type":"page","userId":"u","timestamp":"2026-11-21T00:00:00Z"}],"sentAt":"2026-11-21T01:00:00Z"}"#;
    assert_eq!(time(batch), "2026-11-22T00:00:00.000Z");
    let sane =
        r#"{"type":"page","userId":"u","timestamp":"2026-11-21T00:00:00Z","sentAt":"2026-11-22T00:58:00Z"}"#;
    assert_eq!(time(sane), "2026-11-21T00:00:00.000Z");
    assert_eq!(time(r#"{"type":"page","userId":"u"}"#), NOW);
}

#[test]
fn a_missing_message_id_is_made_up_and_another_time_another() {
    let body = r#"{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u","messageId":""}]}"#;
    let events = reading(body, None, &Connection::default()).events;
    assert!(
        events.iter().all(|event| event.message_id.starts_with("tributary-") && event.message_id.len() == 42)
    );
    assert_ne!(events[0].message_id, events[1].message_id);
}

#[test]
fn the_body_names_the_kind_or_else_the_path() {
    let kind = |body: &str| reading(body, Some(EventKind::Group), &Connection::default()).events[0].kind;
    assert_eq!(kind(r#"{"type":"page","userId":"u"}"#), EventKind::Page);
    assert_eq!(kind(r#"{"type":null,"userId":"u"}"#), EventKind::Group);
    assert_eq!(kind(r#"{"userId":"u"}"#), EventKind::Group);
    assert_eq!(refused(r#"{"userId":"u"}"#), Reason::UnknownType);
    assert_eq!(refused(r#"{"type":"merge","userId":"u"}"#), Reason::UnknownType);
    assert_eq!(refused(r#"{"type":7,"userId":"u"}"#), Reason::UnknownType);
}

#[test]
fn a_track_says_what_happened() {
    assert_eq!(refused(r#"{"type":"track","userId":"u"}"#), Reason::NoEventName);
    assert_eq!(refused(r#"{"type":"track","userId":"u","event":""}"#), Reason::NoEventName);
    assert_eq!(refused(r#"{"type":"track","userId":"u","event":{}}"#), Reason::WrongType);
}

#[test]
fn the_payload_is_what_was_sent_without_its_key() {
    let body = r#"{"type":"page","userId":"u","channel":"web","_metadata":{"a":[1, 2]},"writeKey":"wk_a","sessionId":1.50,"ü":1}"#;
    let expected =
        r#"{"type":"page","userId":"u","channel":"web","_metadata":{"a":[1, 2]},"sessionId":1.50,"ü":1}"#;
    assert_eq!(event(body).payload, expected);
}

#[test]
fn the_envelope_stands_under_the_event() {
    let body = r#"{"batch":[{"type":"page","userId":"u","context":{"a":1,"n":null,"e":""},"integrations":{"x":false}}],
        "context":{"a":2,"b":2,"n":2,"e":2},"integrations":{"x":true,"y":true}}"#;
    let payload = payload(body, &Connection::default());
    assert_eq!(payload["context"], json!({"a": 1, "b": 2, "n": 2, "e": 2}));
    assert_eq!(payload["integrations"], json!({"x": false, "y": true}));
}

#[test]
fn absent_objects_are_taken_from_the_envelope_whole() {
    for absent in ["", r#","context":null"#, r#","context":"""#, r#","context":[]"#, r#","context":{}"#] {
        let body = format!(r#"{{"batch":[{{"type":"page","userId":"u"{absent}}}],"context":{{"b":2}}}}"#);
        assert_eq!(payload(&body, &Connection::default())["context"], json!({"b": 2}), "{absent}");
    }
    let text = r#"{"batch":[{"type":"page","userId":"u","context":"text"}],"context":{"b":2}}"#;
    assert_eq!(payload(text, &Connection::default())["context"], "text");
}

#[test]
fn the_connection_fills_what_nobody_said() {
    let connection = Connection::new(Some("192.0.2.1"), Some("agent \"x\""));
    let context = |body: &str| payload(body, &connection)["context"].clone();
    let filled = json!({"ip": "192.0.2.1", "userAgent": "agent \"x\""});
    assert_eq!(context(r#"{"type":"page","userId":"u"}"#), filled);
    let said = r#"{"type":"page","userId":"u","context":{"ip":"0.0.0.0","userAgent":"mine"}}"#;
    assert_eq!(context(said), json!({"ip": "0.0.0.0", "userAgent": "mine"}));
    let shared = r#"{"batch":[{"type":"page","userId":"u"}],"context":{"ip":"198.51.100.1"}}"#;
    assert_eq!(context(shared)["ip"], "198.51.100.1");
    assert_eq!(
        payload(r#"{"type":"page","userId":"u"}"#, &Connection::new(None, Some(""))).get("context"),
        None
    );
}

#[test]
fn a_bad_event_is_refused_alone() {
    let large = "x".repeat(EVENT_MAX);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let body = format!(
        r#"{{"batch":[{{"type":"page","userId":"u"}},{{"type":"page","x":tru}},{{"messageId":"m","type":"page","userId":"{large}"}},
        {{"type":"page","userId":"u","x":{deep}}},null,{{"messageId":"n","type":"page"}},{{"type":"page","userId":"v","x":NaN}}]}}"#
    );
    let reading = reading(&body, None, &Connection::default());
    assert_eq!((reading.events.len(), reading.rejected), (2, 5));
    let reasons: Vec<_> = reading.noted.iter().map(|noted| noted.reason).collect();
    let expected =
        [Reason::Malformed, Reason::TooLarge, Reason::TooDeep, Reason::Malformed, Reason::NoIdentifier];
    assert_eq!(reasons, expected);
    assert_eq!(reading.noted[4].message_id.as_deref(), Some("n"));
    assert!(
        reading.noted.iter().all(|noted| noted.sample.len() <= Rejection::SAMPLE_MAX && noted.at == now())
    );
}

#[test]
fn a_context_that_makes_an_event_too_large_counts_against_it() {
    for bytes in [EVENT_MAX - 20, EVENT_MAX] {
        let context = "x".repeat(bytes);
        let body = format!(r#"{{"batch":[{{"type":"page","userId":"u"}}],"context":{{"a":"{context}"}}}}"#);
        assert_eq!(refused(&body), Reason::TooLarge);
    }
}

#[test]
fn a_small_body_does_not_become_gigabytes() {
    let context = "x".repeat(30 * 1024);
    let events = r#"{"type":"page","userId":"u"},"#.repeat(10_000);
    let body = format!(r#"{{"batch":[{events}{{}}],"context":{{"a":"{context}"}}}}"#);
    let access = access();
    let (connection, entropy) = (Connection::default(), SeededEntropy::seeded(1));
    let reader = Reader {
        access: &access,
        kind: None,
        received_at: now(),
        connection: &connection,
        entropy: &entropy,
    };
    let read = reader.read(&wire::open(body.as_bytes()).unwrap());
    assert_eq!(read.map(|_| ()).map_err(|refusal| refusal.code()), Err("too_large"));
}

#[test]
fn a_flood_of_bad_events_keeps_a_bounded_part() {
    let body = format!(r#"{{"batch":[{}1]}}"#, r#"{"x":1},"#.repeat(1_000));
    let reading = reading(&body, None, &Connection::default());
    assert_eq!((reading.rejected, reading.noted.len()), (1_001, 1_001));
    let kept = reading.noted.iter().filter(|noted| !noted.sample.is_empty()).count();
    assert_eq!(kept, Rejection::KEPT_A_MINUTE as usize);
}

#[test]
fn a_sample_shows_no_key() {
    let body = r#"{"batch":[{"writeKey":"wk_shop_k_s3cret-","x":"wk_shop_other_key","type":"page"},{"a":tru,"writeKey":"wk_z"}]}"#;
    let reading = reading(body, None, &Connection::default());
    assert_eq!(reading.noted[0].sample, r#"{"writeKey":"wk_***","x":"wk_***","type":"page"}"#);
    assert_eq!(reading.noted[1].sample, r#"{"a":tru,"writeKey":"wk_***"}"#);
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("NaN".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""a\u0000""#.to_owned()),
        Just("[]".to_owned()),
        Just("1e999".to_owned()),
        "\"[a-z@.é]{0,8}\"",
        "[0-9]{1,30}",
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let member = ("\"(id|type|traits|device|email|phone|externalIds|ip|[a-z]{1,3})\"", inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            proptest::collection::vec(member.prop_map(|(name, value)| format!("{name}:{value}")), 0..4)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_accepted_every_parser_reads(
        members in proptest::collection::vec(("(userId|anonymousId|messageId|context|traits|integrations|timestamp|x)", value()), 0..6),
        shared in value(),
    ) {
        let members: Vec<String> = members.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let members = members.concat();
        let body = format!(r#"{{"batch":[{{"type":"identify"{members}}}],"context":{shared}}}"#);
        let reading = reading(&body, None, &Connection::new(Some("192.0.2.1"), None));
        prop_assert_eq!(reading.events.len() + reading.rejected, 1);
        for event in reading.events {
            prop_assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&event.payload).is_ok(), "{}", event.payload);
            prop_assert!(event.home().is_some());
        }
    }
}
