//! Requests of every route, good and bad, with canaries wherever a request can
//! hold something.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::mark::Canaries;
use crate::child::Platform;
use crate::http::{Body, Request};
use crate::workspaces::{Defined, OURS};

/// How a key is shown.
#[derive(Debug, Clone)]
enum Shown {
    Not,
    Basic(String),
    Bearer(String),
    Raw(Vec<u8>),
}

impl Shown {
    fn on(&self, request: Request) -> Request {
        match self {
            Self::Not => request,
            Self::Basic(key) => request.basic(key),
            Self::Bearer(key) => request.bearer(key),
            Self::Raw(value) => request.header("authorization", value),
        }
    }
}

pub(crate) fn all(platform: &Platform, defined: &Defined, canaries: &mut Canaries) -> Vec<Request> {
    let write = Shown::Basic(platform.write_key.clone());
    let admin = Shown::Bearer(platform.admin_key.clone());
    let mut requests = Vec::new();
    for path in ingest_paths(&platform.write_key, canaries) {
        for body in ingest_bodies(&path, canaries) {
            requests.push(marked("POST", &path, body, &write, canaries));
        }
        for shown in keys(platform, defined, canaries) {
            let body = Body::Whole(good("track", &path, canaries).to_string().into_bytes());
            requests.push(marked("POST", &path, body, &shown, canaries));
        }
    }
    for path in api_paths(canaries) {
        for body in api_bodies(&path, canaries) {
            requests.push(marked("POST", &path, body, &admin, canaries));
        }
        for shown in keys(platform, defined, canaries) {
            let body = Body::Whole(look_up(&path, canaries).to_string().into_bytes());
            requests.push(marked("POST", &path, body, &shown, canaries));
        }
    }
    let paths = ingest_paths(&platform.write_key, canaries).into_iter().chain(api_paths(canaries));
    for path in paths.collect::<Vec<_>>() {
        for method in ["GET", "OPTIONS", "PUT", "HEAD", &canaries.word("a method").to_uppercase()] {
            for shown in [&Shown::Not, &write, &admin] {
                requests.push(marked(method, &path, Body::Whole(Vec::new()), shown, canaries));
            }
        }
    }
    for (path, shown) in [("/v1/batch", &write), ("/v1/profiles", &admin)] {
        let body = canaries.mail(format!("a body to {path} that is too large")).repeat(250_000);
        requests.push(marked("POST", path, Body::Whole(body.into_bytes()), shown, canaries));
    }
    let known = json!({ "userId": "known", "traits": { "email": canaries.known() } });
    requests.push(Request::post("/v1/identify", known.to_string()).basic(&platform.write_key));
    requests
}

/// A request with canaries in every header that anything reads, and in some that nothing does.
fn marked(method: &str, path: &str, body: Body, shown: &Shown, canaries: &mut Canaries) -> Request {
    let mut request = shown.on(Request::new(method, path).body(body));
    let texts = [
        "cookie",
        "user-agent",
        "referer",
        "origin",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "content-type",
        "anonymousid",
        "sentat",
        "x-tributary-trace",
        "traceparent",
        "x-amzn-trace-id",
        "idempotency-key",
        "if-none-match",
        "access-control-request-headers",
        "accept-language",
        "from",
        "x-api-key",
    ];
    for name in texts {
        request = request.header(name, canaries.mail(format!("the header {name} of {method} {path:.40}")));
    }
    let name = canaries.word("a header's name");
    request.header(&format!("x-{name}"), canaries.name("a header that nobody knows"))
}

