//! What a source reported: the Segment spec's six kinds of event.

use serde::{Deserialize, Serialize};

use crate::identifier::Identifier;
use crate::key::{EventName, IdKey};
use crate::time::Timestamp;
use crate::workspace::SourceId;

/// The kinds of the Segment spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl EventKind {
    pub const ALL: [Self; 6] =
        [Self::Track, Self::Identify, Self::Page, Self::Screen, Self::Group, Self::Alias];

    /// Reads the `type` of an event.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "track" => Self::Track,
            "identify" => Self::Identify,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "group" => Self::Group,
            "alias" => Self::Alias,
            _ => return None,
        })
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

/// An accepted event: immutable, with its identifiers normalised at the edge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub source: SourceId,
    /// The sender's dedup key; made at the edge where the sender gave none.
    pub message_id: String,
    pub kind: EventKind,
    /// Normalised, unblocked, strongest first and never empty. The first is the
    /// *home*: resolution starts from it, so that a redelivery under newer
    /// rules reaches the same ledger.
    pub identifiers: Vec<Identifier>,
    /// Named by the event, too, and blocked by the rules: names nobody while
    /// these stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Identifier>,
    /// The version of the rules by which the identifiers were chosen.
    pub rules: u32,
    /// The client's own clock, as sent: what all copies of the event share.
    pub client_time: ClientTime,
    /// When it happened, corrected where the client's clock is far off.
    pub event_time: Timestamp,
    pub received_at: Timestamp,
    /// The event as sent, a JSON object, with the envelope's context merged in.
    pub payload: String,
    /// Its identifiers as sent, joined: part of its name.
    pub as_sent: String,
}

/// What orders and covers the ledger: shared by all copies of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientTime {
    /// The client's `timestamp` or `originalTimestamp`.
    Sent(Timestamp),
    /// The client named the event but gave no time: copies share no time at
    /// all, so that the ledger's pages are always asked.
    Absent(Timestamp),
    /// The edge made up the message id, so that every copy is a copy of our
    /// own message and shares the time at which it was received.
    Ours(Timestamp),
}

impl ClientTime {
    pub const fn at(self) -> Timestamp {
        match self {
            Self::Sent(at) | Self::Absent(at) | Self::Ours(at) => at,
        }
    }
}

/// Below this the client's clock is believed as it stands: the copies of one
/// event, each sent at another moment, then agree on when it happened.
pub const SKEW_BELIEVED_MAX: i64 = 10 * Timestamp::MINUTE;
/// An event cannot have happened later than this after it was received.
pub const FUTURE_MAX: i64 = Timestamp::MINUTE;

impl Event {
    /// When the event happened: the client's word, mended where its clock is off.
    pub fn when(client: Option<Timestamp>, sent_at: Option<Timestamp>, received_at: Timestamp) -> Timestamp {
        let Some(client) = client else { return received_at };
        let skew = sent_at.map_or(0, |sent_at| received_at.since(sent_at));
        let at = if skew.abs() < SKEW_BELIEVED_MAX { client } else { client.plus(skew) };
        at.min(received_at.plus(FUTURE_MAX))
    }

    pub fn name(&self, key: &IdKey) -> EventName {
        key.event(&self.source, &self.message_id, &self.as_sent)
    }

    pub fn home(&self) -> Option<&Identifier> {
        self.identifiers.first()
    }

    /// All that it names, whatever the rules say of it.
    pub fn named(&self) -> impl Iterator<Item = &Identifier> {
        self.identifiers.iter().chain(&self.blocked)
    }
}

/// An event is personal data: only what names the event itself is printed.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind).finish_non_exhaustive()
    }
}
