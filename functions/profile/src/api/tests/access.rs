//! Every route × every kind of key.

use super::*;

/// Whoever may knock.
const KEYS: [&str; 11] = [
    "no key",
    "no such scheme",
    "not a key",
    "unknown key",
    "wrong secret",
    "revoked key",
    "write key",
    "admin key with profiles:read",
    "admin key with profiles:write",
    "admin key with sources:read",
    "another workspace's admin key",
];

struct Case {
    method: Method,
    path: String,
    body: Option<Value>,
    /// The one key of [`KEYS`] that opens it.
    opens: &'static str,
    /// What another workspace's key with every scope sees.
    foreign: &'static str,
}

fn cases(id: &str) -> Vec<Case> {
    let [read, write, sources] = [KEYS[7], KEYS[8], KEYS[9]];
    let item = json!({ "identifiers": [{ "kind": "user_id", "value": "u-9" }] });
    let in_shop = json!({ "source": "crm", "identifiers": [{ "kind": "user_id", "value": "u-9" }] });
    let lookup = json!({ "identifier": { "kind": "user_id", "value": "u-1" } });
    let case = |method, path: &str, body, opens, foreign| Case {
        method,
        path: path.to_owned(),
        body,
        opens,
        foreign,
    };
    vec![
        case(Method::POST, "/v1/profiles/lookup", Some(lookup), read, "404 profile_not_found"),
        case(Method::GET, &format!("/v1/profiles/{id}"), None, read, "404 profile_not_found"),
        case(Method::GET, &format!("/v1/profiles/{id}/timeline"), None, read, "404 profile_not_found"),
        case(Method::GET, "/v1/sources/web/rejections", None, sources, "404 source_not_found"),
        case(Method::POST, "/v1/profiles", Some(in_shop), write, "200"),
        case(Method::POST, "/v1/profiles/batch", Some(json!({ "profiles": [item] })), write, "200"),
    ]
}

fn expected<'a>(case: &Case, key: &str) -> &'a str {
    match key {
        "no key" | "no such scheme" => "401 missing_key",
        "not a key" | "unknown key" | "wrong secret" | "revoked key" => "401 invalid_key",
        "write key" => "403 admin_key_required",
        "another workspace's admin key" => case.foreign,
        key if key == case.opens => "200",
        _ => "403 missing_scope",
    }
}

fn authorization(world: &World, key: &str) -> Option<String> {
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let mut wrong = world.admin.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    match key {
        "no key" => None,
        "no such scheme" => Some(format!("Basic {}", world.admin)),
        "not a key" => bearer("ak_shop"),
        "unknown key" => bearer(&format!("ak_shop_00000000_{}", "0".repeat(48))),
        "wrong secret" => bearer(&wrong),
        "revoked key" => {
            let key = world.admin_key("shop", &Scope::ALL);
            world.definitions.revoke_key(&workspace_id("shop"), AccessKey::parse(&key).unwrap().id());
            bearer(&key)
        }
        "write key" => bearer(&world.write_key("shop", "web")),
        "another workspace's admin key" => bearer(&world.admin_key("other", &Scope::ALL)),
        _ => {
            let scope = key.strip_prefix("admin key with ").and_then(Scope::parse).expect("a scope");
            bearer(&world.admin_key("shop", &[scope]))
        }
    }
}

#[tokio::test]
async fn every_route_opens_to_its_own_keys_alone() {
    let world = World::new();
    world.fold(vec![track("m-1", NOW)]).await;
    let id = world.id_of("user_id", "u-1").await;
    for case in cases(&id) {
        for key in KEYS {
            for slash in ["", "/"] {
                let body = case.body.as_ref().map(Value::to_string);
                let mut asked =
                    request(case.method.clone(), &format!("{}{slash}", case.path), None, body.as_deref());
                if let Some(authorization) = authorization(&world, key) {
                    asked = with(asked, "authorization", &authorization);
                }
                let answered = world.ask(asked).await;
                assert_eq!(answered.told(), expected(&case, key), "{} {} with {key}", case.method, case.path);
            }
        }
    }
}

#[tokio::test]
async fn what_another_workspaces_key_writes_stays_in_that_workspace() {
    let world = World::new();
    let key = world.admin_key("other", &Scope::ALL);
    let item =
        |source: &str| json!({ "source": source, "identifiers": [{ "kind": "user_id", "value": "u-1" }] });
    let body = json!({ "profiles": [item("site"), item("web")] }).to_string();
    let answered = world.ask(request(Method::POST, "/v1/profiles/batch", Some(&key), Some(&body))).await;
    assert_eq!(answered.body["results"][0]["status"], "accepted");
    assert_eq!(answered.body["results"][1]["code"], "source_unknown");
    let sent = world.queue.sent();
    let message = Message::unpack(&sent[0].body).unwrap();
    assert_eq!((message.workspace.as_str(), message.events.len()), ("other", 1));
    world.settle().await;
    assert_eq!(world.look_up("user_id", "u-1").await.told(), "404 profile_not_found");
}

/// The workspace in a key's text is part of what its hash covers.
#[tokio::test]
async fn a_key_whose_workspace_was_changed_opens_nothing() {
    let world = World::new();
    let key = AccessKey::parse(&world.admin).unwrap();
    let stored = Key { secret_sha256: key.sha256(), grant: Grant::Admin(Scope::ALL.to_vec()) };
    world.definitions.add_key(&workspace_id("other"), key.id(), stored);
    let forged = world.admin.replace("ak_shop_", "ak_other_");
    let answered = world.ask(request(Method::GET, "/v1/sources/site/rejections", Some(&forged), None)).await;
    assert_eq!(answered.told(), "401 invalid_key");
}

#[tokio::test]
async fn a_store_that_gives_no_answer_is_never_a_401() {
    let world = World::new();
    world.definitions.set_failing(true);
    let answered = world.get("/v1/sources/web/rejections").await;
    assert_eq!(answered.told(), "503 unavailable");
    assert!(answered.header(http::header::RETRY_AFTER).parse::<u32>().unwrap() >= 1);
    world.definitions.set_failing(false);
    assert_eq!(world.get("/v1/sources/web/rejections").await.status, 200);
    world.definitions.set_failing(true);
    assert_eq!(
        world.get("/v1/sources/web/rejections").await.status,
        200,
        "a known key is believed for a while"
    );
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_minute_and_a_new_one_works_soon() {
    let world = World::new();
    let path = "/v1/sources/web/rejections";
    assert_eq!(world.get(path).await.status, 200);
    let key = AccessKey::parse(&world.admin).unwrap();
    world.definitions.revoke_key(&workspace_id("shop"), key.id());
    world.clock.advance(30 * Timestamp::SECOND);
    assert_eq!(world.get(path).await.status, 200);
    world.clock.advance(30 * Timestamp::SECOND);
    assert_eq!(world.get(path).await.told(), "401 invalid_key");
    let stored = Key { secret_sha256: key.sha256(), grant: Grant::Admin(Scope::ALL.to_vec()) };
    world.definitions.add_key(&workspace_id("shop"), key.id(), stored);
    world.clock.advance(10 * Timestamp::SECOND);
    assert_eq!(world.get(path).await.status, 200);
}

#[tokio::test]
async fn the_store_is_asked_once_a_minute_for_keys_good_and_bad() {
    let world = World::new();
    let bad = format!("ak_shop_00000000_{}", "0".repeat(48));
    for _ in 0..5 {
        world.look_up("user_id", "u-1").await;
        world.ask(request(Method::GET, "/v1/sources/web/rejections", Some(&bad), None)).await;
    }
    assert_eq!(world.definitions.reads(), 2);
}
