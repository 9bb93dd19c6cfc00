//! The API over ports in memory, with the production stage behind its queue.

mod access;
mod fixtures;
mod imports;
mod lineages;
mod logs;
mod look_ups;
mod refusals;
mod segments;
mod timelines;

use std::borrow::Cow;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use domain::access::{AccessKey, KeyKind};
use domain::cursor::SigningKeys;
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::message::Message;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use http::header::AsHeaderName;
use http::{HeaderName, HeaderValue, Method};
use ports::Entropy as _;
use ports::definitions::{Grant, Key, Scope, Source, Workspace};
use serde_json::{Value, json};
use testkit::{
    MemoryDefinitions, MemoryIdempotency, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy,
    TestClock,
};

use super::{Api, Ports, TRACE};
use crate::{Stage, Writer};

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

type TestApi = Api<
    MemoryPeople,
    MemoryDefinitions,
    MemoryRejections,
    MemoryQueue,
    MemoryIdempotency,
    TestClock,
    SeededEntropy,
>;
type TestStage =
    Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy>;

/// Two workspaces, `shop` and `other`, and an API that serves both.
struct World {
    api: TestApi,
    stage: TestStage,
    people: MemoryPeople,
    definitions: MemoryDefinitions,
    rejections: MemoryRejections,
    queue: MemoryQueue,
    merges: MemoryQueue,
    idempotency: MemoryIdempotency,
    clock: TestClock,
    chance: SeededEntropy,
    /// An admin key of `shop` with every scope.
    admin: String,
}

/// What came back.
#[derive(Debug)]
struct Answered {
    status: i64,
    headers: http::HeaderMap,
    body: Value,
}

impl World {
    fn new() -> Self {
        let (people, definitions, queue) =
            (MemoryPeople::default(), MemoryDefinitions::default(), MemoryQueue::default());
        let (clock, chance) = (TestClock::at(NOW), SeededEntropy::seeded(1));
        let (rejections, idempotency) = (MemoryRejections::new(clock.clone()), MemoryIdempotency::default());
        definitions.define(workspace("shop", &["web", "crm"]));
        definitions.define(workspace("other", &["site"]));
        let merges = MemoryQueue::default();
        let ports = Ports {
            people: people.clone(),
            definitions: definitions.clone(),
            rejections: rejections.clone(),
            queue: queue.clone(),
            merges: merges.clone(),
            idempotency: idempotency.clone(),
            clock: clock.clone(),
            entropy: chance.clone(),
        };
        let writer = Writer {
            people: people.clone(),
            merges: merges.clone(),
            messages: None,
            clock: clock.clone(),
            entropy: chance.clone(),
            key: id_key(),
        };
        let stage = Stage::new(writer, definitions.clone(), rejections.clone());
        let api = Api::new(ports, id_key(), signing());
        let admin = String::new();
        let mut world = Self {
            api,
            stage,
            people,
            definitions,
            rejections,
            queue,
            merges,
            idempotency,
            clock,
            chance,
            admin,
        };
        world.admin = world.admin_key("shop", &Scope::ALL);
        world
    }

    fn admin_key(&self, workspace: &str, scopes: &[Scope]) -> String {
        self.key(workspace, KeyKind::Admin, Grant::Admin(scopes.to_vec()))
    }

    fn write_key(&self, workspace: &str, source: &str) -> String {
        self.key(workspace, KeyKind::Write, Grant::Write(source_id(source)))
    }

    fn key(&self, workspace: &str, kind: KeyKind, grant: Grant) -> String {
        let workspace = workspace_id(workspace);
        let bytes = || self.chance.bytes();
        let key = AccessKey::make(kind, workspace.clone(), bytes(), [bytes(), bytes()]);
        self.definitions.add_key(&workspace, key.id(), Key { secret_sha256: key.sha256(), grant });
        key.reveal()
    }

