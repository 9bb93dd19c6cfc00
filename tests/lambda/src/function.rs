//! The functions, and what they are invoked with.

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::Failed;
use crate::cloud::basic;
use crate::store::Keys;

/// People whom the events belong to.
const PEOPLE: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Hello,
    IngestHttp,
    ProfileUpsert,
    ProfileApi,
    ProfileSweep,
    IdentityMerge,
    SegmentsBackfill,
}

impl Function {
    /// In the order in which they are measured: each needs what the one before it wrote.
    pub const ALL: [Self; 7] = [
        Self::Hello,
        Self::IngestHttp,
        Self::ProfileUpsert,
        Self::ProfileApi,
        Self::ProfileSweep,
        Self::IdentityMerge,
        Self::SegmentsBackfill,
    ];

    pub const fn bin(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::IngestHttp => "ingest-http",
            Self::ProfileUpsert => "profile-upsert",
            Self::ProfileApi => "profile-api",
            Self::ProfileSweep => "profile-sweep",
            Self::IdentityMerge => "identity-merge",
            Self::SegmentsBackfill => "segments-backfill",
        }
    }

    /// The n-th event; `sent` are the bodies that ingest has sent to the profile queue.
    pub(crate) fn event(self, n: usize, keys: &Keys, sent: &[String]) -> Bytes {
        let user = format!("u-{}", n % PEOPLE);
        let event = match self {
            Self::Hello | Self::ProfileSweep => json!({}),
            Self::IngestHttp => post(
                "/v1/track",
                &basic(&keys.write),
                &json!({
                    "userId": user, "event": "Product Viewed", "messageId": format!("m-{n}"),
                    "properties": {"sku": format!("sku-{}", n % 10), "price": 12.5},
                }),
            ),
            Self::ProfileUpsert => records(sent.get(n % sent.len().max(1))),
            Self::IdentityMerge => records(Some(&tie(n))),
            Self::SegmentsBackfill => records(Some(&part(n))),
            Self::ProfileApi => post(
                "/v1/profiles/lookup",
                &format!("Bearer {}", keys.admin),
                &json!({"identifier": {"kind": "user_id", "value": user}}),
            ),
        };
        Bytes::from(event.to_string())
    }

    /// Refuses an answer that shows that something else was measured than what was meant.
    pub(crate) fn check(self, answer: &[u8]) -> Result<(), Failed> {
        let answer: Value = serde_json::from_slice(answer)?;
        let is_right = match self {
            Self::Hello => answer == "hello",
            Self::IngestHttp | Self::ProfileApi => {
                answer.get("statusCode").and_then(Value::as_u64) == Some(200)
            }
            Self::ProfileUpsert | Self::IdentityMerge | Self::SegmentsBackfill => {
                answer.get("batchItemFailures") == Some(&json!([]))
            }
            Self::ProfileSweep => answer.is_null(),
        };
        if is_right { Ok(()) } else { Err(format!("{} answered {answer}", self.bin()).into()) }
    }
}

/// What a function URL makes of a request.
fn post(path: &str, authorization: &str, body: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"authorization": authorization, "content-type": "application/json", "host": "id.lambda-url.eu-central-1.on.aws"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "id", "domainName": "id.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "id", "requestId": "r", "routeKey": "$default", "stage": "$default",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "measuring"},
            "time": "22/Nov/2026:01:27:23 +0000", "timeEpoch": 1_795_310_843_000_i64,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}

/// A request to make two users one. The rules refuse it, so that it can be measured again and again.
fn tie(n: usize) -> String {
    let user = |n: usize| json!({"kind": "user_id", "value": format!("u-{}", n % PEOPLE)});
    let tie = json!({
        "identifiers": [user(n), user(n + 1)], "reason": "same_event", "source": "web",
        "message_id": format!("m-{n}"), "at": 1_795_310_843_000_i64,
    });
    json!({"v": 1, "request": {"workspace": "shop", "work": {"merge": tie}}}).to_string()
}

/// A part of a fill that came to its end long ago: what most copies of a request are.
fn part(n: usize) -> String {
    let of = json!({"workspace": "shop", "version": n, "published": 1_795_310_843_000_i64, "phase": "ask"});
    json!({"v": 1, "part": {"of": of, "number": n % 8}}).to_string()
}

/// What an event source mapping makes of a message.
fn records(body: Option<&String>) -> Value {
    json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "r", "body": body,
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": "",
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:profile",
        "awsRegion": "eu-central-1",
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identity_is_asked_is_a_request_that_it_reads() {
        assert!(domain::identity_request::IdentityRequest::unpack(&tie(7)).is_ok());
        assert!(domain::segment::fill::Request::unpack(&part(7)).is_ok());
    }

    #[test]
    fn an_answer_that_shows_trouble_is_not_measured() {
        let check = |function: Function, answer: &str, is_right: bool| {
            assert_eq!(function.check(answer.as_bytes()).is_ok(), is_right, "{function:?}: {answer}");
        };
        check(Function::IngestHttp, r#"{"statusCode":200}"#, true);
        check(Function::IngestHttp, r#"{"statusCode":503}"#, false);
        check(Function::ProfileUpsert, r#"{"batchItemFailures":[]}"#, true);
        check(Function::ProfileUpsert, r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#, false);
        check(Function::ProfileSweep, r#"{"errorMessage":"…"}"#, false);
    }
}
