//! Why profiles are one person, or stay two: what a collection keeps of it.
//!
//! A tie stands as an item of both collections ([`super::page::tie`]), and a
//! merge names its tie. What was refused is kept here.

use serde::{Deserialize, Serialize};

use super::merge::Refusal;
use super::outbox::Tie;
use super::packed::{self, Corrupt};
use super::stored::{Item, ItemKey};
use crate::event::Event;
use crate::identifier::Identifier;
use crate::key::ProfileId;
use crate::rejection::Reason;
use crate::time::Timestamp;

/// A tie that did not become a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub tie: Tie,
    /// [`Refusal::name`].
    pub reason: String,
    /// What was in the way, and what to do about it.
    pub detail: String,
    pub at: Timestamp,
}

/// An identifier that an event named and the profile did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub identifier: Identifier,
    pub reason: Reason,
    /// The rules by which it was left out.
    pub rules: u32,
    pub source: String,
    pub message_id: String,
    /// When the event happened.
    pub at: Timestamp,
}

/// Two people were made out of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenApart {
    pub stays: ProfileId,
    pub leaves: ProfileId,
    pub at: Timestamp,
    /// Who asked for it: the public part of an admin key.
    pub by: String,
    pub why: String,
    /// Events of the side that stays, and of the one that leaves.
    pub events: (u64, u64),
    /// Events that named both: how many, and the first of them by message id.
    pub both: u64,
    pub named_both: Vec<String>,
}

/// The item of what was left out; the next of its kind takes its place.
pub fn left_out(identifier: &Identifier, reason: Reason, event: &Event, rules: u32) -> Item {
    let key = ItemKey(format!("left-out#{}#{}", reason.name(), identifier.kind()));
    let record = LeftOut {
        identifier: identifier.clone(),
        reason,
        rules,
        source: event.source.to_string(),
        message_id: event.message_id.clone(),
        at: event.event_time,
    };
    Item { key, body: packed::encode(&record) }
}

pub fn read_left_out(body: &[u8]) -> Result<LeftOut, Corrupt> {
    packed::decode(body)
}

/// The range of keys of all that was left out of a profile.
pub fn left_out_range() -> (ItemKey, ItemKey) {
    (ItemKey("left-out#".to_owned()), ItemKey("left-out#~".to_owned()))
}

/// The item of a separation, with both profiles.
pub fn taken_apart(record: &TakenApart) -> Item {
    let key = format!("apart#{:016x}#{}", record.at.millis(), record.leaves);
    Item { key: ItemKey(key), body: packed::encode(record) }
}

pub fn read_taken_apart(body: &[u8]) -> Result<TakenApart, Corrupt> {
    packed::decode(body)
}

/// The range of keys of all separations of a profile.
pub fn taken_apart_range() -> (ItemKey, ItemKey) {
    (ItemKey("apart#".to_owned()), ItemKey("apart#~".to_owned()))
}

/// The item that says of an operator's order that it was carried out: a copy of
/// the order that comes later must not be carried out again.
pub fn carried_out(order: &str, at: Timestamp) -> Item {
    Item { key: ItemKey(format!("order#{order}")), body: packed::encode(&at) }
}

/// The item of a refusal; a later refusal of the same tie takes its place.
pub fn refused(tie: &Tie, refusal: &Refusal, at: Timestamp) -> Item {
    let refused =
        Refused { tie: tie.clone(), reason: refusal.name().to_owned(), detail: refusal.to_string(), at };
    Item { key: ItemKey(format!("refusal#{:016x}", tie.mark())), body: packed::encode(&refused) }
}

pub fn read_refused(body: &[u8]) -> Result<Refused, Corrupt> {
    packed::decode(body)
}

/// The range of keys of all refusals of a profile.
pub fn refused_range() -> (ItemKey, ItemKey) {
    (ItemKey("refusal#".to_owned()), ItemKey("refusal#~".to_owned()))
}
