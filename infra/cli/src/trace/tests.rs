use serde_json::{Value, json};

use super::*;

const FIRST: &str = "00000000000000000000000000000001";
const AGAIN: &str = "00000000000000000000000000000002";

fn at(second: u32) -> String {
    format!("2026-01-01T00:00:{second:02}.000Z")
}

fn answer(second: u32, trace: &str) -> Value {
    json!({"time": at(second), "stage": "ingest", "trace": trace, "status": 200, "code": "ok",
           "accepted": 1, "rejected": 0})
}

fn decided(second: u32, trace: &str, decision: &str) -> Value {
    json!({"time": at(second), "stage": "profile", "trace": trace, "message_key": "7", "source": "web",
           "kind": "track", "decision": decision, "profile.id": "p-1"})
}

fn failed(second: u32, decision: &str) -> Value {
    json!({"time": at(second), "stage": "runtime", "trace": FIRST, "decision": decision,
           "record.receives": 2, "cause": "the table is throttled"})
}

fn waiting(is_dead: bool) -> Waiting {
    Waiting {
        queue: "profile".to_owned(),
        is_dead,
        state: "visible".to_owned(),
        since: at(9),
        receives: 1,
        trace: Some(FIRST.to_owned()),
        fate: is_dead.then(|| "given_up".to_owned()),
        reason: is_dead.then(|| "the table is throttled".to_owned()),
    }
}

fn refused(event_stands: bool) -> Refused {
    Refused {
        source: "web".to_owned(),
        at: at(1),
        reason: "no_identifier".to_owned(),
        detail: "name a person".to_owned(),
        event_stands,
    }
}

fn check(trail: &Trail, expected: &[&str]) {
    let told = told(trail);
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn the_way_of_an_event_and_of_its_copy_is_told() {
    let lines =
        vec![answer(1, FIRST), decided(2, FIRST, "folded"), answer(3, AGAIN), decided(4, AGAIN, "repeated")];
    check(
        &Trail { lines, ..Trail::default() },
        &[
            "trace 00000000000000000000000000000001",
            "  2026-01-01T00:00:01.000Z  ingest    request: answered 200, 1 accepted, 0 refused",
            "  2026-01-01T00:00:02.000Z  profile   folded: track from web, profile p-1",
            "trace 00000000000000000000000000000002",
            "  2026-01-01T00:00:03.000Z  ingest    request: answered 200, 1 accepted, 0 refused",
            "  2026-01-01T00:00:04.000Z  profile   repeated: track from web, profile p-1",
            "It is counted in profile p-1; it came again once, which changed nothing.",
        ],
    );
}

#[test]
fn retries_and_a_dead_letter_are_told_with_their_cause() {
    let lines = vec![answer(1, FIRST), failed(2, "waits"), failed(3, "given_up")];
    check(
        &Trail { lines, waiting: vec![waiting(true)], ..Trail::default() },
        &[
            "trace 00000000000000000000000000000001",
            "  2026-01-01T00:00:01.000Z  ingest    request: answered 200, 1 accepted, 0 refused",
            "  2026-01-01T00:00:02.000Z  queue     waits, receive 2: the table is throttled",
            "  2026-01-01T00:00:03.000Z  queue     given_up, receive 2: the table is throttled",
            "  2026-01-01T00:00:09.000Z  queue     lies among the dead letters in queue `profile`, visible, \
             received once; given_up: the table is throttled",
            "It ended among the dead letters and is counted nowhere.",
        ],
    );
}

#[test]
fn an_event_that_was_refused_or_waits_says_so() {
    check(
        &Trail { refused: vec![refused(false)], ..Trail::default() },
        &[
            "  2026-01-01T00:00:01.000Z  ingest    refused: from web, no_identifier: name a person",
            "It was refused and is counted nowhere: mend it at its sender and send it again.",
        ],
    );
    check(
        &Trail { waiting: vec![waiting(false)], ..Trail::default() },
        &[
            "  2026-01-01T00:00:09.000Z  queue     waits in queue `profile`, visible, received once",
            "It waits to be counted.",
        ],
    );
}

#[test]
fn what_stands_is_not_called_refused_and_what_was_not_searched_is_named() {
    let trail = Trail {
        lines: vec![decided(2, FIRST, "folded")],
        left_out: 5,
        refused: vec![refused(true)],
        unread: vec!["queue `profile`".to_owned()],
        ..Trail::default()
    };
    check(
        &trail,
        &[
            "trace 00000000000000000000000000000001",
            "  2026-01-01T00:00:02.000Z  profile   folded: track from web, profile p-1",
            "and 5 lines more",
            "  2026-01-01T00:00:01.000Z  ingest    left a part out: from web, no_identifier: name a person",
            "It is counted in profile p-1.",
            "There was too much to search all of it; not searched to the end: queue `profile`.",
        ],
    );
}

#[test]
fn of_a_request_with_many_events_no_single_end_is_told() {
    let mut other = decided(3, FIRST, "folded");
    other["message_key"] = json!("8");
    let trail = Trail { lines: vec![decided(2, FIRST, "folded"), other], ..Trail::default() };
    assert_eq!(end(&trail.lines.iter().map(Entry::of).collect::<Vec<_>>(), &trail), None);
}

#[test]
fn a_request_whose_events_were_refused_says_where_to_look() {
    let mut refused = answer(1, FIRST);
    (refused["accepted"], refused["rejected"]) = (json!(0), json!(2));
    let trail = Trail { lines: vec![refused], ..Trail::default() };
    let told = told(&trail);
    assert!(told[1].ends_with("request: answered 200, 0 accepted, 2 refused"), "{told:?}");
    assert!(told[2].contains("/rejections"), "{told:?}");
}

#[test]
fn nothing_found_says_how_far_the_journal_goes() {
    let unknown =
        |since: Option<&str>| Unknown { since: since.map(str::to_owned), unread: Vec::new() }.to_string();
    assert!(unknown(Some("2026-01-01")).contains("the journal goes back to 2026-01-01"));
    assert!(unknown(None).contains("the journal is empty"));
}
