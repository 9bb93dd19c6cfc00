//! Both functions that answer HTTP, over ports in memory.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::access::AccessKey;
use domain::cursor::SigningKeys;
use domain::key::IdKey;
use domain::rules::Rules;
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ingest::Ingest;
use ports::definitions::{Grant, Key, Scope, Source, Workspace};
use profile::api::{Api, Ports};
use profile::{Stage, Writer};
use serde_json::{Value, json};
use testkit::{
    MemoryDefinitions, MemoryIdempotency, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy,
    TestClock,
};

use super::Door;

pub(super) const WRITE_KEY: &str = "wk_shop_key00001_0123456789abcdef0123456789abcdef";
const SLOW_KEY: &str = "wk_shop_slow0001_0123456789abcdef0123456789abcdef";
const LISTED_KEY: &str = "wk_shop_list0001_0123456789abcdef0123456789abcdef";
const ADMIN_KEY: &str = "ak_shop_admin001_0123456789abcdef0123456789abcdef";
const SMALL_KEY: &str = "ak_shop_small001_0123456789abcdef0123456789abcdef";
const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

pub(super) struct World {
    ingest: Ingest<MemoryDefinitions, MemoryQueue, MemoryRejections, TestClock, SeededEntropy>,
    api: Api<
        MemoryPeople,
        MemoryDefinitions,
        MemoryRejections,
        MemoryQueue,
        MemoryIdempotency,
        TestClock,
        SeededEntropy,
    >,
    stage: Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy>,
    queue: MemoryQueue,
    merges: MemoryQueue,
    identity: identity::Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, TestClock, SeededEntropy>,
    rejections: MemoryRejections,
}

/// A request, and what came back.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    path: String,
    query: String,
    sent: Option<String>,
    asked: HeaderMap,
    /// Whether the queue is out of reach meanwhile.
    queue_fails: bool,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body as JSON, if it is that.
    pub(super) body: Option<Value>,
}

