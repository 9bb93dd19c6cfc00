//! The ledger: the names of the events that a profile has in it.
//!
//! It stands in the profile's own item, so that the marker and the effect are
//! one conditional write. It is bounded: old entries move to ledger pages,
//! which live as long as the profile.

use crate::key::EventName;
use crate::time::Timestamp;

/// More entries than this are spilled, down to half of it.
pub const SPILL_ABOVE: usize = 32;
/// Events that one profile write may add. Their entries cannot be spilled
/// before they are written, so this bounds the item: about 11 bytes each.
pub const ADDED_MAX: usize = 10_000;

/// An applied event; ordered by what all its copies share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub at: Timestamp,
    pub name: EventName,
}

/// The newest entries, in order, and how far the pages reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// The newest time ever spilled; it only rises. An event at or before it
    /// that is not among the entries may stand on a page.
    spilled_to: Option<Timestamp>,
}

/// Whether an event was applied, as far as the profile item can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Applied,
    New,
    /// It may stand on a page; all pages from this time on must be read.
    AskPages {
        from: Timestamp,
    },
}

impl Ledger {
    pub fn from_parts(mut entries: Vec<Entry>, spilled_to: Option<Timestamp>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        Self { entries, spilled_to }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub const fn spilled_to(&self) -> Option<Timestamp> {
        self.spilled_to
    }

    pub fn knows(&self, name: EventName, time: crate::event::ClientTime) -> Known {
        use crate::event::ClientTime;
        if self.entries.iter().any(|entry| entry.name == name) {
            return Known::Applied;
        }
        let Some(spilled_to) = self.spilled_to else { return Known::New };
        match time {
            ClientTime::Absent(_) => Known::AskPages { from: Timestamp::from_millis(i64::MIN) },
            ClientTime::Sent(at) | ClientTime::Ours(at) if at <= spilled_to => Known::AskPages { from: at },
            ClientTime::Sent(_) | ClientTime::Ours(_) => Known::New,
        }
    }

    /// Takes out the oldest entries if `added` more would be too many.
    ///
    /// Call it on the ledger *as read*, before anything is added: an entry of
    /// this very attempt must never reach a page, or a crash before the
    /// profile's write would lose its event.
    pub fn spill(&mut self, added: usize) -> Vec<Entry> {
        if self.entries.len() + added <= SPILL_ABOVE {
            return Vec::new();
        }
        let kept = (SPILL_ABOVE / 2).saturating_sub(added).min(self.entries.len());
        let rest = self.entries.split_off(self.entries.len() - kept);
        let spilled = std::mem::replace(&mut self.entries, rest);
        self.spilled_to = self.spilled_to.max(spilled.last().map(|entry| entry.at));
        spilled
    }

    pub fn add(&mut self, entry: Entry) {
        if let Err(place) = self.entries.binary_search(&entry) {
            self.entries.insert(place, entry);
        }
    }

    pub fn absorb(&mut self, other: Self) {
        for entry in other.entries {
            self.add(entry);
        }
        self.spilled_to = self.spilled_to.max(other.spilled_to);
    }
}
