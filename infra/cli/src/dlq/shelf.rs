//! Where dead letters lie: in SQS or in the queues of this machine.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use futures_util::future::join_all;
use local::LocalQueue;
use local::queue::{Message, Receipt, Received};
use ports::queue::Outgoing;
use sqs::SqsQueue;

use super::letter::Letter;
use crate::clock::LocalClock;
use crate::output::Failed;

/// For how long a letter that is looked at is hidden from others, in seconds:
/// long enough for twenty thousand of them, short enough to wait for.
pub(super) const HIDDEN_S: u16 = 60;
/// SQS gives ten at once.
const TAKEN_MAX: usize = 10;
/// A large queue gives by chance what was seen before; then it is asked again.
const IDLE_MAX: u32 = 3;

/// A dead-letter queue and the queue whose records end there.
pub(crate) trait Shelf: Sync {
    /// How many letters lie there; SQS knows about how many.
    fn count(&self) -> impl Future<Output = Result<u64, Failed>> + Send;

    /// Up to ten letters, hidden from others for [`HIDDEN_S`]; none if there is no other.
    fn take(&self) -> impl Future<Output = Result<Vec<Taken>, Failed>> + Send;

    /// Makes a letter visible again at once.
    fn give_back(&self, receipt: &str) -> impl Future<Output = Result<(), Failed>> + Send;

    fn delete(&self, receipt: &str) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Sends a message to the queue; gives the id that it has there.
    fn send(&self, message: Outgoing) -> impl Future<Output = Result<String, Failed>> + Send;
}

/// A letter in our hands.
pub(crate) struct Taken {
    pub(super) letter: Letter,
    pub(super) receipt: String,
}

/// What was taken so far, and what of it is kept hidden until all was looked at.
#[derive(Default)]
pub(super) struct Held {
    seen: HashSet<String>,
    /// The last receipt of each letter that is kept, by its id.
    receipts: HashMap<String, String>,
    /// Takes in a row that brought nothing new.
    idle: u32,
    is_empty: bool,
}

impl Held {
    /// Gives those letters that were not taken before.
    pub(super) fn new_of(&mut self, taken: Vec<Taken>) -> Vec<Taken> {
        self.is_empty = taken.is_empty();
        let (new, again): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|taken| self.seen.insert(taken.letter.id.clone()));
        for taken in &again {
            self.keep(taken);
        }
        self.idle = if new.is_empty() { self.idle + 1 } else { 0 };
        new
    }

    /// Keeps a letter hidden.
    pub(super) fn keep(&mut self, taken: &Taken) {
        self.receipts.insert(taken.letter.id.clone(), taken.receipt.clone());
    }

    /// Whether there is nothing left that was not taken once.
    pub(super) fn has_seen_all(&self) -> bool {
        self.is_empty || self.idle >= IDLE_MAX
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }

    /// Makes all visible again. What cannot be given back comes back by itself.
    pub(super) async fn give_back<S: Shelf>(self, shelf: &S) {
        let receipts: Vec<String> = self.receipts.into_values().collect();
        for some in receipts.chunks(TAKEN_MAX) {
            join_all(some.iter().map(|receipt| shelf.give_back(receipt))).await;
        }
    }
}

/// Dead letters in SQS.
pub(crate) struct SqsShelf {
    pub(crate) queue: SqsQueue,
    pub(crate) dead_letters: SqsQueue,
}

impl Shelf for SqsShelf {
    async fn count(&self) -> Result<u64, Failed> {
        let depth = self.dead_letters.depth().await?;
        Ok(depth.visible + depth.in_flight + depth.delayed)
    }

    async fn take(&self) -> Result<Vec<Taken>, Failed> {
        let received = self.dead_letters.receive(HIDDEN_S).await?;
        let taken = |sqs::Received { id, receipt, body, attributes, receives, sent, group }| Taken {
            letter: Letter { id, body, attributes, receives, sent, group },
            receipt,
        };
        Ok(received.into_iter().map(taken).collect())
    }

    async fn give_back(&self, receipt: &str) -> Result<(), Failed> {
        Ok(self.dead_letters.give_back(receipt).await?)
    }

    async fn delete(&self, receipt: &str) -> Result<(), Failed> {
        Ok(self.dead_letters.delete(receipt).await?)
    }

    async fn send(&self, message: Outgoing) -> Result<String, Failed> {
        Ok(self.queue.send_one(message).await?)
    }
}

/// Dead letters of a platform on this machine.
pub(crate) struct LocalShelf {
    pub(crate) queue: LocalQueue<LocalClock>,
    pub(crate) dead_letters: LocalQueue<LocalClock>,
}

/// The queue took a message and gave it no id.
#[derive(Debug, thiserror::Error)]
#[error("the queue gave the message no id")]
struct Nameless;

impl Shelf for LocalShelf {
    async fn count(&self) -> Result<u64, Failed> {
        let counts = self.dead_letters.counts().await?;
        Ok(counts.visible + counts.in_flight + counts.delayed)
    }

    async fn take(&self) -> Result<Vec<Taken>, Failed> {
        let received = self.dead_letters.receive(TAKEN_MAX, usize::MAX, Some(HIDDEN_S.into())).await?;
        let taken = |Received { id, receipt, body, attributes, receives, sent, group, .. }| Taken {
            letter: Letter { id, body, attributes, receives, sent, group },
            receipt: Receipt::as_str(&receipt).to_owned(),
        };
        Ok(received.into_iter().map(taken).collect())
    }

    async fn give_back(&self, receipt: &str) -> Result<(), Failed> {
        self.dead_letters.change_visibility(&Receipt::from_handle(receipt), 0).await?;
        Ok(())
    }

    async fn delete(&self, receipt: &str) -> Result<(), Failed> {
        self.dead_letters.delete(&[Receipt::from_handle(receipt)]).await?;
        Ok(())
    }

    async fn send(&self, message: Outgoing) -> Result<String, Failed> {
        let sent = self.queue.send_all(vec![Message::from(message)]).await?;
        Ok(sent.into_iter().next().ok_or(Nameless)?)
    }
}
