//! The pitfalls that SDKs were seen to fall into, each by its number.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

async fn status(asked: Asked) -> i64 {
    World::new().ask(asked).await.status
}

#[tokio::test]
async fn pitfall_1_no_answer_to_events_is_202_or_204() {
    for body in [PAGE, r#"{"batch":[]}"#, "{}", "[]", "", r#"{"batch":null}"#] {
        let status = World::new().post("/v1/batch", body).await.status;
        assert!(status == 200 || status == 400, "{body}: {status}");
    }
}

#[tokio::test]
async fn pitfall_3_and_21_slashes_are_routed_and_never_redirected() {
    for path in ["/v1/batch/", "//v1/batch", "/v1//batch", "/batch", "///batch///"] {
        assert_eq!(status(Asked::post(path, PAGE).basic(KEY)).await, 200, "{path}");
    }
}

#[tokio::test]
async fn pitfall_4_the_content_type_says_nothing() {
    for content in ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png", ""] {
        assert_eq!(status(Asked::post("/v1/p", PAGE).basic(KEY).header("content-type", content)).await, 200);
    }
}

#[tokio::test]
async fn pitfall_9_what_may_heal_is_never_a_4xx() {
    let world = World::new();
    world.definitions.set_failing(true);
    assert_eq!(world.post("/v1/p", PAGE).await.status, 503);
    world.definitions.set_failing(false);
    world.queue.fail_next(1);
    assert_eq!(world.post("/v1/p", PAGE).await.status, 503);
}

#[tokio::test]
async fn pitfall_10_legal_batches_over_500_kb_are_taken() {
    let event = format!(r#"{{"type":"page","userId":"u","properties":{{"x":"{}"}}}}"#, "x".repeat(900));
    let body = format!(r#"{{"batch":[{}{event}]}}"#, format!("{event},").repeat(600));
    assert!(body.len() > 525 * 1024);
    let world = World::new();
    assert_eq!(world.post("/v1/batch", &body).await.status, 200);
    assert_eq!(world.events().len(), 601);
}

#[tokio::test]
async fn pitfall_11_what_strict_parsers_refuse_costs_nobody_else() {
    let world = World::new();
    let body = format!(
        "\u{feff}{{\"batch\":[{PAGE},{{\"type\":\"page\",\"userId\":\"u\",\"properties\":{{\"nan\":NaN,\"half\":\"\\ud83d\",\"huge\":1e400,\"nul\":\"\\u0000\"}}}}]}}"
    );
    assert_eq!(world.post("/v1/batch", &body).await.status, 200);
    let events = world.events();
    assert_eq!((events.len(), world.rejected().len()), (2, 0));
    let payload: Value = serde_json::from_str(&events[1].payload).unwrap();
    assert_eq!(payload["properties"]["nan"], Value::Null);
    assert_eq!(payload["properties"]["half"], "\u{fffd}");
    assert_eq!(payload["properties"]["nul"], "\u{fffd}");
    assert_eq!(payload["properties"]["huge"].to_string(), "1e+400");
}

#[tokio::test]
async fn pitfall_12_nothing_but_an_id_is_required_of_an_event() {
    let world = World::new();
    assert_eq!(world.post("/v1/identify", r#"{"userId":"u"}"#).await.status, 200);
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn pitfall_13_an_empty_user_id_is_no_user() {
    let world = World::new();
    let body = r#"{"batch":[{"type":"page","userId":"","anonymousId":"a"},{"type":"page","userId":"null","anonymousId":"b"},{"type":"page","userId":""}]}"#;
    assert_eq!(world.post("/v1/batch", body).await.status, 200);
    assert!(world.events().iter().all(|event| event.home().unwrap().kind() == "anonymous_id"));
    assert_eq!((world.events().len(), world.rejected().len()), (2, 2), "one refused, one noted");
}

#[tokio::test]
async fn pitfall_17_telemetry_is_answered_and_is_no_event() {
    let world = World::new();
    let body = r#"{"series":[{"type":"Counter","metric":"analytics_js.invoke","value":1,"tags":{}}]}"#;
    let answered = world.ask(Asked::post("/v1/m", body).header("content-type", "text/plain")).await;
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, "*"));
    assert!(world.queue.sent().is_empty() && world.rejected().is_empty());
}

#[tokio::test]
async fn pitfall_18_cookies_are_no_identity() {
    let world = World::new();
    let beacon = Asked::post("/beacon/v1/batch", r#"{"batch":[{"type":"page"}]}"#);
    let beacon = beacon.query(&format!("writeKey={KEY}")).header("cookie", "ajs_user_id=u; rl_user_id=v");
    assert_eq!(world.ask(beacon).await.status, 200);
    assert_eq!((world.events().len(), world.rejected().len()), (0, 1));
}

#[tokio::test]
async fn pitfall_19_a_bomb_is_refused_before_it_goes_off() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    let mut asked = Asked::post("/v1/batch", &STANDARD.encode(bomb.finish().unwrap())).basic(KEY);
    asked.is_base64 = true;
    let answered = World::new().ask(asked).await;
    assert_eq!((answered.status, answered.code().as_str()), (413, "too_large"));
}

#[tokio::test]
async fn an_unknown_key_costs_no_unpacking() {
    let answered = World::new().ask(Asked::post("/v1/batch", "not even JSON").basic("wk_no")).await;
    assert_eq!(answered.code(), "unknown_write_key");
}

#[tokio::test]
async fn one_source_never_sees_the_rejections_of_another() {
    let world = World::new();
    world.ask(Asked::post("/v1/p", "{}").basic(OTHER_KEY)).await;
    assert!(world.rejected().is_empty());
    assert_eq!(world.rejections.kept(&workspace("other"), &web()).len(), 1);
}
