//! `tributary local` as a child process on a folder of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Answer, Request};

/// The program that cargo built for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tributary");
/// Looks at the queues until they are empty: so often, with a pause between.
const LOOKS_MAX: u32 = 600;
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
/// Lines of a child that are shown where a test fails.
const SHOWN_MAX: usize = 20;

/// A running platform; one that is dropped is killed.
pub(crate) struct Platform {
    child: Child,
    pub(crate) address: String,
    pub(crate) write_key: String,
    pub(crate) admin_key: String,
    said: Option<[JoinHandle<String>; 2]>,
}

/// What a child said in its life.
pub(crate) struct Said {
    /// Without the first line, which holds the keys for scripts.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Platform {
    /// Starts it and waits for the line with its address and keys.
    pub(crate) fn start(data: &Path, log_level: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("local")
            .arg("--data")
            .arg(data)
            .args(["--port", "0", "--json"])
            .env("LOG_LEVEL", log_level)
            // What memory an allocator holds for each thread must not depend on the machine.
            .env("TOKIO_WORKER_THREADS", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = collect(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let Some(greeting) = greeting(&mut stdout) else {
            let _ = child.kill();
            panic!("it said no address: {}", stderr.join().unwrap());
        };
        let text = |name: &str| greeting[name].as_str().unwrap().to_owned();
        let address = text("url").strip_prefix("http://").unwrap().to_owned();
        let said = Some([collect(stdout), stderr]);
        Self { child, address, write_key: text("write_key"), admin_key: text("admin_key"), said }
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    /// Posts as an SDK does, under the platform's own write key.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(&Request::post(path, body.to_string()).basic(&self.write_key))
    }

    /// The profile of a user id, as the platform's own admin key sees it.
    pub(crate) fn look_up(&self, user_id: &str) -> Value {
        self.look_up_as(&self.admin_key, user_id).unwrap()
    }

    /// The profile of anybody who is known, by any identifier.
    pub(crate) fn find(&self, kind: &str, value: &str) -> Value {
        let body = json!({ "identifier": { "kind": kind, "value": value } }).to_string();
        let answer = self.ask(&Request::post("/v1/profiles/lookup", body).bearer(&self.admin_key));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The profile of a user id in the workspace of a key, if there is one.
    pub(crate) fn look_up_as(&self, admin_key: &str, user_id: &str) -> Option<Value> {
        let body = json!({ "identifier": { "kind": "user_id", "value": user_id } }).to_string();
        let answer = self.ask(&Request::post("/v1/profiles/lookup", body).bearer(admin_key));
        match answer.status {
            404 => None,
            200 => Some(answer.json()),
            status => panic!("the look-up was answered {status}: {}", answer.text()),
        }
    }

    /// Waits until nothing is on its way any more; dead letters stay.
    pub(crate) fn settle(&self) {
        let mut last = Value::Null;
        for _ in 0..LOOKS_MAX {
            last = self.ask(&Request::get("/_local/status")).json();
            let lies = |depth: &Value| depth.as_object().unwrap().values().any(|count| *count != 0);
            let queues = last["queues"].as_object().unwrap();
            if !queues.iter().any(|(name, depth)| !name.ends_with("Dlq") && lies(depth)) && last["due"] == 0 {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the queues do not become empty: {last}");
    }

    /// Bytes of memory by the name that Linux gives them: `VmRSS` is what it
    /// holds, `VmHWM` the most that it ever held. `None` on other systems.
    pub(crate) fn memory(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Asks it to end, as a person does with Ctrl-C, and gives what it said.
    pub(crate) fn stop(mut self) -> Said {
        let id = self.child.id().to_string();
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status();
        assert!(asked.unwrap().success());
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.said.take().unwrap().map(|said| said.join().unwrap());
        assert!(status.success(), "it ended with {status}: {stderr}");
        Said { stdout, stderr }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
        let Some([_, stderr]) = self.said.take().filter(|_| std::thread::panicking()) else { return };
        let stderr = stderr.join().unwrap_or_default();
        let warned: Vec<&str> = stderr.lines().filter(|line| is_warning(line)).collect();
        let last = warned.len().saturating_sub(SHOWN_MAX);
        println!("the last of what it warned of:\n{}", warned[last..].join("\n"));
    }
}

/// What is no log line at all is worth showing too.
fn is_warning(line: &str) -> bool {
    !["TRACE", "DEBUG", "INFO"].iter().any(|level| line.contains(&format!("\"level\":\"{level}\"")))
}

fn greeting(stdout: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    stdout.read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// Somebody has to go on reading, or the child stops when the pipe is full.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
