//! The stages at trace level with every port failing in every way: no line of
//! theirs, and nothing that they say of a dead letter, holds personal data or a
//! key. What can be reached from outside is tested on the whole program.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::sqs::SqsMessage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::access::{AccessKey, KeyKind};
use domain::cursor::SigningKeys;
use domain::key::IdKey;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ingest::Ingest;
use ports::Entropy as _;
use ports::definitions::{Grant, Key, Scope, Source, Workspace};
use profile::api::{Api, Ports};
use profile::{Stage, Writer, batch};
use serde_json::{Value, json};
use testkit::{
    Fault, Faulty, MemoryDefinitions, MemoryIdempotency, MemoryPeople, MemoryQueue, MemoryRejections,
    SeededEntropy, TestClock,
};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

/// What every personal value holds; what follows it tells where it was put.
const WORD: &str = "canary";
const PHONE: &str = "+4790017001";
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
const RECEIVES_MAX: u32 = 3;

/// Every call that a stage makes of a port.
const CALLS: [&str; 16] = [
    "identities",
    "profiles",
    "items",
    "put",
    "remove",
    "replace",
    "save",
    "save_all",
    "due index",
    "due",
    "record",
    "kept",
    "counts",
    "send",
    "workspace",
    "key",
];

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Meets(Fault),
    /// The port has a bug whose message holds what it was asked for.
    Panics,
}

const FATES: [Fate; 5] = [
    Fate::Meets(Fault::Refused),
    Fate::Meets(Fault::AnswerLost),
    Fate::Meets(Fault::Conflict),
    Fate::Meets(Fault::Part),
    Fate::Panics,
];

/// Which call goes wrong, how, and the how manieth of its name; all, if none is told.
#[derive(Debug, Clone, Copy)]
struct Plan {
    call: &'static str,
    fate: Fate,
    only: Option<usize>,
}

#[derive(Debug, Default)]
struct Made {
    names: BTreeSet<&'static str>,
    of_the_call: usize,
    went_wrong: bool,
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes in all that the telemetry of a deployed function would let through.
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt::layer().json().with_writer(move || log.clone());
        let ours = filter_fn(|of| runtime::telemetry::is_ours(of.target()));
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.with_filter(ours)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// What a text gives away.
fn leaks(text: &str, secrets: &[String]) -> Vec<String> {
    let small = text.to_lowercase();
    let behind = |(place, _): (usize, &str)| small[place..].chars().take(40).collect();
    let mut leaks: Vec<String> = small.match_indices(WORD).map(behind).collect();
    let phones = [&PHONE[1..], &PHONE[3..]].into_iter().filter(|phone| small.contains(phone));
    leaks.extend(phones.map(str::to_owned));
    leaks.extend(secrets.iter().filter(|secret| small.contains(secret.as_str())).cloned());
    leaks
}

fn shop() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn made(kind: KeyKind, grant: Grant, definitions: &MemoryDefinitions, chance: &SeededEntropy) -> AccessKey {
    let key = AccessKey::make(kind, shop(), chance.bytes(), [chance.bytes(), chance.bytes()]);
    definitions.add_key(&shop(), key.id(), Key { secret_sha256: key.sha256(), grant });
    key
}

/// The stages over ports that fail by a plan.
struct World {
    people: Faulty<MemoryPeople>,
    definitions: Faulty<MemoryDefinitions>,
    rejections: Faulty<MemoryRejections>,
    queue: MemoryQueue,
    merges: MemoryQueue,
    letters: MemoryQueue,
    clock: TestClock,
    made: Arc<Mutex<Made>>,
    write: AccessKey,
    admin: AccessKey,
}

impl World {
    fn new(plan: Option<Plan>) -> Self {
        let made_calls = Arc::new(Mutex::new(Made::default()));
        let calls = Arc::clone(&made_calls);
        let choose = move |call: &'static str| {
            let fate = choose(&mut calls.lock().unwrap(), plan, call);
            fate.unwrap_or_else(|| panic!("{WORD}-panic@leak.example is what I was asked for"))
        };
        let people = Faulty::new(MemoryPeople::default(), choose);
        let (definitions, chance) = (MemoryDefinitions::default(), SeededEntropy::seeded(1));
        let web = SourceId::parse("web").unwrap();
        let source = Source { id: web.clone(), region: None, origins: Vec::new(), rate: 1_000 };
        definitions.define(Workspace {
            id: shop(),
            rules: Rules::default(),
            sources: vec![source],
            segments: 0,
            outreach: 0,
        });
        let write = made(KeyKind::Write, Grant::Write(web), &definitions, &chance);
        let admin = made(KeyKind::Admin, Grant::Admin(Scope::ALL.to_vec()), &definitions, &chance);
        let clock = TestClock::at(Timestamp::from_millis(1_795_343_400_000));
        Self {
            definitions: people.sharing(definitions),
            rejections: people.sharing(MemoryRejections::new(clock.clone())),
            queue: MemoryQueue::default(),
            merges: MemoryQueue::default(),
            letters: MemoryQueue::default(),
            made: made_calls,
            people,
            clock,
            write,
            admin,
        }
    }

