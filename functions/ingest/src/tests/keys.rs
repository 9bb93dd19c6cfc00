//! Every route with every kind of key, as one table.

use super::*;

const UNKNOWN: &str = "wk_shop_key00009_0123456789abcdef0123456789abcdef";
/// The other workspace's secret under this workspace's name.
const FORGED: &str = "wk_shop_key00001_ffffffffffffffffffffffffffffffff";

struct Expected {
    no_key: i64,
    write: i64,
    /// An unknown, a forged and an admin key.
    wrong: i64,
}

/// What is open to everyone, what wants a write key, and what never says.
const OPEN: fn(i64) -> Expected = |status| Expected { no_key: status, write: status, wrong: status };
const KEYED: Expected = Expected { no_key: 401, write: 200, wrong: 401 };

fn routes() -> Vec<(&'static str, String, Expected)> {
    let posts = [
        "t", "track", "i", "identify", "p", "page", "s", "screen", "g", "group", "a", "alias", "b", "batch",
        "import",
    ];
    let mut routes = Vec::new();
    for path in posts {
        for path in
            [format!("/v1/{path}"), format!("/{path}"), format!("/v1/{path}/"), format!("//v1//{path}")]
        {
            routes.push(("POST", path, KEYED));
        }
        routes.push(("GET", format!("/v1/{path}"), OPEN(405)));
        routes.push(("OPTIONS", format!("/v1/{path}"), OPEN(204)));
    }
    let more = [
        ("POST", "/beacon/v1/batch", KEYED),
        ("POST", "/v1/m", OPEN(200)),
        ("GET", "/sourceConfig/", KEYED),
        ("GET", "/sourceConfig", KEYED),
        ("GET", "/v1/pixel/track", OPEN(200)),
        ("GET", "/pixel/v1/page", OPEN(200)),
        ("GET", "/v1/pixel/nothing", OPEN(200)),
        ("OPTIONS", "/sourceConfig/", OPEN(204)),
        ("OPTIONS", "/anywhere", OPEN(204)),
        ("GET", "/", OPEN(404)),
        ("POST", "/v1/profiles", OPEN(404)),
        ("POST", "/v1/merge", OPEN(404)),
        ("DELETE", "/v1/track", OPEN(405)),
    ];
    routes.extend(more.map(|(method, path, expected)| (method, path.to_owned(), expected)));
    routes
}

async fn check(method: &'static str, path: &str, key: Option<&str>, status: i64, owner: Option<&str>) {
    let world = World::new();
    let mut asked = Asked::new(method, path);
    asked.body = (method == "POST").then(|| r#"{"type":"track","event":"e","userId":"u"}"#.to_owned());
    if let Some(key) = key {
        asked = asked.basic(key);
    }
    let answered = world.ask(asked).await;
    assert_eq!(answered.status, status, "{method} {path} {key:?}: {}", answered.text);
    assert_eq!(answered.header("access-control-allow-origin"), "*", "{method} {path}");
    let owners: Vec<String> = world.messages().iter().map(|message| message.workspace.to_string()).collect();
    let collects = method == "POST" && status == 200 && path != "/v1/m";
    let expected: Vec<&str> = owner.filter(|_| collects).into_iter().collect();
    assert_eq!(owners, expected, "{method} {path} {key:?}");
}

#[tokio::test]
async fn every_route_with_every_kind_of_key() {
    for (method, path, expected) in routes() {
        check(method, &path, None, expected.no_key, None).await;
        check(method, &path, Some(KEY), expected.write, Some("shop")).await;
        check(method, &path, Some(OTHER_KEY), expected.write, Some("other")).await;
        for wrong in [UNKNOWN, FORGED, ADMIN_KEY, "rubbish"] {
            check(method, &path, Some(wrong), expected.wrong, None).await;
        }
    }
}

#[tokio::test]
async fn settings_are_given_for_a_good_key_in_the_path() {
    let world = World::new();
    let status = async |key: &str| {
        let settings = Asked::get(&format!("/v1/projects/{key}/settings"));
        world.ask(settings).await.status
    };
    assert_eq!([status(KEY).await, status(OTHER_KEY).await], [200, 200]);
    assert_eq!([status(UNKNOWN).await, status(FORGED).await, status(ADMIN_KEY).await], [401, 401, 401]);
}

#[tokio::test]
async fn a_write_key_is_found_in_each_of_its_five_places() {
    let event = format!(r#"{{"type":"page","userId":"u","writeKey":"{KEY}"}}"#);
    let keyless = r#"{"type":"page","userId":"u"}"#;
    let places = [
        Asked::post("/v1/page", keyless).basic(KEY),
        Asked::post("/v1/batch", &format!(r#"{{"batch":[{keyless}],"writeKey":"{KEY}"}}"#)),
        Asked::post("/v1/page", &event),
        Asked::post("/v1/batch", &format!(r#"{{"batch":[{keyless},{event}]}}"#)),
        Asked::post("/beacon/v1/batch", &format!(r#"{{"batch":[{keyless}]}}"#))
            .query(&format!("writeKey={KEY}")),
    ];
    for place in places {
        let world = World::new();
        assert_eq!(world.ask(place).await.status, 200);
        assert!(!world.events().is_empty());
        assert!(!world.queue.sent()[0].body.contains(SECRET), "the key goes no further");
    }
}

#[tokio::test]
async fn the_first_place_with_a_key_wins() {
    let body = format!(r#"{{"batch":[{PAGE}],"writeKey":"{OTHER_KEY}"}}"#);
    let world = World::new();
    let query = format!("writeKey={UNKNOWN}");
    assert_eq!(world.ask(Asked::post("/v1/batch", &body).basic(KEY).query(&query)).await.status, 200);
    assert_eq!(world.ask(Asked::post("/v1/batch", &body).query(&query)).await.status, 200);
    let owners: Vec<_> = world.messages().into_iter().map(|message| message.workspace).collect();
    assert_eq!(owners, [workspace("shop"), workspace("other")]);
}

#[tokio::test]
async fn an_authorization_that_holds_no_key_is_passed_over() {
    let body = format!(r#"{{"type":"page","userId":"u","writeKey":"{KEY}"}}"#);
    for value in ["Bearer abc", "Basic", "Basic !!!", "Basic Og=="] {
        let world = World::new();
        let answered = world.ask(Asked::post("/v1/page", &body).header("authorization", value)).await;
        assert_eq!(answered.status, 200, "{value}");
    }
    let world = World::new();
    let answered = world.ask(Asked::post("/v1/page", PAGE).header("authorization", "Bearer abc")).await;
    assert_eq!((answered.status, answered.code().as_str()), (401, "no_write_key"));
}

#[tokio::test]
async fn the_password_of_basic_says_nothing() {
    let credentials = STANDARD.encode(format!("{KEY}:password"));
    let asked = Asked::post("/v1/page", PAGE).header("authorization", &format!("basic {credentials}"));
    assert_eq!(World::new().ask(asked).await.status, 200);
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_minute() {
    let world = World::new();
    assert_eq!(world.post("/v1/page", PAGE).await.status, 200);
    world.definitions.revoke_key(&workspace("shop"), "key00001");
    world.clock.advance(Timestamp::MINUTE);
    assert_eq!(world.post("/v1/page", PAGE).await.code(), "unknown_write_key");
}
