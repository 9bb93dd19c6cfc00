//! An operator's commands beside a running platform, as a person types them.

use std::path::Path;
use std::process::{Command, Stdio};

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::message::Message;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use local::queue::Message as Sent;
use local::{DataFolder, Queues, Wiring};
use runtime::{SystemClock, SystemEntropy};
use serde_json::{Value, json};

use crate::child::{PROGRAM, Platform};
use crate::http::Request;

const TEMPLATE: &str = include_str!("../../../../template.yaml");
/// Longer than definitions and keys are kept in memory.
const MINUTE_S: u64 = 61;

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { platform: Platform::start(&folder.path().join("data"), "warn"), folder }
    }

    /// What a command says, or its error.
    pub(crate) fn try_to(&self, words: &str) -> Result<String, String> {
        let mut command = Command::new(PROGRAM);
        command.args(words.split(' ')).arg("--data").arg(self.folder.path().join("data"));
        let output = command.env_remove("TRIBUTARY_ADMIN_KEY").stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    pub(crate) fn done(&self, words: &str) -> String {
        self.try_to(words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    pub(crate) fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{words} --json"))).unwrap()
    }

    /// The status of a post under a write key.
    fn post(&self, key: &str, user: &str) -> u16 {
        let body = json!({ "userId": user, "event": "Seen" }).to_string();
        self.platform.ask(&Request::post("/v1/track", body).basic(key)).status
    }

    pub(crate) fn wait_a_minute(&self) {
        let body = json!({ "advance_seconds": MINUTE_S }).to_string();
        assert_eq!(self.platform.ask(&Request::post("/_local/clock", body)).status, 200);
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

#[test]
fn a_workspace_is_set_up_and_its_keys_are_rotated_without_a_gap() {
    let world = World::new();
    world.done("workspace create shop");
    world.done(
        "source create site --workspace shop --rate 50 --origin https://shop.example --phone-region RU",
    );
    let old = world.json("key create --source site --workspace shop");
    assert_eq!(world.post(text(&old, "key"), "u-1"), 200);

    let new = world.json(&format!("key rotate {} --workspace shop", text(&old, "id")));
    assert_eq!([&old, &new].map(|made| world.post(text(made, "key"), "u-1")), [200, 200]);
    world.done(&format!("key revoke {} --workspace shop", text(&old, "id")));
    world.wait_a_minute();
    assert_eq!([&old, &new].map(|made| world.post(text(made, "key"), "u-1")), [401, 200]);

    let admin = world.json("key create --scope profiles:read --workspace shop");
    world.platform.settle();
    let profile = world.platform.look_up_as(text(&admin, "key"), "u-1").unwrap();
    assert_eq!(profile["counters"]["total"], 4, "{profile}");
    let listed = world.done("key list --workspace shop");
    assert_eq!((listed.lines().count(), listed.matches(", ended 2").count()), (3, 1), "{listed}");
    for made in [&old, &new, &admin] {
        assert!(!listed.contains(text(made, "key").rsplit('_').next().unwrap()), "{listed}");
    }
    let several = world.try_to("source list").unwrap_err();
    assert!(several.contains("say which workspace with --workspace; there are: local, shop"), "{several}");
}

#[test]
fn a_page_in_a_browser_moves_no_clock() {
    let world = World::new();
    let post = Request::post("/_local/clock", json!({ "advance_seconds": 60 }).to_string());
    let answer = world.platform.ask(&post.header("origin", "https://evil.example"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("browser"), "{}", answer.text());
}

/// A page in a browser on this machine reaches the tools too.
#[test]
fn without_the_admin_key_of_the_folder_nothing_is_defined_or_shown() {
    let world = World::new();
    let made = world.json("key create --scope profiles:read");
    let orders = [
        ("/_local/operate", json!({ "order": "list_workspaces" })),
        ("/_local/dlq", json!({ "queue": null, "filter": { "ids": [] }, "max": 1, "what": "list" })),
    ];
    for (path, order) in orders {
        let ask = |key: &str| world.platform.ask(&Request::post(path, order.to_string()).bearer(key));
        for key in ["", text(&made, "key"), &world.platform.write_key] {
            let answer = ask(key);
            assert_eq!(answer.status, 401, "{}", answer.text());
            assert!(answer.text().contains("own admin key"), "{}", answer.text());
        }
        let plain = world.platform.ask(&Request::post(path, order.to_string()));
        assert_eq!((plain.status, ask(&world.platform.admin_key).status), (401, 200));
        let unknown = Request::post(path, "{}").bearer(&world.platform.admin_key);
        assert_eq!(world.platform.ask(&unknown).status, 400);
    }
}

#[test]
fn a_rotation_of_signing_keys_reaches_a_platform_that_runs() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.post(&world.platform.write_key, "u-1"), 200);
    }
    world.platform.settle();
    let id = world.platform.look_up("u-1")["id"].as_str().unwrap().to_owned();
    let page = |cursor: &str| {
        let path = format!("/v1/profiles/{id}/timeline?limit=1{cursor}");
        world.platform.ask(&Request::get(&path).bearer(&world.platform.admin_key))
    };
    let before = page("").json()["cursor"].as_str().unwrap().to_owned();
    let signing = world.json("key rotate-signing");
    for _ in 0..5 {
        world.wait_a_minute();
    }
    let after = page("").json()["cursor"].as_str().unwrap().to_owned();
    assert!(after.starts_with(&format!("c1.{}.", text(&signing, "signing_key"))), "{after}");
    assert_eq!([&before, &after].map(|cursor| page(&format!("&cursor={cursor}")).status), [200, 200]);
    world.done("key rotate-signing");
    for _ in 0..5 {
        world.wait_a_minute();
    }
    assert_eq!([&before, &after].map(|cursor| page(&format!("&cursor={cursor}")).status), [400, 200]);
}

#[test]
fn a_platform_says_what_aws_would_ask_for_what_it_measured() {
    let world = World::new();
    let unused = world.try_to("cost").unwrap_err();
    assert!(unused.contains("the platform has measured nothing yet"), "{unused}");
    for user in ["u-1", "u-1", "u-2"] {
        assert_eq!(world.post(&world.platform.write_key, user), 200);
    }
    assert_eq!(world.post("nobody's", "u-3"), 401);
    world.platform.settle();

    let bill = world.json("cost");
    let count = |what: &str| {
        let lines = bill["lines"].as_array().unwrap();
        lines.iter().find(|line| line["what"] == what).unwrap_or_else(|| panic!("{bill}"))["count"]
            .as_f64()
            .unwrap()
    };
    assert_eq!(bill["accepted"].as_f64(), Some(3.0), "{bill}");
    let counts = [count("ingest-http: requests"), count("queue"), count("profile-upsert: requests")];
    assert!(counts[..2] == [4.0, 9.0] && (1.0..=3.0).contains(&counts[2]), "{bill}");
    // A new profile, its identifier and its page, twice, are transactions: each unit counts double.
    assert!(count("people, identities: writes") >= 12.0, "{bill}");
    assert!(bill["dollars"].as_f64().unwrap() > 0.0, "{bill}");
    let said = world.done("cost --since 1h");
    assert!(said.contains("3 events accepted") && said.contains("not included"), "{said}");

    // A later period has none of it.
    for _ in 0..2 {
        world.wait_a_minute();
    }
    let later = world.json("cost --since 1m");
    assert_eq!(
        (later["accepted"].as_f64(), &later["dollars_a_million"]),
        (Some(0.0), &Value::Null),
        "{later}"
    );
    assert!(world.try_to("cost --since 1y").unwrap_err().contains("such as 90m, 24h or 7d"));
}

/// A sound message of a source that is not defined yet.
fn early(number: usize) -> Sent {
    let at = Timestamp::from_millis(1_795_343_400_000);
    let event = Event {
        source: SourceId::parse("later").unwrap(),
        message_id: format!("m-{number}"),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse("user_id", "u-17", None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: json!({ "type": "track", "event": "Seen by nobody else" }).to_string(),
        as_sent: "u-17".to_owned(),
    };
    let trace = format!("{number:032x}");
    let message = Message {
        workspace: WorkspaceId::parse("local").unwrap(),
        trace: trace.clone(),
        events: vec![event],
    };
    let body = message.pack().remove(0);
    Sent { body, attributes: vec![("trace".to_owned(), trace)], ..Sent::default() }
}

/// Puts messages into the queue while nothing runs.
fn put(data: &Path, messages: Vec<Sent>) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = DataFolder::open(data).unwrap();
        let settings = Wiring::parse(TEMPLATE).unwrap().queues;
        let queues = Queues::open(&folder.queues_file(), settings, &SystemEntropy).unwrap();
        queues.queue("ProfileQueue", SystemClock).unwrap().send_all(messages).await.unwrap();
    });
}