fn keys(platform: &Platform, defined: &Defined, canaries: &mut Canaries) -> Vec<Shown> {
    let mut word = |place: &str| canaries.word(format!("as a key: {place}"));
    let secret = |word: String| format!("{word}{}", "0".repeat(64 - word.len()));
    let [unknown_id, no_id] = ["a1b2c3d4", "canary01"];
    let write = format!("wk_{}_{unknown_id}_{}", word("a workspace"), secret(word("a secret")));
    let admin = format!("ak_{}_{unknown_id}_{}", word("a workspace"), secret(word("a secret")));
    let ours = |kind: &str, secret: String| format!("{kind}_{OURS}_{unknown_id}_{secret}");
    let shown = vec![
        Shown::Not,
        Shown::Basic(word("a word for a key")),
        Shown::Basic(format!("wk_{}", word("half a key"))),
        Shown::Basic(write),
        Shown::Basic(ours("wk", secret(word("an unknown secret")))),
        Shown::Basic(format!("{}{}", platform.write_key, word("behind a good key"))),
        Shown::Basic(format!("{}:{}", platform.write_key, word("a password"))),
        Shown::Basic(defined.revoked_write.clone()),
        Shown::Basic(defined.theirs.write.clone()),
        Shown::Basic(platform.admin_key.clone()),
        Shown::Bearer(word("a word for a key")),
        Shown::Bearer(admin),
        Shown::Bearer(ours("ak", secret(word("an unknown secret")))),
        Shown::Bearer(format!("ak_{OURS}_{no_id}_{}", word("a key with a canary for an id"))),
        Shown::Bearer(defined.revoked_admin.clone()),
        Shown::Bearer(defined.ours.admin[2].clone()),
        Shown::Bearer(defined.theirs.admin[0].clone()),
        Shown::Bearer(platform.write_key.clone()),
        Shown::Raw(format!("Basic {}%%%", word("broken base64")).into_bytes()),
        Shown::Raw(format!("Digest username=\"{}\"", word("another scheme")).into_bytes()),
        Shown::Raw(word("no scheme").into_bytes()),
        Shown::Raw([word("no UTF-8").as_bytes(), b"\xff\xfe"].concat()),
    ];
    shown
}

fn ingest_paths(write_key: &str, canaries: &mut Canaries) -> Vec<String> {
    let mut word = |place: &str| canaries.word(format!("in a path: {place}"));
    let data = |text: String| STANDARD.encode(text).replace('+', "%2B");
    vec![
        "/v1/track".to_owned(),
        format!("/v1/batch?q={}&{}=1", word("a query"), word("a parameter's name")),
        format!("/v1/identify?writeKey={}", word("a key in the query")),
        format!("/beacon/v1/batch?writeKey={write_key}&{}", word("a query behind a good key")),
        format!("/v1/group#{}", word("a fragment")),
        "/v1/m".to_owned(),
        format!("/v1/projects/{}/settings", word("a key in the path")),
        format!("/v1/projects/{write_key}/settings?{}", word("a query of settings")),
        format!("/sourceConfig/?writeKey={}&p={}", word("a key of sourceConfig"), word("a package")),
        format!(
            "/v1/pixel/{}?writeKey={write_key}&userId={}",
            word("a pixel's kind"),
            word("a pixel's user")
        ),
        format!(
            "/pixel/v1/track?writeKey={write_key}&userId={}&event={}&traits.{}={}",
            word("a pixel's user"),
            word("a pixel's event"),
            word("a pixel's trait"),
            word("a pixel's value"),
        ),
        format!(
            "/v1/pixel/page?data={}",
            data(json!({ "writeKey": write_key, "userId": word("a pixel's data") }).to_string())
        ),
        format!("/v1/pixel/page?data={}", data(format!("{{{}", word("a pixel's broken data")))),
        format!("/v1/pixel/page?data=!!{}", word("a pixel's broken base64")),
        format!("/{}", word("a path of nobody")),
        format!("/v1/{}/%00%ff/{}", word("a path of nobody"), word("behind bytes")),
        format!("/_local/{}", word("a tool that there is not")),
        "/_local/clock".to_owned(),
        "/_local/trace".to_owned(),
        format!("/_local/journal?after={}", word("a place in the journal")),
        format!("/_local/journal?after=0&wait=0&{}", word("a parameter of the journal")),
        format!("//{}@leak.example/v1/track", word("somebody in the address")),
        format!("http://{}.leak.example/v1/track", word("another host")),
    ]
}

fn api_paths(canaries: &mut Canaries) -> Vec<String> {
    let mut word = |place: &str| canaries.word(format!("in a path of the API: {place}"));
    let id = "0".repeat(32);
    let mut paths = vec![
        "/v1/profiles/lookup".to_owned(),
        format!("/v1/profiles/lookup?email={}%40leak.example", word("an address")),
        "/v1/profiles".to_owned(),
        "/v1/profiles/batch".to_owned(),
        format!("/v1/profiles/{}", word("an id")),
        format!("/v1/profiles/{}%40leak.example/timeline", word("an address for an id")),
        format!("/v1/profiles/{id}?{}={}", word("a parameter's name"), word("a parameter")),
        format!("/v1/profiles/{id}/{}", word("a part of a profile")),
        format!("/v1/profiles/{}/lineage", word("an id")),
        format!("/v1/profiles/{id}/merge?{}=1", word("a parameter of an order")),
        format!("/v1/profiles/{id}/take-out"),
        format!("/v1/profiles/{id}/allow"),
        format!("/v1/sources/{}/rejections", word("a source")),
        format!("/v1/sources/web/rejections?day={}", word("a day")),
        format!("/v1/sources/web/rejections?cursor={}", word("a cursor")),
        "/v1/sources/web/rejections".to_owned(),
        format!("/v1/sources/{}", word("a source")),
    ];
    for parameter in ["from", "to", "type", "event", "source", "limit", "cursor"] {
        paths.push(format!("/v1/profiles/{id}/timeline?{parameter}={}", word(parameter)));
    }
    paths
}

