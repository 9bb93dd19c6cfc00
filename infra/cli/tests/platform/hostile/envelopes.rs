//! Whole bodies: what stands where an envelope should.

use crate::http::{Body, Request};

use super::Case;
use super::Expected::{self, Refused, Taken};

fn case(key: &str, name: &str, body: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case::new(name, Request::post("/v1/batch", body).basic(key), expected)
}

const GOOD: &str = r#"{"type":"track","event":"Hostile","userId":"hostile"}"#;

pub(crate) fn all(key: &str) -> Vec<Case> {
    let groups = [documents(key), batches(key), sizes(key), transfers(key)];
    groups.into_iter().flatten().collect()
}

/// What is no object at all, or not only one.
fn documents(key: &str) -> Vec<Case> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| GOOD.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let texts: [(&str, &[u8]); 24] = [
        ("nothing", b""),
        ("blanks", b" \t\r\n"),
        ("a mark of byte order alone", b"\xef\xbb\xbf"),
        ("null", b"null"),
        ("true", b"true"),
        ("a number", b"123"),
        ("a text", b"\"{}\""),
        ("a list", b"[]"),
        ("a list of events", br#"[{"type":"track","event":"Hostile","userId":"hostile"}]"#),
        ("an opening brace", b"{"),
        ("a closing brace", b"}"),
        ("a cut-off batch", br#"{"batch":["#),
        ("a cut-off event", br#"{"batch":[{"type":"track","event":"Host"#),
        ("two documents", br#"{"type":"track"}{"type":"track"}"#),
        ("something behind", br#"{"batch":[]} and more"#),
        ("a form", b"writeKey=x&batch=%5B%5D"),
        ("a multipart form", b"--x\r\ncontent-disposition: form-data; name=\"batch\"\r\n\r\n[]\r\n--x--\r\n"),
        ("HTML", b"<!doctype html><title>502</title>"),
        ("XML with entities", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>"),
        ("PHP", b"a:1:{s:5:\"batch\";a:0:{}}"),
        ("YAML", b"batch:\n- type: track\n"),
        ("an archive", b"PK\x03\x04\x14\x00\x00\x00\x08\x00"),
        ("NUL", b"\0\0\0\0"),
        ("base64", b"eyJiYXRjaCI6W119"),
    ];
    let mut cases: Vec<Case> =
        texts.into_iter().map(|(name, text)| case(key, name, text, Refused(400))).collect();
    cases.push(case(key, "UTF-16, little end first", utf16(u16::to_le_bytes), Refused(400)));
    cases.push(case(key, "UTF-16, big end first", utf16(u16::to_be_bytes), Refused(400)));
    cases.push(case(key, "every byte there is", (0..=255).collect::<Vec<u8>>(), Refused(400)));
    cases
}

fn batches(key: &str) -> Vec<Case> {
    let deep = format!("{}0{}", "[".repeat(200), "]".repeat(200));
    let texts = [
        ("an empty batch", r#"{"batch":[]}"#.to_owned(), Taken),
        ("a batch twice", format!(r#"{{"batch":[{GOOD}],"batch":[{GOOD}]}}"#), Taken),
        (
            "a batch beside what else an event has",
            format!(r#"{{"type":"batch","messageId":[],"userId":{{}},"batch":[{GOOD}]}}"#),
            Taken,
        ),
        ("a time of sending that is none", format!(r#"{{"sentAt":{{}},"batch":[{GOOD}]}}"#), Taken),
        ("a context that is none", format!(r#"{{"context":[1],"integrations":7,"batch":[{GOOD}]}}"#), Taken),
        ("a key in the body that is none", format!(r#"{{"writeKey":7,"batch":[{GOOD}]}}"#), Taken),
        ("another key in the body", format!(r#"{{"writeKey":"wk_x","batch":[{GOOD}]}}"#), Taken),
        ("a comma too many", format!(r#"{{"batch":[{GOOD},]}}"#), Expected::Rejected("malformed")),
        ("an envelope that is too deep", format!(r#"{{"a":{deep},"batch":[{GOOD}]}}"#), Taken),
        (
            "a context that is too deep",
            format!(r#"{{"context":{{"a":{deep}}},"batch":[{GOOD}]}}"#),
            Expected::Rejected("too_deep"),
        ),
        (
            "a context that is too large",
            format!(r#"{{"context":{{"a":"{}"}},"batch":[{GOOD}]}}"#, "x".repeat(40_000)),
            Expected::Rejected("too_large"),
        ),
        ("no number in the envelope", format!(r#"{{"a":NaN,"batch":[{GOOD}]}}"#), Taken),
    ];
    texts.into_iter().map(|(name, text, expected)| case(key, name, text, expected)).collect()
}

fn sizes(key: &str) -> Vec<Case> {
    const LIMIT: usize = 4 * 1024 * 1024;
    let repeated =
        |byte, times| Request::post("/v1/batch", "").basic(key).body(Body::Repeated { byte, times });
    let batch = |event: &str, count: usize| format!(r#"{{"batch":[{}]}}"#, vec![event; count].join(","));
    let padded = |length: usize| format!("{{\"batch\":[]{}}}", " ".repeat(length - r#"{"batch":[]}"#.len()));
    let tie = format!(
        r#"{{"context":{{"a":"{}"}},"batch":[{}]}}"#,
        "x".repeat(30_000),
        vec![GOOD; 5_000].join(",")
    );
    vec![
        Case::new("64 MB of [", repeated(b'[', 64 * 1024 * 1024), Refused(413)),
        Case::new("64 MB of {", repeated(b'{', 64 * 1024 * 1024), Refused(413)),
        Case::new("5 MB of [", repeated(b'[', 5_000_000), Refused(413)),
        Case::new("4 MB of [", repeated(b'[', LIMIT), Refused(400)),
        Case::new("4 MB of blanks", repeated(b' ', LIMIT), Refused(400)),
        Case::new("4 MB of quotes", repeated(b'"', LIMIT), Refused(400)),
        Case::new("4 MB of NUL", repeated(0, LIMIT), Refused(400)),
        case(
            key,
            "4 MB of opening braces in a batch",
            format!("{{\"batch\":[{}", "[".repeat(LIMIT - 20)),
            Refused(400),
        ),
        case(
            key,
            "4 MB of escapes",
            format!("{{\"a\":\"{}\"}}", r"\u0000".repeat(600_000)),
            Expected::Rejected("too_large"),
        ),
        case(key, "exactly 4 MB", padded(LIMIT), Taken),
        case(key, "4 MB and a byte", padded(LIMIT + 1), Refused(413)),
        case(key, "20,001 events of nothing", batch("0", 20_001), Refused(413)),
        case(key, "2,000,000 events of nothing", batch("0", 2_000_000), Refused(413)),
        case(key, "a context that would fill 150 MB", tie, Refused(413)),
        case(
            key,
            "1,000,000 members of the envelope",
            format!("{{{}\"batch\":[]}}", "\"a\":1,".repeat(600_000)),
            Taken,
        ),
    ]
}

fn transfers(key: &str) -> Vec<Case> {
    let request = || Request::post("/v1/batch", "").basic(key);
    let body = |body: Body| request().body(body);
    let good = format!(r#"{{"batch":[{GOOD}]}}"#).into_bytes();
    let bytes: Vec<Vec<u8>> = good.iter().map(|byte| vec![*byte]).collect();
    vec![
        Case::new("a byte a chunk", body(Body::Chunked(bytes)), Taken),
        Case::new("no chunk at all", body(Body::Chunked(Vec::new())), Refused(400)),
        Case::new("60 chunks of 1 MB", body(Body::Chunked(vec![vec![b'['; 1024 * 1024]; 60])), Refused(413)),
        Case::new("chunks without sizes", body(Body::BrokenChunks(good.clone())), Refused(400)),
        Case::new(
            "a chunk of a huge size",
            body(Body::BrokenChunks(b"fffffffffffffff\r\n{}".to_vec())),
            Refused(400),
        ),
        Case::new(
            "less than was announced",
            body(Body::CutOff { announced: good.len() + 10, sent: good.clone() }),
            Refused(400),
        ),
        Case::new(
            "much less than was announced",
            body(Body::CutOff { announced: 1 << 40, sent: good }),
            Refused(400),
        ),
        Case::new(
            "nothing of what was announced",
            body(Body::CutOff { announced: 1_000, sent: Vec::new() }),
            Refused(400),
        ),
    ]
}
