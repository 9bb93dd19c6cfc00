//! Follows events through a running `tributary local`, as its operator does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests: a panic is how one fails")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use local::template::Wiring;
use local::{DataFolder, Queues};
use ports::Queue as _;
use ports::queue::Outgoing;
use runtime::{SystemClock, SystemEntropy};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A slow machine's patience; nothing here waits so long unless it is broken.
const PATIENCE: Duration = Duration::from_mins(2);

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tributary"));
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // The journal is there whatever is shown.
    program.env("LOG_LEVEL", "off");
    program
}

struct Platform {
    process: Child,
    address: String,
    write_key: String,
    /// The process waits if nobody keeps its end of the pipe open.
    _stdout: BufReader<tokio::process::ChildStdout>,
}

impl Platform {
    async fn start(data: &Path) -> Self {
        let mut process =
            program().arg("local").arg("--data").arg(data).args(["--port", "0", "--json"]).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await.unwrap().unwrap();
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            let mut error = String::new();
            process.stderr.take().unwrap().read_to_string(&mut error).await.unwrap();
            panic!("it did not start: {error}");
        };
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap().to_owned();
        let address = text("url").trim_start_matches("http://").to_owned();
        Self { process, address, write_key: text("write_key"), _stdout: stdout }
    }

    /// Posts events in one request; gives the trace that it was answered with.
    async fn post(&self, events: &[Value]) -> String {
        let body = json!({"batch": events}).to_string();
        let key = base64::engine::general_purpose::STANDARD.encode(format!("{}:", self.write_key));
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let trace = answer.lines().find_map(|line| line.strip_prefix("x-tributary-trace: "));
        trace.unwrap().to_owned()
    }

    /// Asks it to stop, so that it finishes what it began.
    async fn stop(mut self) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(id).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await.unwrap();
        assert!(ended.unwrap().success());
    }
}

async fn run(data: &Path, arguments: &[&str]) -> Output {
    let running = program().args(arguments).arg("--data").arg(data).output();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap()
}

/// What a command that succeeds says.
async fn said(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A line of a way; all but its headings and its end begin with a time.
fn without_time(line: &str) -> &str {
    line.strip_prefix("  ").map_or(line, |line| line.split_once("Z  ").unwrap().1)
}

/// Waits for so many decisions, and gives them.
async fn decisions(data: &Path, count: usize) -> Vec<Value> {
    let said = said(data, &["tail", "--all", "--json", "--limit", &count.to_string()]).await;
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(message_id: &str) -> Value {
    json!({"type": "identify", "messageId": message_id, "userId": "u-17", "traits": {"city": "Oslo"}})
}

#[tokio::test]
async fn an_event_is_followed_from_the_answer_to_its_profile() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let platform = Platform::start(&data).await;

    let first = platform.post(&[event("m-1"), event("m-other")]).await;
    let folded = decisions(&data, 2).await;
    let [one, _] = folded.as_slice() else { panic!("{folded:?}") };
    assert_eq!(
        (&one["decision"], &one["kind"], &one["source"], &one["trace"]),
        (&json!("folded"), &json!("identify"), &json!("web"), &json!(first))
    );
    let profile = one["profile_id"].as_str().unwrap();

    let again = platform.post(&[event("m-1")]).await;
    assert_eq!(decisions(&data, 3).await.last().unwrap()["decision"], "repeated");

    // The next run goes on behind the lines of the last.
    platform.stop().await;
    let platform = Platform::start(&data).await;
    let told = said(&data, &["trace", "m-1"]).await;
    let way: Vec<&str> = told.lines().map(without_time).collect();
    assert_eq!(
        way,
        [
            &format!("trace {first}"),
            "ingest    request: answered 200, 2 accepted, 0 refused",
            &format!("profile   folded: identify from web, profile {profile}"),
            &format!("trace {again}"),
            "ingest    request: answered 200, 1 accepted, 0 refused",
            &format!("profile   repeated: identify from web, profile {profile}"),
            &format!("It is counted in profile {profile}; it came again once, which changed nothing."),
        ]
    );
    // The request as a whole has both events.
    let whole = said(&data, &["trace", &first]).await;
    assert_eq!(whole.matches("folded: ").count(), 2, "{whole}");

    platform.post(&[event("m-2")]).await;
    assert_eq!(decisions(&data, 4).await.last().unwrap()["decision"], "folded");
    let only = said(&data, &["tail", "--once", "--decision", "repeated", "--source", "web"]).await;
    assert_eq!((only.lines().count(), only.contains(&again)), (1, true), "{only}");
    assert_eq!(said(&data, &["tail", "--once", "--source", "app"]).await, "");
    for said in [told, only] {
        assert!(!said.contains("u-17") && !said.contains("Oslo"), "{said}");
    }
}

#[tokio::test]
async fn a_refused_event_is_found_with_its_reason_and_an_unknown_one_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let platform = Platform::start(&data).await;
    let trace = platform.post(&[json!({"type": "track", "event": "Seen", "messageId": "nobody"})]).await;

    let shown = said(&data, &["tail", "--all", "--limit", "1", "--decision", "refused"]).await;
    assert!(shown.contains(&trace) && shown.contains("0 accepted, 1 refused"), "{shown}");
    let told = said(&data, &["trace", "nobody"]).await;
    assert!(told.contains("refused: from web, no_identifier: "), "{told}");
    assert!(told.ends_with("mend it at its sender and send it again.\n"), "{told}");
    let found: Value = serde_json::from_str(&said(&data, &["trace", "nobody", "--json"]).await).unwrap();
    assert_eq!(found["refused"][0]["reason"], "no_identifier");

    let unknown = run(&data, &["trace", "never-sent"]).await;
    assert!(!unknown.status.success());
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("the journal goes back to 20") && error.contains("messageId"), "{error}");
}

