//! A new or changed definition has to be asked of everybody once: a *fill*.
//!
//! It walks through all profiles in parts, side by side, and keeps of each part
//! how far it came, so that it goes on after any end. It begins once no writer
//! knows the old definitions any more: a profile that such a writer creates
//! behind the fill would never be asked.

use serde::{Deserialize, Serialize};

use super::size::Count;
use super::stored::{SegmentSet, StoredSegment};
use crate::message::Unreadable;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// Parts of the store that are walked through apart.
pub const PARTS: u8 = 8;
/// Definitions are kept for a minute, and a function that read them before may
/// run for another; the third is for the clocks.
pub const ROLLOUT: i64 = 3 * Timestamp::MINUTE;

/// The format of requests to walk and of those to count: the latter came later.
pub const VERSION: u32 = 1;
pub const COUNT_VERSION: u32 = 2;

/// The fill of one workspace, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    pub is: Which,
    pub parts: Vec<Walked>,
    /// Profiles that were looked at in this phase.
    pub looked_at: u64,
}

/// Which fill it is, however far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    pub workspace: WorkspaceId,
    /// The version of all segments that is asked.
    pub version: u64,
    pub published: Timestamp,
    pub phase: Phase,
}

/// That a part of a fill is to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub of: Which,
    pub number: u8,
}

/// Why everybody is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// New versions are asked; of one that replaces another nobody is told.
    Ask,
    /// The new versions are in force: whom they changed is told.
    Tell,
}

/// How far one part came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Walked {
    pub cursor: Option<String>,
    pub done: bool,
}

impl Fill {
    pub fn new(workspace: WorkspaceId, version: u64, published: Timestamp) -> Self {
        Self::of(Which { workspace, version, published, phase: Phase::Ask })
    }

    fn of(is: Which) -> Self {
        Self { is, parts: vec![Walked::default(); usize::from(PARTS)], looked_at: 0 }
    }

    /// Whether writers may still know older definitions.
    pub const fn waits(&self, now: Timestamp) -> bool {
        now.since(self.is.published) < ROLLOUT
    }

    /// The parts to go on with; of a fill that came through and was not ended
    /// the first, for whoever goes on with it ends it.
    pub fn open(&self) -> Vec<Part> {
        let part = |number| Part { of: self.is.clone(), number };
        let open: Vec<Part> =
            (0..).zip(&self.parts).filter(|(_, part)| !part.done).map(|(number, _)| part(number)).collect();
        if open.is_empty() { vec![part(0)] } else { open }
    }

    /// Whether everybody was looked at.
    pub fn is_through(&self) -> bool {
        self.parts.iter().all(|part| part.done)
    }

    /// What follows once everybody was asked: the versions that come into
    /// force, and the fill that tells whom they changed, if they replace others.
    pub fn switch(&self, set: &SegmentSet, now: Timestamp) -> (Vec<StoredSegment>, Option<Self>) {
        let is_asked = |segment: &&StoredSegment| {
            segment.pending.as_ref().is_some_and(|pending| pending.since <= self.is.version)
        };
        let asked: Vec<&StoredSegment> = set.standing().filter(is_asked).collect();
        let replaces = asked.iter().any(|segment| segment.active.is_some());
        let switched = asked.into_iter().map(|segment| StoredSegment {
            active: segment.pending.clone(),
            pending: None,
            ..segment.clone()
        });
        let version = set.version.saturating_add(1);
        let workspace = self.is.workspace.clone();
        let tell = Self::of(Which { workspace, version, published: now, phase: Phase::Tell });
        (switched.collect(), replaces.then_some(tell))
    }
}

/// What the stage is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Part(Part),
    Count(Count),
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    v: u32,
    #[serde(flatten)]
    request: R,
}

impl Request {
    pub fn pack(&self) -> String {
        let v = match self {
            Self::Part(_) => VERSION,
            Self::Count(_) => COUNT_VERSION,
        };
        #[expect(clippy::expect_used, reason = "plain data, without a map of ours")]
        let body = serde_json::to_string(&Envelope { v, request: self }).expect("plain data");
        body
    }

    pub fn unpack(body: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        match v {
            VERSION | COUNT_VERSION => (),
            newer if newer > COUNT_VERSION => return Err(Unreadable::Newer(newer)),
            older => return Err(Unreadable::Older(older)),
        }
        let envelope: Envelope<Self> = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        Ok(envelope.request)
    }

    /// One part is walked by one at a time, and a workspace counted by one.
    pub fn group(&self) -> String {
        match self {
            Self::Part(part) => part.group(),
            Self::Count(count) => count.group(),
        }
    }

    /// Equal only for copies of what one minute's sweep sent.
    pub fn deduplication(&self, now: Timestamp) -> String {
        match self {
            Self::Part(part) => part.deduplication(now),
            Self::Count(count) => count.deduplication(now),
        }
    }
}

impl Part {
    fn group(&self) -> String {
        format!("{}/{}", self.of.workspace, self.number)
    }

    fn deduplication(&self, now: Timestamp) -> String {
        let phase = if self.of.phase == Phase::Ask { "ask" } else { "tell" };
        let minute = now.millis().div_euclid(Timestamp::MINUTE);
        format!("{}/{}/{phase}/{}/{minute}", self.of.workspace, self.of.version, self.number)
    }
}
