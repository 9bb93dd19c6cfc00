//! What a provider says became of a message, and what people answer.
//!
//! It comes out of a queue: bare, in a topic's envelope, or in an event bus's.
//!
//! **Invariant:** addresses and words of a person are in no `Debug` and in no error.

mod body;

use std::fmt;

use crate::key::{DeliveryId, ProfileId};
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// The names by which a message carries our ids through its provider.
pub const WORKSPACE: &str = "t-workspace";
pub const OCCASION: &str = "t-occasion";
pub const DELIVERY: &str = "t-delivery";
pub const ADDRESS: &str = "t-address";

/// What one body out of the queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Receipt(Receipt),
    Incoming(Incoming),
    /// Nothing that concerns a delivery: a click, a topic that was tried out.
    Ignored,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub at: Timestamp,
    pub what: What,
    pub ids: Ids,
    /// The name that the provider gave it when it accepted it.
    pub provider_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The provider took it and goes on.
    Accepted,
    /// The recipient's server, phone or carrier took it.
    Delivered,
    /// It has not arrived yet; the provider still tries.
    Delayed,
    /// It did not arrive. `permanent` speaks of the address: there is none such.
    Bounced { permanent: bool },
    /// Whoever got it called it spam.
    Complained,
    /// The provider or a carrier did not want this message; the address may be well.
    Rejected,
}

/// What the message was, as far as it says so: one that somebody else sent by
/// the same account says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    pub workspace: Option<WorkspaceId>,
    pub occasion: Option<String>,
    pub delivery: Option<DeliveryId>,
    /// The collection of its address.
    pub address: Option<ProfileId>,
}

/// A text message from a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    pub from: String,
    /// The number of ours that it came to.
    pub to: String,
    pub text: String,
    pub at: Timestamp,
    /// The provider's name for it: equal for all its copies.
    pub id: String,
    /// The provider's name for the message that it answers.
    pub answers: Option<String>,
}

/// Only what no person can be told by.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, at, id, answers, .. } = self;
        let mut out = f.debug_struct("Incoming");
        out.field("bytes", &text.len()).field("at", at).field("id", id).field("answers", answers);
        out.finish_non_exhaustive()
    }
}

/// Why a body cannot be read; its place, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is no JSON object")]
    Json,
    #[error("`{0}` is missing, or is not what stands there")]
    At(String),
    /// What is new must not be lost: somebody has to look.
    #[error("`{0}` names a kind of event that this build does not know")]
    Kind(&'static str),
}

impl Ids {
    /// The ids as a message carries them, by name and value.
    pub fn tags(&self) -> Vec<(String, String)> {
        let Self { workspace, occasion, delivery, address } = self;
        let values = [
            (WORKSPACE, workspace.as_ref().map(ToString::to_string)),
            (OCCASION, occasion.clone()),
            (DELIVERY, delivery.as_ref().map(ToString::to_string)),
            (ADDRESS, address.as_ref().map(ToString::to_string)),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Reads them back; one that is there is right, or nothing is believed.
    fn read<'a>(at: &str, find: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Unreadable> {
        let filled = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        Ok(Self {
            workspace: one(at, WORKSPACE, &find, |name| WorkspaceId::parse(name).ok())?,
            occasion: one(at, OCCASION, &find, filled)?,
            delivery: one(at, DELIVERY, &find, DeliveryId::parse)?,
            address: one(at, ADDRESS, &find, ProfileId::parse)?,
        })
    }
}

/// One id by its name, if it is there.
fn one<'a, T>(
    at: &str,
    name: &str,
    find: impl Fn(&str) -> Option<&'a str>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Unreadable> {
    let parsed = |value| parse(value).ok_or_else(|| Unreadable::At(format!("{at}.{name}")));
    find(name).map(parsed).transpose()
}

/// Reads a body out of the queue. `received` is when it came, for what does not
/// tell its own time.
pub fn read(body: &str, received: Timestamp) -> Result<Told, Unreadable> {
    body::read(body, received)
}

#[cfg(test)]
mod tests;
