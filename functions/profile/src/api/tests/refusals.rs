//! What is asked wrongly, and what was refused elsewhere.

use domain::rejection::{Reason, Rejection};
use ports::Rejections as _;

use super::*;

const LOOKUP: &str = "/v1/profiles/lookup";

async fn posted(path: &str, body: &str) -> Answered {
    let world = World::new();
    world.ask(request(Method::POST, path, Some(&world.admin), Some(body))).await
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_a_404_and_another_method_a_405() {
    let world = World::new();
    for path in
        ["", "/", "/v2/profiles", "/v1", "/v1/profiles/a/b", "/v1/sources/web", "/v1/profiles/a/timeline/b"]
    {
        assert_eq!(world.get(path).await.told(), "404 no_route", "{path}");
    }
    for (method, path, allowed) in [
        (Method::GET, LOOKUP, "POST"),
        (Method::DELETE, "/v1/profiles", "POST"),
        (Method::PUT, "/v1/profiles/batch", "POST"),
        (Method::POST, "/v1/profiles/00112233445566778899aabbccddeeff", "GET"),
        (Method::OPTIONS, "/v1/sources/web/rejections", "GET"),
    ] {
        let answered = world.ask(request(method, path, Some(&world.admin), None)).await;
        assert_eq!(
            (answered.told().as_str(), answered.header(http::header::ALLOW)),
            ("405 method_not_allowed", allowed)
        );
    }
}

#[tokio::test]
async fn a_body_of_too_many_values_is_refused_before_it_is_read() {
    let many = |count: usize| format!("{{\"profiles\":[{}]}}", vec!["0"; count].join(","));
    for (count, told) in [(10_000, "400 bad_field"), (70_000, "413 body_too_large")] {
        assert_eq!(posted("/v1/profiles/batch", &many(count)).await.told(), told, "{count}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_from_a_field_that_is_wrong() {
    for (body, code, said) in [
        ("", "malformed_body", "line 1"),
        ("{\"identifier\":\n{,}", "malformed_body", "line 2, column 2"),
        ("[]", "malformed_body", "not an object"),
        ("{\"identifier\":{\"kind\":\"x\",\"value\":NaN}}", "malformed_body", "line 1"),
        ("{\"identifier\":{\"kind\":\"x\",\"value\":\"\\ud800\"}}", "malformed_body", "line 1"),
        ("{\"$serde_json::private::Number\":\"1\"}", "malformed_body", "reserved"),
        ("{\"a\":{\"\\u0024serde_json::private::RawValue\":\"{}\"}}", "malformed_body", "reserved"),
        ("{}", "bad_field", "`identifier` is missing"),
        ("{\"identifier\":1}", "bad_field", "`identifier` must be an object"),
        ("{\"identifer\":{}}", "bad_field", "`identifer` is not known here; there are: identifier"),
        ("{\"identifier\":{\"kind\":\"email\"}}", "bad_field", "`identifier.value` is missing"),
        (
            "{\"identifier\":{\"kind\":\"e mail\",\"value\":\"a\"}}",
            "bad_field",
            "`identifier.kind` is not valid",
        ),
        ("{\"identifier\":{\"kind\":7,\"value\":\"a\"}}", "bad_field", "`identifier.kind` must be a string"),
        (
            "{\"identifier\":{\"kind\":\"email\",\"value\":\"nobody\"}}",
            "bad_field",
            "`identifier.value` is not valid",
        ),
        (
            "{\"identifier\":{\"kind\":\"email\",\"value\":{}}}",
            "bad_field",
            "`identifier.value` must be a string",
        ),
    ] {
        let answered = posted(LOOKUP, body).await;
        assert_eq!(answered.told(), format!("400 {code}"), "{body}");
        let detail = answered.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{body}: {detail}");
        assert!(!detail.contains("nobody"), "what was sent is not repeated: {detail}");
    }
}

#[tokio::test]
async fn a_body_is_bounded_whether_in_base64_or_not() {
    let world = World::new();
    let body = |bytes: usize| format!("{{\"identifier\":{}}}", " ".repeat(bytes - 16) + "1");
    let ask = async |body: String, is_base64_encoded| {
        let mut asked = request(Method::POST, LOOKUP, Some(&world.admin), Some(&body));
        asked.is_base64_encoded = is_base64_encoded;
        world.ask(asked).await.told()
    };
    let base64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let max = super::super::ask::BODY_MAX;
    assert_eq!(ask(body(max), false).await, "400 bad_field");
    assert_eq!(ask(body(max + 1), false).await, "413 body_too_large");
    assert_eq!(ask(base64(&body(max)), true).await, "400 bad_field");
    assert_eq!(ask(base64(&body(max + 1)), true).await, "413 body_too_large");
    assert_eq!(ask("a*b".to_owned(), true).await, "400 malformed_body");
    let packed =
        with(request(Method::POST, LOOKUP, Some(&world.admin), Some("{}")), "content-encoding", "gzip");
    assert_eq!(world.ask(packed).await.told(), "415 unsupported_encoding");
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_named() {
    let world = World::new();
    world.fold(vec![track("m-1", NOW)]).await;
    let id = world.id_of("user_id", "u-1").await;
    for (query, said) in [
        ("form=2026-01-01", "not known here; there are: from, to, type"),
        ("limit=1&limit=2", "twice"),
        ("from=yesterday", "`from` must be a time"),
        ("to=2026-13-01", "`to` must be a time"),
        ("from=2026-01-02&to=2026-01-02", "`to` must be later"),
        ("type=track,purchase", "`type` must be of"),
        ("source=Web", "`source` a name has"),
        ("limit=0", "`limit` must be a number from 1"),
        ("limit=1001", "`limit` must be a number from 1"),
    ] {
        let answered = world.get(&format!("/v1/profiles/{id}/timeline?{query}")).await;
        assert_eq!(answered.told(), "400 bad_parameter", "{query}");
        let detail = answered.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{query}: {detail}");
    }
    assert_eq!(world.get(&format!("/v1/profiles/{id}?fields=traits")).await.told(), "400 bad_parameter");
    assert_eq!(world.get("/v1/profiles/unknown").await.told(), "404 profile_not_found");
    assert_eq!(world.get(&format!("/v1/profiles/{}", "0".repeat(32))).await.told(), "404 profile_not_found");
}

#[tokio::test]
async fn the_refused_events_of_a_source_are_listed_by_day() {
    let world = World::new();
    let refused = Rejection {
        at: NOW,
        reason: Reason::NoIdentifier,
        detail: "nothing names a person".to_owned(),
        message_id: Some("m-1".to_owned()),
        sample: "{}".to_owned(),
    };
    let (shop, web) = (workspace_id("shop"), source_id("web"));
    world.rejections.record(&shop, &web, &[refused.clone(), refused]).await.unwrap();
    let today = NOW.rfc3339()[..10].to_owned();
    for path in ["/v1/sources/web/rejections".to_owned(), format!("/v1/sources/web/rejections?day={today}")] {
        let listed = world.get(&path).await;
        assert_eq!((&listed.body["source"], &listed.body["day"]), (&json!("web"), &json!(today)));
        assert_eq!(listed.body["counts"], json!({ "no_identifier": 2 }));
        let kept = json!({
            "at": NOW.rfc3339(), "reason": "no_identifier", "detail": "nothing names a person",
            "message_id": "m-1", "sample": "{}",
        });
        assert_eq!((&listed.body["kept"], &listed.body["cursor"]), (&json!([kept]), &Value::Null));
    }
    assert_eq!(world.get("/v1/sources/web/rejections?day=2020-01-01").await.body["kept"], json!([]));
    assert_eq!(world.get("/v1/sources/crm/rejections").await.body["counts"], json!({}));
    assert_eq!(world.get("/v1/sources/site/rejections").await.told(), "404 source_not_found");
    for day in ["today", "2026-1-1", "2026-02-30", "2026-01-01T00:00:00Z", ""] {
        assert_eq!(
            world.get(&format!("/v1/sources/web/rejections?day={day}")).await.told(),
            "400 bad_parameter",
            "{day}"
        );
    }
    world.rejections.set_failing(true);
    assert_eq!(world.get("/v1/sources/web/rejections").await.told(), "503 unavailable");
}

fn refusal(number: i64, sample: &str) -> Rejection {
    Rejection {
        at: NOW.plus(-number),
        reason: Reason::Malformed,
        detail: String::new(),
        message_id: Some(format!("m-{number}")),
        sample: sample.to_owned(),
    }
}

/// The message ids of a listing's parts, asked for one after the other.
async fn parts(world: &World, query: &str) -> Vec<Vec<String>> {
    let mut parts = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let cursor_parameter = cursor.as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let listed = world.get(&format!("/v1/sources/web/rejections?{query}{cursor_parameter}")).await;
        assert_eq!(listed.status, 200, "{:?}", listed.body);
        let ids = listed.body["kept"].as_array().unwrap().iter();
        parts.push(ids.map(|kept| kept["message_id"].as_str().unwrap().to_owned()).collect());
        cursor = listed.body["cursor"].clone();
        if cursor.is_null() {
            return parts;
        }
        assert!(!parts.last().unwrap().is_empty(), "a part with a cursor holds something");
    }
}

#[tokio::test]
async fn refused_events_are_listed_in_parts_and_a_cursor_is_for_its_question_alone() {
    let world = World::new();
    let all: Vec<_> = (0..5).map(|number| refusal(number, "{}")).collect();
    world.rejections.record(&workspace_id("shop"), &source_id("web"), &all).await.unwrap();
    assert_eq!(parts(&world, "limit=2").await, [vec!["m-0", "m-1"], vec!["m-2", "m-3"], vec!["m-4"]]);

    let first = world.get("/v1/sources/web/rejections?limit=2").await;
    let cursor = first.body["cursor"].as_str().unwrap().to_owned();
    let today = NOW.rfc3339()[..10].to_owned();
    let day = NOW.plus(-domain::time::Timestamp::DAY).rfc3339()[..10].to_owned();
    for path in [
        format!("/v1/sources/crm/rejections?cursor={cursor}"),
        format!("/v1/sources/web/rejections?day={day}&cursor={cursor}"),
        format!("/v1/sources/web/rejections?cursor={}x", &cursor[..cursor.len() - 1]),
    ] {
        assert_eq!(world.get(&path).await.told(), "400 bad_cursor", "{path}");
    }
    world.clock.advance(domain::time::Timestamp::DAY);
    let after_midnight = world.get(&format!("/v1/sources/web/rejections?cursor={cursor}")).await;
    assert_eq!(after_midnight.body["day"], json!(today), "a listing goes on in the day on which it began");
    assert_eq!(after_midnight.body["kept"][0]["message_id"], "m-2");
    assert_eq!(world.get("/v1/sources/web/rejections?limit=0").await.told(), "400 bad_parameter");
}

#[tokio::test]
async fn an_answer_with_refused_events_is_one_that_lambda_can_carry() {
    let world = World::new();
    // In the JSON of an answer each byte of this takes four, and its escapes' escapes as many.
    let sample = "\"".repeat(Rejection::SAMPLE_MAX);
    for minute in 0..3 {
        let at = |number| minute * domain::time::Timestamp::MINUTE + number;
        let all: Vec<_> = (0..100).map(|number| refusal(at(number), &sample)).collect();
        world.rejections.record(&workspace_id("shop"), &source_id("web"), &all).await.unwrap();
    }
    let listed = parts(&world, "limit=1000").await;
    assert!(listed.len() > 1, "they do not fit into one answer");
    assert_eq!(listed.concat().len(), 300);
    let answered = world.get("/v1/sources/web/rejections?limit=1000").await;
    let carried = Value::from(answered.body.to_string()).to_string();
    assert!(carried.len() < 6 * 1024 * 1024, "{} bytes", carried.len());
}
