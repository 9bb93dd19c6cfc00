//! What an operator does with a queue: look, take, put back.
//!
//! One message a request: an answer then speaks of one message, and nothing
//! has to be told apart within it.

use std::fmt;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName as System, QueueAttributeName,
};
use domain::time::Timestamp;
use ports::Unavailable;
use ports::queue::{Fifo, Outgoing};

use crate::queue::STRING;
use crate::{SqsQueue, unavailable};

const SEND: &str = "SendMessage";
const RECEIVE: &str = "ReceiveMessage";
const ATTRIBUTES: &str = "GetQueueAttributes";
/// Long polling asks all servers of a queue, so that an empty answer means an empty queue.
const WAIT_S: i32 = 1;
/// SQS gives no more at once.
const RECEIVED_MAX: i32 = 10;

/// One receive of one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    pub id: String,
    /// By this it is deleted or given back.
    pub receipt: String,
    pub body: String,
    /// Text attributes; those of bytes are left out, as nothing of ours has any.
    pub attributes: Vec<(String, String)>,
    pub receives: u32,
    pub sent: Timestamp,
    /// The group of a message of a FIFO queue.
    pub group: Option<String>,
}

/// A body is personal data and is not shown.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, receives, body, .. } = self;
        let mut out = f.debug_struct("Received");
        out.field("id", id).field("receives", receives).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

/// How many messages lie in a queue; SQS counts them approximately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    pub visible: u64,
    /// Received by somebody, and neither deleted nor visible again.
    pub in_flight: u64,
    pub delayed: u64,
}

