//! Whether, when and by which way a person is written to: consent, the gate in
//! front of every channel, and what was sent to an address.
//!
//! All of it stands with the *address*: consent is given for an address, an
//! address is suppressed, and caps count what came to one. A merge of profiles
//! touches none of it.

pub mod consent;
pub mod record;
pub mod address;
pub mod quiet;
pub mod gate;
pub mod outreach;
pub mod addressee;
pub mod parcel;
pub mod run;
pub mod pace;
pub mod sms;
pub mod words;
pub mod link;
pub mod receipt;
pub mod hits;
pub mod report;
pub mod mark;
pub mod news;

use serde::{Deserialize, Serialize};

use crate::identifier::{EMAIL, PHONE};

/// A way by which messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The kind of identifier that is an address of this channel.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Email => EMAIL,
            Self::Sms => PHONE,
        }
    }
}

/// What a message is for, which decides what it takes to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is part of what the person ordered or asked for: a receipt, a code.
    Transactional,
    /// Everything else; it takes consent.
    Promotional,
}
