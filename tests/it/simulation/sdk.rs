//! Requests as SDKs put them: the same events in one of several envelopes.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::event::EventKind;
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::crowd::write_key;

/// In what an SDK puts its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A batch, the key in the header.
    Batch,
    /// A batch with the key and a shared context in its envelope.
    Enveloped,
    /// A beacon of a page that closes, the key in the address.
    Beacon,
    /// One event at the path of its kind.
    Single,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Batch, Self::Enveloped, Self::Beacon, Self::Single];
}

/// A request of one source; a single one holds one event.
pub(crate) fn request(
    form: Form,
    source: &str,
    events: &[&Map<String, Value>],
    sent_at: Timestamp,
) -> ApiGatewayV2httpRequest {
    let key = write_key(source).reveal();
    let basic = json!({"authorization": format!("Basic {}", STANDARD.encode(format!("{key}:")))});
    let sent_at = sent_at.rfc3339();
    let batch = json!({"batch": events, "sentAt": sent_at});
    let (path, query, headers, body) = match form {
        Form::Batch => ("/v1/batch".to_owned(), String::new(), basic, batch),
        Form::Enveloped => {
            let mut body = batch;
            body["writeKey"] = key.into();
            body["context"] = json!({"library": {"name": "simulation", "version": "1"}});
            ("/v1/b".to_owned(), String::new(), json!({}), body)
        }
        Form::Beacon => ("/beacon/v1/batch".to_owned(), format!("writeKey={key}"), json!({}), batch),
        Form::Single => {
            let mut event = events[0].clone();
            event.insert("sentAt".to_owned(), sent_at.into());
            (path(&mut event), String::new(), basic, Value::Object(event))
        }
    };
    serde_json::from_value(json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "192.0.2.10"}},
        "body": body.to_string(),
        "isBase64Encoded": false,
    }))
    .unwrap()
}

/// The path says the kind, so that the event need not.
fn path(event: &mut Map<String, Value>) -> String {
    let kind = event["type"].as_str().and_then(EventKind::parse);
    let Some(kind) = kind else { return "/v1/track".to_owned() };
    event.remove("type");
    format!("/v1/{}", kind.name())
}
