//! Messages that end among the dead letters, put into the queue while the
//! platform does not run, and what is told of them afterwards.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::message::Message;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use local::queue::Message as Sent;
use local::{DataFolder, LocalQueue, Queues, Wiring};
use runtime::{SystemClock, SystemEntropy};
use serde_json::json;

use super::mark::Canaries;

const TEMPLATE: &str = include_str!("../../../../../template.yaml");
const LISTED_MAX: usize = 1_000;
/// What is of a newer version is tried again; all else dies at once.
const NEWER: &str = "newer";

/// Sends them; says how many there are.
pub(crate) fn send(data: &Path, canaries: &mut Canaries) -> u64 {
    let bodies = bodies(canaries);
    let count = bodies.len() as u64;
    let messages = bodies.into_iter().enumerate().map(|(number, body)| {
        let foreign = canaries.word(format!("an attribute of the dying message {number}"));
        let mut attributes = vec![("trace".to_owned(), foreign.clone()), (format!("x-{foreign}"), foreign)];
        // Once it was received too often the queue itself moves a message, just as it came.
        attributes.retain(|_| !body.contains(NEWER));
        Sent { body, attributes, ..Sent::default() }
    });
    let messages: Vec<Sent> = messages.collect();
    on_queue(data, "ProfileQueue", async |queue| {
        queue.send_all(messages).await.unwrap();
    });
    count
}

/// The attributes of all dead letters, a line a letter.
pub(crate) fn told(data: &Path) -> String {
    on_queue(data, "ProfileDlq", async |queue| {
        let letters = queue.list(None, LISTED_MAX).await.unwrap();
        let told: Vec<String> =
            letters.iter().map(|letter| format!("{} {:?}", letter.id, letter.attributes)).collect();
        told.join("\n")
    })
}

fn on_queue<T>(data: &Path, name: &str, work: impl AsyncFnOnce(LocalQueue<SystemClock>) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = DataFolder::open(data).unwrap();
        let settings = Wiring::parse(TEMPLATE).unwrap().queues;
        let queues = Queues::open(&folder.queues_file(), settings, &SystemEntropy).unwrap();
        work(queues.queue(name, SystemClock).unwrap()).await
    })
}

/// Each wrong in its own way, with canaries around the place where it breaks.
fn bodies(canaries: &mut Canaries) -> Vec<String> {
    let mut text = |place: &str| canaries.mail(format!("a dying message: {place}"));
    let packed = |bytes: &[u8]| json!({ "v": 1, "packed": STANDARD.encode(bytes) }).to_string();
    let message = |message: serde_json::Value| json!({ "v": 1, "message": message }).to_string();
    let mut bodies = vec![
        text("no JSON"),
        format!("{{\"v\":1,\"message\":{{\"workspace\":\"local\",\"events\":[{{\"a\":\"{}", text("cut off")),
        json!({ "v": text("a version that is a text") }).to_string(),
        json!({ "v": 99, NEWER: true, "message": text("a newer version") }).to_string(),
        json!({ "v": 0, "message": text("an older version") }).to_string(),
        json!({ "v": 1, "packed": text("no base64") }).to_string(),
        packed(text("no compression").as_bytes()),
        message(json!(text("a text for a message"))),
        message(json!({ "workspace": text("no workspace's name"), "trace": "t", "events": [] })),
        message(json!({ "workspace": "local", "trace": [text("a list for a trace")], "events": [] })),
        message(json!({ "workspace": "local", "trace": "t", "events": [text("a text for an event")] })),
        message(json!({ "workspace": "local", "trace": "t", "events": [{ text("an unknown field"): 1 }] })),
        message(
            json!({ "workspace": "local", "trace": "t", "events": [{ "source": text("no source's name") }] }),
        ),
        message(json!({ "workspace": "local", "trace": "t", "events": [{ "kind": text("no kind") }] })),
        message(json!({ "workspace": "local", "trace": "t", "events": [] , "more": text("no events") })),
    ];
    let workspace = canaries.word("an unknown workspace's name");
    bodies.extend(whole(&workspace, "web", canaries));
    let source = canaries.word("an unknown source's name");
    bodies.extend(whole("local", &source, canaries));
    bodies
}

/// A message that is sound, but does not belong here.
fn whole(workspace: &str, source: &str, canaries: &mut Canaries) -> Vec<String> {
    let at = Timestamp::from_millis(1_795_343_400_000);
    let mail = canaries.mail("a foreign message");
    let event = Event {
        source: SourceId::parse(source).unwrap(),
        message_id: canaries.word("a foreign message's id"),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse("email", &mail, None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: json!({ "event": canaries.word("a foreign message's event") }).to_string(),
        as_sent: mail,
    };
    let trace = canaries.word("a foreign message's trace");
    Message { workspace: WorkspaceId::parse(workspace).unwrap(), trace, events: vec![event] }.pack()
}
