//! A queue service behind the SDK's client: it accepts, remembers, and counts
//! what AWS would bill.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::rules::{count, queue_requests};

/// What Lambda's pollers receive and delete at once.
const POLLED: usize = 10;
/// What SQS takes in one request.
const ENTRIES_MAX: usize = 10;
const REQUEST_MAX: u64 = 1024 * 1024;

/// A message as it waits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) body: String,
    /// Body and attributes: their names, types and values.
    bytes: u64,
}

/// The service; clones are one.
#[derive(Clone, Default)]
pub(crate) struct QueueService(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    requests: u64,
    calls: u64,
}

impl fmt::Debug for QueueService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueService").finish_non_exhaustive()
    }
}

impl QueueService {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Billed requests since the last time.
    pub(crate) fn take_requests(&self) -> u64 {
        std::mem::take(&mut self.lock().requests)
    }

    /// Calls that senders made, so far.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Takes out all that waits; nothing is billed before [`Self::poll`].
    pub(crate) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Bills for what Lambda's pollers do about the messages of one batch: they
    /// are received, and deleted, ten at a time.
    pub(crate) fn poll(&self, batch: &[Waiting]) {
        let received =
            batch.chunks(POLLED).map(|chunk| queue_requests(chunk.iter().map(|one| one.bytes).sum()));
        let requests = received.sum::<u64>() + count(batch.len().div_ceil(POLLED));
        self.lock().requests += requests;
    }

    fn answer(&self, operation: &str, asked: &Value) -> Option<Value> {
        let entries: Vec<&Value> = match operation {
            "SendMessage" => vec![asked],
            "SendMessageBatch" => asked.get("Entries")?.as_array()?.iter().collect(),
            _ => return None,
        };
        let messages: Vec<Waiting> = entries.iter().map(|entry| waiting(entry)).collect::<Option<_>>()?;
        let bytes: u64 = messages.iter().map(|message| message.bytes).sum();
        if !(1..=ENTRIES_MAX).contains(&messages.len()) || bytes > REQUEST_MAX {
            return None;
        }
        let mut state = self.lock();
        state.calls += 1;
        state.requests += queue_requests(bytes);
        state.waiting.extend(messages);
        let sent =
            |entry: &&Value| json!({ "Id": entry.get("Id"), "MessageId": "m", "MD5OfMessageBody": "d" });
        Some(match operation {
            "SendMessage" => json!({ "MessageId": "m", "MD5OfMessageBody": "d" }),
            _ => json!({ "Successful": entries.iter().map(sent).collect::<Vec<_>>(), "Failed": [] }),
        })
    }
}

fn waiting(entry: &Value) -> Option<Waiting> {
    let body = entry.get("MessageBody")?.as_str()?.to_owned();
    let attributes = entry.get("MessageAttributes").and_then(Value::as_object).into_iter().flatten();
    let attributes = attributes.map(|(name, value)| {
        let text = |member| value.get(member).and_then(Value::as_str).map_or(0, str::len);
        count(name.len() + text("DataType") + text("StringValue"))
    });
    let bytes = count(body.len()) + attributes.sum::<u64>();
    Some(Waiting { body, bytes })
}

impl HttpClient for QueueService {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for QueueService {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default();
        let asked = request.body().bytes().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let answer = asked.and_then(|asked| self.answer(operation, &asked));
        HttpConnectorFuture::ready(match (answer, StatusCode::try_from(200)) {
            (Some(answer), Ok(status)) => Ok(HttpResponse::new(status, SdkBody::from(answer.to_string()))),
            _ => {
                Err(ConnectorError::user(format!("the queue service does not take this {operation}").into()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(service: &QueueService, bodies: &[usize]) -> Option<Value> {
        let entry = |(id, length): (usize, &usize)| {
            let attributes = json!({ "trace": { "DataType": "String", "StringValue": "t".repeat(32) } });
            json!({ "Id": id.to_string(), "MessageBody": "x".repeat(*length), "MessageAttributes": attributes })
        };
        let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
        service.answer("SendMessageBatch", &json!({ "Entries": entries }))
    }

    const ATTRIBUTES: usize = "traceString".len() + 32;

    #[test]
    fn a_request_is_billed_by_all_its_entries_together() {
        let service = QueueService::default();
        send(&service, &[64 * 1024 - ATTRIBUTES]).unwrap();
        assert_eq!(service.take_requests(), 1);
        send(&service, &[64 * 1024 - ATTRIBUTES + 1]).unwrap();
        assert_eq!(service.take_requests(), 2);
        send(&service, &[1_000; 10]).unwrap();
        assert_eq!(service.take_requests(), 1);
        assert_eq!(service.calls(), 3);
    }

    #[test]
    fn more_than_sqs_takes_is_not_taken() {
        let service = QueueService::default();
        assert!(send(&service, &[1; 11]).is_none());
        assert!(send(&service, &[600_000; 2]).is_none());
        assert!(service.take().is_empty() && service.take_requests() == 0);
    }

    #[test]
    fn pollers_receive_and_delete_ten_at_a_time() {
        let service = QueueService::default();
        for _ in 0..25 {
            send(&service, &[1_000]).unwrap();
        }
        service.take_requests();
        let batch = service.take();
        service.poll(&batch);
        assert_eq!(service.take_requests(), 3 + 3);
        send(&service, &[30_000; 10]).unwrap();
        service.take_requests();
        let batch = service.take();
        service.poll(&batch);
        assert_eq!(service.take_requests(), 5 + 1);
    }
}