/// An event with a canary in everything that an SDK can say.
fn good(kind: &str, path: &str, canaries: &mut Canaries) -> Value {
    let path = path.chars().take(30).collect::<String>();
    let at = |place: &str| format!("{place} of a good {kind} to {path}");
    json!({
        "type": kind,
        "messageId": canaries.word(at("the message id")),
        "userId": canaries.word(at("the user id")),
        "anonymousId": canaries.word(at("the anonymous id")),
        "previousId": canaries.word(at("the previous id")),
        "groupId": canaries.word(at("the group id")),
        "event": canaries.word(at("the event's name")),
        "name": canaries.name(at("the page's name")),
        "category": canaries.name(at("the category")),
        "writeKey": canaries.word(at("the key in the body")),
        "timestamp": "2026-11-22T01:27:24Z",
        "sentAt": canaries.word(at("the time of sending")),
        "properties": {
            "title": canaries.name(at("a property")), "revenue": 5, "currency": canaries.word(at("a currency")),
            canaries.word(at("a property's name")): [canaries.mail(at("a list"))],
        },
        "traits": {
            "email": canaries.mail(at("the address")), "phone": Canaries::common_phone(),
            "name": canaries.name(at("the name")),
            "address": { "street": canaries.name(at("the street")) },
            canaries.word(at("a trait's name")): canaries.word(at("a trait")),
        },
        "context": {
            "ip": canaries.word(at("the IP")), "userAgent": canaries.name(at("the agent")),
            "campaign": { "source": canaries.word(at("the campaign")), "name": canaries.word(at("the campaign's name")) },
            "device": { "id": canaries.word(at("the device")), "advertisingId": canaries.word(at("the advertising id")) },
            "externalIds": [{ "id": canaries.word(at("another id")), "type": "card", "collection": "users" }],
            "page": { "url": format!("https://leak.example/?{}", canaries.word(at("the page"))) },
            "traits": { "email": canaries.mail(at("the context's address")) },
        },
        "integrations": { canaries.word(at("an integration")): true },
        canaries.word(at("an unknown field")): canaries.word(at("an unknown field's value")),
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn ingest_bodies(path: &str, canaries: &mut Canaries) -> Vec<Body> {
    let kinds = ["track", "identify", "page", "screen", "group", "alias"];
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    let batch = kinds.map(|kind| good(kind, path, canaries));
    let mut text = |place: &str| canaries.mail(format!("a bad body to {path:.30}: {place}"));
    let word = |text: String| text.replace("@leak.example", "");
    let deep = format!("{}\"{}\"{}", "[".repeat(200), text("too deep"), "]".repeat(200));
    let texts = [
        json!({ "batch": batch, "context": { "a": text("the batch's context") }, "writeKey": text("the batch's key") }).to_string(),
        text("no JSON"),
        format!("\"{}\"", text("a text")),
        format!("[\"{}\"]", text("a list")),
        format!("{{{}", text("broken")),
        format!("{{\"{}\":", text("cut off")),
        format!("{{\"batch\":[{{\"type\":\"track\",\"userId\":\"{}\",}}]}}", text("a broken event")),
        json!({ "batch": [text("a text for an event"), { "type": text("a type") }, { "userId": [text("a user in a list")] }] }).to_string(),
        json!({ "batch": { "a": text("an object for a batch") }, "id": text("a pixel's id") }).to_string(),
        json!({ "batch": [{ "type": "track", "event": { "a": text("an object for a name") }, "userId": "u" }] }).to_string(),
        json!({ "batch": [{ "type": "page", "messageId": { "a": text("an object for an id") }, "userId": "u" }] }).to_string(),
        json!({ "batch": [{ "type": "page", "a": text("nobody") }] }).to_string(),
        json!({ "batch": [{ "type": "identify", "userId": "u", "traits": { "email": word(text("no address")), "phone": text("no phone") } }] }).to_string(),
        json!({ "batch": [{ "type": "page", "userId": "u", "a": text("too large").repeat(3_000) }] }).to_string(),
        format!("{{\"batch\":[{{\"type\":\"page\",\"userId\":\"{}\",\"a\":{deep}}}]}}", text("a user too deep")),
        json!({ "batch": [{ "type": "page", "userId": "u", "$serde_json::private::Number": text("a reserved name") }] }).to_string(),
        format!("{{\"type\":\"page\",\"userId\":\"{}\\ud800\",\"a\":NaN}}", text("half a pair")),
        format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u\",\"properties\":{{\"revenue\":\"{}\"}}}}", text("a revenue")),
        json!({ "type": "identify", "userId": text("a traits' flood"), "traits": flood(&text("a flood")) }).to_string(),
        json!({ "id": text("a trace's id"), "advance_seconds": text("a clock") }).to_string(),
        json!({ "series": [{ "metric": text("a metric") }] }).to_string(),
    ];
    bodies.extend(texts.into_iter().map(String::into_bytes));
    let packed = gzip(&json!({ "batch": [{ "type": "page", "userId": text("packed") }] }).to_string());
    let mut named = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    named.extend(text("a gzip's file name").bytes());
    bodies.push(packed[..packed.len() / 2].to_vec());
    bodies.push(packed);
    bodies.push(named);
    bodies.push([text("no UTF-8").as_bytes(), b"\xff{\0"].concat());
    let mut whole: Vec<Body> = bodies.into_iter().map(Body::Whole).collect();
    whole.push(Body::CutOff { sent: text("cut off by the client").into_bytes(), announced: 1_000 });
    whole.push(Body::BrokenChunks(text("broken chunks").into_bytes()));
    whole
}

/// More traits than a profile holds.
fn flood(text: &str) -> Value {
    let traits = (0..600).map(|number| (format!("{text}-{number}"), Value::from(text)));
    Value::Object(traits.collect())
}

fn look_up(path: &str, canaries: &mut Canaries) -> Value {
    json!({ "identifier": { "kind": "email", "value": canaries.mail(format!("a look-up at {path:.40}")) } })
}

fn api_bodies(path: &str, canaries: &mut Canaries) -> Vec<Body> {
    let phone =
        if path == "/v1/profiles/lookup" { canaries.phone("a look-up's phone") } else { String::new() };
    let mut text = |place: &str| canaries.mail(format!("a body to {path:.30}: {place}"));
    let mut item = |kind: &str| {
        json!({
            "source": "crm",
            "identifiers": [{ "kind": kind, "value": text("an import's identifier") }],
            "traits": { text("an import's trait's name"): text("an import's trait") },
            "messageId": text("an import's id"),
        })
    };
    let (good, bad) = (item("email"), item("phone"));
    let texts = [
        good.to_string(),
        bad.to_string(),
        json!({ "profiles": [good, bad, text("a text for an item")] }).to_string(),
        json!({ "profiles": [{ "source": text("a source"), "identifiers": [{ "kind": "email", "value": "a@b.example" }] }] }).to_string(),
        json!({ "source": "crm", "identifiers": [{ "kind": text("a kind"), "value": "x" }] }).to_string(),
        json!({ "source": "crm", "identifiers": [{ "kind": "email", "value": "a@b.example" }], "timestamp": text("a time") }).to_string(),
        json!({ "identifier": { "kind": "email", "value": text("an address") } }).to_string(),
        json!({ "identifier": { "kind": "phone", "value": phone } }).to_string(),
        json!({ "identifier": { "kind": "phone", "value": text("no phone"), "region": text("a region") } }).to_string(),
        json!({ "identifier": { "kind": text("a kind"), "value": text("a value") } }).to_string(),
        json!({ "identifier": text("a text for an identifier"), text("an unknown field"): 1 }).to_string(),
        json!({ "$serde_json::private::Number": text("a reserved name") }).to_string(),
        text("no JSON"),
        format!("\"{}\"", text("a text")),
        format!("{{\"identifier\":{{\"kind\":\"email\",\"value\":\"{}", text("cut off")),
    ];
    let mut bodies: Vec<Body> = texts.into_iter().map(|text| Body::Whole(text.into_bytes())).collect();
    bodies.push(Body::Whole([text("no UTF-8").as_bytes(), b"\xff"].concat()));
    bodies
}
