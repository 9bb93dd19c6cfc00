use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws::service::{Answer, Asked, Service};
use ports::queue::Fifo;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://sqs.eu-north-1.amazonaws.com/123456789012/profile";

/// A queue whose service gives these answers, one a request.
fn queue(answers: &[(u16, Value)]) -> (SqsQueue, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, body.to_string())));
    (queue_at(&service), service)
}

fn queue_at(service: &Service) -> SqsQueue {
    SqsQueue::new(crate::client(&service.config(), None), URL)
}

/// A service that keeps to the limits of `SendMessageBatch` and remembers what
/// it accepted; it refuses every third entry of a first request, as busy
/// services do.
fn service(accepted: Arc<Mutex<Vec<Outgoing>>>) -> Service {
    let requests = AtomicUsize::new(0);
    Service::new(move |asked| {
        let entries = entries(asked);
        let messages: Vec<_> = entries.iter().map(message).collect();
        if !(1..=10).contains(&messages.len()) || messages.iter().map(size).sum::<usize>() > 1024 * 1024 {
            let refusal = json!({"__type": "com.amazonaws.sqs#BatchRequestTooLong"});
            return (400, refusal.to_string());
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
        text(answer(&ids, &failed))
    })
}

fn text((status, body): (u16, Value)) -> Answer {
    (status, body.to_string())
}

fn body(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).unwrap()
}

fn entries(asked: &Asked) -> Vec<Value> {
    body(asked)["Entries"].as_array().unwrap().clone()
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
    let queue = queue_at(&service(accepted.clone()));
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
fn asked(service: &Service) -> Vec<Vec<String>> {
    let bodies = |asked: &Asked| {
        let bodies =
            entries(asked).into_iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
        bodies.collect()
    };
    service.asked().iter().map(bodies).collect()
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
    queue.send(vec![Outgoing { body: "a".to_owned(), attributes, ..Outgoing::default() }]).await.unwrap();
    let request = body(&service.asked()[0]);
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

#[tokio::test]
async fn only_a_fifo_queue_is_told_of_groups() {
    let (queue, service) = queue(&[answer(&["0", "1"], &[])]);
    let fifo = Fifo { group: "g".to_owned(), deduplication: "d".to_owned() };
    let mut both = messages(&["a", "b"]);
    both[0].fifo = Some(fifo);
    queue.send(both).await.unwrap();
    let request = body(&service.asked()[0]);
    let [of_fifo, plain] = &request["Entries"].as_array().unwrap()[..] else { panic!("two entries") };
    assert_eq!((&of_fifo["MessageGroupId"], &of_fifo["MessageDeduplicationId"]), (&json!("g"), &json!("d")));
    assert!(plain.get("MessageGroupId").is_none() && plain.get("MessageDeduplicationId").is_none());
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

#[tokio::test]
async fn connecting_asks_once_and_sends_nothing() {
    let (queue, service) = queue(&[(400, json!({"__type": "com.amazonaws.sqs#EmptyBatchRequest"}))]);
    queue.connect().await;
    let asked = service.asked();
    assert_eq!(asked.len(), 1, "a refusal that was wanted is not tried again");
    assert_eq!(entries(&asked[0]), [] as [Value; 0]);
}
