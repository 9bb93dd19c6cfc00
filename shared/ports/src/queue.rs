//! A queue with the promises of SQS: at least once, in any order.

use std::future::Future;

use domain::message::Message;

use crate::Unavailable;

/// One message on its way into a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    pub body: String,
    /// String attributes that travel beside the body (`trace`, `reason`).
    pub attributes: Vec<(String, String)>,
    /// What a FIFO queue needs to know; nothing for a standard one.
    pub fifo: Option<Fifo>,
}

impl Outgoing {
    /// Events on their way to the profile queue, with their trace beside them.
    pub fn events(message: Message) -> Vec<Self> {
        let attributes = vec![("trace".to_owned(), message.trace.clone())];
        let outgoing = |body| Self { body, attributes: attributes.clone(), fifo: None };
        message.pack().into_iter().map(outgoing).collect()
    }
}

/// A message's place in a FIFO queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    /// Messages of one group are worked on one after the other.
    pub group: String,
    /// A second message with this id within five minutes is dropped.
    pub deduplication: String,
}

/// The sending end of a queue.
pub trait Queue: Send + Sync {
    /// Sends all messages, in as few requests as the service allows.
    ///
    /// `Ok` only if the service accepted *every* message: entries that fail
    /// inside an answer of 200 are a failure. After an `Err` some may have been
    /// accepted; whoever sends again makes duplicates, which receivers drop.
    fn send(&self, messages: Vec<Outgoing>) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