/// An answer without what SQS always gives.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no {0}")]
struct Lacks(&'static str);

impl SqsQueue {
    /// Receives up to ten messages and hides them for so long.
    pub async fn receive(&self, hide_s: u16) -> Result<Vec<Received>, Unavailable> {
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(RECEIVED_MAX)
            .visibility_timeout(i32::from(hide_s))
            .wait_time_seconds(WAIT_S)
            .message_attribute_names("All")
            .message_system_attribute_names(System::ApproximateReceiveCount)
            .message_system_attribute_names(System::SentTimestamp)
            .message_system_attribute_names(System::MessageGroupId);
        let answer = receive.send().await.map_err(|error| unavailable(RECEIVE, error))?;
        answer.messages.unwrap_or_default().into_iter().map(received).collect()
    }

    /// Sends one message; gives the id by which its queue knows it.
    pub async fn send_one(&self, message: Outgoing) -> Result<String, Unavailable> {
        let mut send = self.client.send_message().queue_url(&self.url).message_body(message.body);
        if let Some(Fifo { group, deduplication }) = message.fifo {
            send = send.message_group_id(group).message_deduplication_id(deduplication);
        }
        for (name, value) in message.attributes {
            send = send.message_attributes(name, text(value).map_err(|why| Unavailable::new(SEND, why))?);
        }
        let answer = send.send().await.map_err(|error| unavailable(SEND, error))?;
        answer.message_id.ok_or_else(|| Unavailable::new(SEND, Lacks("message id")))
    }

    /// Deletes what was received.
    pub async fn delete(&self, receipt: &str) -> Result<(), Unavailable> {
        let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        delete.send().await.map_err(|error| unavailable("DeleteMessage", error))?;
        Ok(())
    }

    /// Makes visible at once what was received.
    pub async fn give_back(&self, receipt: &str) -> Result<(), Unavailable> {
        let change = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let sent = change.visibility_timeout(0).send().await;
        sent.map_err(|error| unavailable("ChangeMessageVisibility", error))?;
        Ok(())
    }

    pub async fn depth(&self) -> Result<Depth, Unavailable> {
        const NAMES: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let get = self.client.get_queue_attributes().queue_url(&self.url);
        let get = get.set_attribute_names(Some(NAMES.to_vec()));
        let answer = get.send().await.map_err(|error| unavailable(ATTRIBUTES, error))?;
        let found = answer.attributes.unwrap_or_default();
        let number = |name| {
            let number = found.get(&name).and_then(|number| number.parse().ok());
            number.ok_or_else(|| Unavailable::new(ATTRIBUTES, Lacks("number of messages")))
        };
        let [visible, in_flight, delayed] = NAMES.map(number);
        Ok(Depth { visible: visible?, in_flight: in_flight?, delayed: delayed? })
    }
}

fn text(value: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(STRING).string_value(value).build()
}

fn received(message: Message) -> Result<Received, Unavailable> {
    let lacks = |what| Unavailable::new(RECEIVE, Lacks(what));
    let system = message.attributes.unwrap_or_default();
    let number = |name| system.get(&name).and_then(|number| number.parse::<i64>().ok());
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    let mut attributes: Vec<_> =
        attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect();
    attributes.sort();
    Ok(Received {
        id: message.message_id.ok_or_else(|| lacks("message id"))?,
        receipt: message.receipt_handle.ok_or_else(|| lacks("receipt handle"))?,
        body: message.body.unwrap_or_default(),
        attributes,
        receives: number(System::ApproximateReceiveCount).and_then(|n| n.try_into().ok()).unwrap_or(1),
        sent: number(System::SentTimestamp)
            .map(Timestamp::from_millis)
            .ok_or_else(|| lacks("time of sending"))?,
        group: system.get(&System::MessageGroupId).cloned(),
    })
}

#[cfg(test)]
mod tests {
    use aws::service::Service;
    use serde_json::{Value, json};

    use super::*;

    const URL: &str = "https://queues.example/1/dead";

    fn queue(answers: &[Value]) -> (SqsQueue, Service) {
        let service = Service::replay(answers.iter().map(|answer| (200, answer.to_string())));
        (SqsQueue::new(crate::client(&service.config(), None), URL), service)
    }

    /// The operation and the body of each request.
    fn asked(service: &Service) -> Vec<(String, Value)> {
        let asked = service.asked().into_iter();
        asked
            .map(|asked| {
                let operation = asked.target.rsplit('.').next().unwrap_or_default().to_owned();
                (operation, serde_json::from_str(&asked.body).unwrap())
            })
            .collect()
    }

    #[tokio::test]
    async fn a_message_is_received_with_its_attributes_and_hidden_for_as_long_as_was_asked() {
        let answer = json!({ "Messages": [{
            "MessageId": "m-1", "ReceiptHandle": "r-1", "Body": "b",
            "Attributes": { "ApproximateReceiveCount": "3", "SentTimestamp": "1795343400000", "MessageGroupId": "g" },
            "MessageAttributes": {
                "trace": { "DataType": "String", "StringValue": "t" },
                "reason": { "DataType": "String", "StringValue": "no" },
                "bytes": { "DataType": "Binary", "BinaryValue": "AAAA" },
            },
        }]});
        let (queue, service) = queue(&[answer]);
        let [received] = &queue.receive(60).await.unwrap()[..] else { panic!("one message") };
        let attributes = [("reason", "no"), ("trace", "t")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!((received.receives, received.sent.millis()), (3, 1_795_343_400_000));
        assert_eq!(received.group.as_deref(), Some("g"));
        assert_eq!((received.receipt.as_str(), received.attributes.as_slice()), ("r-1", &attributes[..]));
        let (operation, body) = asked(&service).remove(0);
        assert_eq!(operation, "ReceiveMessage");
        assert_eq!((&body["VisibilityTimeout"], &body["MaxNumberOfMessages"]), (&json!(60), &json!(10)));
        assert_eq!((&body["WaitTimeSeconds"], &body["MessageAttributeNames"]), (&json!(1), &json!(["All"])));
        assert!(!format!("{received:?}").contains("\"b\""), "{received:?}");
    }

    #[tokio::test]
    async fn an_empty_queue_gives_nothing_and_a_message_without_an_id_is_no_message() {
        let nameless = json!({ "Messages": [{ "ReceiptHandle": "r", "Body": "b" }]});
        let (queue, _) = queue(&[json!({}), nameless]);
        assert_eq!(queue.receive(60).await.unwrap(), []);
        assert!(queue.receive(60).await.is_err());
    }

    #[tokio::test]
    async fn a_message_is_sent_with_its_attributes_and_named_by_the_queue() {
        let sum = "9dd4e461268c8034f5c8564e155c67a6"; // MD5 of `x`, which the client checks.
        let (queue, service) = queue(&[json!({ "MessageId": "m-2", "MD5OfMessageBody": sum })]);
        let attributes = vec![("trace".to_owned(), "t".to_owned())];
        let fifo = Fifo { group: "g".to_owned(), deduplication: "d".to_owned() };
        let message = Outgoing { body: "x".to_owned(), attributes, fifo: Some(fifo) };
        let id = queue.send_one(message).await.unwrap();
        assert_eq!(id, "m-2");
        let (operation, body) = asked(&service).remove(0);
        assert_eq!((operation.as_str(), &body["MessageBody"]), ("SendMessage", &json!("x")));
        assert_eq!((&body["MessageGroupId"], &body["MessageDeduplicationId"]), (&json!("g"), &json!("d")));
        let value = &body["MessageAttributes"]["trace"];
        assert_eq!(*value, json!({ "DataType": "String", "StringValue": "t" }));
    }

    #[tokio::test]
    async fn what_was_received_is_deleted_or_visible_again_at_once() {
        let (queue, service) = queue(&[json!({}), json!({})]);
        queue.delete("r-1").await.unwrap();
        queue.give_back("r-2").await.unwrap();
        let [deleted, given_back] = asked(&service).try_into().unwrap();
        assert_eq!((deleted.0.as_str(), &deleted.1["ReceiptHandle"]), ("DeleteMessage", &json!("r-1")));
        assert_eq!(given_back.0, "ChangeMessageVisibility");
        let wanted = (&json!("r-2"), &json!(0));
        assert_eq!((&given_back.1["ReceiptHandle"], &given_back.1["VisibilityTimeout"]), wanted);
    }

    #[tokio::test]
    async fn a_queue_says_how_much_lies_in_it_or_nothing_is_known() {
        let answer = json!({ "Attributes": {
            "ApproximateNumberOfMessages": "5",
            "ApproximateNumberOfMessagesNotVisible": "2",
            "ApproximateNumberOfMessagesDelayed": "0",
        }});
        let (queue, _) = queue(&[answer, json!({ "Attributes": {} })]);
        assert_eq!(queue.depth().await.unwrap(), Depth { visible: 5, in_flight: 2, delayed: 0 });
        assert!(queue.depth().await.is_err());
    }
}
