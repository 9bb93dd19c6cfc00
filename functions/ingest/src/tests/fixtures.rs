//! Every file in `events/ingest` is one invocation payload, and is answered.

use super::*;

fn fixtures(prefix: &str) -> Vec<(String, ApiGatewayV2httpRequest)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/ingest");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let request = serde_json::from_str(&std::fs::read_to_string(path).unwrap());
        (name.clone(), request.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    files.into_iter().map(read).filter(|(name, _)| name.starts_with(prefix)).collect()
}

#[test]
fn no_fixture_is_left_unread() {
    assert_eq!(fixtures("").len(), fixtures("door.").len() + fixtures("sdk.").len());
    assert_eq!(fixtures("door.").len(), 2 * 3 * 2 * 2);
}

#[tokio::test]
async fn both_doors_in_every_encoding_are_read_alike() {
    let mut payloads = Vec::new();
    for (name, request) in fixtures("door.") {
        let world = World::new();
        let answered = Answered::of(world.stage.handle(request).await);
        if name.contains("gzip.text") {
            // The door made text of binary: nothing can be saved, and it is said.
            assert_eq!((answered.status, answered.code().as_str()), (400, "mangled_encoding"), "{name}");
            continue;
        }
        assert_eq!((answered.status, answered.text.as_str()), (200, r#"{"success":true}"#), "{name}");
        payloads.extend(world.events().into_iter().map(|event| event.payload));
    }
    assert_eq!(payloads.len(), 2 * 3 * 3);
    payloads.dedup();
    assert_eq!(payloads.len(), 1);
}

#[tokio::test]
async fn every_sdks_request_is_accepted_whole() {
    for (name, request) in fixtures("sdk.") {
        let world = World::new();
        let answered = Answered::of(world.stage.handle(request).await);
        assert_eq!(answered.status, 200, "{name}: {}", answered.text);
        assert_eq!(world.rejected(), [], "{name}");
        let two = ["batching", "beacon", "nan"].iter().any(|part| name.contains(part));
        assert_eq!(world.events().len(), if two { 2 } else { 1 }, "{name}");
        for message in world.messages() {
            assert_eq!(message.workspace, workspace("shop"), "{name}");
            assert_eq!(message.trace, answered.header("x-tributary-trace"), "{name}");
        }
        for event in world.events() {
            assert!(!event.payload.contains(SECRET), "{name}");
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            assert!(payload["context"]["ip"] == "192.0.2.10", "{name}");
        }
    }
}

async fn read(name: &str) -> Event {
    let world = World::new();
    let (_, request) = fixtures(name).pop().unwrap();
    world.stage.handle(request).await;
    world.events().pop().unwrap()
}

#[tokio::test]
async fn rudder_puts_identify_traits_into_the_context_alone() {
    let event = read("sdk.rudder-python-2.1.9").await;
    let kinds: Vec<&str> = event.identifiers.iter().map(domain::identifier::Identifier::kind).collect();
    assert_eq!(kinds, ["user_id", "email"]);
}

#[tokio::test]
async fn rust_names_neither_type_nor_message_nor_time() {
    let event = read("sdk.rust-segment-0.2.6.").await;
    assert_eq!(event.kind, domain::event::EventKind::Track);
    assert!(event.message_id.starts_with("tributary-"));
    assert_eq!(event.client_time, domain::event::ClientTime::Ours(event.received_at));
}

#[tokio::test]
async fn a_retry_by_an_sdk_is_the_same_event() {
    let first = read("sdk.rudder-js-3.34.1.json").await;
    let retry = read("sdk.rudder-js-3.34.1-retry").await;
    let key = domain::key::IdKey::new([3; 32]);
    assert_eq!(first.name(&key), retry.name(&key));
    assert_eq!((first.client_time, first.event_time), (retry.client_time, retry.event_time));
}

#[tokio::test]
async fn an_alias_by_a_browser_ties_both_ids() {
    let event = read("sdk.analytics-next-1.84.3-alias").await;
    assert_eq!(event.identifiers.len(), 2);
}

#[tokio::test]
async fn pixels_become_events() {
    let payload = |event: &Event| serde_json::from_str::<Value>(&event.payload).unwrap();
    let opened = read("sdk.pixel-segment").await;
    assert_eq!(payload(&opened)["properties"]["subject"], "ü>?");
    let landed = read("sdk.pixel-rudder").await;
    assert_eq!(landed.kind, domain::event::EventKind::Page);
    assert_eq!(payload(&landed)["context"]["campaign"]["source"], "mail");
}
