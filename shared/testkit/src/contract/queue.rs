//! The promises of a queue's sending end.

use ports::queue::{Outgoing, Queue};

use super::answered;

/// What SQS takes: a body with the names, types and values of its attributes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Checks a new queue, of which nothing was received; `received` takes out
/// what a receiver would get now.
pub async fn check(queue: &impl Queue, received: impl AsyncFn() -> Vec<Outgoing>) {
    nothing_sends_nothing(queue, &received).await;
    every_message_arrives_whole(queue, &received).await;
    large_messages_arrive(queue, &received).await;
    a_message_over_the_limit_is_an_error(queue).await;
}

async fn nothing_sends_nothing(queue: &impl Queue, received: &impl AsyncFn() -> Vec<Outgoing>) {
    answered(queue.send(Vec::new()).await, "sending nothing succeeds");
    assert_eq!(received().await, [], "sending nothing sends nothing");
}

async fn every_message_arrives_whole(queue: &impl Queue, received: &impl AsyncFn() -> Vec<Outgoing>) {
    let bodies = (0..25).map(|number| format!("{number}: \"quoted\",\n\ttabbed, Привет, 🙂 \\u0000 &amp;"));
    let sent: Vec<_> = bodies.map(|body| message(body, &[("trace", "t-1"), ("reason", "такая")])).collect();
    answered(queue.send(sent.clone()).await, "25 messages are sent in as many requests as it takes");
    arrived(&sent, received).await;
}

async fn large_messages_arrive(queue: &impl Queue, received: &impl AsyncFn() -> Vec<Outgoing>) {
    let largest = message("x".repeat(MESSAGE_BYTES_MAX), &[]);
    let sent = [message("y".repeat(MESSAGE_BYTES_MAX / 2 + 1), &[]), largest, message("z".to_owned(), &[])];
    answered(queue.send(sent.to_vec()).await, "messages of 1 MiB are sent, one a request if need be");
    arrived(&sent, received).await;
}

async fn a_message_over_the_limit_is_an_error(queue: &impl Queue) {
    let over = message("x".repeat(MESSAGE_BYTES_MAX), &[("a", "b")]);
    assert!(queue.send(vec![over]).await.is_err(), "a message of over 1 MiB with its attributes is an error");
}

/// At least once, in any order.
async fn arrived(sent: &[Outgoing], received: &impl AsyncFn() -> Vec<Outgoing>) {
    let mut found = received().await;
    for message in &mut found {
        message.attributes.sort();
    }
    for message in sent {
        let mut message = message.clone();
        message.attributes.sort();
        assert!(found.contains(&message), "a message that was accepted arrives whole, with its attributes");
    }
    assert!(found.len() >= sent.len(), "every message arrives");
}

fn message(body: String, attributes: &[(&str, &str)]) -> Outgoing {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Outgoing { body, attributes: attributes.collect(), fifo: None }
}
