//! Profiles that a system of record writes.

use super::*;

const BATCH: &str = "/v1/profiles/batch";

fn person(user: &str) -> Value {
    json!({ "source": "crm", "identifiers": [{ "kind": "user_id", "value": user }], "traits": { "name": user } })
}

async fn keyed(world: &World, key: &str, path: &str, body: &Value) -> Answered {
    let asked = request(Method::POST, path, Some(&world.admin), Some(&body.to_string()));
    world.ask(with(asked, "idempotency-key", key)).await
}

fn sent(world: &World) -> Vec<Event> {
    let sent = world.queue.sent();
    sent.iter().flat_map(|message| Message::unpack(&message.body).unwrap().events).collect()
}

#[tokio::test]
async fn what_is_written_takes_the_path_of_every_event_and_keeps_its_time() {
    let world = World::new();
    let item = json!({
        "source": "crm",
        "identifiers": [
            { "kind": "loyalty", "value": 4711 },
            { "kind": "phone", "value": "8 916 123-45-67" },
            { "kind": "email", "value": "Anna@Example.com" },
            { "kind": "user_id", "value": "null" },
        ],
        "traits": { "city": "Рига", "address": { "zip": "1010" } },
        "timestamp": "2019-05-01T10:00:00+03:00",
    });
    let answered = world.post("/v1/profiles/", &item).await;
    let [result] = answered.body["results"].as_array().unwrap().as_slice() else { panic!("{answered:?}") };
    assert_eq!(result["status"], "accepted");
    let outgoing = &world.queue.sent()[0];
    assert_eq!(outgoing.attributes, [("trace".to_owned(), answered.header(TRACE).to_owned())]);
    let [event] = sent(&world).try_into().unwrap();
    assert_eq!(
        (event.kind, event.source.as_str(), &json!(event.message_id)),
        (EventKind::Identify, "crm", &result["messageId"])
    );
    assert_eq!(event.event_time.rfc3339(), "2019-05-01T07:00:00.000Z");
    let kinds: Vec<&str> = event.identifiers.iter().map(Identifier::kind).collect();
    assert_eq!(kinds, ["email", "loyalty", "phone"]);
    world.settle().await;
    for (kind, value) in [("email", "anna@example.com"), ("phone", "+79161234567"), ("loyalty", "4711")] {
        let found = world.look_up(kind, value).await;
        let expected = json!({ "value": "Рига", "at": "2019-05-01T07:00:00.000Z", "source": "crm" });
        assert_eq!(found.body["traits"]["city"], expected, "{kind}");
    }
    let id = world.id_of("loyalty", "4711").await;
    let timeline = world.get(&format!("/v1/profiles/{id}/timeline")).await;
    assert_eq!(timeline.body["events"][0]["payload"]["identifiers"], item["identifiers"]);
}

#[tokio::test]
async fn each_item_has_a_result_of_its_own_in_its_place() {
    let world = World::new();
    let identifiers = json!([{ "kind": "user_id", "value": "u-1" }]);
    let with = |name: &str, value: Value| {
        let mut item = person("u-1");
        item[name] = value;
        item
    };
    let cases = [
        (person("u-1"), "accepted", ""),
        (json!("u-1"), "bad_field", "`profiles[1]` must be an object"),
        (with("trait", json!({})), "bad_field", "`profiles[2].trait` is not known"),
        (json!({ "identifiers": identifiers }), "source_missing", "several sources"),
        (with("source", json!("site")), "source_unknown", "no such source"),
        (with("identifiers", Value::Null), "bad_field", "`profiles[5].identifiers` is missing"),
        (with("identifiers", json!([])), "bad_field", "must hold 1 to 20"),
        (
            with("identifiers", json!([{ "kind": "email", "value": "x" }])),
            "bad_field",
            "`profiles[7].identifiers[0].value` is not valid",
        ),
        (with("identifiers", json!([{ "kind": "user_id", "value": "-1" }])), "blocked", "name nobody"),
        (with("traits", json!([])), "bad_field", "`profiles[9].traits` must be an object"),
        (with("traits", json!({ "long": "x".repeat(33_000) })), "too_large", "32768 bytes"),
        (with("timestamp", json!("yesterday")), "bad_field", "`profiles[11].timestamp` must be a time"),
        (with("timestamp", json!(1_767_225_600)), "bad_field", "`profiles[12].timestamp` must be a string"),
        (with("messageId", json!("")), "bad_field", "`profiles[13].messageId` must have 1"),
        (with("messageId", json!("my-id")), "accepted", ""),
    ];
    let items: Vec<&Value> = cases.iter().map(|(item, ..)| item).collect();
    let answered = world.post(BATCH, &json!({ "profiles": items })).await;
    let results = answered.body["results"].as_array().unwrap();
    assert_eq!((answered.status, results.len()), (200, cases.len()));
    for (result, (_, expected, said)) in results.iter().zip(&cases) {
        let outcome = result["code"].as_str().or_else(|| result["status"].as_str()).unwrap();
        assert_eq!(outcome, *expected, "{result}");
        assert!(result["detail"].as_str().unwrap_or_default().contains(said), "{result}");
    }
    assert_eq!(results[14], json!({ "status": "accepted", "messageId": "my-id" }));
    assert_eq!(sent(&world).len(), 2);
}

