//! Segments: a definition as data, a verdict with its expiry, and what a
//! profile keeps so that neither needs its history.
//!
//! **Invariant:** what is kept here answers at every moment as the person's
//! whole history would, or says that it does not know.

pub mod stored;
pub mod value;
pub mod span;
pub mod definition;
pub mod read;
mod test;
pub mod feature;
pub mod compiled;
pub mod verdict;
pub mod settle;
pub mod list;
pub mod size;
pub mod fill;
pub mod explain;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::ProfileId;
use crate::time::Timestamp;
use feature::{Feature, FeatureId};
use stored::SegmentId;

/// What a profile keeps for segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segments {
    /// The version of the definitions under which it was last written. A writer
    /// that knows an older one reads them again first.
    pub definitions: u64,
    /// No verdict is asked at an earlier moment any more, or a late sweep would
    /// flip an answer back.
    pub evaluated_at: Timestamp,
    /// All answers have to be given anew, for this reason.
    pub stale: Option<Cause>,
    /// When an answer may change by itself, or has to be made anew.
    pub until: Option<Timestamp>,
    pub memberships: Memberships,
    pub features: BTreeMap<FeatureId, Feature>,
}

/// The answers that a profile gave, by segment; whom it was never in and never
/// asked silently stands not here.
pub type Memberships = BTreeMap<SegmentId, Membership>;

/// The last answer about one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The definition's version that gave it.
    pub version: u32,
    pub holds: bool,
    /// Counts the answers: receivers drop what is not newer than what they know.
    pub seq: u32,
    /// Since when the answer stands.
    pub since: Timestamp,
    /// When the person last entered.
    pub entered: Option<Timestamp>,
    /// What a version answers that is not in force yet.
    pub next: Option<Next>,
}

/// The answer of a version that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    pub version: u32,
    pub holds: bool,
    pub seq: u32,
}

/// That an answer changed: it has to go into the segment's list and, unless it
/// is silent, to whoever acts on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Whose answer it was, if not that of the profile whose outbox holds it.
    pub of: Option<ProfileId>,
    pub segment: SegmentId,
    pub version: u32,
    pub seq: u32,
    pub holds: bool,
    pub at: Timestamp,
    pub cause: Cause,
    /// Only the list has to know.
    pub silent: bool,
}

/// Why an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Event,
    /// No event: a window opened or closed.
    Time,
    /// The definition is new, or was changed or ended.
    Definition,
    Merge,
    /// A person was taken apart.
    Split,
    /// Somebody changed a list by hand.
    List,
}

impl Cause {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Time => "time",
            Self::Definition => "definition",
            Self::Merge => "merge",
            Self::Split => "split",
            Self::List => "list",
        }
    }
}

impl Change {
    /// Whether the person came in by what they did, by time or by hand: not
    /// because a definition is new or people became others.
    pub const fn has_entered(&self) -> bool {
        let by_itself = match self.cause {
            Cause::Event | Cause::Time | Cause::List => true,
            Cause::Definition | Cause::Merge | Cause::Split => false,
        };
        self.holds && !self.silent && self.of.is_none() && by_itself
    }

    /// Its name in the outbox: equal for a copy of it.
    pub fn id(&self) -> u64 {
        let of = self.of.map(|of| of.to_string()).unwrap_or_default();
        let numbers = format!("{}/{}/{}", self.version, self.seq, self.silent);
        crate::profile::counters::spread(&[of.as_str(), self.segment.as_str(), &numbers].join("\u{1f}"))
    }
}

impl Segments {
    /// What stays of them if the person is another one from now on: what lists
    /// know, and that all has to be asked anew, of whoever was never written under
    /// the definitions, too: no answer of theirs was one worth keeping.
    #[must_use]
    pub fn anew(&self, cause: Cause, now: Timestamp) -> Self {
        let mut anew = Self { features: BTreeMap::new(), ..self.clone() };
        anew.ask_anew(cause, now);
        anew
    }

    /// Makes all answers due.
    pub fn ask_anew(&mut self, cause: Cause, now: Timestamp) {
        (self.stale, self.until) = (Some(cause), Some(now));
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What two profiles that become one know together: a feature that only one
    /// of them knows is unknown, and whoever was in with one is in.
    pub fn absorb(&mut self, other: Self) {
        if self.is_empty() && other.is_empty() {
            return;
        }
        self.definitions = self.definitions.min(other.definitions);
        self.evaluated_at = self.evaluated_at.max(other.evaluated_at);
        self.stale = Some(Cause::Merge);
        self.until = self.until.into_iter().chain(other.until).min();
        let mut features = other.features;
        self.features.retain(|id, _| features.contains_key(id));
        for (id, feature) in &mut self.features {
            if let Some(other) = features.remove(id) {
                feature.unite(other);
            }
        }
        for (id, theirs) in other.memberships {
            match self.memberships.get_mut(&id) {
                None => {
                    // Their row in the list of a version to come is not ours.
                    self.memberships.insert(id, Membership { next: None, ..theirs });
                }
                Some(ours) => {
                    // Our row stands in the list of our version: of theirs we are told anew.
                    if !ours.holds {
                        ours.version = ours.version.max(theirs.version);
                    }
                    ours.holds |= theirs.holds;
                    ours.seq = ours.seq.max(theirs.seq);
                    ours.since = ours.since.max(theirs.since);
                    ours.entered = ours.entered.max(theirs.entered);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
