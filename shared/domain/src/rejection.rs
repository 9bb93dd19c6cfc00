//! Events that were refused, kept for the operator to see why.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why one event was refused while the rest of its batch was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a JSON object, or its JSON is broken.
    Malformed,
    /// Over the limit of 32 KB an event.
    TooLarge,
    /// Nested deeper than the limit.
    TooDeep,
    /// No `type`, or one that the Segment spec does not know.
    UnknownType,
    /// A `track` without the name of its event.
    NoEventName,
    /// It holds a name that the platform's own parser keeps for itself.
    ReservedName,
    /// Nothing in it names a person.
    NoIdentifier,
    /// Every identifier in it is blocked by the rules.
    Blocked,
    /// A field has a type that cannot be read, for example an object as `userId`.
    WrongType,
    /// More traits than a profile holds: these were left out, the event stands.
    TraitsOverflow,
    /// An identifier was left out because the rules block it; the event stands.
    IdentifierBlocked,
    /// An identifier was left out because its kind's limit is reached.
    IdentifierLimit,
    /// An identifier was left out because it is none of its kind; the event stands.
    InvalidIdentifier,
    /// The identifier belongs to a person who was erased.
    Erased,
    /// Two profiles stay two, though an event ties them.
    MergeRefused,
}

impl Reason {
    /// The name by which refusals are counted and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::UnknownType => "unknown_type",
            Self::NoEventName => "no_event_name",
            Self::ReservedName => "reserved_name",
            Self::NoIdentifier => "no_identifier",
            Self::Blocked => "blocked",
            Self::WrongType => "wrong_type",
            Self::TraitsOverflow => "traits_overflow",
            Self::IdentifierBlocked => "identifier_blocked",
            Self::IdentifierLimit => "identifier_limit",
            Self::InvalidIdentifier => "invalid_identifier",
            Self::Erased => "erased",
            Self::MergeRefused => "merge_refused",
        }
    }
}

/// One refused event as an operator sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub at: Timestamp,
    pub reason: Reason,
    /// What is wrong, where, and what to do about it.
    pub detail: String,
    pub message_id: Option<String>,
    /// The first 8 KB of the event as sent.
    pub sample: String,
}

impl Rejection {
    /// Bytes kept of a refused event.
    pub const SAMPLE_MAX: usize = 8 * 1024;
    /// Refused events kept a source a minute; the rest is counted by reason.
    pub const KEPT_A_MINUTE: u32 = 100;
    /// Days for which refused events are kept.
    pub const DAYS: i64 = 30;
}

impl std::fmt::Debug for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejection").field("reason", &self.reason).finish_non_exhaustive()
    }
}
