//! Two people out of one: each side is the fold of its own events.
//!
//! A merge cannot be subtracted, so both sides are folded anew, from the events
//! that the ledger proves. What is built stands under a new epoch and is
//! nobody's until both profiles are switched to it at once.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Entry, Ledger, SPILL_ABOVE};
use super::outbox::Outbox;
use super::stored::Item;
use super::{Absorbed, Family, Held, Profile, page};
use crate::event::Event;
use crate::identifier::Identifier;
use crate::key::{EventName, IdKey, ProfileId, halves};
use crate::segment::Segments;
use crate::workspace::WorkspaceId;

/// Which of the two people something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Those who keep the profile.
    Stays,
    /// Those who are taken out of it.
    Leaves,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Stays, Self::Leaves];

    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Stays => Self::Leaves,
            Self::Leaves => Self::Stays,
        }
    }
}

/// What one side has come to so far.
#[derive(Debug, Default)]
struct Half {
    profile: Profile,
    entries: Vec<Entry>,
}

/// A rebuild under way; events may come in any order and more than once.
#[derive(Debug)]
pub struct Rebuild {
    epoch: u32,
    halves: BTreeMap<Side, Half>,
    names: BTreeSet<EventName>,
}

/// What a side is when all its events are in.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    pub profile: Profile,
    /// Ledger pages, to be written before the switch.
    pub pages: Vec<Item>,
}

/// What of the old profile goes to a side, beside its events.
#[derive(Debug, Clone)]
pub struct Rest<'a> {
    pub key: &'a IdKey,
    pub workspace: &'a WorkspaceId,
    pub identifiers: BTreeMap<Identifier, Held>,
    pub absorbed: BTreeMap<ProfileId, Absorbed>,
    /// Whom this side must not be made one with.
    pub apart: BTreeSet<ProfileId>,
    pub outbox: Outbox,
    /// What segments knew of this side, to be asked anew.
    pub segments: Segments,
}

impl Rebuild {
    pub fn new(epoch: u32) -> Self {
        let halves = Side::BOTH.into_iter().map(|side| (side, Half::default())).collect();
        Self { epoch, halves, names: BTreeSet::new() }
    }

    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Folds a proven event into its side; `false` if it is in already.
    pub fn take(&mut self, side: Side, event: &Event, name: EventName) -> bool {
        if !self.names.insert(name) {
            return false;
        }
        let half = self.halves.entry(side).or_default();
        // A trait that does not fit was said to be left out when it came.
        half.profile.fold(event, name);
        half.entries.push(Entry { at: event.client_time.at(), name });
        true
    }

    /// How many events a side has.
    pub fn count(&self, side: Side) -> usize {
        self.halves.get(&side).map_or(0, |half| half.entries.len())
    }

    /// A side as it is to be stored.
    pub fn side(&self, side: Side, rest: Rest<'_>) -> Rebuilt {
        let half = self.halves.get(&side);
        let mut profile = half.map(|half| half.profile.clone()).unwrap_or_default();
        let mut entries = half.map(|half| half.entries.clone()).unwrap_or_default();
        entries.sort_unstable();
        let kept = entries.split_off(entries.len().saturating_sub(SPILL_ABOVE / 2));
        profile.ledger = Ledger::from_parts(kept, entries.last().map(|entry| entry.at));
        profile.seed = rest.identifiers.keys().map(|one| seed(rest.key, rest.workspace, one)).min();
        profile.identifiers = rest.identifiers;
        profile.outbox = rest.outbox;
        profile.segments = rest.segments;
        profile.epoch = self.epoch;
        // All pages are the profile's own now: those of the absorbed are empty.
        let absorbed =
            rest.absorbed.into_iter().map(|(id, how)| (id, Absorbed { epoch: self.epoch, ..how })).collect();
        profile.family = Family { absorbed_into: None, absorbed, apart: rest.apart };
        Rebuilt { profile, pages: page::ledger(self.epoch, &entries) }
    }
}

/// An identifier's share in a person's sticky number.
pub fn seed(key: &IdKey, workspace: &WorkspaceId, identifier: &Identifier) -> u64 {
    let [seed, _] = halves(*key.identifier(workspace, identifier).as_bytes());
    u64::from_be_bytes(seed)
}
