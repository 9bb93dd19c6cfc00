//! A dead letter: a record's body with the reason for which it ended.

use std::error::Error;

use aws_lambda_events::event::sqs::SqsMessage;
use ports::queue::{Fifo, Outgoing};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::chain;

/// Longer reasons are cut: they are for reading, and they take room from the body.
pub const REASON_BYTES_MAX: usize = 1024;
/// Ids are shorter; a foreign message may carry anything.
const ID_BYTES_MAX: usize = 256;
/// What SQS takes: the body with the names, types and values of its attributes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The attribute that runs from the HTTP answer to the last log line.
pub const TRACE: &str = "trace";
/// The attribute that says why the record ended.
pub const REASON: &str = "reason";
/// The attribute that says how it ended: [`Fate::name`].
pub const FATE: &str = "fate";
/// The attribute with the id that the record had in its queue.
pub const MESSAGE_ID: &str = "message_id";
/// The attribute with how often it was received.
pub const RECEIVES: &str = "receives";

/// The attribute with the group that the record had in its FIFO queue.
pub const GROUP: &str = "group";

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is wrong and always will be.
    Rejected,
    /// It failed on its last receive.
    GivenUp,
}

impl Fate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::GivenUp => "given_up",
        }
    }
}

/// Stands in for a body that leaves no room for the reason.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    v: u32,
    too_large: bool,
    sha256: String,
    length: usize,
}

/// Writes the letter that takes a record to the dead letters.
pub fn write(record: &SqsMessage, cause: &(dyn Error + 'static), fate: Fate) -> Outgoing {
    let attributes = attributes(record, cause, fate);
    let beside: usize =
        attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
    let body = record.body.as_deref().unwrap_or_default();
    let fits = !body.is_empty() && body.len().saturating_add(beside) <= MESSAGE_BYTES_MAX;
    let body = if fits { body.to_owned() } else { pointer(body) };
    Outgoing { body, attributes, fifo: fifo(record) }
}

/// The dead letters of a FIFO queue are one, too. Each letter is a group of its
/// own there, or one that is looked at would hide all that follow it.
fn fifo(record: &SqsMessage) -> Option<Fifo> {
    let group = group(record)?;
    let id = record.message_id.as_ref().filter(|id| !id.is_empty()).unwrap_or(group);
    Some(Fifo { group: id.clone(), deduplication: id.clone() })
}

fn group(record: &SqsMessage) -> Option<&String> {
    record.attributes.get("MessageGroupId")
}

/// The attributes with which a letter goes back to its queue: those that the
/// record had before it became one.
pub fn unwrap(attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    const OURS: [&str; 5] = [REASON, FATE, MESSAGE_ID, RECEIVES, GROUP];
    attributes.into_iter().filter(|(name, _)| !OURS.contains(&name.as_str())).collect()
}

/// Whether a letter's body only stands in for one that had no room or was
/// empty: there is nothing in it to go back to a queue.
pub fn is_pointer(body: &str) -> bool {
    serde_json::from_str::<Pointer>(body).is_ok()
}

/// How often the record was received; the first time if nobody counted.
pub fn receives(record: &SqsMessage) -> u32 {
    let counted = record.attributes.get("ApproximateReceiveCount");
    counted.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// The id that its sender was answered with, if the record carries one. Anyone's
/// record may come here: only what looks like our own is repeated.
pub fn trace(record: &SqsMessage) -> Option<&str> {
    let ours = |trace: &&str| trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    record.message_attributes.get(TRACE)?.string_value.as_deref().filter(ours)
}

fn attributes(record: &SqsMessage, cause: &(dyn Error + 'static), fate: Fate) -> Vec<(String, String)> {
    let all = [
        (FATE, fate.name().to_owned()),
        (REASON, sendable(&chain(cause), REASON_BYTES_MAX)),
        (RECEIVES, receives(record).to_string()),
        (MESSAGE_ID, sendable(record.message_id.as_deref().unwrap_or_default(), ID_BYTES_MAX)),
        (GROUP, sendable(group(record).map_or("", String::as_str), ID_BYTES_MAX)),
        (TRACE, sendable(trace(record).unwrap_or_default(), ID_BYTES_MAX)),
    ];
    // SQS takes no empty value.
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A body that SQS takes in place of one that it would not: too large beside
/// its attributes, or empty.
fn pointer(body: &str) -> String {
    let sha256 = Sha256::digest(body).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let pointer = Pointer { v: 1, too_large: !body.is_empty(), sha256, length: body.len() };
    // A number, a flag and a text: nothing that JSON could refuse.
    serde_json::to_string(&pointer).unwrap_or_default()
}

/// Cuts a text at a character, and leaves out what SQS does not take.
fn sendable(text: &str, bytes_max: usize) -> String {
    let taken = |letter: &char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let mut sendable = String::new();
    for letter in text.chars().filter(taken) {
        if sendable.len() + letter.len_utf8() > bytes_max {
            break;
        }
        sendable.push(letter);
    }
    sendable
}
