use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, HttpClient, Region, SharedHttpClient};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient, infallible_client_fn};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://sqs.eu-north-1.amazonaws.com/123456789012/profile";

/// A queue whose service gives these answers, one a request.
fn queue(answers: &[(u16, Value)]) -> (SqsQueue, StaticReplayClient) {
    let events = answers.iter().map(|(status, body)| {
        let request = http::Request::builder().uri(URL).body(SdkBody::empty()).unwrap();
        let answer = http::Response::builder().status(*status).body(SdkBody::from(body.to_string())).unwrap();
        ReplayEvent::new(request, answer)
    });
    let service = StaticReplayClient::new(events.collect());
    (queue_at(service.clone()), service)
}

fn queue_at(service: impl HttpClient + 'static) -> SqsQueue {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .http_client(service)
        .build();
    SqsQueue::new(crate::client(&shared, None), URL)
}

/// A service that keeps to the limits of `SendMessageBatch` and remembers what
/// it accepted; it refuses every third entry of a first request, as busy
/// services do.
fn service(accepted: Arc<Mutex<Vec<Outgoing>>>) -> SharedHttpClient {
    let requests = AtomicUsize::new(0);
    infallible_client_fn(move |request| {
        let request: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let entries = request["Entries"].as_array().unwrap();
        let messages: Vec<_> = entries.iter().map(message).collect();
        if !(1..=10).contains(&messages.len()) || messages.iter().map(size).sum::<usize>() > 1024 * 1024 {
            let refusal = json!({"__type": "com.amazonaws.sqs#BatchRequestTooLong"});
            return http::Response::builder().status(400).body(refusal.to_string()).unwrap();
        }
        let busy = requests.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let (mut ids, mut failed) = (Vec::new(), Vec::new());
        for (position, (entry, message)) in entries.iter().zip(messages).enumerate() {
            let id = entry["Id"].as_str().unwrap();
            if busy && position % 3 == 2 {
                failed.push((id, false));
            } else {
                ids.push(id);
                accepted.lock().unwrap().push(message);
            }
        }
        http::Response::new(answer(&ids, &failed).1.to_string())
    })
}

fn message(entry: &Value) -> Outgoing {
    let attributes = entry.get("MessageAttributes").and_then(Value::as_object).into_iter().flatten();
    let attributes =
        attributes.map(|(name, value)| (name.clone(), value["StringValue"].as_str().unwrap().to_owned()));
    Outgoing {
        body: entry["MessageBody"].as_str().unwrap().to_owned(),
        attributes: attributes.collect(),
        fifo: None,
    }
}

#[tokio::test]
async fn the_queue_keeps_the_promises_of_a_queue_towards_a_service_with_the_limits_of_sqs() {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let queue = queue_at(service(accepted.clone()));
    let received = async || std::mem::take(&mut *accepted.lock().unwrap());
    testkit::contract::queue::check(&queue, received).await;
}

fn answer(accepted: &[&str], failed: &[(&str, bool)]) -> (u16, Value) {
    let accepted = accepted.iter().map(|id| json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": "d"}));
    let failed = failed.iter().map(|(id, sender_fault)| {
        json!({"Id": id, "SenderFault": sender_fault, "Code": "InternalError", "Message": "alice@example.com"})
    });
    (200, json!({"Successful": accepted.collect::<Vec<_>>(), "Failed": failed.collect::<Vec<_>>()}))
}

fn messages(bodies: &[&str]) -> Vec<Outgoing> {
    bodies.iter().map(|body| Outgoing { body: (*body).to_owned(), ..Outgoing::default() }).collect()
}

/// The bodies of each request, in order.
fn asked(service: &StaticReplayClient) -> Vec<Vec<String>> {
    let bodies = service.actual_requests().map(|request| {
        let request: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let entries = request["Entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()).collect()
    });
    bodies.collect()
}

fn told(error: &Unavailable) -> String {
    format!("{error}: {} {error:?}", error.source().unwrap())
}

#[tokio::test]
async fn what_an_answer_of_200_refuses_is_sent_again_alone() {
    let (queue, service) = queue(&[answer(&["0", "2"], &[("1", false)]), answer(&["1"], &[])]);
    queue.send(messages(&["a", "b", "c"])).await.unwrap();
    assert_eq!(asked(&service), [vec!["a", "b", "c"], vec!["b"]]);
}

#[tokio::test]
async fn a_partial_failure_in_an_answer_of_200_is_a_failure() {
    let refused = || answer(&[], &[("0", false)]);
    let (queue, service) = queue(&[refused(), refused(), refused()]);
    let error = queue.send(messages(&["a"])).await.unwrap_err();
    assert_eq!(asked(&service).len(), ROUNDS_MAX);
    assert!(told(&error).contains("1 of the messages were not accepted: InternalError"), "{}", told(&error));
    assert!(!told(&error).contains("alice"), "{}", told(&error));
}

#[tokio::test]
async fn an_entry_of_which_the_answer_says_nothing_was_not_accepted() {
    let (queue, service) = queue(&[answer(&["0"], &[]), answer(&[], &[]), answer(&[], &[])]);
    assert!(queue.send(messages(&["a", "b"])).await.is_err());
    assert_eq!(asked(&service), [vec!["a", "b"], vec!["b"], vec!["b"]]);
}

#[tokio::test]
async fn what_will_be_refused_for_ever_is_not_sent_again() {
    let (queue, service) = queue(&[answer(&[], &[("0", true)])]);
    assert!(queue.send(messages(&["a"])).await.is_err());
    assert_eq!(asked(&service).len(), 1);
}

#[tokio::test]
async fn a_refused_request_names_its_code_and_none_of_the_services_words() {
    let refusal =
        json!({"__type": "com.amazonaws.sqs#InvalidMessageContents", "message": "alice@example.com"});
    let (queue, _) = queue(&[(400, refusal)]);
    let error = queue.send(messages(&["a"])).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the service answered 400 InvalidMessageContents");
    assert!(!told(&error).contains("alice"), "{}", told(&error));
}

#[tokio::test]
async fn attributes_travel_as_strings_beside_the_body() {
    let (queue, service) = queue(&[answer(&["0"], &[])]);
    let attributes = vec![("trace".to_owned(), "t-1".to_owned())];
    queue.send(vec![Outgoing { body: "a".to_owned(), attributes, fifo: None }]).await.unwrap();
    let request = service.actual_requests().next().unwrap();
    let request: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
    assert_eq!(request["QueueUrl"], URL);
    assert_eq!(
        request["Entries"][0]["MessageAttributes"]["trace"],
        json!({"DataType": "String", "StringValue": "t-1"})
    );
}

#[tokio::test]
async fn nothing_to_send_asks_nothing() {
    let (queue, service) = queue(&[]);
    queue.send(Vec::new()).await.unwrap();
    assert_eq!(asked(&service).len(), 0);
}

#[test]
fn a_request_holds_at_most_ten_messages_and_one_mebibyte() {
    let counts = |messages| requests(messages).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(counts(messages(&["x"; 25])), [10, 10, 5]);
    let half = "x".repeat(REQUEST_BYTES_MAX / 2);
    assert_eq!(counts(messages(&[&half, &half, "x", &half])), [2, 2]);
    let with_attribute =
        Outgoing { body: half.clone(), attributes: vec![("a".to_owned(), "b".to_owned())], fifo: None };
    assert_eq!(counts(vec![with_attribute.clone(), with_attribute]), [1, 1]);
}
