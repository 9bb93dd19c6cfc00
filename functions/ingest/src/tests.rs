//! The whole stage over ports in memory: what goes in by HTTP, what comes out.

mod contract;
mod fixtures;
mod keys;
mod pitfalls;

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::access::AccessKey;
use domain::event::Event;
use domain::message::Message;
use domain::rejection::Rejection;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::{Grant, Key, Scope, Source, Workspace};
use serde_json::{Value, json};
use testkit::{MemoryDefinitions, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};

use crate::Ingest;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The key that the fixtures carry.
pub(crate) const KEY: &str = "wk_shop_key00001_0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_KEY: &str = "wk_other_key00001_0123456789abcdef0123456789abcdef";
pub(crate) const ADMIN_KEY: &str = "ak_shop_admin001_0123456789abcdef0123456789abcdef";
pub(crate) const LISTED: &str = "https://shop.example";
pub(crate) const RATE: u32 = 50;

type Stage = Ingest<MemoryDefinitions, MemoryQueue, MemoryRejections, TestClock, SeededEntropy>;

/// Two workspaces, each with a source and a key, and everything in memory.
#[derive(Clone)]
struct World {
    stage: Arc<Stage>,
    definitions: MemoryDefinitions,
    queue: MemoryQueue,
    rejections: MemoryRejections,
    clock: TestClock,
}

fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::parse(name).unwrap()
}

fn web() -> SourceId {
    SourceId::parse("web").unwrap()
}

fn define(definitions: &MemoryDefinitions, name: &str, origins: &[&str], rate: u32) {
    let origins = origins.iter().map(ToString::to_string).collect();
    let source = Source { id: web(), region: None, origins, rate };
    definitions.define(Workspace {
        id: workspace(name),
        rules: Rules::default(),
        sources: vec![source],
        segments: 0,
        outreach: 0,
    });
}

fn add_key(definitions: &MemoryDefinitions, key: &str, grant: Grant) {
    let key = AccessKey::parse(key).unwrap();
    definitions.add_key(key.workspace(), key.id(), Key { secret_sha256: key.sha256(), grant });
}

impl World {
    fn new() -> Self {
        let clock = TestClock::at(Timestamp::parse("2026-11-22T01:27:24.000Z").unwrap());
        let (definitions, queue) = (MemoryDefinitions::default(), MemoryQueue::default());
        let rejections = MemoryRejections::new(clock.clone());
        for name in ["shop", "other"] {
            define(&definitions, name, &[], RATE);
        }
        add_key(&definitions, KEY, Grant::Write(web()));
        add_key(&definitions, OTHER_KEY, Grant::Write(web()));
        add_key(&definitions, ADMIN_KEY, Grant::Admin(Scope::ALL.to_vec()));
        let entropy = SeededEntropy::seeded(7);
        let stage =
            Ingest::new(definitions.clone(), queue.clone(), rejections.clone(), clock.clone(), entropy);
        Self { stage: Arc::new(stage), definitions, queue, rejections, clock }
    }

    async fn ask(&self, call: Asked) -> Answered {
        Answered::of(self.stage.handle(call.request()).await)
    }

    /// Posts to a path with the shop's key in the header.
    async fn post(&self, path: &str, body: &str) -> Answered {
        self.ask(Asked::post(path, body).basic(KEY)).await
    }

    fn messages(&self) -> Vec<Message> {
        self.queue.sent().iter().map(|sent| Message::unpack(&sent.body).unwrap()).collect()
    }

    fn events(&self) -> Vec<Event> {
        self.messages().into_iter().flat_map(|message| message.events).collect()
    }

    fn rejected(&self) -> Vec<Rejection> {
        self.rejections.kept(&workspace("shop"), &web())
    }
}

/// A request in the making.
#[derive(Clone)]
struct Asked {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    is_base64: bool,
}

impl Asked {
    fn new(method: &'static str, path: &str) -> Self {
        let headers = vec![("host", "in.example".to_owned())];
        Self { method, path: path.to_owned(), query: String::new(), headers, body: None, is_base64: false }
    }

    fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    fn post(path: &str, body: &str) -> Self {
        Self { body: Some(body.to_owned()), ..Self::new("POST", path) }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn basic(self, key: &str) -> Self {
        self.header("authorization", &format!("Basic {}", STANDARD.encode(format!("{key}:"))))
    }

    fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    fn request(self) -> ApiGatewayV2httpRequest {
        let headers: serde_json::Map<String, Value> =
            self.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let http = json!({"method": self.method, "path": self.path, "sourceIp": "192.0.2.10"});
        serde_json::from_value(json!({
            "version": "2.0",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {"http": http, "stage": "$default"},
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        }))
        .unwrap()
    }
}

/// An answer as a client sees it.
#[derive(Debug)]
struct Answered {
    status: i64,
    headers: http::HeaderMap,
    text: String,
}

impl Answered {
    fn of(response: ApiGatewayV2httpResponse) -> Self {
        let text = match response.body {
            Some(Body::Text(text)) => text,
            Some(Body::Binary(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        };
        assert!(response.multi_value_headers.is_empty(), "payload 2.0 does not read them");
        Self { status: response.status_code, headers: response.headers, text }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("ok").to_owned()
    }
}

const PAGE: &str = r#"{"type":"page","userId":"u","messageId":"m"}"#;
