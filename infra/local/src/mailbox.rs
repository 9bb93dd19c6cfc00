//! What this platform sends: nothing goes out, and everything is kept, so that
//! it can be looked at in a browser. A provider of letters and texts on one
//! `SQLite` file.
//!
//! Whatever is sent is accepted, and has a [`receipt`] as AWS would publish it.
//! As at SES's simulator an address that begins with `bounce` or `complaint`
//! is accepted as well, and its receipt says so.
//!
//! **Invariant:** `Ok` means committed, and no `Debug` and no error here tells
//! who was written to or what.

mod rows;
pub mod receipt;
pub mod page;

pub use receipt::{Outcome, Receipt};

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use domain::messaging::Channel;
use domain::time::Timestamp;
use ports::channel::{AccountQuota, Email, Letter, ProviderId, Quota, SendError, Sms, Text};
use ports::queue::{Outgoing, Queue};
use ports::{Clock, Unavailable};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::file::{self, FileError, Place, Writer};
use rows::Kept;

/// Messages that are kept; the oldest beyond them are dropped.
pub const MESSAGES_MAX: u64 = 20_000;
/// A letter that is larger is refused: a page or an answer in JSON, in which a
/// byte may become six, still holds one of them.
pub const MESSAGE_BYTES_MAX: usize = 768 * 1024;
/// What this account may send: 50 a second, 50,000 in 24 hours.
const RATE_MILLI: u64 = 50_000;
const DAY_MAX: u64 = 50_000;
/// Receipts that go to a queue together.
const RECEIPTS_AT_ONCE: usize = 100;

const SEND: &str = "keeping a message in the mailbox";
const ASK: &str = "asking the mailbox";
const TELL: &str = "taking receipts out of the mailbox";

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Letter(Letter),
    Text(Text),
}

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: ProviderId,
    pub at: Timestamp,
    pub content: Content,
}

impl Content {
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Letter(_) => Channel::Email,
            Self::Text(_) => Channel::Sms,
        }
    }

    pub const fn to(&self) -> &String {
        match self {
            Self::Letter(letter) => &letter.to,
            Self::Text(text) => &text.to,
        }
    }

    /// What comes back in its receipt, by name and value.
    pub const fn tags(&self) -> &Vec<(String, String)> {
        match self {
            Self::Letter(letter) => &letter.tags,
            Self::Text(text) => &text.context,
        }
    }

    fn bytes(&self) -> usize {
        let pairs = |pairs: &[(String, String)]| -> usize {
            pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        match self {
            Self::Letter(letter) => {
                letter.subject.len()
                    + letter.html.len()
                    + letter.text.len()
                    + pairs(&letter.headers)
                    + pairs(&letter.tags)
            }
            Self::Text(text) => text.body.len() + pairs(&text.context),
        }
    }
}

/// All that was sent, with the clock that says when; clones are the same mailbox.
#[derive(Clone)]
pub struct Mailbox<C> {
    shared: Arc<Shared>,
    clock: C,
}

struct Shared {
    writer: Writer,
    names: Names,
    messages_max: u64,
    /// Counts up with each message, and so with each receipt.
    sent: watch::Sender<u64>,
}

impl<C> fmt::Debug for Mailbox<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mailbox").field("writer", &self.shared.writer).finish_non_exhaustive()
    }
}

/// The names of messages: when the file was made, and the place in it. So they
/// need no chance, and those of a folder that was begun anew are others.
#[derive(Debug, Clone)]
struct Names {
    prefix: String,
}

impl Names {
    fn of(made: Timestamp) -> Self {
        Self { prefix: format!("local-{:011x}-", made.millis()) }
    }

    fn of_seq(&self, seq: i64) -> ProviderId {
        ProviderId(format!("{}{seq:08x}", self.prefix))
    }

    fn seq_of(&self, id: &str) -> Option<i64> {
        i64::from_str_radix(id.strip_prefix(&self.prefix)?, 16).ok()
    }

    fn message(&self, kept: Kept) -> Message {
        Message { id: self.of_seq(kept.seq), at: kept.at, content: kept.content }
    }
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub kept: u64,
    /// There was no room for so many older ones.
    pub dropped: u64,
    /// Receipts that nobody has taken yet.
    pub receipts: u64,
}

impl<C: Clock> Mailbox<C> {
    /// Opens the file, and makes it if there is none.
    pub fn open(file: &Path, clock: C) -> Result<Self, FileError> {
        Self::bounded(file, clock, MESSAGES_MAX)
    }

    fn bounded(file: &Path, clock: C, messages_max: u64) -> Result<Self, FileError> {
        let create = |db: &Connection| rows::create(db, clock.now());
        let at = Place::new("sent messages", file);
        let (writer, made) = file::open(at, rows::LAYOUT, create, rows::made)?;
        let shared = Shared { writer, names: Names::of(made), messages_max, sent: watch::Sender::new(0) };
        Ok(Self { shared: Arc::new(shared), clock })
    }

