//! Messages on their way in and out, their ids and receipts.
//!
//! **Invariant:** no `Debug` here prints a body or an attribute.

use std::fmt;

use domain::time::Timestamp;
use ports::queue::Outgoing;
use sha2::{Digest as _, Sha256};

use super::QueueError;
use super::rows::{Held, Incoming, Place, Stored};
use super::settings::{DeduplicationScope, Fifo, QueueSettings};

/// What SQS takes: the body with the names, types and values of its attributes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const ATTRIBUTES_MAX: usize = 10;
/// SQS delays by at most 15 minutes.
const DELAY_S_MAX: u32 = 15 * 60;
/// For how long a FIFO queue knows a message again.
const DEDUPLICATION_MS: i64 = 5 * Timestamp::MINUTE;
/// A group's or deduplication id has at most this many characters.
const FIFO_ID_MAX: usize = 128;

/// A message to send.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub body: String,
    pub attributes: Vec<(String, String)>,
    /// Instead of the queue's delay; a FIFO queue takes none.
    pub delay_s: Option<u32>,
    /// The group within which a FIFO queue keeps order; it must have one there.
    pub group: Option<String>,
    /// By what a FIFO queue knows it again, for five minutes.
    pub deduplication: Option<String>,
}

impl From<Outgoing> for Message {
    fn from(Outgoing { body, attributes, fifo }: Outgoing) -> Self {
        let (group, deduplication) = fifo.map(|fifo| (fifo.group, fifo.deduplication)).unzip();
        Self { body, attributes, group, deduplication, ..Self::default() }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Message").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// One receive of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(String);

impl Receipt {
    fn of(queue: i64, stored: &Stored) -> Self {
        Self(format!("{queue}.{}.{}", stored.seq, stored.receives))
    }

    /// Reads a handle back that [`Self::as_str`] gave.
    pub fn from_handle(handle: impl Into<String>) -> Self {
        Self(handle.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` if it is not of this queue, or of none.
    pub(super) fn held(&self, of: i64) -> Option<Held> {
        let mut parts = self.0.split('.');
        let [queue, seq, receives] = [parts.next()?, parts.next()?, parts.next()?];
        let held =
            Held { queue: queue.parse().ok()?, seq: seq.parse().ok()?, receives: receives.parse().ok()? };
        (held.queue == of && parts.next().is_none()).then_some(held)
    }
}

/// A message that was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    pub id: String,
    pub receipt: Receipt,
    pub body: String,
    pub attributes: Vec<(String, String)>,
    /// `ApproximateReceiveCount`; here it is exact.
    pub receives: u32,
    pub sent: Timestamp,
    pub first_received: Timestamp,
    pub group: Option<String>,
    pub deduplication: Option<String>,
    /// Grows in the order of arrival.
    pub sequence: i64,
}

impl Received {
    pub(super) fn of(stored: Stored, queue: i64, ids: &Ids) -> Self {
        Self {
            id: ids.of_seq(stored.seq),
            receipt: Receipt::of(queue, &stored),
            attributes: attributes(&stored),
            receives: stored.receives,
            sent: Timestamp::from_millis(stored.sent),
            first_received: Timestamp::from_millis(stored.first_received.unwrap_or(stored.sent)),
            sequence: stored.seq,
            body: stored.body,
            group: stored.group,
            deduplication: stored.dedup,
        }
    }

    /// Its share of a batch.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, receives, body, .. } = self;
        let mut out = out.debug_struct("Received");
        out.field("id", id).field("receives", receives).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Visible,
    InFlight,
    Delayed,
}

/// A message that was looked at and left where it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    pub body: String,
    pub attributes: Vec<(String, String)>,
    pub state: State,
    pub receives: u32,
    pub sent: Timestamp,
    pub group: Option<String>,
}

impl Listed {
    pub(super) fn of(stored: Stored, now: i64, ids: &Ids) -> Self {
        let state = match (stored.visible > now, stored.taken) {
            (false, _) => State::Visible,
            (true, true) => State::InFlight,
            (true, false) => State::Delayed,
        };
        Self {
            id: ids.of_seq(stored.seq),
            attributes: attributes(&stored),
            state,
            receives: stored.receives,
            sent: Timestamp::from_millis(stored.sent),
            body: stored.body,
            group: stored.group,
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, state, receives, body, .. } = self;
        let mut out = out.debug_struct("Listed");
        out.field("id", id).field("state", state).field("receives", receives).field("bytes", &body.len());
        out.finish_non_exhaustive()
    }
}

/// Message ids: the number of a message under the salt of its file, in the form of a UUID.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    prefix: String,
}

impl Ids {
    pub(super) fn of(salt: [u8; 16]) -> Self {
        let salt = u128::from_be_bytes(salt);
        let prefix = format!(
            "{:08x}-{:04x}-8{:03x}-{:04x}-",
            salt >> 96,
            (salt >> 80) & 0xffff,
            (salt >> 64) & 0x0fff,
            (salt >> 48) & 0x3fff | 0x8000, // The variant that RFC 9562 asks for, as is the 8 before.
        );
        Self { prefix }
    }

    pub(super) fn of_seq(&self, seq: i64) -> String {
        format!("{}{seq:012x}", self.prefix)
    }

    pub(super) fn seq_of(&self, id: &str) -> Option<i64> {
        i64::from_str_radix(id.strip_prefix(&self.prefix)?, 16).ok()
    }
}

/// We wrote them ourselves; a row that someone else changed has none.
fn attributes(stored: &Stored) -> Vec<(String, String)> {
    serde_json::from_str(&stored.attributes).unwrap_or_default()
}

/// A message as a row, if SQS would take it.
pub(super) fn incoming(
    message: Message,
    queue: i64,
    settings: &QueueSettings,
    now: i64,
) -> Result<Incoming, QueueError> {
    check(&message)?;
    let delay = delay_s(&message, settings)?;
    let fifo = match settings.fifo {
        Some(fifo) => Some(place(&message, fifo, now)?),
        None if message.group.is_some() || message.deduplication.is_some() => {
            return refused("only a FIFO queue has groups and deduplication");
        }
        None => None,
    };
    let visible = now.saturating_add(i64::from(delay) * Timestamp::SECOND);
    // A list of pairs of texts: nothing that JSON could refuse.
    let attributes = serde_json::to_string(&message.attributes).unwrap_or_default();
    Ok(Incoming { queue, now, visible, body: message.body, attributes, fifo })
}

fn check(message: &Message) -> Result<(), QueueError> {
    let Message { body, attributes, .. } = message;
    let beside = attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
    let texts = || std::iter::once(body).chain(attributes.iter().map(|(_, value)| value));
    if texts().any(String::is_empty) || attributes.iter().any(|(name, _)| name.is_empty()) {
        return refused("a body, an attribute's name and its value must not be empty");
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return refused("it has more than 10 attributes");
    }
    if body.len() + beside.sum::<usize>() > MESSAGE_BYTES_MAX {
        return refused("it is larger than 1 MiB");
    }
    if !texts().all(|text| text.chars().all(is_sendable)) {
        return refused("it holds a character that XML has not");
    }
    Ok(())
}

fn delay_s(message: &Message, settings: &QueueSettings) -> Result<u32, QueueError> {
    match message.delay_s {
        None => Ok(settings.delay_s),
        Some(_) if settings.fifo.is_some() => refused("a FIFO queue delays no single message"),
        Some(seconds) if seconds > DELAY_S_MAX => refused("it is delayed by more than 15 minutes"),
        Some(seconds) => Ok(seconds),
    }
}

fn place(message: &Message, fifo: Fifo, now: i64) -> Result<Place, QueueError> {
    let Some(group) = message.group.clone().filter(|group| is_fifo_id(group)) else {
        return refused("a FIFO queue needs a group id of 1 to 128 letters, digits and punctuation");
    };
    let by_content = || fifo.by_content.then(|| digest(&message.body));
    let Some(dedup) = message.deduplication.clone().or_else(by_content).filter(|id| is_fifo_id(id)) else {
        return refused("a FIFO queue needs a deduplication id of 1 to 128 letters, digits and punctuation");
    };
    let scope = match fifo.scope {
        DeduplicationScope::Queue => String::new(),
        DeduplicationScope::Group => group.clone(),
    };
    Ok(Place { group, scope, dedup, until: now.saturating_add(DEDUPLICATION_MS) })
}

fn is_fifo_id(id: &str) -> bool {
    (1..=FIFO_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn digest(body: &str) -> String {
    Sha256::digest(body).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// SQS takes the characters of XML 1.0.
fn is_sendable(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn refused<T>(why: &'static str) -> Result<T, QueueError> {
    Err(QueueError::Refused { why })
}