/// Puts a message into the queue of the profile stage, as no ingest would.
async fn send(data: &Path, trace: &str, body: &str) {
    let wiring = Wiring::parse(include_str!("../../../template.yaml")).unwrap();
    let folder = DataFolder::open(data).unwrap();
    let queues = Queues::open(&folder.queues_file(), wiring.queues.clone(), &SystemEntropy).unwrap();
    let fed = &wiring.function("profile-upsert").unwrap().sources;
    let queue = queues.queue(&fed.first().unwrap().queue, SystemClock).unwrap();
    let attributes = vec![("trace".to_owned(), trace.to_owned())];
    queue.send(vec![Outgoing { body: body.to_owned(), attributes, fifo: None }]).await.unwrap();
}

#[tokio::test]
async fn a_message_that_waits_or_died_is_found_in_its_queue_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (waits, died) = ("0000000000000000000000000000000a", "0000000000000000000000000000000b");
    Platform::start(&data).await.stop().await;
    send(&data, waits, r#"{"v":99,"message":{}}"#).await;
    send(&data, died, "no message at all").await;
    let platform = Platform::start(&data).await;
    for decision in ["waits", "rejected"] {
        said(&data, &["tail", "--all", "--limit", "1", "--decision", decision]).await;
    }
    // Its letter is sent after the decision is logged; a stop waits for that.
    platform.stop().await;
    let _platform = Platform::start(&data).await;

    let told = said(&data, &["trace", waits]).await;
    assert!(told.contains("  queue     waits, receive 1: ") && told.contains("version 99"), "{told}");
    assert!(told.contains("  queue     waits in queue `"), "{told}");
    assert!(told.ends_with("It waits to be counted.\n"), "{told}");

    let told = said(&data, &["trace", died]).await;
    assert!(told.contains("  queue     rejected, receive 1: the message is not the JSON"), "{told}");
    assert!(told.contains("lies among the dead letters in queue `"), "{told}");
    assert!(told.contains("rejected: the message is not the JSON of a message"), "{told}");
}
