//! What SDKs are owed: reading, answers, CORS, limits.

use super::*;

fn check_error(answered: &Answered, status: i64, code: &str) {
    assert_eq!((answered.status, answered.code().as_str()), (status, code), "{}", answered.text);
    let body = answered.json();
    assert_eq!(body["success"], false);
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()));
    check_cors(answered);
}

fn check_cors(answered: &Answered) {
    assert_eq!(answered.header("access-control-allow-origin"), "*");
    assert_eq!(answered.header("access-control-expose-headers"), "retry-after, x-tributary-trace");
    assert_eq!(answered.header("x-tributary-trace").len(), 32);
    assert!(answered.header("x-ratelimit-reset").is_empty());
}

#[tokio::test]
async fn success_is_exactly_200_with_its_body() {
    for body in [PAGE, r#"{"batch":[]}"#, r#"{"batch":[1,2]}"#] {
        let answered = World::new().post("/v1/batch", body).await;
        assert_eq!((answered.status, answered.text.as_str()), (200, r#"{"success":true}"#));
        assert_eq!(answered.header("content-type"), "application/json");
        check_cors(&answered);
    }
}

#[tokio::test]
async fn every_error_is_an_object_with_code_and_message_and_cors() {
    let world = World::new();
    let ask = async |asked: Asked| world.ask(asked).await;
    check_error(&ask(Asked::post("/v1/page", PAGE)).await, 401, "no_write_key");
    check_error(&ask(Asked::post("/v1/page", PAGE).basic("wk_x")).await, 401, "unknown_write_key");
    check_error(&ask(Asked::post("/v1/page", "{").basic(KEY)).await, 400, "malformed");
    check_error(&ask(Asked::post("/v1/page", "{")).await, 400, "malformed");
    check_error(&ask(Asked::new("POST", "/v1/page").basic(KEY)).await, 400, "empty_body");
    check_error(&ask(Asked::new("POST", "/v1/page")).await, 400, "empty_body");
    check_error(&ask(Asked::get("/nowhere")).await, 404, "not_found");
    check_error(&ask(Asked::get("/v1/page")).await, 405, "method_not_allowed");
    let gzip = Asked::post("/v1/page", "rubbish").header("content-encoding", "gzip").basic(KEY);
    check_error(&ask(gzip).await, 400, "mangled_encoding");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    check_error(&ask(Asked::post("/v1/page", &large).basic(KEY)).await, 413, "too_large");
    world.definitions.set_failing(true);
    check_error(&ask(Asked::post("/v1/page", PAGE).basic(OTHER_KEY)).await, 503, "unavailable");
}

#[tokio::test]
async fn an_answer_is_given_only_after_the_queue_accepted() {
    let world = World::new();
    world.queue.fail_next(1);
    let answered = world.post("/v1/page", PAGE).await;
    check_error(&answered, 503, "unavailable");
    assert_eq!(answered.header("retry-after"), "10");
    assert_eq!(world.post("/v1/page", PAGE).await.status, 200);
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_recorded_before_anything_is_sent() {
    let world = World::new();
    let body = format!(r#"{{"batch":[{PAGE},{{"type":"page"}}]}}"#);
    world.rejections.set_failing(true);
    check_error(&world.post("/v1/batch", &body).await, 503, "unavailable");
    assert!(world.queue.sent().is_empty());
    world.rejections.set_failing(false);
    assert_eq!(world.post("/v1/batch", &body).await.status, 200);
    assert_eq!((world.events().len(), world.rejected().len()), (1, 1));
}

#[tokio::test]
async fn the_trace_runs_from_the_answer_into_the_queue() {
    let world = World::new();
    let answered = world.post("/v1/page", PAGE).await;
    let trace = answered.header("x-tributary-trace");
    assert_eq!(world.messages()[0].trace, trace);
    assert_eq!(world.queue.sent()[0].attributes, [("trace".to_owned(), trace.to_owned())]);
    assert_ne!(world.post("/v1/page", PAGE).await.header("x-tributary-trace"), trace);
}

#[tokio::test]
async fn one_request_is_one_message() {
    let world = World::new();
    let events: Vec<String> = (0..100).map(|n| PAGE.replace("\"m\"", &format!("\"m{n}\""))).collect();
    assert_eq!(world.post("/v1/batch", &format!(r#"{{"batch":[{}]}}"#, events.join(","))).await.status, 200);
    assert_eq!((world.queue.sent().len(), world.events().len()), (1, 100));
}

#[tokio::test]
async fn a_large_request_loses_nothing_on_its_way_into_messages() {
    let world = World::new();
    let chance = SeededEntropy::seeded(1);
    let noise = || (0..225).map(|_| crate::hex(ports::Entropy::bytes(&chance))).collect::<Vec<_>>().concat();
    let events: Vec<String> = (0..450)
        .map(|n| {
            format!(r#"{{"type":"page","userId":"u","messageId":"m{n}","properties":{{"x":"{}"}}}}"#, noise())
        })
        .collect();
    let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
    assert!(body.len() > 3 * 1024 * 1024);
    assert_eq!(world.post("/v1/batch", &body).await.status, 200);
    let ids: std::collections::BTreeSet<String> =
        world.events().into_iter().map(|event| event.message_id).collect();
    assert_eq!(ids.len(), 450);
    assert!(world.queue.sent().iter().all(|sent| sent.body.len() <= domain::message::BODY_MAX));
}

#[tokio::test]
async fn a_body_is_a_batch_by_its_array_and_not_by_its_path() {
    let world = World::new();
    assert_eq!(world.post("/v1/track", &format!(r#"{{"batch":[{PAGE},{PAGE}]}}"#)).await.status, 200);
    assert_eq!(world.post("/v1/batch", PAGE).await.status, 200);
    assert_eq!(world.events().len(), 3);
}

#[tokio::test]
async fn preflights_are_answered_before_keys_and_limits() {
    let world = World::new();
    world.definitions.set_failing(true);
    let asked = "authorization,content-type,x-retry-count,anonymousid,sentat,rsa-retry-attempt,x-new";
    for _ in 0..2 * RATE {
        let preflight = Asked::new("OPTIONS", "/v1/t").header("access-control-request-headers", asked);
        let answered = world.ask(preflight.header("origin", "https://any.example")).await;
        assert_eq!((answered.status, answered.text.as_str()), (204, ""));
        check_cors(&answered);
        assert_eq!(answered.header("access-control-allow-methods"), "GET, POST, OPTIONS");
        assert_eq!(answered.header("access-control-max-age"), "7200");
        let allowed: Vec<&str> = answered.header("access-control-allow-headers").split(", ").collect();
        assert!(asked.split(',').all(|name| allowed.contains(&name)), "{allowed:?}");
    }
    assert_eq!(world.definitions.reads(), 0);
}

#[tokio::test]
async fn a_listed_origin_is_named_and_another_refused() {
    let world = World::new();
    define(&world.definitions, "shop", &[LISTED], RATE);
    let from =
        async |origin: &str| world.ask(Asked::post("/v1/p", PAGE).basic(KEY).header("origin", origin)).await;
    let answered = from(LISTED).await;
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, LISTED));
    assert_eq!(answered.header("vary"), "origin");
    check_error(&from("https://evil.example").await, 403, "origin_not_allowed");
    assert_eq!(world.post("/v1/p", PAGE).await.status, 200, "a server has no origin");
    assert_eq!(world.events().len(), 2);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let world = World::new();
    for _ in 0..RATE {
        assert_eq!(world.post("/v1/p", PAGE).await.status, 200);
    }
    let answered = world.post("/v1/p", PAGE).await;
    check_error(&answered, 429, "too_many_requests");
    assert_eq!(answered.header("retry-after"), "1");
    let other = world.ask(Asked::post("/v1/p", PAGE).basic(OTHER_KEY)).await;
    assert_eq!(other.status, 200, "each key has its own limit");
    world.clock.advance(Timestamp::SECOND);
    assert_eq!(world.post("/v1/p", PAGE).await.status, 200);
}

#[tokio::test]
async fn segments_sdks_read_where_to_send() {
    let asked = Asked::get(&format!("/v1/projects/{KEY}/settings")).header("x-forwarded-proto", "http");
    let answered = World::new().ask(asked).await;
    let source = &answered.json()["integrations"]["Segment.io"];
    assert_eq!(source["apiHost"], "in.example/v1");
    assert_eq!((&source["protocol"], &source["apiKey"]), (&json!("http"), &json!(KEY)));
    assert_eq!(answered.json()["metrics"]["sampleRate"], 0);
    check_cors(&answered);
}

#[tokio::test]
async fn rudders_sdks_read_that_the_source_is_enabled() {
    let query = format!("p=npm&v=3.34.1&build=modern&writeKey={KEY}&lockIntegrationsVersion=true");
    for asked in [Asked::get("/sourceConfig/").basic(KEY), Asked::get("/sourceConfig/").query(&query)] {
        let answered = World::new().ask(asked).await;
        let source = &answered.json()["source"];
        assert_eq!((&source["id"], &source["enabled"]), (&json!("web"), &json!(true)));
        assert!(source["config"].is_object() && source["destinations"].is_array());
    }
}

#[tokio::test]
async fn a_pixel_is_always_an_image() {
    let world = World::new();
    let good = format!("writeKey={KEY}&userId=u&event=Opened");
    let rubbish = format!("writeKey={KEY}");
    for query in [good.as_str(), rubbish.as_str(), "", "data=!!!", "writeKey=wk_none&userId=u"] {
        let answered = world.ask(Asked::get("/v1/pixel/track").query(query)).await;
        assert_eq!((answered.status, answered.header("content-type")), (200, "image/gif"), "{query}");
        assert!(answered.text.starts_with("GIF89a"));
    }
    assert_eq!((world.events().len(), world.rejected().len()), (1, 1));
    world.queue.fail_next(1);
    assert_eq!(world.ask(Asked::get("/v1/pixel/track").query(&good)).await.status, 200);
}

#[tokio::test]
async fn binary_answers_are_flagged_as_base64() {
    let response = World::new().stage.handle(Asked::get("/v1/pixel/track").request()).await;
    let response = serde_json::to_value(response).unwrap();
    assert_eq!(
        (&response["isBase64Encoded"], response["body"].as_str().map(|body| &body[..6])),
        (&json!(true), Some("R0lGOD"))
    );
}

#[tokio::test]
async fn what_took_too_long_is_sent_again() {
    let answered = Answered::of(crate::overdue());
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (503, "*"));
}
