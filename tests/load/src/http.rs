//! The client: the requests that an SDK and an operator's program make.

use std::error::Error;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;

/// As long as the most impatient SDK waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the platform listens, as it says itself when it starts.
#[derive(Clone, Deserialize)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) write_key: String,
    pub(crate) admin_key: String,
}

pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What an SDK makes of an answer, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Acknowledged,
    /// Not acknowledged: it has to be sent again, after this time.
    Again(Duration),
    /// The SDK would drop the batch.
    Refused(StatusCode),
}

type Failure = Box<dyn Error + Send + Sync>;

impl Http {
    pub(crate) fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn send(&self, address: &Address, body: String) -> Sent {
        let key = format!("Basic {}", STANDARD.encode(format!("{}:", address.write_key)));
        let answer = self.ask(address, Method::POST, "/v1/batch", Some(&key), body).await;
        let Ok((status, retry_after, _)) = answer else { return Sent::Again(Duration::from_millis(50)) };
        match status.as_u16() {
            200 => Sent::Acknowledged,
            429 | 500..=599 => Sent::Again(retry_after.unwrap_or(Duration::from_millis(50))),
            _ => Sent::Refused(status),
        }
    }

    /// The profile of a user id; nobody is `None`.
    pub(crate) async fn profile(&self, address: &Address, user_id: &str) -> Result<Option<Value>, Problem> {
        const PATH: &str = "/v1/profiles/lookup";
        let key = format!("Bearer {}", address.admin_key);
        let body = json!({ "identifier": { "kind": "user_id", "value": user_id } }).to_string();
        let answer = self.ask(address, Method::POST, PATH, Some(&key), body).await;
        let (status, _, body) =
            answer.map_err(|cause| Problem::NoAnswer { method: "POST", path: PATH, cause })?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| Problem::Shape {
                method: "POST",
                path: PATH,
                expected: "JSON",
            }),
            _ => Err(Problem::Answer { method: "POST", path: PATH, status: status.as_u16() }),
        }
    }

    /// What still lies in queues and outboxes.
    pub(crate) async fn status(&self, address: &Address) -> Result<Status, Problem> {
        const PATH: &str = "/_local/status";
        let answer = self.ask(address, Method::GET, PATH, None, String::new()).await;
        let (status, _, body) =
            answer.map_err(|cause| Problem::NoAnswer { method: "GET", path: PATH, cause })?;
        if status != StatusCode::OK {
            return Err(Problem::Answer { method: "GET", path: PATH, status: status.as_u16() });
        }
        serde_json::from_slice(&body).map_err(|_| Problem::Shape {
            method: "GET",
            path: PATH,
            expected: r#"{"queues":{"<name>":{"visible":0,"in_flight":0,"delayed":0}},"due":0}"#,
        })
    }

    async fn ask(
        &self,
        address: &Address,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: String,
    ) -> Result<(StatusCode, Option<Duration>, Bytes), Failure> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", address.url.trim_end_matches('/')));
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(AUTHORIZATION, key);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answered = async {
            let answer = self.client.request(request).await?;
            let retry_after =
                answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok((status, retry_after.map(Duration::from_secs), body))
        };
        tokio::time::timeout(PATIENCE, answered).await?
    }
}

/// The answer of `GET /_local/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    queues: std::collections::BTreeMap<String, Depth>,
    /// Profiles that are due, those with a full outbox among them.
    due: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Depth {
    visible: u64,
    in_flight: u64,
    delayed: u64,
}

impl Status {
    pub(crate) fn is_empty(&self) -> bool {
        self.due == 0 && self.queues.values().all(|depth| *depth == Depth::default())
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} due", self.due)?;
        for (name, Depth { visible, in_flight, delayed }) in &self.queues {
            write!(f, ", {name} {visible} visible {in_flight} in flight {delayed} delayed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_platform_is_empty() {
        let status = |json: &str| serde_json::from_str::<Status>(json).expect("a status").is_empty();
        assert!(status(r#"{"queues":{"ProfileQueue":{"visible":0,"in_flight":0,"delayed":0}},"due":0}"#));
        assert!(!status(r#"{"queues":{"ProfileQueue":{"visible":0,"in_flight":1,"delayed":0}},"due":0}"#));
        assert!(!status(
            r#"{"queues":{"ProfileDeadLetters":{"visible":1,"in_flight":0,"delayed":0}},"due":0}"#
        ));
        assert!(!status(r#"{"queues":{},"due":1}"#));
    }
}