impl Asked {
    pub(super) fn request(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    pub(super) fn body(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    fn text(self, body: &str) -> Self {
        Self { sent: Some(body.to_owned()), ..self }
    }

    fn query(self, query: &str) -> Self {
        Self { query: query.to_owned(), ..self }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.asked.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    fn write(self, key: &str) -> Self {
        self.header("authorization", &format!("Basic {}", STANDARD.encode(format!("{key}:"))))
    }

    fn admin(self) -> Self {
        self.header("authorization", &format!("Bearer {ADMIN_KEY}"))
    }

    /// The key that opens everything behind this door.
    pub(super) fn key(self, door: Door) -> Self {
        match door {
            Door::Ingest => self.write(WRITE_KEY),
            Door::Profile => self.admin(),
        }
    }

    fn while_the_queue_fails(self) -> Self {
        Self { queue_fails: true, ..self }
    }

    fn event(&self) -> ApiGatewayV2httpRequest {
        let mut request = ApiGatewayV2httpRequest::default();
        request.request_context.http.method = Method::from_bytes(self.method.as_bytes()).unwrap();
        request.raw_path = Some(self.path.clone());
        request.raw_query_string = Some(self.query.clone());
        request.headers = self.asked.clone();
        request.body.clone_from(&self.sent);
        request
    }

    fn answered(&self, response: ApiGatewayV2httpResponse) -> Self {
        let body = match response.body {
            Some(Body::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            Some(Body::Binary(bytes)) => Some(json!({ "bytes": bytes.len() })),
            _ => None,
        };
        let status = u16::try_from(response.status_code).unwrap();
        Self { status, headers: response.headers, body, ..self.clone() }
    }
}

impl World {
    pub(super) fn new() -> Self {
        let (clock, chance) = (TestClock::at(NOW), SeededEntropy::seeded(1));
        let (definitions, queue) = (MemoryDefinitions::default(), MemoryQueue::default());
        let (people, rejections) = (MemoryPeople::default(), MemoryRejections::new(clock.clone()));
        let merges = MemoryQueue::default();
        define(&definitions);
        let ingest = Ingest::new(
            definitions.clone(),
            queue.clone(),
            rejections.clone(),
            clock.clone(),
            chance.clone(),
        );
        let ports = Ports {
            people: people.clone(),
            definitions: definitions.clone(),
            rejections: rejections.clone(),
            queue: queue.clone(),
            merges: merges.clone(),
            idempotency: MemoryIdempotency::default(),
            clock: clock.clone(),
            entropy: chance.clone(),
        };
        let key = || IdKey::new([7; IdKey::LENGTH]);
        let api = Api::new(ports, key(), SigningKeys::make("k1", [[9; 16]; 2]).unwrap());
        let identity = identity::Stage {
            people: people.clone(),
            definitions: definitions.clone(),
            rejections: rejections.clone(),
            clock: clock.clone(),
            entropy: chance.clone(),
            key: key(),
        };
        let writer =
            Writer { people, merges: merges.clone(), messages: None, clock, entropy: chance, key: key() };
        let stage = Stage::new(writer, definitions, rejections.clone());
        Self { ingest, api, stage, queue, merges, identity, rejections }
    }

    pub(super) async fn ask(&self, asked: &Asked, door: Door) -> Asked {
        for queue in [&self.queue, &self.merges] {
            queue.fail_next(u32::from(asked.queue_fails));
        }
        asked.answered(match door {
            Door::Ingest => self.ingest.handle(asked.event()).await,
            Door::Profile => self.api.handle(asked.event()).await,
        })
    }

    /// Posts and folds somebody of whom there is something of everything to be shown; gives back the profile's id.
    pub(super) async fn know_someone(&self) -> String {
        let strangers = json!({ "batch": [
            { "type": "page", "anonymousId": "a-30", "messageId": "k-7", "timestamp": "2026-02-01T00:00:00Z" },
            { "type": "page", "anonymousId": "a-31", "messageId": "k-8", "timestamp": "2026-02-01T00:00:00Z" },
        ]});
        self.fold(&strangers).await;
        let batch = json!({ "batch": [
            { "type": "identify", "userId": "u-17", "messageId": "k-1", "timestamp": "2026-01-01T00:00:00Z",
              "traits": { "email": "ann@example.com", "address": { "city": "Oslo" } } },
            { "type": "track", "userId": "u-17", "messageId": "k-2", "event": "Order Completed",
              "properties": { "revenue": 99.9, "currency": "EUR" },
              "context": { "campaign": { "source": "news" }, "groupId": "acme" } },
            { "type": "group", "userId": "u-17", "messageId": "k-3", "groupId": "acme" },
            { "type": "identify", "userId": "u-18", "messageId": "k-4" },
            { "type": "alias", "userId": "u-17", "messageId": "k-5", "previousId": "a-18" },
            { "type": "track", "userId": "u-18", "anonymousId": "a-18", "messageId": "k-6", "event": "Seen" },
            { "type": "page", "userId": "u-17", "anonymousId": "a-30", "messageId": "k-9" },
            { "type": "page", "userId": "u-17", "anonymousId": "a-31", "messageId": "k-10" },
        ]});
        self.fold(&batch).await;
        // One user is all that a profile holds.
        let shared = json!({ "type": "identify", "userId": "u-18", "messageId": "k-11", "traits": { "email": "ann@example.com" } });
        self.fold(&json!({ "batch": [shared] })).await;
        self.carry_out().await;
        let found = self.ask(&look_up("user_id", "u-17").admin(), Door::Profile).await.body.unwrap();
        let id = found["id"].as_str().expect("a profile").to_owned();
        // One of the two strangers turns out to be somebody else.
        let taken_out = json!({ "absorbed": found["absorbed"][0]["id"], "why": "two customers" });
        let ordered = Asked::request("POST", &format!("/v1/profiles/{id}/take-out")).admin().body(&taken_out);
        assert_eq!(self.ask(&ordered, Door::Profile).await.status, 200);
        self.carry_out().await;
        id
    }

    async fn fold(&self, batch: &Value) {
        let posted =
            self.ask(&Asked::request("POST", "/v1/batch").write(WRITE_KEY).body(batch), Door::Ingest).await;
        assert_eq!(posted.status, 200, "{posted:?}");
        let bodies: Vec<String> = self.queue.take().into_iter().map(|message| message.body).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let verdicts = self.stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)).await;
        assert!(verdicts.iter().all(Result::is_ok));
    }

    /// A batch leaves a tie to the sweep whose other profile it has not written yet.
    async fn carry_out(&self) {
        self.stage.sweep().await.expect("a store in memory");
        for request in self.merges.take() {
            self.identity.carry_out(&request.body).await.expect("a request that can be read");
        }
    }

    /// The id of the profile that somebody was taken apart from.
    pub(super) async fn apart_from(&self, id: &str) -> String {
        let lineage = Asked::request("GET", &format!("/v1/profiles/{id}/lineage")).admin();
        let lineage = self.ask(&lineage, Door::Profile).await.body.unwrap();
        for part in ["merges", "open_ties", "refusals", "taken_apart", "apart"] {
            let shown = lineage[part].as_array().expect("a list");
            assert_eq!(shown.is_empty(), part == "open_ties", "{part}: {lineage:#}");
        }
        lineage["apart"][0].as_str().expect("an id").to_owned()
    }

    /// Why events were refused, of all sources.
    pub(super) fn rejected(&self) -> Vec<String> {
        let workspace = WorkspaceId::parse("shop").unwrap();
        let kept = |source: &str| self.rejections.kept(&workspace, &SourceId::parse(source).unwrap());
        let kept = SOURCES.iter().flat_map(|(source, ..)| kept(source));
        kept.map(|refused| format!("{}: {}", refused.reason.name(), refused.detail)).collect()
    }
}

/// Requests of every kind of outcome, each with the documented path that it belongs to.
pub(super) fn requests(id: &str, apart: &str) -> Vec<(&'static str, Asked, Door)> {
    let mut all = of_ingest();
    all.extend(of_profiles(id));
    all.extend(of_lineages(id, apart));
    all.extend(of_segments(id));
    all
}

fn of_segments(id: &str) -> Vec<(&'static str, Asked, Door)> {
    const ALL: &str = "/v1/segments";
    const MEMBERS: &str = "/v1/segments/{segment}/members";
    const SIZES: &str = "/v1/segments/{segment}/sizes";
    const OF: &str = "/v1/profiles/{id}/segments";
    const EXPLAIN: &str = "/v1/segments/{segment}/explain";
    let get =
        |path: &str| Asked::request("GET", &path.replace("{id}", id).replace("{segment}", SEGMENT)).admin();
    let asked = vec![
        (ALL, get(ALL)),
        (MEMBERS, get(MEMBERS)),
        (MEMBERS, get("/v1/segments/{segment}/members?limit=1")),
        (MEMBERS, get("/v1/segments/{segment}/members?limit=0")),
        (MEMBERS, get("/v1/segments/{segment}/members?cursor=nothing")),
        (MEMBERS, get("/v1/segments/nothing/members")),
        (MEMBERS, get("/v1/segments/known/members")),
        (SIZES, get(SIZES)),
        (SIZES, get("/v1/segments/nothing/sizes")),
        (OF, get(OF)),
        (OF, get("/v1/profiles/nobody/segments")),
        (EXPLAIN, get("/v1/segments/{segment}/explain?profile={id}")),
        (EXPLAIN, get(EXPLAIN)),
        (EXPLAIN, get("/v1/segments/nothing/explain?profile={id}")),
        (EXPLAIN, get("/v1/segments/{segment}/explain?profile=nobody")),
    ];
    asked.into_iter().map(|(path, asked)| (path, asked, Door::Profile)).collect()
}

fn of_lineages(id: &str, apart: &str) -> Vec<(&'static str, Asked, Door)> {
    const LINEAGE: &str = "/v1/profiles/{id}/lineage";
    const MERGE: &str = "/v1/profiles/{id}/merge";
    const TAKE_OUT: &str = "/v1/profiles/{id}/take-out";
    const ALLOW: &str = "/v1/profiles/{id}/allow";
    let order =
        |path: &str, body: Value| Asked::request("POST", &path.replace("{id}", id)).admin().body(&body);
    let named = |kind: &str, value: &str| json!({ "identifier": { "kind": kind, "value": value } });
    let asked = vec![
        (LINEAGE, Asked::request("GET", &LINEAGE.replace("{id}", id)).admin()),
        (LINEAGE, Asked::request("GET", "/v1/profiles/nobody/lineage").admin()),
        (MERGE, order(MERGE, named("user_id", "u-18"))),
        (MERGE, order(MERGE, named("user_id", "u-18")).while_the_queue_fails()),
        (MERGE, order(MERGE, named("user_id", "nobody"))),
        (MERGE, order(MERGE, named("user_id", "u-17"))),
        (TAKE_OUT, order(TAKE_OUT, named("email", "ann@example.com"))),
        (TAKE_OUT, order(TAKE_OUT, json!({ "absorbed": apart }))),
        (ALLOW, order(ALLOW, json!({ "with": apart }))),
        (ALLOW, order(ALLOW, json!({ "with": id }))),
    ];
    asked.into_iter().map(|(path, asked)| (path, asked, Door::Profile)).collect()
}

fn of_ingest() -> Vec<(&'static str, Asked, Door)> {
    const TRACK: &str = "/v1/track";
    const SETTINGS: &str = "/v1/projects/{key}/settings";
    let seen = json!({ "userId": "u-1", "messageId": "m-1", "event": "Seen" });
    let post = |key: &str| Asked::request("POST", TRACK).write(key).body(&seen);
    let get = |path: &str| Asked::request("GET", path);
    let settings = |key: &str| get(&format!("/v1/projects/{key}/settings"));
    let large = format!("{{\"batch\": [{}]}}", " ".repeat(5 * 1024 * 1024));
    let unknown = WRITE_KEY.replace("key00001", "key00002");
    let asked = vec![
        (TRACK, post(WRITE_KEY)),
        (TRACK, post(SLOW_KEY)),
        (TRACK, post(SLOW_KEY)), // One a second is what its source allows.
        (TRACK, post(&unknown)),
        (TRACK, post(ADMIN_KEY)),
        (TRACK, post(WRITE_KEY).while_the_queue_fails()),
        (TRACK, post(LISTED_KEY).header("origin", "https://elsewhere.example")),
        (TRACK, post(LISTED_KEY).header("origin", "https://shop.example")),
        (TRACK, Asked::request("POST", TRACK).body(&seen)),
        (TRACK, Asked::request("POST", TRACK).write(WRITE_KEY)),
        (TRACK, post(WRITE_KEY).text("no JSON")),
        (TRACK, get(TRACK)),
        ("/v1/batch", Asked::request("POST", "/v1/batch").write(WRITE_KEY).text(&large)),
        (
            "/v1/batch",
            Asked::request("POST", "/v1/batch")
                .write(WRITE_KEY)
                .body(&json!({ "batch": [{ "type": "guess" }, seen] })),
        ),
        ("/v1/m", Asked::request("POST", "/v1/m").text("{}")),
        (SETTINGS, settings(WRITE_KEY)),
        (SETTINGS, settings(&unknown)),
        (SETTINGS, settings(LISTED_KEY).header("origin", "https://elsewhere.example")),
        ("/v1/sourceConfig", get("/v1/sourceConfig").write(WRITE_KEY)),
        ("/v1/sourceConfig", get("/sourceConfig").query(&format!("writeKey={WRITE_KEY}"))),
        ("/v1/sourceConfig", get("/v1/sourceConfig")),
        ("/v1/sourceConfig", Asked::request("POST", "/v1/sourceConfig")),
        ("/v1/pixel/{kind}", get("/v1/pixel/page").query(&format!("writeKey={WRITE_KEY}&userId=u-1"))),
        ("/v1/pixel/{kind}", get("/v1/pixel/page")),
    ];
    asked.into_iter().map(|(path, asked)| (path, asked, Door::Ingest)).collect()
}

fn of_profiles(id: &str) -> Vec<(&'static str, Asked, Door)> {
    const LOOKUP: &str = "/v1/profiles/lookup";
    const PROFILE: &str = "/v1/profiles/{id}";
    const TIMELINE: &str = "/v1/profiles/{id}/timeline";
    const REJECTIONS: &str = "/v1/sources/{source}/rejections";
    const IMPORT: &str = "/v1/profiles";
    const BATCH: &str = "/v1/profiles/batch";
    let get = |path: &str| Asked::request("GET", path).admin();
    let profile = || get(&format!("/v1/profiles/{id}"));
    let timeline = || get(&format!("/v1/profiles/{id}/timeline"));
    let item = |name: &str| json!({ "source": "crm", "identifiers": [{ "kind": "email", "value": name }] });
    let import = |name: &str| Asked::request("POST", IMPORT).admin().body(&item(name));
    let large = " ".repeat(5 * 1024 * 1024);
    let asked = vec![
        (LOOKUP, look_up("email", "Ann@Example.com").admin()),
        (LOOKUP, look_up("user_id", "u-18").admin()),
        (LOOKUP, look_up("user_id", "nobody").admin()),
        (LOOKUP, look_up("email", "no address").admin()),
        (LOOKUP, look_up("user_id", "u-17")),
        (LOOKUP, look_up("user_id", "u-17").header("authorization", "Bearer nonsense")),
        (LOOKUP, look_up("user_id", "u-17").header("authorization", &format!("Bearer {WRITE_KEY}"))),
        (LOOKUP, look_up("user_id", "u-17").header("authorization", &format!("Bearer {SMALL_KEY}"))),
        (LOOKUP, look_up("user_id", "u-17").admin().text("{")),
        (LOOKUP, look_up("user_id", "u-17").admin().text(&large)),
        (LOOKUP, look_up("user_id", "u-17").admin().header("content-encoding", "gzip")),
        (LOOKUP, Asked::request("GET", LOOKUP).admin()),
        (PROFILE, profile()),
        (PROFILE, profile().header("if-none-match", "*")),
        (PROFILE, get("/v1/profiles/nobody")),
        (TIMELINE, timeline()),
        (TIMELINE, timeline().query("limit=1")),
        (TIMELINE, timeline().query("limit=0")),
        (TIMELINE, timeline().query("cursor=x")),
        (REJECTIONS, get("/v1/sources/web/rejections")),
        (REJECTIONS, get("/v1/sources/web/rejections").query("limit=1")),
        (REJECTIONS, get("/v1/sources/nowhere/rejections")),
        (IMPORT, import("bob@example.com").header("idempotency-key", "i-1")),
        (IMPORT, import("bob@example.com").header("idempotency-key", "i-1")),
        (IMPORT, import("eve@example.com").header("idempotency-key", "i-1")),
        (IMPORT, import("bob@example.com").header("idempotency-key", "")),
        (IMPORT, import("bob@example.com").while_the_queue_fails()),
        (
            BATCH,
            Asked::request("POST", BATCH)
                .admin()
                .body(&json!({ "profiles": [item("bob@example.com"), item("bob"), {}] })),
        ),
        (BATCH, Asked::request("POST", BATCH).admin().body(&json!({ "profiles": [] }))),
    ];
    asked.into_iter().map(|(path, asked)| (path, asked, Door::Profile)).collect()
}

fn look_up(kind: &str, value: &str) -> Asked {
    Asked::request("POST", "/v1/profiles/lookup")
        .body(&json!({ "identifier": { "kind": kind, "value": value } }))
}

/// A segment with conditions of many kinds.
const SEGMENT: &str = "best-customers";

/// Sources, each with its requests a second, its one origin, and its write key.
const SOURCES: [(&str, u32, Option<&str>, &str); 4] = [
    ("web", 1_000, None, WRITE_KEY),
    ("crm", 1_000, None, ""),
    ("slow", 1, None, SLOW_KEY),
    ("listed", 1_000, Some("https://shop.example"), LISTED_KEY),
];

fn define(definitions: &MemoryDefinitions) {
    let id = WorkspaceId::parse("shop").unwrap();
    let add = |text: &str, grant: Grant| {
        let key = AccessKey::parse(text).unwrap();
        definitions.add_key(&id, key.id(), Key { secret_sha256: key.sha256(), grant });
    };
    let source = |(name, rate, origin, _): (&str, u32, Option<&str>, &str)| Source {
        id: SourceId::parse(name).unwrap(),
        region: None,
        origins: origin.map(str::to_owned).into_iter().collect(),
        rate,
    };
    let sources = SOURCES.map(source).to_vec();
    definitions.define(Workspace {
        id: id.clone(),
        rules: Rules::default(),
        sources,
        segments: 0,
        outreach: 0,
    });
    let document = include_str!("../../../events/segments/best-customers.json");
    let segment = SegmentSet::default().publish(&SegmentId::parse(SEGMENT).unwrap(), document, NOW);
    definitions.publish(&id, segment.unwrap(), NOW);
    let document = r#"{"when": {"identifier": "email"}}"#;
    let known = SegmentSet { version: 1, ..SegmentSet::default() };
    let segment = known.publish(&SegmentId::parse("known").unwrap(), document, NOW);
    definitions.publish(&id, segment.unwrap(), NOW);
    let document = r#"{"value": {"event": "Order Completed", "sum": {"of": "revenue"}}}"#;
    let known = SegmentSet { version: 2, ..SegmentSet::default() };
    let computed = known.publish(&SegmentId::parse("spent").unwrap(), document, NOW);
    definitions.publish(&id, computed.unwrap(), NOW);
    for (name, _, _, key) in SOURCES.into_iter().filter(|(.., key)| !key.is_empty()) {
        add(key, Grant::Write(SourceId::parse(name).unwrap()));
    }
    add(ADMIN_KEY, Grant::Admin(Scope::ALL.to_vec()));
    add(SMALL_KEY, Grant::Admin(vec![Scope::SourcesRead]));
}
