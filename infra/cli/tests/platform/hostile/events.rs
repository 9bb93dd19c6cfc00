//! Single events: what stands where an SDK would have put something sensible.

use super::Expected::{self, Rejected, Taken};

type Event = (String, Vec<u8>, Expected);

/// An event of somebody, with one more member.
fn with(member: &str) -> String {
    format!(r#"{{"type":"track","event":"Hostile","userId":"hostile",{member}}}"#)
}

/// An event with a value in its properties.
fn property(value: &str) -> String {
    with(&format!(r#""properties":{{"a":{value},"revenue":{value}}}"#))
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}0{}", open.repeat(levels), close.repeat(levels))
}

pub(crate) fn all() -> Vec<Event> {
    let groups = [nesting(), numbers(), texts(), types(), names(), sizes(), broken()];
    groups.into_iter().flatten().collect()
}

fn event(name: impl Into<String>, text: impl Into<Vec<u8>>, expected: Expected) -> Event {
    (name.into(), text.into(), expected)
}

fn nesting() -> Vec<Event> {
    let arrays = |levels| property(&nested("[", "]", levels));
    vec![
        event("arrays of 40 levels", with(&format!(r#""properties":{}"#, nested("[", "]", 40))), Taken),
        event("arrays of 63 levels", with(&format!(r#""a":{}"#, nested("[", "]", 63))), Taken),
        event("arrays of 64 levels", with(&format!(r#""a":{}"#, nested("[", "]", 64))), Rejected("too_deep")),
        event(
            "arrays of 130 levels",
            with(&format!(r#""a":{}"#, nested("[", "]", 130))),
            Rejected("too_deep"),
        ),
        event("arrays of 5,000 levels", arrays(5_000), Rejected("too_deep")),
        event("arrays of 100,000 levels", arrays(100_000), Rejected("too_large")),
        event("objects of 60 levels", with(&format!(r#""a":{}"#, nested("{\"a\":", "}", 60))), Taken),
        event("objects of 2,000 levels", property(&nested("{\"a\":", "}", 2_000)), Rejected("too_deep")),
        event("traits of 60 levels", identify(&format!(r#""traits":{}"#, nested("{\"a\":", "}", 60))), Taken),
        event(
            "a context of 1,000 levels",
            with(&format!(r#""context":{}"#, nested("{\"a\":", "}", 1_000))),
            Rejected("too_deep"),
        ),
        event(
            "arrays and objects by turns",
            property(&nested("[{\"a\":", "}]", 1_000)),
            Rejected("too_deep"),
        ),
    ]
}

fn identify(member: &str) -> String {
    format!(r#"{{"type":"identify","userId":"hostile",{member}}}"#)
}

fn numbers() -> Vec<Event> {
    let digits = "9".repeat(5_000);
    let small = format!("0.{}1", "0".repeat(5_000));
    let sound = [
        "1e400",
        "-1e400",
        "1e-400",
        "1e999999999",
        "-1e-999999999",
        "1e99999999999999999999",
        "-0",
        "-0.0",
        "9007199254740993",
        "18446744073709551616",
        "-9223372036854775809",
        "1.7976931348623157e309",
        "5e-324",
        "0.1e-6176",
        "1E+6144",
        &digits,
        &small,
    ];
    let mended = ["NaN", "-NaN", "Infinity", "-Infinity"];
    let broken = ["nan", "inf", "+1", ".5", "1.", "01", "0x10", "1e", "1_000", "--1", "1,5", "٣", "1f", "½"];
    let named = |value: &str| format!("the number {value:.30}");
    let mut events = Vec::new();
    for value in sound.into_iter().chain(mended) {
        events.push(event(named(value), property(value), Taken));
        events.push(event(
            format!("{}, a trait", named(value)),
            identify(&format!(r#""traits":{{"a":{value}}}"#)),
            Taken,
        ));
    }
    // `1,5` is a number and then a name without quotes.
    events.extend(broken.map(|value| event(named(value), property(value), Rejected("malformed"))));
    let user = format!(r#"{{"type":"track","event":"Hostile","userId":{digits}}}"#);
    events.push(event("a user id of 5,000 digits", user, Rejected("no_identifier")));
    events.push(event("a message id of 5,000 digits", with(&format!(r#""messageId":{digits}"#)), Taken));
    events
}

fn texts() -> Vec<Event> {
    let sound = [
        ("half a surrogate pair", r"\ud83d"),
        ("the other half", r"\ude00"),
        ("a pair the wrong way round", r"\ude00\ud83d"),
        ("a half before a letter", r"\ud83dx"),
        ("a half before another escape", r"\ud83d\n"),
        ("escaped NUL", r"a\u0000b"),
        ("all control characters, escaped", r"\u0001\u0002\u001f\u007f\u0080\u009f"),
        ("non-characters", r"\ufffe\uffff\ufdd0"),
        ("marks that turn the writing", "\u{202e}abc\u{202d}\u{2066}"),
        ("blanks of no width", "\u{200b}\u{feff}\u{2060}"),
        ("a joined emoji", "👩‍👩‍👧‍👦"),
        ("a letter under a hundred accents", &format!("a{}", "\u{301}".repeat(100))),
        ("a script tag", "<script>alert(1)</script>"),
        ("SQL", "'; DROP TABLE people; --"),
        ("a template", "{{7*7}} ${7*7} #{7*7} %s %n"),
        ("a path", "../../../../etc/passwd"),
        ("a separator of our own", "a\u{1f}b\u{1e}c#d/e"),
    ];
    let mut events = Vec::new();
    for (name, text) in sound {
        events.push(event(name, property(&format!("\"{text}\"")), Taken));
        let names =
            format!(r#"{{"type":"track","event":"{text}","userId":"hostile {text}","messageId":"{text}"}}"#);
        events.push(event(format!("{name}, as a name"), names, Taken));
    }
    let raw: [(&str, &[u8]); 6] = [
        ("raw NUL", b"a\0b"),
        ("raw control characters", b"\x01\x02\t\n\x1f"),
        ("a byte that is no UTF-8", b"a\xffb"),
        ("UTF-8 that is too long", b"\xc0\x80\xe0\x80\x80"),
        ("a surrogate in UTF-8", b"\xed\xa0\x80"),
        ("UTF-8 cut off", b"\xf0\x9f\x98"),
    ];
    events.extend(raw.map(|(name, bytes)| {
        let text =
            [br#"{"type":"track","event":"Hostile","userId":"hostile","a":""#, bytes, br#""}"#].concat();
        event(name, text, Taken)
    }));
    let broken = [r"\x", r"\u12", r"\uzzzz", r"\u{61}", r"\"];
    events.extend(broken.map(|text| {
        event(format!("the escape {text}"), property(&format!("\"{text} \"")), Rejected("malformed"))
    }));
    events
}

fn types() -> Vec<Event> {
    let values = [("an object", r#"{"a":1}"#), ("a list", "[1]"), ("a bool", "true")];
    let mut events = Vec::new();
    for (name, value) in values {
        for member in ["userId", "anonymousId", "messageId", "type", "event"] {
            let text =
                format!(r#"{{"type":"track","event":"Hostile","userId":"hostile","{member}":{value}}}"#);
            events.push(event(format!("{member} that is {name}"), text, Rejected("wrong_type")));
        }
    }
    let values = [
        ("a text", "\"x\""),
        ("a number", "7"),
        ("a list", "[[1],{}]"),
        ("a bool", "false"),
        ("an object", r#"{"":{"":[]}}"#),
    ];
    for (name, value) in values {
        for member in
            ["properties", "traits", "context", "integrations", "timestamp", "sentAt", "groupId", "category"]
        {
            events.push(event(
                format!("{member} that is {name}"),
                with(&format!("\"{member}\":{value}")),
                Taken,
            ));
        }
    }
    let identifies = ["\"x\"", "7", "[]", "[1]", "false", r#"{"email":{"a":1},"phone":[7],"name":null}"#];
    events.extend(
        identifies.map(|traits| {
            event(format!("traits {traits}"), identify(&format!("\"traits\":{traits}")), Taken)
        }),
    );
    let times = [
        "",
        "now",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "-271821-04-20T00:00:00.000Z",
        "1e99",
        "2026-02-30T25:61:61+99:99",
        "+275760-09-13T00:00:00.001Z",
    ];
    events.extend(times.map(|time| {
        event(format!("the time {time}"), with(&format!(r#""timestamp":"{time}","messageId":"t""#)), Taken)
    }));
    let bare = [
        ("an empty object", "{}", "unknown_type_unless_path"),
        ("only a type", r#"{"type":"track"}"#, "no_event_name"),
        ("nobody", r#"{"type":"track","event":"Hostile"}"#, "no_identifier"),
        (
            "nobody by null",
            r#"{"type":"track","event":"Hostile","userId":null,"anonymousId":""}"#,
            "no_identifier",
        ),
        ("a user called null", r#"{"type":"track","event":"Hostile","userId":"null"}"#, "blocked"),
        ("an unknown type", r#"{"type":"charge","event":"Hostile","userId":"hostile"}"#, "unknown_type"),
        ("a type in capitals", r#"{"type":"TRACK","event":"Hostile","userId":"hostile"}"#, "unknown_type"),
        (
            "a type of Object's own",
            r#"{"type":"__proto__","event":"Hostile","userId":"hostile"}"#,
            "unknown_type",
        ),
        ("an event without a name", r#"{"type":"track","event":"","userId":"hostile"}"#, "no_event_name"),
    ];
    // Alone the path names the type, in a batch nothing does.
    let bare = bare.into_iter().filter(|(.., reason)| !reason.contains("unless"));
    events.extend(bare.map(|(name, text, reason)| event(name, text, Rejected(reason))));
    events
}

fn names() -> Vec<Event> {
    let sound = [
        (
            "names of Object's own",
            r#""__proto__":{"admin":true},"constructor":{"prototype":{}},"toString":1"#,
        ),
        ("operators of a database", r#""$where":"sleep(9)","$ne":null,"properties":{"$gt":""}"#),
        (
            "names of ours",
            r#""workspace":"rival","source":"crm","trace":"x","pk":"x","sk":"x","v":2,"received_at":0"#,
        ),
        ("empty names", r#""":"","properties":{"":{"":""}},"traits":{"":""}"#),
        ("names with NUL and dots", r#""a\u0000b":1,"properties":{"a.b":{"c.d":1},"a":{"b.c":1}}"#),
        ("a name in half a pair", r#""\ud800":1,"properties":{"\udfff":1}"#),
        (
            "the same name twice",
            r#""event":"Other","userId":"hostile","userId":"hostile","properties":1,"properties":{}"#,
        ),
        ("escaped names", r#""user\u0049d":"hostile","\u0065vent":"Hostile""#),
        (
            "a write key of somebody else",
            r#""writeKey":"wk_rival_00000000_00000000000000000000000000000000""#,
        ),
        ("a write key that is none", r#""writeKey":{"a":[1]}"#),
    ];
    let mut events: Vec<Event> =
        sound.into_iter().map(|(name, members)| event(name, with(members), Taken)).collect();
    let reserved = ["Number", "RawValue", "Datetime", ""];
    events.extend(reserved.map(|kind| {
        let member = format!(r#""properties":{{"$serde_json::private::{kind}":"1"}}"#);
        event(format!("a name that the parser keeps, {kind}"), with(&member), Rejected("reserved_name"))
    }));
    events
}

fn sizes() -> Vec<Event> {
    let text = |length: usize| format!("\"{}\"", "x".repeat(length));
    let members = |count: usize| {
        (0..count).map(|number| format!("\"m{number}\":{number}")).collect::<Vec<_>>().join(",")
    };
    let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    vec![
        event("a text of 30 KB", property(&text(15_000)), Taken),
        event("a text of 40 KB", with(&format!(r#""a":{}"#, text(40_000))), Rejected("too_large")),
        event("a text of 1 MB", with(&format!(r#""a":{}"#, text(1_000_000))), Rejected("too_large")),
        event(
            "a text of 4 million bytes",
            with(&format!(r#""a":{}"#, text(4_000_000))),
            Rejected("too_large"),
        ),
        event(
            "a user id of 30 KB",
            format!(r#"{{"type":"page","userId":{}}}"#, text(30_000)),
            Rejected("no_identifier"),
        ),
        event("a message id of 30 KB", with(&format!(r#""messageId":{}"#, text(30_000))), Taken),
        event(
            "an event name of 30 KB",
            format!(r#"{{"type":"track","userId":"hostile","event":{}}}"#, text(30_000)),
            Taken,
        ),
        event(
            "a type of 30 KB",
            format!(r#"{{"type":{},"userId":"hostile"}}"#, text(30_000)),
            Rejected("unknown_type"),
        ),
        event("a name of 30 KB", with(&format!("{}:1", text(30_000))), Taken),
        event("a trait's name of 30 KB", identify(&format!(r#""traits":{{{}:1}}"#, text(30_000))), Taken),
        event("2,000 traits", identify(&format!(r#""traits":{{{}}}"#, members(2_000))), Taken),
        event("2,000 members", with(&members(2_000)), Taken),
        event("100,000 members", with(&members(100_000)), Rejected("too_large")),
        event("a list of 15,000", with(&format!(r#""a":{}"#, list(15_000))), Taken),
        event("a list of 1,000,000", with(&format!(r#""a":{}"#, list(1_000_000))), Rejected("too_large")),
        event(
            "blanks of 40 KB",
            format!("{{{}{}", " ".repeat(40_000), &with("\"a\":1")[1..]),
            Rejected("too_large"),
        ),
        event("1,000 other ids", with(&external_ids(400)), Taken),
    ]
}

fn external_ids(count: usize) -> String {
    let id = |number: usize| format!(r#"{{"id":"h{number}","type":"card","collection":"users"}}"#);
    let ids: Vec<String> = (0..count).map(id).collect();
    format!(r#""context":{{"externalIds":[{}]}}"#, ids.join(","))
}

/// What ends where its braces end, and is broken within.
fn broken() -> Vec<Event> {
    let texts = [
        ("a comma too many", with(r#""a":1,"#)),
        ("a comma too few", with(r#""a":1 "b":2"#)),
        ("a colon too few", with(r#""a" 1"#)),
        ("a name without quotes", with("a:1")),
        ("single quotes", with("'a':'b'")),
        ("a comment", with(r#"/* hostile */ "a":1"#)),
        ("a word", with(r#""a":undefined"#)),
        ("a regular expression", with(r#""a":/x/"#)),
        ("a list closed as an object", with(r#""a":[1"#)),
        ("a call", with(r#""a":Date()"#)),
    ];
    texts.into_iter().map(|(name, text)| event(name, text, Rejected("malformed"))).collect()
}
