use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The events of a body as text, or the code of its refusal.
fn events(body: &str) -> Result<Vec<String>, &'static str> {
    opened(body.as_bytes())
}

fn opened(body: &[u8]) -> Result<Vec<String>, &'static str> {
    let envelope = open(body).map_err(|refusal| refusal.code())?;
    Ok(envelope.events.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect())
}

/// What an event is read as.
fn read(event: &[u8]) -> Result<Value, Reason> {
    let text = text(event)?;
    Fields::parse(&text).ok_or(Reason::Malformed)?;
    Ok(serde_json::from_str(&text).expect("what is accepted, every parser reads"))
}

fn check(event: &str, expected: &str) {
    let expected: Value = serde_json::from_str(expected).unwrap();
    assert_eq!(read(event.as_bytes()), Ok(expected), "{event}");
}

fn refused(event: &str, reason: Reason) {
    assert_eq!(read(event.as_bytes()), Err(reason), "{}", &event[..event.len().min(80)]);
}

#[test]
fn an_array_named_batch_makes_a_batch_and_nothing_else_does() {
    assert_eq!(events(r#"{"batch":[{"a":1},{"b":2}]}"#).unwrap(), [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert!(events(r#"{"batch":[]}"#).unwrap().is_empty());
    for single in [r#"{"a":1}"#, r#"{"batch":null}"#, r#"{"batch":{"a":[1]}}"#, r#"{"batch":7}"#] {
        assert_eq!(events(single).unwrap(), [single]);
    }
}

#[test]
fn of_equal_names_the_last_wins() {
    assert_eq!(events(r#"{"batch":[1],"batch":[2]}"#).unwrap(), ["2"]);
    assert_eq!(events(r#"{"batch":[1],"batch":[NaN]}"#).unwrap(), ["NaN"]);
    let text = r#"{"userId":"a","userId":"b"}"#;
    assert_eq!(Fields::parse(text).unwrap().get("userId").unwrap().get(), r#""b""#);
}

#[test]
fn a_byte_order_mark_and_space_around_are_nothing() {
    assert_eq!(events("\u{feff} {\"a\":1}\n").unwrap(), [r#"{"a":1}"#]);
}

#[test]
fn an_envelope_that_is_broken_is_refused_whole() {
    let broken = [
        "[]",
        "7",
        "\"text\"",
        "nonsense",
        "{",
        r#"{"batch":[{"a":1},{"b":"#,
        r#"{"batch":[{"a":1}"#,
        r#"{"batch":[NaN"#,
        r#"{"batch":[{"a":1}]} and more"#,
        r#"{"a":tru}"#,
        r#"{"a":"unfinished}"#,
        "{'a':1}",
    ];
    for body in broken {
        assert_eq!(events(body), Err("malformed"), "{body}");
    }
    assert_eq!(events(" \n"), Err("empty_body"));
}

#[test]
fn a_broken_event_ends_where_its_braces_end() {
    let body =
        r#"{"batch":[{"a":1},{"b":tru,"t":"}]"},{"c":[1,2},{"d":4}{"e":5},nonsense,{"f":6}],"sentAt":"x"}"#;
    let expected = [
        r#"{"a":1}"#,
        r#"{"b":tru,"t":"}]"}"#,
        r#"{"c":[1,2}"#,
        r#"{"d":4}{"e":5}"#,
        "nonsense",
        r#"{"f":6}"#,
    ];
    assert_eq!(events(body).unwrap(), expected);
}

#[test]
fn a_lenient_envelope_says_the_same_as_a_strict_one() {
    let members =
        r#""sentAt":"2026-11-22T01:27:23.039Z","context":{"a":1},"integrations":{"All":true},"writeKey":"k""#;
    for event in ["1", "NaN"] {
        let body = format!(r#"{{{members},"batch":[{event}]}}"#);
        let envelope = open(body.as_bytes()).unwrap();
        assert_eq!(envelope.key().as_deref(), Some("k"));
        assert_eq!(envelope.sent_at.unwrap().rfc3339(), "2026-11-22T01:27:23.039Z");
        assert_eq!(envelope.context.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(envelope.integrations.as_deref(), Some(r#"{"All":true}"#));
    }
}

#[test]
fn the_key_is_the_envelopes_or_that_of_the_first_event_with_one() {
    let key = |body: &str| open(body.as_bytes()).unwrap().key();
    assert_eq!(key(r#"{"writeKey":"e","batch":[{"writeKey":"x"}]}"#).as_deref(), Some("e"));
    assert_eq!(
        key(r#"{"writeKey":"","batch":[{},{"writeKey":null},{"writeKey":"x"}]}"#).as_deref(),
        Some("x")
    );
    assert_eq!(key(r#"{"writeKey":"single"}"#).as_deref(), Some("single"));
    assert_eq!(key(r#"{"writeKey":7}"#), None);
}

#[test]
fn what_no_number_is_becomes_null() {
    check(r#"{"a":NaN,"b":[-Infinity,Infinity , 1],"c":"NaN"}"#, r#"{"a":null,"b":[null,null,1],"c":"NaN"}"#);
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    check(r#"{"a":"x\ud83d"}"#, r#"{"a":"x�"}"#);
    check(r#"{"a":"\uD83Dy\ude00"}"#, r#"{"a":"�y�"}"#);
    check(r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"�😀"}"#);
    check(r#"{"a\udc00":"\\ud83d"}"#, r#"{"a�":"\\ud83d"}"#);
}

#[test]
fn nul_becomes_the_replacement_character() {
    check(r#"{"a":"x\u0000y"}"#, r#"{"a":"x�y"}"#);
    check("{\"a\":\"x\0y\"}", r#"{"a":"x�y"}"#);
}

#[test]
fn raw_control_characters_are_escaped() {
    check("{\"a\":\"x\ny\u{1}\"}", r#"{"a":"x\ny\u0001"}"#);
}

#[test]
fn bytes_that_are_no_utf_8_become_the_replacement_character() {
    assert_eq!(read(b"{\"a\":\"x\xff\"}").unwrap()["a"], "x\u{fffd}");
    assert_eq!(opened(b"{\"batch\":[{\"a\":\"\xff\"},{\"b\":1}]}").unwrap().len(), 2);
}

#[test]
fn huge_numbers_stay_as_they_are() {
    let huge = r#"{"a":1000000000000000000000000000000,"b":1e400,"c":-0.1e-999}"#;
    assert_eq!(read(huge.as_bytes()).unwrap()["a"].to_string(), "1000000000000000000000000000000");
    assert_eq!(text(huge.as_bytes()).unwrap(), huge);
}

#[test]
fn depth_has_a_limit() {
    let nested = |levels: usize| format!("{}{}{}", r#"{"a":"#.repeat(levels), 1, "}".repeat(levels));
    assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
    refused(&nested(DEPTH_MAX + 1), Reason::TooDeep);
    refused(&"[".repeat(10_000), Reason::TooDeep);
    assert!(read(format!(r#"{{"a":"{}"}}"#, "[{".repeat(500)).as_bytes()).is_ok());
}

#[test]
fn size_has_a_limit() {
    let sized = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    assert!(read(sized(EVENT_MAX).as_bytes()).is_ok());
    refused(&sized(EVENT_MAX + 1), Reason::TooLarge);
}

#[test]
fn what_stays_broken_is_malformed() {
    for event in
        ["", "null", "[1]", "{}{}", r#"{"a":01}"#, r#"{"a":1,}"#, r#"{"a":"\x"}"#, r#"{"a":"\u12"}"#, "{a:1}"]
    {
        refused(event, Reason::Malformed);
    }
}

#[test]
fn a_batch_has_a_limit_that_memory_can_hold() {
    let batch = |events: usize, last: &str| format!(r#"{{"batch":[{}{last}]}}"#, "{},".repeat(events - 1));
    for last in ["{}", "NaN"] {
        assert_eq!(events(&batch(EVENTS_MAX, last)).map(|events| events.len()), Ok(EVENTS_MAX));
        assert_eq!(events(&batch(EVENTS_MAX + 1, last)), Err("too_many_events"));
    }
}

#[test]
fn a_flood_of_braces_is_read_in_linear_time() {
    let opening = format!(r#"{{"batch":[{}"#, "{[".repeat(1_000_000));
    assert_eq!(events(&opening), Err("malformed"));
    assert_eq!(events(&(opening + &"]}".repeat(1_000_000) + "NaN]}")).map(|events| events.len()), Ok(1));
}

/// Text that looks like JSON, with what goes wrong in it.
fn almost_json() -> impl Strategy<Value = String> {
    let tokens = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"batch\"",
        "NaN",
        "-Infinity",
        "1e5",
        "null",
        "\\u0000",
        "\\ud83d",
        "\\ude00",
        "\\",
        "\\u",
        "é",
        "😀",
        "\0",
        "\n",
        " ",
        "tru",
        "-",
        "\"context\"",
    ];
    proptest::collection::vec(proptest::sample::select(tokens), 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = opened(&bytes);
        let _ = read(&bytes);
        let _ = opened(&[b"{\"batch\":[", bytes.as_slice(), b"]}"].concat());
    }

    #[test]
    fn nothing_almost_json_makes_the_reader_panic(text in almost_json()) {
        let _ = read(text.as_bytes());
        let _ = read(format!("{{\"a\":{text}}}").as_bytes());
        let _ = read(format!("{{\"a\":\"{text}\"}}").as_bytes());
        if let Ok(envelope) = open(text.as_bytes()) {
            envelope.events.iter().for_each(|event| drop(read(event)));
            let _ = envelope.key();
        }
        let _ = events(&format!("{{\"batch\":[{text}]}}"));
    }

    #[test]
    fn a_broken_neighbour_costs_nobody_else(broken in "[a-z0-9.+]{1,20}|\\{[a-z\":]{0,4}\"\\}?\"\\}") {
        let body = format!(r#"{{"batch":[{{"n":1}},{broken},{{"n":2}}]}}"#);
        let found = events(&body).unwrap_or_default();
        // Only quotes that do not pair can hide where an event ends.
        if broken.matches('"').count() % 2 == 0 {
            prop_assert_eq!(found.first().map(String::as_str), Some("{\"n\":1}"));
            prop_assert_eq!(found.last().map(String::as_str), Some("{\"n\":2}"));
        }
    }
}