    fn secrets(&self) -> Vec<String> {
        let secret = |key: &AccessKey| key.reveal().rsplit('_').next().unwrap().to_owned();
        vec![secret(&self.write), secret(&self.admin)]
    }

    /// Everything that the stages do, one thing after the other.
    fn run(&self) {
        for receives in 1..=RECEIVES_MAX {
            // Of people who are new first, then of people who are known.
            self.post(receives);
            self.fold(receives);
            self.sweep();
            self.merge(receives);
        }
        self.ask();
        self.fold(RECEIVES_MAX);
        self.merge(RECEIVES_MAX);
    }

    /// A bug in a port ends one request and no more, as the front door sees to.
    fn request<T>(work: impl Future<Output = T>) -> Option<T> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| finish(work))).ok()
    }

    fn post(&self, round: u32) {
        let queue = self.people.sharing(self.queue.clone());
        let ingest = Ingest::new(
            self.definitions.clone(),
            queue,
            self.rejections.clone(),
            self.clock.clone(),
            SeededEntropy::seeded(2),
        );
        let key = self.write.reveal();
        for body in posts(round) {
            let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
            Self::request(ingest.handle(request("POST", "/v1/batch", "", &basic, &body)));
        }
    }

    /// Delivers what lies in the queue, and leaves it there.
    fn fold(&self, receives: u32) {
        let stage = self.stage();
        let letters = self.people.sharing(self.letters.clone());
        let records = records(&self.queue, receives);
        Self::request(batch::fold(&stage, &letters, records, NEVER, RECEIVES_MAX));
    }

    /// The same of identity's queue.
    fn merge(&self, receives: u32) {
        let stage = identity::Stage {
            people: self.people.clone(),
            definitions: self.definitions.clone(),
            rejections: self.rejections.clone(),
            clock: self.clock.clone(),
            entropy: SeededEntropy::seeded(5),
            key: id_key(),
        };
        let letters = self.people.sharing(self.letters.clone());
        let records = records(&self.merges, receives);
        Self::request(identity::batch::merge(&stage, &letters, &records, NEVER, RECEIVES_MAX));
    }

    fn stage(&self) -> TestStage {
        let writer = Writer {
            people: self.people.clone(),
            merges: self.people.sharing(self.merges.clone()),
            messages: None,
            clock: self.clock.clone(),
            entropy: SeededEntropy::seeded(3),
            key: id_key(),
        };
        Stage::new(writer, self.definitions.clone(), self.rejections.clone())
    }

    fn sweep(&self) {
        self.clock.advance(2 * Timestamp::MINUTE);
        Self::request(self.stage().sweep());
    }

    fn ask(&self) {
        let ports = Ports {
            people: self.people.clone(),
            definitions: self.definitions.clone(),
            rejections: self.rejections.clone(),
            queue: self.people.sharing(self.queue.clone()),
            merges: self.people.sharing(self.merges.clone()),
            idempotency: MemoryIdempotency::default(),
            clock: self.clock.clone(),
            entropy: SeededEntropy::seeded(4),
        };
        let signing = SigningKeys::make("first", [[1; 16], [2; 16]]).unwrap();
        let api = Api::new(ports, id_key(), signing);
        let bearer = format!("Bearer {}", self.admin.reveal());
        for (method, path, query, body) in asked() {
            Self::request(api.handle(request(method, &path, &query, &bearer, &body)));
        }
    }
}

type TestStage = Stage<
    Faulty<MemoryPeople>,
    Faulty<MemoryDefinitions>,
    Faulty<MemoryRejections>,
    Faulty<MemoryQueue>,
    TestClock,
    SeededEntropy,
>;

/// What lies in a queue, and a message that nobody can read.
fn records(queue: &MemoryQueue, receives: u32) -> Vec<SqsMessage> {
    let broken = format!("{{\"v\":\"{WORD}-body\"");
    let bodies = queue.sent().into_iter().map(|sent| sent.body).chain([broken]);
    let record = |(number, body)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("record-{number}"));
        record.body = Some(body);
        record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
        record
    };
    bodies.enumerate().map(record).collect()
}

/// Runs a future over ports that never really wait.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

/// `None` is a panic.
fn choose(made: &mut Made, plan: Option<Plan>, call: &'static str) -> Option<Fault> {
    made.names.insert(call);
    let Some(plan) = plan.filter(|plan| plan.call == call) else { return Some(Fault::None) };
    made.of_the_call += 1;
    if plan.only.is_some_and(|only| only + 1 != made.of_the_call) {
        return Some(Fault::None);
    }
    made.went_wrong = true;
    match plan.fate {
        Fate::Meets(fault) => Some(fault),
        Fate::Panics => None,
    }
}