    /// The messages behind the one with the id `after`, or from the first that
    /// is kept; oldest first.
    pub async fn after(&self, after: Option<&str>, limit: usize) -> Result<Vec<Message>, FileError> {
        let after = after.and_then(|id| self.shared.names.seq_of(id)).unwrap_or(0);
        let found = self.shared.writer.run(move |db| rows::after(db, after, limit, usize::MAX)).await?;
        Ok(found.into_iter().map(|kept| self.shared.names.message(kept)).collect())
    }

    /// One message by its id.
    pub async fn find(&self, id: &str) -> Result<Option<Message>, FileError> {
        let Some(seq) = self.shared.names.seq_of(id) else { return Ok(None) };
        let found = self.shared.writer.run(move |db| rows::find(db, seq)).await?;
        Ok(found.map(|kept| self.shared.names.message(kept)))
    }

    pub async fn counts(&self) -> Result<Counts, FileError> {
        self.shared.writer.run(rows::count).await
    }

    /// Changes with each message that is accepted: there is a receipt to take.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.shared.sent.subscribe()
    }

    /// The oldest receipts that nobody has taken; they stay until they are
    /// [told](Self::told), so that a crash before that repeats them.
    pub async fn receipts(&self, limit: usize) -> Result<Vec<Receipt>, FileError> {
        let found = self.shared.writer.run(move |db| rows::untold(db, limit)).await?;
        let receipt = |kept: Kept| {
            let seq = kept.seq;
            Receipt::of(seq, &self.shared.names.message(kept))
        };
        Ok(found.into_iter().map(receipt).collect())
    }

    /// Notes that these receipts are where they belong: they do not come again.
    pub async fn told(&self, receipts: &[Receipt]) -> Result<(), FileError> {
        let seqs: Vec<i64> = receipts.iter().map(|receipt| receipt.seq).collect();
        self.shared.writer.run(move |db| rows::told(db, &seqs)).await
    }

    /// Sends all receipts to the queue that feedback comes from, each at least
    /// once; says how many.
    pub async fn tell(&self, queue: &impl Queue) -> Result<usize, Unavailable> {
        let failed = |cause| Unavailable::new(TELL, cause);
        let mut sent = 0_usize;
        loop {
            let receipts = self.receipts(RECEIPTS_AT_ONCE).await.map_err(failed)?;
            if receipts.is_empty() {
                return Ok(sent);
            }
            let outgoing = |receipt: &Receipt| Outgoing { body: receipt.body.clone(), ..Outgoing::default() };
            queue.send(receipts.iter().map(outgoing).collect()).await?;
            self.told(&receipts).await.map_err(failed)?;
            sent = sent.saturating_add(receipts.len());
        }
    }

    /// Keeps a message and that its receipt is due, together.
    async fn accept(&self, content: Content) -> Result<ProviderId, SendError> {
        if content.bytes() > MESSAGE_BYTES_MAX {
            return Err(SendError::Refused { code: "MessageTooLong" });
        }
        let (now, max) = (self.clock.now(), self.shared.messages_max);
        let accepted = self.shared.writer.run(move |db| rows::accept(db, now, &content, max)).await;
        let seq = accepted.map_err(not_accepted)?.ok_or(SendError::Throttled)?;
        self.shared.sent.send_modify(|sent| *sent = sent.wrapping_add(1));
        Ok(self.shared.names.of_seq(seq))
    }
}

/// A full disk takes nothing; of what else fails in the middle nobody knows.
fn not_accepted(cause: FileError) -> SendError {
    let is_sure = matches!(cause, FileError::Full { .. } | FileError::Locked { .. } | FileError::Open { .. });
    let unavailable = Unavailable::new(SEND, cause);
    if is_sure { SendError::NotSent(unavailable) } else { SendError::Unknown(unavailable) }
}

impl<C: Clock> Email for Mailbox<C> {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        self.accept(Content::Letter(letter.clone())).await
    }
}

impl<C: Clock> Sms for Mailbox<C> {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        self.accept(Content::Text(text.clone())).await
    }
}

impl<C: Clock> Quota for Mailbox<C> {
    async fn quota(&self) -> Result<AccountQuota, Unavailable> {
        let now = self.clock.now();
        let sent = self.shared.writer.run(move |db| rows::sent_in_a_day(db, now)).await;
        Ok(AccountQuota {
            max_send_rate_milli: RATE_MILLI,
            max_24_hours: Some(DAY_MAX),
            sent_24_hours: sent.map_err(|cause| Unavailable::new(ASK, cause))?,
            is_production: true,
            is_enabled: true,
        })
    }
}

#[cfg(test)]
mod tests;
