//! A queue with the promises of SQS: at least once, in any order.

use std::future::Future;

use crate::Unavailable;

/// One message on its way into a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    pub body: String,
    /// String attributes that travel beside the body (`trace`, `reason`).
    pub attributes: Vec<(String, String)>,
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