    async fn get(&self, path: &str) -> Answered {
        self.ask(request(Method::GET, path, Some(&self.admin), None)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask(request(Method::POST, path, Some(&self.admin), Some(&body.to_string()))).await
    }

    /// Asks, and checks what every answer has to have.
    async fn ask(&self, request: ApiGatewayV2httpRequest) -> Answered {
        let answered = Answered::of(self.api.handle(request).await);
        let trace = answered.header(TRACE);
        assert_eq!(trace.len(), 32, "every answer has a trace: {answered:?}");
        assert_eq!(answered.header(http::header::CACHE_CONTROL), "no-store");
        assert!(!answered.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        if answered.status >= 400 {
            assert_eq!(answered.header(http::header::CONTENT_TYPE), "application/problem+json");
            assert_eq!(answered.body["status"], answered.status);
            assert_eq!(answered.body["instance"], trace);
            for member in ["type", "title", "detail", "code"] {
                assert!(answered.body[member].is_string(), "{member} is missing: {answered:?}");
            }
        }
        answered
    }

    /// Folds events through the production stage.
    async fn fold(&self, events: Vec<Event>) {
        let message = Message { workspace: workspace_id("shop"), trace: "trace".to_owned(), events };
        let bodies = message.pack();
        self.upsert(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// Folds what the API sent.
    async fn settle(&self) {
        let sent = self.queue.take();
        self.upsert(&sent.iter().map(|message| message.body.as_str()).collect::<Vec<_>>()).await;
    }

    async fn upsert(&self, bodies: &[&str]) {
        for verdict in self.stage.upsert(bodies, Timestamp::from_millis(i64::MAX)).await {
            verdict.expect("the stage takes what the API sends");
        }
    }

    async fn look_up(&self, kind: &str, value: &str) -> Answered {
        self.post("/v1/profiles/lookup", &json!({ "identifier": { "kind": kind, "value": value } })).await
    }

    async fn id_of(&self, kind: &str, value: &str) -> String {
        let found = self.look_up(kind, value).await;
        found.body["id"].as_str().expect("a profile").to_owned()
    }
}

impl Answered {
    fn of(response: ApiGatewayV2httpResponse) -> Self {
        let body = match response.body {
            Some(Body::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            _ => Value::Null,
        };
        Self { status: response.status_code, headers: response.headers, body }
    }

    fn header(&self, name: impl AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The status with the problem's code, in one word.
    fn told(&self) -> String {
        format!("{} {}", self.status, self.code()).trim_end().to_owned()
    }
}

fn request(method: Method, path: &str, key: Option<&str>, body: Option<&str>) -> ApiGatewayV2httpRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = ApiGatewayV2httpRequest::default();
    request.request_context.http.method = method;
    request.raw_path = Some(path.to_owned());
    request.raw_query_string = Some(query.to_owned());
    request.body = body.map(ToOwned::to_owned);
    match key {
        Some(key) => with(request, "authorization", &format!("Bearer {key}")),
        None => request,
    }
}

fn with(mut request: ApiGatewayV2httpRequest, name: &'static str, value: &str) -> ApiGatewayV2httpRequest {
    request.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    request
}

fn id_key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

fn signing() -> SigningKeys {
    SigningKeys::make("k1", [[9; 16]; 2]).unwrap()
}

fn workspace(name: &str, sources: &[&str]) -> Workspace {
    let source = |name: &&str| Source {
        id: source_id(name),
        region: (*name == "crm").then(|| "RU".to_owned()),
        origins: Vec::new(),
        rate: 1_000,
    };
    Workspace {
        segments: 0,
        outreach: 0,
        id: workspace_id(name),
        rules: Rules::default(),
        sources: sources.iter().map(source).collect(),
    }
}

fn workspace_id(name: &str) -> WorkspaceId {
    WorkspaceId::parse(name).unwrap()
}

fn source_id(name: &str) -> SourceId {
    SourceId::parse(name).unwrap()
}

fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier::parse(kind, value, None).unwrap()
}

/// An event of the source `web` as the edge makes it.
fn event(kind: EventKind, message_id: &str, user: &str, at: Timestamp, said: &Value) -> Event {
    let mut payload = said.as_object().cloned().unwrap_or_default();
    payload.insert("type".to_owned(), Value::from(kind.name()));
    Event {
        source: source_id("web"),
        message_id: message_id.to_owned(),
        kind,
        identifiers: vec![identifier("user_id", user)],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: NOW,
        payload: Value::Object(payload).to_string(),
        as_sent: format!("user_id={user}"),
    }
}

fn track(message_id: &str, at: Timestamp) -> Event {
    event(EventKind::Track, message_id, "u-1", at, &json!({ "event": "Order Completed" }))
}

/// Quotes a value for a query.
fn quoted(text: &str) -> Cow<'_, str> {
    Cow::Owned(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}
