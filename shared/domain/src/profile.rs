//! One customer: a pure fold over a set of events.
//!
//! **Invariant:** order of arrival, duplicates and batching never change the
//! result, up to the profile's id. State that is not such a fold has no place
//! here.

pub mod stamp;
pub mod traits;
pub mod counters;
pub mod ledger;
pub mod outbox;
pub mod fold;
pub mod group;
pub mod page;
pub mod stored;
mod dictionary;
mod words;
pub mod packed;
pub mod resolve;
pub mod merge;
pub mod lineage;
pub mod rebuild;

use std::collections::{BTreeMap, BTreeSet};

use crate::identifier::Identifier;
use crate::key::ProfileId;
use crate::segment::Segments;
use crate::time::Timestamp;

use counters::Counters;
use ledger::Ledger;
use outbox::Outbox;
use stamp::Stamp;
use traits::Traits;

/// One customer, as the events so far tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    pub standing: Standing,
    /// What names this person; each identifier's row points here.
    pub identifiers: BTreeMap<Identifier, Held>,
    pub traits: Traits,
    pub groups: BTreeSet<String>,
    pub counters: Counters,
    pub campaigns: Campaigns,
    pub sources: BTreeSet<String>,
    /// A person's sticky random number: the least over all identifiers, so
    /// that neither arrival nor a merge changes the side they fall on.
    pub seed: Option<u64>,
    /// Ties to other profiles that were recorded already, by their marks.
    pub ties: BTreeSet<u64>,
    pub ledger: Ledger,
    pub outbox: Outbox,
    /// Pages of other epochs are invisible; a rebuild switches it.
    pub epoch: u32,
    pub family: Family,
    pub segments: Segments,
}

/// Which profiles are this person, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    /// The profile that took this one in: what stands here is frozen since,
    /// and whoever comes here goes on to there.
    pub absorbed_into: Option<ProfileId>,
    /// All profiles that this one took in, itself or through others. Their
    /// pages count as its own.
    pub absorbed: BTreeMap<ProfileId, Absorbed>,
    /// Profiles that this one must not be made one with: the operator took
    /// them apart. It holds between all of both sides, whatever they take in.
    pub apart: BTreeSet<ProfileId>,
}

/// How one profile was taken in by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absorbed {
    /// The epoch of its pages when it was taken in.
    pub epoch: u32,
    /// When that was.
    pub at: Timestamp,
    /// The tie for which it was done, by its mark.
    pub tie: u64,
}

/// Whether the profile takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    #[default]
    Live,
    /// Erased; the item stays behind so that stalled writers meet it.
    Erased,
}

/// How a profile holds an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The generation of the identifier's row when it was claimed.
    pub generation: u32,
    /// When the event happened that brought it; periods of limits count from it.
    pub since: Timestamp,
}

impl Profile {
    /// The collections whose pages are this person's, each with its epoch:
    /// the profile's own, and those of all that it took in.
    pub fn collections(&self, id: ProfileId) -> impl Iterator<Item = (ProfileId, u32)> {
        let absorbed = self.family.absorbed.iter().map(|(id, how)| (*id, how.epoch));
        std::iter::once((id, self.epoch)).chain(absorbed)
    }
}

/// First and last touch, by event time and not by arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Campaigns {
    pub first: Option<(Stamp, Campaign)>,
    pub last: Option<(Stamp, Campaign)>,
}

/// The UTM parameters of a visit, without their `utm_`.
pub type Campaign = BTreeMap<String, String>;

/// Identifiers on one profile, of all kinds; a guard for the item's size.
pub const IDENTIFIERS_MAX: usize = 64;
/// Groups on one profile; the least by hash are kept.
pub const GROUPS_MAX: usize = 100;
/// Marks of ties on one profile; a tie without a mark is recorded again, which
/// changes nothing.
pub const TIE_MARKS_MAX: usize = 64;

#[cfg(test)]
mod tests;
