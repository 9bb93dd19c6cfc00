//! The sending end of a queue.

use std::collections::HashSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry as Failed, MessageAttributeValue, SendMessageBatchRequestEntry as Entry,
    SendMessageBatchResultEntry as Accepted,
};
use ports::Unavailable;
use ports::queue::{Outgoing, Queue};

use crate::unavailable;

const OPERATION: &str = "SendMessageBatch";
/// What SQS takes in one request: entries, and bytes of all of them together.
const ENTRIES_MAX: usize = 10;
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Requests for the entries that an answer of 200 refused, the first included.
const ROUNDS_MAX: usize = 3;
pub(crate) const STRING: &str = "String";

/// A queue by its URL; clones share the client.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// The service answered 200 and did not accept all that it was sent.
#[derive(Debug, thiserror::Error)]
#[error("{entries} of the messages were not accepted: {code}")]
struct NotAccepted {
    entries: usize,
    code: String,
}

impl SqsQueue {
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Opens a connection, so that the first send need not: SQS refuses a
    /// batch without entries, and that it answers at all is what is wanted.
    pub async fn connect(&self) {
        let batch = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(Vec::new()));
        let _ = batch.send().await;
    }

    /// Sends one request, and again what it did not accept.
    async fn send_entries(&self, mut entries: Vec<Entry>) -> Result<(), Unavailable> {
        let mut refused = String::new();
        for _ in 0..ROUNDS_MAX {
            let request =
                self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.clone()));
            let answer = request.send().await.map_err(|error| unavailable(OPERATION, error))?;
            keep_unaccepted(&mut entries, &answer);
            if entries.is_empty() {
                return Ok(());
            }
            refused = codes(&answer);
            if answer.failed().iter().any(Failed::sender_fault) {
                break; // It will be refused for ever.
            }
        }
        Err(Unavailable::new(OPERATION, NotAccepted { entries: entries.len(), code: refused }))
    }
}

impl Queue for SqsQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), Unavailable> {
        for messages in requests(messages) {
            let entries = messages.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
            self.send_entries(entries.map_err(|cause| Unavailable::new(OPERATION, cause))?).await?;
        }
        Ok(())
    }
}

/// An entry of which the answer says nothing was not accepted either.
fn keep_unaccepted(entries: &mut Vec<Entry>, answer: &SendMessageBatchOutput) {
    let accepted: HashSet<&str> = answer.successful().iter().map(Accepted::id).collect();
    entries.retain(|entry| !accepted.contains(entry.id()));
}

fn codes(answer: &SendMessageBatchOutput) -> String {
    let mut codes: Vec<&str> = answer.failed().iter().map(Failed::code).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() { "the answer left them out".to_owned() } else { codes.join(", ") }
}

/// Splits messages into as few requests as SQS allows, in their order.
fn requests(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut requests: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0_usize;
    for message in messages {
        let more = size(&message);
        match requests.last_mut() {
            Some(last) if last.len() < ENTRIES_MAX && bytes.saturating_add(more) <= REQUEST_BYTES_MAX => {
                bytes += more;
                last.push(message);
            }
            _ => {
                bytes = more;
                requests.push(vec![message]);
            }
        }
    }
    requests
}

/// As SQS counts: the body with the names, types and values of its attributes.
fn size(message: &Outgoing) -> usize {
    let attributes = message.attributes.iter().map(|(name, value)| name.len() + STRING.len() + value.len());
    message.body.len() + attributes.sum::<usize>()
}

fn entry((position, message): (usize, Outgoing)) -> Result<Entry, BuildError> {
    let mut entry = Entry::builder().id(position.to_string()).message_body(message.body);
    if let Some(fifo) = message.fifo {
        entry = entry.message_group_id(fifo.group).message_deduplication_id(fifo.deduplication);
    }
    for (name, value) in message.attributes {
        let value = MessageAttributeValue::builder().data_type(STRING).string_value(value).build()?;
        entry = entry.message_attributes(name, value);
    }
    entry.build()
}

#[cfg(test)]
mod tests;
