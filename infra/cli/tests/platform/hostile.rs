//! Bodies that no SDK should send: each gets a clear answer, costs little, and
//! takes nothing from the good events beside it.

mod events;
mod envelopes;
mod encodings;
mod mutants;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::child::Platform;
use crate::http::{Answer, Body, Request};
pub(crate) use encodings::gzip;

/// What memory may grow by at its peak, whatever is sent.
const GROWTH_MAX: u64 = 32 * 1024 * 1024;

/// What a body is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The events in it that can be taken are taken.
    Taken,
    /// The answer is 200, and the event stands among the rejections for this reason.
    Rejected(&'static str),
    /// The request is refused as a whole.
    Refused(u16),
    /// The door is to decide, but not to fail.
    Either,
}

/// One hostile request and what it is answered.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) expected: Expected,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, request: Request, expected: Expected) -> Self {
        Self { name: name.into(), request, expected }
    }
}

/// The door under test, and what it has to have counted at the end.
struct World {
    platform: Platform,
    /// The key of a source of its own for what is generated.
    other_key: String,
    after: u64,
    beside: u64,
    rejected: BTreeMap<String, u64>,
    /// Memory before anything hostile came.
    start: Option<u64>,
    _data: tempfile::TempDir,
}

/// Posts a good event after each hostile one.
const AFTER: &str = "after";
/// Stands in the batches of hostile events.
const BESIDE: &str = "beside";

impl World {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("data");
        let platform = Platform::start(&folder, "warn");
        let keys: Value = serde_json::from_slice(&std::fs::read(folder.join("keys.json")).unwrap()).unwrap();
        let other_key = keys["write_keys"]["app"].as_str().unwrap().to_owned();
        warm_up(&platform);
        let start = platform.memory("VmRSS");
        let rejected = BTreeMap::new();
        Self { platform, other_key, after: 0, beside: 0, rejected, start, _data: data }
    }

    fn check(&mut self, case: Case) -> Answer {
        let Case { name, request, expected } = case;
        let answer = self.platform.ask(&request);
        let told = format!("{name}: {} {}", answer.status, answer.text());
        match expected {
            Expected::Taken => assert_eq!(answer.status, 200, "{told}"),
            Expected::Rejected(reason) => {
                assert_eq!(answer.status, 200, "{told}");
                *self.rejected.entry(reason.to_owned()).or_default() += 1;
            }
            Expected::Refused(status) => assert_eq!(answer.status, status, "{told}"),
            Expected::Either => assert!([200, 400, 413].contains(&answer.status), "{told}"),
        }
        if answer.status != 200 {
            check_refusal(&answer, &told);
        }
        self.after += 1;
        let good = json!({ "userId": AFTER, "event": "Good", "messageId": format!("good-{}", self.after) });
        let good = self.platform.post("/v1/track", &good);
        assert_eq!(good.status, 200, "after {name}: {}", good.text());
        answer
    }

    /// An event alone, and between two good ones.
    fn check_event(&mut self, name: &str, event: &[u8], expected: Expected) {
        let key = self.platform.write_key.clone();
        let request = Request::post("/v1/track", event).basic(&key);
        // Of one event alone nothing can be saved.
        let alone =
            if expected == Expected::Rejected("malformed") { Expected::Refused(400) } else { expected };
        self.check(Case::new(name, request, alone));
        let [before, behind] = [1, 2].map(|place| {
            let id = format!("beside-{}-{place}", self.beside);
            json!({ "type": "track", "userId": BESIDE, "event": "Good", "messageId": id }).to_string()
        });
        let batch =
            [b"{\"batch\":[", before.as_bytes(), b",", event, b",", behind.as_bytes(), b"]}"].concat();
        self.beside += 2;
        self.check(Case::new(
            format!("{name}, in a batch"),
            Request::post("/v1/batch", batch).basic(&key),
            expected,
        ));
    }

    /// Nothing was lost, and everything that was refused is listed by its reason.
    fn check_counted(&self) {
        self.platform.settle();
        for (user, expected) in [(AFTER, self.after), (BESIDE, self.beside)] {
            let found = self.platform.look_up_as(&self.platform.admin_key, user);
            let counted = found.map_or(0, |profile| profile["counters"]["total"].as_u64().unwrap());
            assert_eq!(counted, expected, "good events {user} hostile ones");
        }
        let listed =
            self.platform.ask(&Request::get("/v1/sources/web/rejections").bearer(&self.platform.admin_key));
        let mut counts: BTreeMap<String, u64> =
            serde_json::from_value(listed.json()["counts"].clone()).unwrap();
        // Those events stand.
        counts.retain(|reason, _| {
            ![
                "invalid_identifier",
                "identifier_blocked",
                "identifier_limit",
                "traits_overflow",
                "merge_refused",
            ]
            .contains(&reason.as_str())
        });
        assert_eq!(counts, self.rejected, "rejections by reason");
        let status = self.platform.ask(&Request::get("/_local/status")).json();
        assert_eq!(status["queues"]["ProfileDlq"]["visible"], 0, "dead letters: {status}");
    }

    fn check_memory(&self) {
        let Some((start, peak)) = self.start.zip(self.platform.memory("VmHWM")) else { return };
        let growth = peak.saturating_sub(start);
        println!("memory grew from {start} to {peak} bytes at its peak, by {growth}");
        assert!(growth <= GROWTH_MAX, "memory grew from {start} to {peak} bytes at its peak, by {growth}");
    }
}

