//! What a request leaves in the log: who asked for what, and nobody's data.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

const CANARY: &str = "canary4711";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let lines = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Each with personal data, or a secret, in every place there is.
fn requests(world: &World) -> Vec<ApiGatewayV2httpRequest> {
    let identifiers = json!([{ "kind": "email", "value": format!("{CANARY}@example.com") }]);
    let item = json!({ "source": "crm", "identifiers": identifiers, "traits": { CANARY: CANARY }, "messageId": CANARY });
    let lookup = json!({ "identifier": { "kind": "email", "value": format!("{CANARY}@example.com") } });
    let bodies = [
        lookup,
        item.clone(),
        json!({ "profiles": [item, CANARY] }),
        json!({ CANARY: CANARY }),
        json!(CANARY),
    ];
    let bodies = bodies.iter().map(Value::to_string).chain([format!("{{{CANARY}")]);
    let bodies: Vec<String> = bodies.collect();
    let id = "0".repeat(32);
    let paths = [
        "/v1/profiles/lookup".to_owned(),
        "/v1/profiles".to_owned(),
        "/v1/profiles/batch".to_owned(),
        format!("/v1/profiles/{CANARY}"),
        format!("/v1/profiles/{id}/timeline?event={CANARY}&cursor={CANARY}"),
        format!("/v1/profiles/{id}?{CANARY}={CANARY}"),
        format!("/v1/sources/{CANARY}/rejections?day={CANARY}"),
        "/v1/sources/web/rejections".to_owned(),
        format!("/{CANARY}"),
    ];
    let keys = [None, Some(CANARY), Some(world.admin.as_str())];
    let mut requests = Vec::new();
    for path in &paths {
        for body in &bodies {
            for key in keys {
                for method in [Method::GET, Method::POST] {
                    let asked = request(method, path, key, Some(body));
                    requests.push(with(with(asked, "idempotency-key", CANARY), "user-agent", CANARY));
                }
            }
        }
    }
    requests
}

#[tokio::test]
async fn no_line_at_any_level_holds_personal_data_or_a_key() {
    let world = World::new();
    let secret = world.admin.rsplit('_').next().unwrap().to_owned();
    let written = Written::default();
    let logging = written.start();
    for failing in [false, true] {
        world.definitions.set_failing(failing);
        world.rejections.set_failing(failing);
        for asked in requests(&world) {
            world.ask(asked).await;
        }
        world.clock.advance(Timestamp::HOUR);
    }
    assert!(!written.text().contains(CANARY) && !written.text().contains(&secret));
    tracing::info!("a planted leak: {CANARY}");
    assert!(written.text().contains(CANARY), "the test sees what is logged");
    drop(logging);
}

#[tokio::test]
async fn the_audit_names_the_key_the_action_and_a_keyed_hash_of_the_person() {
    let world = World::new();
    let written = Written::default();
    let logging = written.start();
    let answered = world.look_up("user_id", "u-1").await;
    drop(logging);
    let text = written.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let audit = lines
        .map(|line| line["fields"].clone())
        .find(|fields| fields["audit"] == true)
        .expect("an audit line");
    let hash = id_key().identifier(&workspace_id("shop"), &identifier("user_id", "u-1")).to_string();
    let key = AccessKey::parse(&world.admin).unwrap();
    assert_eq!((&audit["key.id"], &audit["workspace.id"]), (&json!(key.id()), &json!("shop")));
    assert_eq!((&audit["action"], &audit["subject"]), (&json!("profile.lookup"), &json!(hash)));
    assert_eq!((&audit["outcome"], &audit["trace"]), (&json!("allowed"), &json!(answered.header(TRACE))));
}

#[tokio::test]
async fn a_key_that_lacks_the_scope_leaves_a_trace_too() {
    let world = World::new();
    let key = world.admin_key("shop", &[Scope::SourcesRead]);
    let written = Written::default();
    let logging = written.start();
    world.ask(request(Method::POST, "/v1/profiles", Some(&key), Some("{}"))).await;
    drop(logging);
    assert!(written.text().contains("\"outcome\":\"refused\""), "{}", written.text());
}
