//! One file, one invocation: what the front doors really hand over.

use super::*;

/// The key that the fixtures carry: its secret opens nothing outside of tests.
const KEY: &str = "ak_shop_fixture1_0123456789abcdef0123456789abcdef0123456789abcdef";

fn fixture(name: &str) -> ApiGatewayV2httpRequest {
    let path = format!("{}/../../events/profile-api/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const FIXTURES: [(&str, &str); 9] = [
    ("lookup", "200"),
    ("lookup-base64-http-api", "200"),
    ("profile-unknown", "404 profile_not_found"),
    ("timeline", "404 profile_not_found"),
    ("rejections", "200"),
    ("import", "200"),
    ("import-batch", "200"),
    ("hostile-body", "400 malformed_body"),
    ("hostile-path", "404 no_route"),
];

#[tokio::test]
async fn every_fixture_reaches_its_handler() {
    let world = World::new();
    let key = AccessKey::parse(KEY).unwrap();
    let stored = Key { secret_sha256: key.sha256(), grant: Grant::Admin(Scope::ALL.to_vec()) };
    world.definitions.add_key(&workspace_id("shop"), key.id(), stored);
    let mut known = track("m-1", NOW);
    known.identifiers.push(identifier("email", "anna@example.com"));
    world.fold(vec![known]).await;
    for (name, expected) in FIXTURES {
        assert_eq!(world.ask(fixture(name)).await.told(), expected, "{name}");
    }
    assert_eq!(world.queue.sent().len(), 2, "the imports reached the queue");
}

#[test]
fn no_fixture_lies_unread() {
    let folder = format!("{}/../../events/profile-api", env!("CARGO_MANIFEST_DIR"));
    let files =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> =
        files.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    files.sort();
    let mut listed: Vec<&str> = FIXTURES.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(files, listed);
}

/// What the runtime sends back has the form that both front doors read.
#[tokio::test]
async fn an_answer_has_the_form_of_payload_2() {
    let world = World::new();
    let response = world.api.handle(fixture("hostile-path")).await;
    let sent: Value = serde_json::to_value(&response).unwrap();
    assert_eq!((&sent["statusCode"], &sent["isBase64Encoded"]), (&json!(404), &json!(false)));
    assert_eq!(sent["headers"]["content-type"], "application/problem+json");
    assert!(sent["body"].as_str().unwrap().starts_with('{'));
}