/// Ordinary requests: what they take is no matter of hostility.
pub(crate) fn warm_up(platform: &Platform) {
    for round in 0..20 {
        let event = |number: usize| {
            json!({
                "type": "track", "event": "Order Completed", "userId": format!("warm-{}", number % 20),
                "messageId": format!("warm-{round}-{number}"), "context": { "locale": "en-US" },
                "properties": { "revenue": 12.5, "products": [{ "sku": "a", "name": "Something" }] },
            })
        };
        let batch: Vec<Value> = (0..100).map(event).collect();
        assert_eq!(platform.post("/v1/batch", &json!({ "batch": batch })).status, 200);
    }
    platform.settle();
    platform.look_up("warm-1");
}

/// A refusal says what is wrong, in the form of its door.
fn check_refusal(answer: &Answer, told: &str) {
    let body = answer.json();
    if answer.header("content-type") == "application/problem+json" {
        let has = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(has("detail") && has("code") && has("title") && body["status"] == answer.status, "{told}");
        return;
    }
    assert_eq!(body["success"], false, "{told}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{told}");
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{told}");
}

#[test]
fn no_hostile_body_stops_the_platform_or_fills_its_memory() {
    let mut world = World::new();
    let mut bodies = BTreeSet::new();
    let mut seen = |request: &Request| {
        bodies.insert(format!("{:?} {:?}", request.headers, request.body));
    };
    for (name, event, expected) in events::all() {
        seen(&Request::post("", event.clone()));
        world.check_event(&name, &event, expected);
    }
    let key = world.platform.write_key.clone();
    for case in envelopes::all(&key).into_iter().chain(encodings::all(&key)) {
        seen(&case.request);
        world.check(case);
    }
    let other_key = world.other_key.clone();
    for (number, body) in mutants::all().into_iter().enumerate() {
        let request = Request::post("/v1/batch", body).basic(&other_key);
        seen(&request);
        world.check(Case::new(format!("mutant {number}"), request, Expected::Either));
    }
    assert!(bodies.len() >= 200, "only {} bodies differ", bodies.len());
    world.check_counted();
    world.check_memory();
}

#[test]
fn no_hostile_body_stops_the_admin_api() {
    let mut world = World::new();
    let key = world.platform.admin_key.clone();
    let bodies = events::all().into_iter().map(|(name, event, _)| (name, Body::Whole(event)));
    let envelopes = envelopes::all("").into_iter().map(|case| (case.name, case.request.body));
    let documents: Vec<_> = bodies.chain(envelopes).collect();
    for (name, body) in &documents {
        let request = Request::post("/v1/profiles/lookup", "").body(body.clone()).bearer(&key);
        let answer = world.check(Case::new(format!("{name}, as a look-up"), request, Expected::Either));
        assert_ne!(answer.status, 200, "{name} is no look-up");
        let request = Request::post("/v1/profiles", "").body(body.clone()).bearer(&key);
        world.check(Case::new(format!("{name}, as an import"), request, Expected::Either));
    }
    for case in fields() {
        world.check(Case { request: case.request.bearer(&key), ..case });
    }
    world.check_counted();
    world.check_memory();
}

/// Fields of the admin API with values that they cannot have.
fn fields() -> Vec<Case> {
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "1e999999999",
        "[]",
        "{}",
        "[[]]",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "NaN",
        "\"@\"",
        "\"a@b\"",
        "{\"$serde_json::private::Number\":\"1\"}",
    ];
    let long = format!("\"{}\"", "x".repeat(100_000));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let values: Vec<&str> = values.into_iter().chain([long.as_str(), deep.as_str()]).collect();
    let mut cases = Vec::new();
    for value in values {
        let bodies = [
            ("/v1/profiles/lookup", format!(r#"{{"identifier":{value}}}"#)),
            ("/v1/profiles/lookup", format!(r#"{{"identifier":{{"kind":{value},"value":"u"}}}}"#)),
            ("/v1/profiles/lookup", format!(r#"{{"identifier":{{"kind":"email","value":{value}}}}}"#)),
            ("/v1/profiles/batch", format!(r#"{{"profiles":{value}}}"#)),
            ("/v1/profiles/batch", format!(r#"{{"profiles":[{value},{value}]}}"#)),
            ("/v1/profiles", format!(r#"{{"source":{value},"identifiers":{value},"traits":{value}}}"#)),
            (
                "/v1/profiles",
                format!(
                    r#"{{"source":"crm","identifiers":[{{"kind":"user_id","value":"f"}}],"traits":{{"a":{value}}}}}"#
                ),
            ),
        ];
        for (path, body) in bodies {
            let name = format!("{path} {body:.60}");
            cases.push(Case::new(name, Request::post(path, body), Expected::Either));
        }
    }
    cases
}
