//! Every route × every kind of key, and nobody sees another workspace's data.

use std::collections::BTreeSet;

use ports::definitions::Scope;
use serde_json::{Value, json};

use crate::child::Platform;
use crate::http::{Answer, Request};
use crate::workspaces::{self, Defined, OURS, THEIRS};

/// Who knocks; the scopes are those of [`Scope::ALL`], in its order.
const KNOCKERS: [&str; 15] = [
    "no key",
    "what is no key",
    "an unknown write key",
    "an unknown admin key",
    "our write key with a wrong secret",
    "our write key",
    "our admin key, profiles:read",
    "our admin key, profiles:write",
    "our admin key, sources:read",
    "their write key",
    "their admin key, profiles:read",
    "their admin key, profiles:write",
    "their admin key, sources:read",
    "our revoked write key",
    "our revoked admin key",
];

/// What each of [`KNOCKERS`] is answered.
type Statuses = [u16; 15];

//                                 no key · ours · theirs · revoked
const TAKES_EVENTS: Statuses = [401, 401, 401, 401, 401, 200, 401, 401, 401, 200, 401, 401, 401, 401, 401];
/// Without a key the path is another one, which is nobody's.
const KEY_IN_PATH: Statuses = [404, 401, 401, 401, 401, 200, 401, 401, 401, 200, 401, 401, 401, 401, 401];
const READS: Statuses = [401, 401, 401, 401, 401, 403, 200, 403, 403, 403, 200, 403, 403, 401, 401];
const READS_OURS: Statuses = [401, 401, 401, 401, 401, 403, 200, 403, 403, 403, 404, 403, 403, 401, 401];
const READS_EACH: Statuses = [401, 401, 401, 401, 401, 403, 200, 403, 403, 403, 200, 403, 403, 401, 401];
const FINDS_NONE: Statuses = [401, 401, 401, 401, 401, 403, 404, 403, 403, 403, 404, 403, 403, 401, 401];
const READS_THEIRS: Statuses = [401, 401, 401, 401, 401, 403, 404, 403, 403, 403, 200, 403, 403, 401, 401];
const WRITES: Statuses = [401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 401, 401];
const ORDERS: Statuses = [401, 401, 401, 401, 401, 403, 403, 404, 403, 403, 403, 404, 403, 401, 401];
/// To the others there is no such person; to us the order itself is wrong.
const ORDERS_OURS: Statuses = [401, 401, 401, 401, 401, 403, 403, 400, 403, 403, 403, 404, 403, 401, 401];
const LISTS: Statuses = [401, 401, 401, 401, 401, 403, 403, 403, 200, 403, 403, 403, 200, 401, 401];
const LISTS_OURS: Statuses = [401, 401, 401, 401, 401, 403, 403, 403, 200, 403, 403, 403, 404, 401, 401];
const ALWAYS: Statuses = [200; 15];
const PREFLIGHT: Statuses = [204; 15];
const NOWHERE: Statuses = [404; 15];
const WRONG_METHOD: Statuses = [405; 15];

/// Where a key is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Basic,
    Bearer,
    /// As `writeKey` of the body.
    Body,
    /// As `?writeKey=` of the address.
    Query,
    /// In place of `{key}` in the path.
    Path,
}

/// One route, asked in one way.
struct Row {
    method: &'static str,
    /// With `{}` for what a router takes as a parameter.
    route: &'static str,
    /// What is asked for, where it is not the route itself.
    path: Option<String>,
    body: Value,
    place: Place,
    expected: Statuses,
}

impl Row {
    fn post(route: &'static str, body: Value, expected: Statuses) -> Self {
        Self { method: "POST", route, path: None, body, place: Place::Basic, expected }
    }

