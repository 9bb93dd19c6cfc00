//! What a write must cause elsewhere, stored in the same write.
//!
//! Entries are carried out, then cleared by their ids. A profile with entries
//! left is due at once, so that the sweep carries them out after a crash.

use serde::{Deserialize, Serialize};

use crate::identifier::Identifier;
use crate::segment::Change;
use crate::time::Timestamp;

/// A profile whose outbox is fuller than this takes no events until it is
/// emptied, or a stuck receiver would grow the item without bound.
pub const ENTRIES_MAX: usize = 100;
/// The same for changes of segments, which are small, and come many at once
/// when a person is first seen.
pub const CHANGES_MAX: usize = 2_000;

/// What is still to be caused; each id once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    ties: Vec<Tie>,
    changes: Vec<Change>,
}

/// One event names two profiles: they are one person, which is for the
/// identity stage to act on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tie {
    /// The event's home, and what it was tied to.
    pub identifiers: [Identifier; 2],
    pub reason: TieReason,
    pub source: String,
    pub message_id: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieReason {
    /// One event carried both identifiers.
    SameEvent,
    /// An `alias` says so.
    Alias,
    /// An operator says so.
    Operator,
}

impl Tie {
    /// Equal for all ties of the same two identifiers for the same reason.
    pub fn mark(&self) -> u64 {
        let [a, b] = &self.identifiers;
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        let parts = [low.kind(), low.value(), high.kind(), high.value(), self.reason.name()];
        super::counters::spread(&parts.join("\u{1f}"))
    }

    /// Equal only for the tie of one event.
    pub fn id(&self) -> u128 {
        let at = self.at.millis().to_string();
        let event = [self.source.as_str(), self.message_id.as_str(), at.as_str()].join("\u{1f}");
        u128::from(self.mark()) << 64 | u128::from(super::counters::spread(&event))
    }
}

impl TieReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameEvent => "same_event",
            Self::Alias => "alias",
            Self::Operator => "operator",
        }
    }
}

impl std::fmt::Debug for Tie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tie").field("identifiers", &self.identifiers).finish_non_exhaustive()
    }
}

impl Outbox {
    pub fn from_parts(ties: Vec<Tie>, changes: Vec<Change>) -> Self {
        Self { ties, changes }
    }

    pub fn ties(&self) -> &[Tie] {
        &self.ties
    }

    /// Answers of segments that changed, in their order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub fn is_empty(&self) -> bool {
        self.ties.is_empty() && self.changes.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.ties.len() >= ENTRIES_MAX || self.changes.len() >= CHANGES_MAX
    }

    pub fn push(&mut self, tie: Tie) {
        if !self.ties.iter().any(|known| known.mark() == tie.mark()) {
            self.ties.push(tie);
        }
    }

    /// Adds an answer that nobody gave before.
    pub fn append(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds a change, unless it stands there already.
    pub fn change(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Removes ties that were carried out, by mark; what came meanwhile stays.
    pub fn clear(&mut self, sent: &[u64]) {
        self.ties.retain(|tie| !sent.contains(&tie.mark()));
    }

    /// The same for changes, by id.
    pub fn clear_changes(&mut self, sent: &[u64]) {
        self.changes.retain(|change| !sent.contains(&change.id()));
    }
}
