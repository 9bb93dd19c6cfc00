//! Requests as SDKs make them of events, as Lambda hands them over.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::corpus::{Sample, Sdk};
use crate::failed::{Failed, Wrong};

/// A request before Lambda wraps it.
pub(crate) struct Posted {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// One request with all of these events, as their SDK would send it.
pub(crate) fn post(sdk: Sdk, samples: &[&Sample], key: &str, sent_at: Timestamp) -> Result<Posted, Failed> {
    let sent_at = sent_at.rfc3339();
    let body = |events: Value| json!({ "batch": events, "writeKey": key, "sentAt": sent_at }).to_string();
    let plain = || samples.iter().map(|sample| Value::Object(sample.event.clone())).collect();
    Ok(match (sdk, samples) {
        (Sdk::Web, [one]) => {
            let mut event = keyed(&one.event, key);
            event.insert("sentAt".to_owned(), json!(sent_at));
            Posted {
                path: path(&one.event)?,
                content_type: "text/plain",
                body: Value::Object(event).to_string(),
            }
        }
        (Sdk::Web, many) => {
            let events = many.iter().map(|sample| Value::Object(keyed(&sample.event, key))).collect();
            Posted { path: "/v1/b", content_type: "text/plain", body: body(events) }
        }
        (Sdk::Mobile, _) => {
            Posted { path: "/v1/b", content_type: "application/json; charset=utf-8", body: body(plain()) }
        }
        (Sdk::Server, _) => {
            Posted { path: "/v1/batch", content_type: "application/json", body: body(plain()) }
        }
    })
}

/// Browsers put the key into each event.
fn keyed(event: &Map<String, Value>, key: &str) -> Map<String, Value> {
    let mut event = event.clone();
    event.insert("writeKey".to_owned(), json!(key));
    event
}

fn path(event: &Map<String, Value>) -> Result<&'static str, Wrong> {
    match event.get("type").and_then(Value::as_str) {
        Some("track") => Ok("/v1/t"),
        Some("identify") => Ok("/v1/i"),
        Some("page") => Ok("/v1/p"),
        _ => Err(Wrong("an event of the corpus has a kind that no browser sends".to_owned())),
    }
}

/// The request as a function URL hands it to the function.
pub(crate) fn invocation(posted: &Posted, key: &str) -> Result<ApiGatewayV2httpRequest, Failed> {
    let agent =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36";
    Ok(serde_json::from_value(json!({
        "version": "2.0", "routeKey": "$default", "rawPath": posted.path, "rawQueryString": "",
        "headers": {
            "authorization": format!("Basic {}", STANDARD.encode(format!("{key}:"))),
            "content-type": posted.content_type, "user-agent": agent,
            "origin": "https://www.northbound.example.com", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "http": { "method": "POST", "path": posted.path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.10", "userAgent": agent },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599", "routeKey": "$default", "stage": "$default",
            "timeEpoch": 1_795_310_843_000_u64,
        },
        "body": posted.body, "isBase64Encoded": false,
    }))?)
}