    fn get(route: &'static str, expected: Statuses) -> Self {
        Self { method: "GET", route, path: None, body: Value::Null, place: Place::Basic, expected }
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn key_in(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    fn request(&self, key: Option<&str>, number: usize) -> Request {
        let mut path = self.path.clone().unwrap_or_else(|| self.route.to_owned());
        let mut body = self.body.clone();
        if self.route.starts_with("/v1/pixel") {
            path = format!("{path}&messageId=cell-{number}");
        } else if let Some(body) = body.as_object_mut() {
            numbered(body, number);
        }
        match (self.place, key) {
            (Place::Body, Some(key)) => body["writeKey"] = key.into(),
            (Place::Query, Some(key)) => {
                let sign = if path.contains('?') { '&' } else { '?' };
                path = format!("{path}{sign}writeKey={key}");
            }
            (Place::Path, key) => path = path.replace("{key}", key.unwrap_or_default()),
            _ => (),
        }
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = Request::post(&path, text);
        self.method.clone_into(&mut request.method);
        match (self.place, key) {
            (Place::Basic, Some(key)) => request.basic(key),
            (Place::Bearer, Some(key)) => request.bearer(key),
            _ => request,
        }
    }
}

/// Every cell's events have names of their own, so that each is counted.
fn numbered(body: &mut serde_json::Map<String, Value>, number: usize) {
    if let Some(Value::Array(batch)) = body.get_mut("batch") {
        batch[0]["messageId"] = format!("cell-{number}").into();
    } else if body.contains_key("userId") {
        body.insert("messageId".to_owned(), format!("cell-{number}").into());
    }
}

/// The person about whom every cell posts.
const POSTED: &str = "posted";
/// One who is known in both workspaces, and one only in ours.
const SHARED: &str = "shared";
const ONLY_OURS: &str = "only-ours";

fn event() -> Value {
    json!({ "userId": POSTED, "event": "Looked" })
}

fn named(user_id: &str) -> Value {
    json!({ "identifier": { "kind": "user_id", "value": user_id } })
}

fn ingest_rows() -> Vec<Row> {
    let singles = [
        "/v1/track",
        "/v1/t",
        "/v1/identify",
        "/v1/i",
        "/v1/page",
        "/v1/p",
        "/v1/screen",
        "/v1/s",
        "/v1/group",
        "/v1/g",
        "/v1/alias",
        "/v1/a",
    ];
    let batch = || json!({ "batch": [{ "type": "track", "userId": POSTED, "event": "Looked" }] });
    let mut rows: Vec<Row> = singles.map(|route| Row::post(route, event(), TAKES_EVENTS)).into();
    for route in ["/v1/batch", "/v1/b", "/v1/import", "/v1/beacon/batch"] {
        rows.push(Row::post(route, batch(), TAKES_EVENTS));
        rows.push(Row::post(route, batch(), TAKES_EVENTS).key_in(Place::Body));
        rows.push(Row::post(route, batch(), TAKES_EVENTS).key_in(Place::Query));
        // A bearer is no write key, whosever it is.
        rows.push(Row::post(route, batch(), [401; 15]).key_in(Place::Bearer));
        rows.push(Row::get(route, WRONG_METHOD));
    }
    let pixel = |kind: &str| format!("/v1/pixel/{kind}?userId={POSTED}");
    rows.extend([
        Row::post("/v1/track", event(), TAKES_EVENTS).path("//track/"),
        Row::post("/v1/batch", batch(), TAKES_EVENTS).path("/batch"),
        Row::post("/v1/beacon/batch", batch(), TAKES_EVENTS).path("/beacon/v1/batch").key_in(Place::Query),
        Row::post("/v1/m", json!({ "series": [] }), ALWAYS),
        Row::get("/v1/projects/{}/settings", KEY_IN_PATH)
            .path("/v1/projects/{key}/settings")
            .key_in(Place::Path),
        Row::get("/v1/sourceConfig", TAKES_EVENTS).path("/sourceConfig/"),
        Row::get("/v1/sourceConfig", TAKES_EVENTS).path("/sourceConfig").key_in(Place::Query),
        // An image tag reads no errors; what was counted tells who was let in.
        Row::get("/v1/pixel/{}", ALWAYS).path(pixel("page")).key_in(Place::Query),
        Row::get("/v1/pixel/{}", WRONG_METHOD).method("POST").path(pixel("page")).key_in(Place::Query),
        Row::get("/v1/sourceConfig", WRONG_METHOD).method("POST"),
        Row::get("/v1/track", WRONG_METHOD),
        Row::get("/v1/track", WRONG_METHOD).method("DELETE"),
        Row::get("/v1/track", PREFLIGHT).method("OPTIONS"),
        Row::get("/nowhere", PREFLIGHT).method("OPTIONS"),
        Row::get("/nowhere", NOWHERE),
        Row::post("/", event(), NOWHERE),
        Row::get("/v1/workspaces", NOWHERE),
    ]);
    rows
}

fn api_rows(ours: &str, theirs: &str) -> Vec<Row> {
    let item = |user: &str| json!({ "source": "web", "identifiers": [{ "kind": "user_id", "value": user }] });
    let person = "/v1/profiles/{}";
    let timeline = "/v1/profiles/{}/timeline";
    let lineage = "/v1/profiles/{}/lineage";
    let nobody = "0".repeat(32);
    let rejections = "/v1/sources/{}/rejections";
    let rows = vec![
        Row::post("/v1/profiles/lookup", named(SHARED), READS),
        Row::post("/v1/profiles/lookup", named(ONLY_OURS), READS_OURS),
        Row::post("/v1/profiles/lookup", named("nobody"), READS.map(|is| if is == 200 { 404 } else { is })),
        Row::get(person, READS_OURS).path(format!("/v1/profiles/{ours}")),
        Row::get(person, READS_THEIRS).path(format!("/v1/profiles/{theirs}")),
        Row::get(timeline, READS_OURS).path(format!("/v1/profiles/{ours}/timeline")),
        Row::get(timeline, READS_THEIRS).path(format!("//v1/profiles/{theirs}//timeline/")),
        Row::post("/v1/profiles", item("imported"), WRITES),
        Row::post("/v1/profiles/batch", json!({ "profiles": [item("imported")] }), WRITES),
        Row::get(lineage, READS_OURS).path(format!("/v1/profiles/{ours}/lineage")),
        Row::get(lineage, READS_THEIRS).path(format!("/v1/profiles/{theirs}/lineage")),
        Row::get("/v1/profiles/{}/segments", READS_OURS).path(format!("/v1/profiles/{ours}/segments")),
        Row::get("/v1/segments/{}/explain", FINDS_NONE)
            .path(format!("/v1/segments/nothing/explain?profile={ours}")),
        Row::get("/v1/segments", READS_EACH),
        Row::get("/v1/segments/{}/members", FINDS_NONE).path("/v1/segments/nothing/members"),
        Row::get("/v1/segments/{}/sizes", FINDS_NONE).path("/v1/segments/nothing/sizes"),
        // Whoever may order something is told that there is nobody of the name, and everybody else nothing.
        Row::post("/v1/profiles/{}/merge", named("nobody"), ORDERS)
            .path(format!("/v1/profiles/{nobody}/merge")),
        Row::post("/v1/profiles/{}/take-out", named("nobody"), ORDERS_OURS)
            .path(format!("/v1/profiles/{ours}/take-out")),
        Row::post("/v1/profiles/{}/allow", json!({ "with": theirs }), ORDERS_OURS)
            .path(format!("/v1/profiles/{ours}/allow")),
        Row::get(rejections, LISTS).path("/v1/sources/web/rejections"),
        Row::get(rejections, LISTS_OURS).path("/v1/sources/crm/rejections"),
        // The path is looked at before the key: it is no secret.
        Row::get("/v1/profiles", WRONG_METHOD),
        Row::get("/v1/profiles/lookup", WRONG_METHOD),
        Row::get(person, WRONG_METHOD).method("DELETE").path(format!("/v1/profiles/{ours}")),
        Row::get(person, WRONG_METHOD).method("POST").path(format!("/v1/profiles/{ours}")),
        Row::get("/v1/sources", NOWHERE),
        Row::get("/v1/profiles/{}/{}", NOWHERE).path(format!("/v1/profiles/{ours}/events")),
    ];
    rows.into_iter().map(|row| row.key_in(Place::Bearer)).collect()
}

/// The key of each of [`KNOCKERS`].
fn keys(defined: &Defined) -> Vec<Option<String>> {
    let Defined { ours, theirs, revoked_write, revoked_admin } = defined;
    let secret = "0".repeat(64);
    let mut wrong = ours.write.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let of = |keys: &workspaces::Keys| std::iter::once(keys.write.clone()).chain(keys.admin.clone());
    let unknown = ["wk", "ak"].map(|kind| format!("{kind}_{OURS}_00000000_{secret}"));
    std::iter::once(None)
        .chain(
            std::iter::once("nokey".to_owned())
                .chain(unknown)
                .chain([wrong])
                .chain(of(ours))
                .chain(of(theirs))
                .chain([revoked_write.clone(), revoked_admin.clone()])
                .map(Some),
        )
        .collect()
}

/// What only one workspace's data holds.
fn mark(workspace: &str) -> String {
    format!("belongs-to-{workspace}")
}

/// A person known to both workspaces and one known to ours alone; a refused event in each.
fn fill(platform: &Platform, workspace: &str, write_key: &str) {
    let mark = mark(workspace);
    let people: &[&str] = if workspace == OURS { &[SHARED, ONLY_OURS] } else { &[SHARED] };
    let mut batch = vec![json!({ "type": "track", "event": mark, "properties": { "nobody": mark } })];
    for user in people {
        let traits = json!({ "mark": mark, "email": format!("{user}-{mark}@example.com") });
        batch.push(json!({ "type": "identify", "userId": user, "traits": traits }));
        batch.push(json!({ "type": "track", "userId": user, "event": mark }));
    }
    let answer =
        platform.ask(&Request::post("/v1/batch", json!({ "batch": batch }).to_string()).basic(write_key));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

struct World {
    platform: Platform,
    defined: Defined,
    keys: Vec<Option<String>>,
    _data: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("data");
        let defined = workspaces::define(&folder);
        let platform = Platform::start(&folder, "warn");
        fill(&platform, OURS, &defined.ours.write);
        fill(&platform, THEIRS, &defined.theirs.write);
        platform.settle();
        let keys = keys(&defined);
        Self { platform, defined, keys, _data: data }
    }

    fn profile(&self, workspace: &str, user_id: &str) -> Option<Value> {
        let keys = if workspace == OURS { &self.defined.ours } else { &self.defined.theirs };
        self.platform.look_up_as(&keys.admin[0], user_id)
    }

    fn profile_id(&self, workspace: &str) -> String {
        self.profile(workspace, SHARED).unwrap()["id"].as_str().unwrap().to_owned()
    }

    fn rows(&self) -> Vec<Row> {
        let api = api_rows(&self.profile_id(OURS), &self.profile_id(THEIRS));
        ingest_rows().into_iter().chain(api).collect()
    }

    /// Asks one cell; gives back the workspace that took an event by it.
    fn check(&self, row: &Row, column: usize, number: usize) -> Option<&'static str> {
        let (knocker, key) = (KNOCKERS[column], self.keys[column].as_deref());
        let answer = self.platform.ask(&row.request(key, number));
        let place = format!("{} {} with {knocker} in {:?}", row.method, row.route, row.place);
        assert_eq!(answer.status, row.expected[column], "{place}: {}", answer.text());
        let workspace = match knocker {
            ours if ours.starts_with("our ") => Some(OURS),
            theirs if theirs.starts_with("their ") => Some(THEIRS),
            _ => None,
        };
        let reads = row.place == Place::Bearer && answer.status == 200;
        self.check_secrets(&answer, key, &place);
        for owner in [OURS, THEIRS] {
            let shows = answer.text().contains(&mark(owner));
            assert!(!shows || workspace == Some(owner), "{place} shows what is {owner}'s");
        }
        let shown = workspace.is_some_and(|workspace| answer.text().contains(&mark(workspace)));
        let has_data = reads && row.route != "/v1/profiles" && row.route != "/v1/profiles/batch";
        assert!(shown || !has_data || is_empty_list(&answer), "{place} shows nothing: {}", answer.text());
        let posts = row.expected == TAKES_EVENTS && row.method == "POST" || row.expected == ALWAYS;
        let is_event = posts && (row.body.is_object() || row.method == "GET") && row.route != "/v1/m";
        workspace.filter(|_| is_event && TAKES_EVENTS[column] == 200)
    }

    /// Nobody is told a key that they did not bring.
    fn check_secrets(&self, answer: &Answer, brought: Option<&str>, place: &str) {
        let secret = |key: &str| key.rsplit('_').next().unwrap().to_owned();
        for key in self.keys.iter().flatten().filter(|key| key.matches('_').count() == 3) {
            let is_theirs = brought.is_some_and(|brought| secret(brought) == secret(key));
            assert!(is_theirs || !answer.text().contains(&secret(key)), "{place} tells a key");
        }
    }
}

/// Of `crm` nothing was refused.
fn is_empty_list(answer: &Answer) -> bool {
    let lists = ["kept", "segments"].map(|name| answer.json()[name].as_array().is_some_and(Vec::is_empty));
    lists.contains(&true)
}

#[test]
fn every_route_opens_to_its_own_keys_alone_and_shows_nothing_of_others() {
    let names = Scope::ALL.map(|scope| format!("our admin key, {}", scope.name()));
    assert_eq!(&KNOCKERS[6..9], names, "a scope that the table lacks");
    let world = World::new();
    assert_eq!(world.keys.len(), KNOCKERS.len());
    let mut taken = Vec::new();
    for (place, row) in world.rows().iter().enumerate() {
        for column in 0..KNOCKERS.len() {
            taken.extend(world.check(row, column, place * KNOCKERS.len() + column));
        }
    }
    world.platform.settle();
    for workspace in [OURS, THEIRS] {
        let expected = taken.iter().filter(|taker| **taker == workspace).count();
        let profile = world.profile(workspace, POSTED).unwrap();
        assert_eq!(profile["counters"]["total"], expected, "events that {workspace} was sent: {profile}");
        assert!(world.profile(workspace, "imported").is_some(), "{workspace}");
    }
    assert_ne!(
        world.profile_id(OURS),
        world.profile_id(THEIRS),
        "one person's ids tell nothing of the other"
    );
}

/// A cursor is bound to the workspace for which it was made.
#[test]
fn a_cursor_of_another_workspace_is_refused() {
    let world = World::new();
    let page = |workspace: &str, keys: &workspaces::Keys, rest: &str| {
        let path = format!("/v1/profiles/{}/timeline?limit=1{rest}", world.profile_id(workspace));
        world.platform.ask(&Request::get(&path).bearer(&keys.admin[0]))
    };
    let first = page(OURS, &world.defined.ours, "");
    let cursor = first.json()["cursor"].as_str().expect("there are two events").to_owned();
    let rest = format!("&cursor={cursor}");
    assert_eq!(page(OURS, &world.defined.ours, &rest).status, 200);
    assert_eq!(page(THEIRS, &world.defined.theirs, &rest).status, 400);
}

const INGEST_ROUTER: &str = include_str!("../../../../functions/ingest/src/route.rs");
const API_ROUTER: &str = include_str!("../../../../functions/profile/src/api/ask.rs");

/// The routes of a router's source: lines like `["a" | "b", id] => (…, "POST"),`.
fn routes_of(source: &str, prefix: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for line in source.lines().map(str::trim).filter(|line| line.starts_with('[')) {
        let Some((pattern, route)) = line.split_once("] => (") else { continue };
        let method = route.rsplit('"').nth(1).unwrap();
        let paths = pattern.trim_start_matches('[').split("] | [").flat_map(|parts| paths_of(parts, prefix));
        routes.extend(paths.map(|path| (method.to_owned(), path)));
    }
    routes
}

/// The paths of parts like `"a" | "b", id`.
fn paths_of(parts: &str, prefix: &str) -> Vec<String> {
    let mut paths = vec![prefix.to_owned()];
    for part in parts.split(", ") {
        let name = |name: &str| match name.strip_prefix('"') {
            Some(name) => name.trim_end_matches('"').to_owned(),
            None => "{}".to_owned(),
        };
        let names: Vec<String> = part.split(" | ").map(name).collect();
        let longer = |path: &String| names.iter().map(|name| format!("{path}/{name}")).collect::<Vec<_>>();
        paths = paths.iter().flat_map(longer).collect();
    }
    paths
}

#[test]
fn the_table_has_every_route_that_the_routers_have() {
    let new = routes_of(r#"    ["new" | "n", id] | ["x"] => (Self::New { id }, "PUT"),"#, "/v1");
    assert_eq!(
        new.into_iter().map(|(method, path)| format!("{method} {path}")).collect::<Vec<_>>(),
        ["PUT /v1/n/{}", "PUT /v1/new/{}", "PUT /v1/x"]
    );
    let routers = [(INGEST_ROUTER, "/v1", 20), (API_ROUTER, "", 6)];
    let rows: Vec<Row> = ingest_rows().into_iter().chain(api_rows("a", "b")).collect();
    let rows: BTreeSet<_> = rows.iter().map(|row| (row.method.to_owned(), row.route.to_owned())).collect();
    for (router, prefix, at_least) in routers {
        let routes = routes_of(router, prefix);
        assert!(routes.len() >= at_least, "the router is written in another way: {routes:?}");
        let missing: Vec<_> = routes.difference(&rows).collect();
        assert!(missing.is_empty(), "routes without a row in the table: {missing:?}");
    }
}
