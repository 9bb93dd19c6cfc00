//! The ways out: providers that carry a message to a person.
//!
//! No provider takes an idempotency token. So nothing beneath these ports ever
//! sends twice by itself, and an error says whether the message may be on its way.

use std::fmt;
use std::future::Future;

use crate::Unavailable;

/// The name by which a provider knows what it accepted; its receipts have it too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub String);

/// One e-mail to one address.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Letter {
    pub from: String,
    /// What a mail program shows in place of the sender's address.
    pub from_name: Option<String>,
    pub to: String,
    pub reply_to: Option<String>,
    pub subject: String,
    /// A part that is empty is left out.
    pub html: String,
    pub text: String,
    /// Such as `List-Unsubscribe`, by name and value.
    pub headers: Vec<(String, String)>,
    /// Where the provider says what became of it.
    pub configuration_set: Option<String>,
    /// What comes back in every receipt, by name and value; nothing personal.
    pub tags: Vec<(String, String)>,
}

/// Only what no person can be told by.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { html, text, headers, configuration_set, tags, .. } = self;
        f.debug_struct("Letter")
            .field("bytes", &(html.len() + text.len()))
            .field("headers", &headers.len())
            .field("configuration_set", configuration_set)
            .field("tags", tags)
            .finish_non_exhaustive()
    }
}

/// One text message to one number.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Text {
    pub to: String,
    /// The number, sender id or pool that it comes from; without one the provider chooses.
    pub origination: Option<String>,
    pub body: String,
    pub is_promotional: bool,
    /// For how long the provider may try.
    pub ttl_s: Option<u32>,
    /// US dollars that one part of it may cost, as a decimal number.
    pub max_price: Option<String>,
    /// What comes back in every receipt, by name and value; nothing personal.
    pub context: Vec<(String, String)>,
    pub configuration_set: Option<String>,
}

/// Only what no person can be told by.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, is_promotional, context, configuration_set, .. } = self;
        f.debug_struct("Text")
            .field("bytes", &body.len())
            .field("is_promotional", is_promotional)
            .field("context", context)
            .field("configuration_set", configuration_set)
            .finish_non_exhaustive()
    }
}

/// Why nobody can say that a message was accepted.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The account sends too fast; this message was not sent.
    #[error("the provider takes no more at once")]
    Throttled,
    /// The account sent all that it may in 24 hours; this message was not sent.
    #[error("the quota of 24 hours is used up")]
    DailyQuota,
    /// This message is not sent, however often it is tried.
    #[error("the provider refuses the message: {code}")]
    Refused { code: &'static str },
    /// Nobody's message is sent until an operator mends it: the account is
    /// paused, in the sandbox, or lacks what it sends from.
    #[error("the provider is closed: {code}")]
    Closed { code: &'static str },
    /// Surely nothing was sent; the world may be kinder later.
    #[error("the message was not sent")]
    NotSent(#[source] Unavailable),
    /// It may have been sent. Only a receipt tells: it is never tried again.
    #[error("whether the message was sent is not known")]
    Unknown(#[source] Unavailable),
}

impl SendError {
    /// Whether trying again could send it twice.
    pub const fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Throttled
            | Self::DailyQuota
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::NotSent(_) => false,
        }
    }
}

/// A provider of e-mail.
pub trait Email: Send + Sync {
    /// Sends one letter, once: `Ok` means that the provider has accepted it.
    fn send(&self, letter: &Letter) -> impl Future<Output = Result<ProviderId, SendError>> + Send;
}

/// A provider of text messages.
pub trait Sms: Send + Sync {
    /// Sends one text, once: `Ok` means that the provider has accepted it.
    fn send(&self, text: &Text) -> impl Future<Output = Result<ProviderId, SendError>> + Send;
}

/// What an account may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountQuota {
    /// Sends in a thousand seconds: a rate may be less than one a second.
    pub max_send_rate_milli: u64,
    /// `None` is without limit.
    pub max_24_hours: Option<u64>,
    pub sent_24_hours: u64,
    /// In the sandbox only verified addresses are written to.
    pub is_production: bool,
    pub is_enabled: bool,
}

/// An account that knows its limits; callers keep answers for at most a minute.
pub trait Quota: Send + Sync {
    fn quota(&self) -> impl Future<Output = Result<AccountQuota, Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_is_shown() {
        let personal = || "ann@example.com".to_owned();
        let letter = Letter {
            from_name: Some(personal()),
            to: personal(),
            reply_to: Some(personal()),
            subject: personal(),
            html: personal(),
            text: personal(),
            headers: vec![("List-Unsubscribe".to_owned(), personal())],
            ..Letter::default()
        };
        let text = Text { to: personal(), body: personal(), ..Text::default() };
        for shown in [format!("{letter:?}"), format!("{text:?}")] {
            assert!(!shown.contains("ann"), "{shown}");
            assert!(shown.contains("bytes"), "{shown}");
        }
    }
}