#[test]
fn a_letter_goes_back_when_its_cause_is_mended_and_is_counted_once() {
    let World { platform, folder } = World::new();
    platform.stop();
    let data = folder.path().join("data");
    let broken = Sent { body: "no message".to_owned(), ..Sent::default() };
    put(&data, (0..12).map(early).chain([broken]).collect());
    let world = World { platform: Platform::start(&data, "warn"), folder };
    world.platform.settle();

    let listed = world.done("dlq list");
    assert!(listed.contains("profile: 13 letters, the oldest of 20"), "{listed}");
    assert!(listed.contains("identity: no dead letters"), "{listed}");
    assert!(listed.contains("12  rejected ") && listed.contains(" 1  rejected "), "{listed}");
    let shown = world.done("dlq show --max 20");
    assert_eq!(shown.matches("events: 1, of later in workspace local").count(), 12, "{shown}");
    assert!(shown.contains(&format!("trace    {:032x}", 7)), "{shown}");
    assert!(
        !shown.contains("u-17") && !shown.contains("nobody else") && !shown.contains("no message"),
        "{shown}"
    );
    assert!(world.done("dlq show --max 20 --body").contains("Seen by nobody else"));

    // Nothing is mended: what went back ends here again.
    world.done("dlq redrive --reason source");
    world.platform.settle();
    assert!(world.done("dlq list").contains("profile: 13 letters"));

    world.done("source create later");
    world.wait_a_minute();
    let one = world.json("dlq list --queue profile --reason source --max 1");
    assert_eq!(one["queues"][0]["meant"], 1, "{one}");
    let sent = world.done("dlq redrive --queue profile --reason source");
    assert!(
        sent.starts_with("profile: 12 letters sent back") && sent.contains("1 letter left: not meant"),
        "{sent}"
    );
    world.platform.settle();
    assert_eq!(world.platform.look_up("u-17")["counters"]["total"], 12);

    let left = world.json("dlq show");
    let [letter] = &left["letters"].as_array().unwrap()[..] else { panic!("{left}") };
    assert_eq!((text(letter, "fate"), &letter["trace"]), ("rejected", &Value::Null));
    let unknown = world.try_to("dlq redrive --id nobody").unwrap_err();
    assert!(unknown.contains("no such letter was found"), "{unknown}");
    let unknown = world.try_to("dlq list --queue letters").unwrap_err();
    assert!(unknown.contains("there are: identity, messaging, profile, receipts, segments"), "{unknown}");
}