#[tokio::test]
async fn a_batch_has_one_to_500_items() {
    let world = World::new();
    let batch = |items: usize| json!({ "profiles": vec![person("u-1"); items] });
    assert_eq!(world.post(BATCH, &batch(0)).await.told(), "400 bad_field");
    assert_eq!(world.post(BATCH, &batch(501)).await.told(), "400 bad_field");
    assert_eq!(world.post(BATCH, &json!({ "batch": [] })).await.told(), "400 bad_field");
    assert!(world.queue.sent().is_empty());
    let answered = world.post(BATCH, &batch(500)).await;
    assert_eq!((answered.status, answered.body["results"].as_array().unwrap().len()), (200, 500));
    assert_eq!(sent(&world).len(), 500);
}

#[tokio::test]
async fn the_only_source_needs_no_name() {
    let world = World::new();
    let key = world.admin_key("other", &Scope::ALL);
    let body = json!({ "identifiers": [{ "kind": "user_id", "value": "u-1" }] }).to_string();
    let answered = world.ask(request(Method::POST, "/v1/profiles", Some(&key), Some(&body))).await;
    assert_eq!(answered.body["results"][0]["status"], "accepted");
    assert_eq!(sent(&world)[0].source.as_str(), "site");
}

#[tokio::test]
async fn a_request_that_is_made_again_changes_nothing() {
    let world = World::new();
    let body = json!({ "profiles": [person("u-1"), person("u-2"), person("u-1")] });
    let first = keyed(&world, "key-1", BATCH, &body).await;
    world.settle().await;
    let before = world.people.tables();
    world.clock.advance(3 * Timestamp::HOUR);
    let again = keyed(&world, "key-1", BATCH, &body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    world.settle().await;
    assert_eq!(world.people.tables(), before);
    let ids: std::collections::BTreeSet<String> = first.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["messageId"].to_string())
        .collect();
    assert_eq!(ids.len(), 3, "two equal items of one request are two events");
}

/// Whether or not the first try reached the queue, the second one does.
#[tokio::test]
async fn a_request_that_failed_can_be_made_again() {
    let world = World::new();
    let body = json!({ "profiles": [person("u-1")] });
    world.queue.fail_next(1);
    assert_eq!(keyed(&world, "key-1", BATCH, &body).await.told(), "503 unavailable");
    assert_eq!(keyed(&world, "key-1", BATCH, &body).await.status, 200);
    assert_eq!(sent(&world).len(), 1);
    world.idempotency.set_failing(true);
    assert_eq!(keyed(&world, "key-2", BATCH, &body).await.told(), "503 unavailable");
    assert_eq!(sent(&world).len(), 1, "nothing is sent before the key is claimed");
}

#[tokio::test]
async fn a_key_that_comes_with_another_request_is_refused_until_it_is_forgotten() {
    let world = World::new();
    let one = json!({ "profiles": [person("u-1")] });
    let two = json!({ "profiles": [person("u-2")] });
    let first = keyed(&world, "key-1", BATCH, &one).await;
    assert_eq!(keyed(&world, "key-1", BATCH, &two).await.told(), "422 idempotency_mismatch");
    assert_eq!(
        keyed(&world, "key-1", "/v1/profiles", &person("u-1")).await.told(),
        "422 idempotency_mismatch"
    );
    assert_eq!(sent(&world).len(), 1);
    world.clock.advance(Timestamp::DAY);
    let later = keyed(&world, "key-1", BATCH, &json!({ "profiles": [person("u-1"), person("u-3")] })).await;
    assert_eq!(later.status, 200);
    assert_ne!(later.body["results"][0]["messageId"], first.body["results"][0]["messageId"]);
}

#[tokio::test]
async fn keys_of_two_workspaces_are_two_keys() {
    let world = World::new();
    assert_eq!(keyed(&world, "key-1", "/v1/profiles", &person("u-1")).await.status, 200);
    let key = world.admin_key("other", &Scope::ALL);
    let body = json!({ "identifiers": [{ "kind": "user_id", "value": "u-1" }] }).to_string();
    let asked =
        with(request(Method::POST, "/v1/profiles", Some(&key), Some(&body)), "idempotency-key", "key-1");
    assert_eq!(world.ask(asked).await.status, 200);
}

#[tokio::test]
async fn the_senders_own_id_stands_above_the_key_of_the_request() {
    let world = World::new();
    let mut item = person("u-1");
    item["messageId"] = json!("crm-7");
    let [one, two] = [
        keyed(&world, "key-1", "/v1/profiles", &item).await,
        keyed(&world, "key-2", "/v1/profiles", &item).await,
    ];
    assert_eq!((&one.body, &one.body["results"][0]["messageId"]), (&two.body, &json!("crm-7")));
    world.clock.advance(Timestamp::HOUR);
    world.settle().await;
    let found = world.look_up("user_id", "u-1").await;
    assert_eq!(found.body["counters"]["total"], 1);
}

#[tokio::test]
async fn a_key_is_short_and_visible() {
    let world = World::new();
    for key in ["", "with blank", &"k".repeat(256)] {
        assert_eq!(
            keyed(&world, key, "/v1/profiles", &person("u-1")).await.told(),
            "400 bad_idempotency_key",
            "{key}"
        );
    }
    assert_eq!(keyed(&world, &"k".repeat(255), "/v1/profiles", &person("u-1")).await.status, 200);
}