fn id_key() -> IdKey {
    IdKey::new([9; IdKey::LENGTH])
}

fn request(
    method: &str,
    path: &str,
    query: &str,
    authorization: &str,
    body: &str,
) -> ApiGatewayV2httpRequest {
    let request = json!({
        "version": "2.0", "rawPath": path, "rawQueryString": query, "body": body, "isBase64Encoded": false,
        "headers": {
            "authorization": authorization, "user-agent": format!("{WORD}-agent"), "cookie": format!("{WORD}-cookie"),
            "referer": format!("https://{WORD}-referer.example"), "idempotency-key": format!("{WORD}-key-{}", body.len()),
        },
        "requestContext": { "http": { "method": method, "path": path, "sourceIp": format!("{WORD}-ip") } },
    });
    serde_json::from_value(request).unwrap()
}

/// Batches of every kind of event, good and bad.
fn posts(round: u32) -> Vec<String> {
    let event = |kind: &str, more: Value| {
        let mut event = json!({
            "type": kind, "messageId": format!("{WORD}-id-{round}-{kind}"), "userId": format!("{WORD}-user"),
            "event": format!("{WORD}-event"), "groupId": format!("{WORD}-group"),
            "properties": { "revenue": 5, "currency": format!("{WORD}-currency") },
            "context": { "campaign": { "source": format!("{WORD}-campaign") } },
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let traits = json!({
        "email": format!("{WORD}-mail@leak.example"), "phone": PHONE, "name": format!("{WORD}-name"),
        format!("{WORD}-trait"): format!("{WORD}-value"),
    });
    let other = json!({ "userId": format!("{WORD}-other"), "anonymousId": format!("{WORD}-device") });
    // Somebody whom nobody knows, and who turns out to be the user.
    let stranger = json!({
        "type": "page", "messageId": format!("{WORD}-id-{round}-stranger"),
        "anonymousId": format!("{WORD}-stranger"),
    });
    let events = [
        event("identify", json!({ "traits": traits })),
        event("track", json!({ "anonymousId": format!("{WORD}-device") })),
        // It ties two people together, so that there is something to send.
        event("page", other),
        event("screen", json!({})),
        event("group", json!({ "traits": { "name": format!("{WORD}-company") } })),
        event("alias", json!({ "previousId": format!("{WORD}-before") })),
        event(
            "track",
            json!({ "anonymousId": format!("{WORD}-stranger"), "messageId": format!("{WORD}-id-{round}-known") }),
        ),
    ];
    let bad = json!([
        { "type": "page", "name": format!("{WORD}-nobody") },
        { "type": format!("{WORD}-type"), "userId": "u" },
        { "type": "page", "userId": { "a": format!("{WORD}-object") } },
        format!("{WORD}-text"),
    ]);
    let floods: Vec<Value> = (0..2).map(flood).collect();
    vec![
        json!({ "batch": [stranger] }).to_string(),
        json!({ "batch": events }).to_string(),
        json!({ "batch": bad }).to_string(),
        json!({ "batch": events }).to_string(), // Once more, as a retry.
        json!({ "batch": floods }).to_string(),
        format!("{{\"batch\":[{{\"userId\":\"{WORD}-broken"),
    ]
}

/// More traits than a profile holds.
fn flood(number: usize) -> Value {
    let traits = (0..400).map(|place| (format!("{WORD}-trait-{number}-{place}"), Value::from(place)));
    let traits: serde_json::Map<String, Value> = traits.collect();
    json!({ "type": "identify", "userId": format!("{WORD}-flood"), "messageId": format!("{WORD}-flood-{number}"), "traits": traits })
}

/// What is asked of the admin API: method, path, query, body.
fn asked() -> Vec<(&'static str, String, String, String)> {
    let user = format!("{WORD}-user");
    let profile = |kind: &str, value: &str| {
        let identifier = domain::identifier::Identifier::parse(kind, value, None).unwrap();
        id_key().profile(id_key().identifier(&shop(), &identifier), 0).to_string()
    };
    let (id, stranger) = (profile("user_id", &user), profile("anonymous_id", &format!("{WORD}-stranger")));
    let item = json!({
        "source": "web", "identifiers": [{ "kind": "email", "value": format!("{WORD}-import@leak.example") }],
        "traits": { format!("{WORD}-trait"): format!("{WORD}-value") }, "messageId": format!("{WORD}-import"),
    });
    let look_up =
        |kind: &str, value: &str| json!({ "identifier": { "kind": kind, "value": value } }).to_string();
    let post = |path: &str, body: String| ("POST", path.to_owned(), String::new(), body);
    let get = |path: String, query: String| ("GET", path, query, String::new());
    vec![
        post("/v1/profiles/lookup", look_up("user_id", &user)),
        post("/v1/profiles/lookup", look_up("email", &format!("{WORD}-mail@leak.example"))),
        post("/v1/profiles/lookup", look_up("phone", PHONE)),
        post("/v1/profiles/lookup", look_up(&format!("{WORD}-kind"), "x")),
        post("/v1/profiles/lookup", format!("{{\"{WORD}-broken")),
        post("/v1/profiles", item.to_string()),
        post("/v1/profiles/batch", json!({ "profiles": [item, format!("{WORD}-item")] }).to_string()),
        get(format!("/v1/profiles/{id}"), String::new()),
        get(format!("/v1/profiles/{id}/timeline"), format!("event={WORD}-event&limit=1")),
        get(format!("/v1/profiles/{WORD}-id/timeline"), format!("cursor={WORD}-cursor")),
        get(format!("/v1/profiles/{id}/lineage"), String::new()),
        post(&format!("/v1/profiles/{id}/merge"), look_up("user_id", &format!("{WORD}-other"))),
        post(&format!("/v1/profiles/{id}/merge"), format!("{{\"{WORD}-broken")),
        // One of the two was taken in by the other.
        post(&format!("/v1/profiles/{id}/take-out"), taken_out(&id)),
        post(&format!("/v1/profiles/{id}/take-out"), taken_out(&stranger)),
        post(&format!("/v1/profiles/{id}/take-out"), look_up("anonymous_id", &format!("{WORD}-device"))),
        post(&format!("/v1/profiles/{id}/allow"), json!({ "with": format!("{WORD}-id") }).to_string()),
        get("/v1/sources/web/rejections".to_owned(), "limit=1".to_owned()),
        get(format!("/v1/sources/{WORD}-source/rejections"), format!("day={WORD}-day")),
        get(format!("/v1/{WORD}-path"), format!("{WORD}=1")),
    ]
}

fn taken_out(id: &str) -> String {
    json!({ "absorbed": id, "why": format!("{WORD}-why") }).to_string()
}

/// Runs a world by a plan; gives what was logged and what letters say.
fn told(plan: Option<Plan>) -> (String, World) {
    let (log, world) = (Log::default(), World::new(plan));
    let logging = log.start();
    world.run();
    drop(logging);
    let letters = world.letters.sent();
    let letters = letters.iter().map(|letter| format!("{:?}\n", letter.attributes));
    (log.text() + &letters.collect::<String>(), world)
}

#[test]
fn no_stage_tells_personal_data_or_a_key_whatever_its_ports_do() {
    for call in CALLS {
        let mut went_wrong = 0;
        for fate in FATES {
            for only in [None, Some(1)] {
                let plan = Plan { call, fate, only };
                let (text, world) = told(Some(plan));
                assert_eq!(leaks(&text, &world.secrets()), [""; 0], "{plan:?}");
                assert!(text.contains("\"level\":\"DEBUG\""), "{plan:?} logs nothing");
                went_wrong += usize::from(world.made.lock().unwrap().went_wrong);
            }
        }
        assert!(went_wrong >= FATES.len(), "`{call}` is hardly ever made");
    }
}

#[test]
fn every_call_is_made_in_a_run_in_which_nothing_fails() {
    let (text, world) = told(None);
    assert_eq!(
        world.made.lock().unwrap().names,
        CALLS.into(),
        "calls that the list lacks, or that are never made"
    );
    for said in ["\"decision\":\"folded\"", "\"decision\":\"repeated\"", "\"audit\":true", "rejected"] {
        assert!(text.contains(said), "nothing says {said}");
    }
}

/// What has to be found is found: a leak in a line of ours, in one of its
/// fields, and in the disguise of a phone; and only what is ours is logged.
#[test]
fn a_planted_leak_is_found() {
    let log = Log::default();
    let logging = log.start();
    let mail = format!("{WORD}-planted@leak.example");
    for (target, seen) in [("ingest", true), ("profile_upsert", true), ("aws_smithy_runtime", false)] {
        log.0.lock().unwrap().clear();
        match target {
            "ingest" => tracing::trace!(target: "ingest::read", "Read `{mail}`"),
            "profile_upsert" => {
                tracing::trace!(target: "profile_upsert", subject = mail.to_uppercase(), "Read");
            }
            _ => tracing::error!(target: "aws_smithy_runtime::client", "{mail}"),
        }
        assert_eq!(!leaks(&log.text(), &[]).is_empty(), seen, "{target}: {}", log.text());
    }
    drop(logging);
    assert_eq!(leaks(&format!("tel:{PHONE}"), &[]).len(), 2);
    assert_eq!(leaks("key 0123456789", &["0123456789".to_owned()]).len(), 1);
}
