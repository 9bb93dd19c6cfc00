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

/// Rounds, one a minute, in which a page is looked at of which somebody cannot be
/// asked: half an hour of a store that does not answer is waited for.
pub const ROUNDS_MAX: u64 = 30;

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
    /// Rounds in which somebody of the next page could not be asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u64,
    /// People who could not be in so many rounds, and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

impl Walked {
    pub const fn done() -> Self {
        Self { cursor: None, done: true, rounds: 0, left_out: 0 }
    }

    /// Where a part is once its next page was looked at, behind which `next`
    /// follows. Whoever could not be asked holds it up, but not for ever: one item
    /// that nobody can read would keep the segments of all from coming into force.
    #[must_use]
    pub fn on(&self, next: Option<String>, failed: u64) -> Self {
        let rounds = self.rounds.saturating_add(1);
        if failed > 0 && rounds < ROUNDS_MAX {
            return Self { rounds, ..self.clone() };
        }
        let left_out = self.left_out.saturating_add(failed);
        Self { done: next.is_none(), cursor: next, rounds: 0, left_out }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
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
        let mut asked: Vec<&StoredSegment> = set.standing().filter(is_asked).collect();
        // Those that replace others stand last: if more are written than one write
        // takes, and it breaks off in between, what is left still says that there
        // is somebody to tell.
        asked.sort_by_key(|segment| segment.active.is_some());
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::stored::SegmentId;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

    fn published(set: &SegmentSet, name: &str, kind: &str) -> SegmentSet {
        let document = json!({"name": name, "when": {"identifier": kind}}).to_string();
        set.with(set.publish(&SegmentId::parse(name).unwrap(), &document, NOW).unwrap())
    }

    #[test]
    fn a_switch_that_breaks_off_still_tells_whom_it_changed() {
        let mut set =
            ["a", "m", "z"].iter().fold(SegmentSet::default(), |set, name| published(&set, name, "email"));
        for segment in &mut set.segments {
            segment.active = segment.pending.take();
        }
        let set = published(&published(&set, "a", "phone"), "n", "email");
        let fill = |set: &SegmentSet| Fill::new(WorkspaceId::parse("shop").unwrap(), set.version, NOW);
        let (switched, tell) = fill(&set).switch(&set, NOW);
        assert!(switched.len() == 2 && tell.is_some());
        for written in 0..switched.len() {
            let broken =
                switched.iter().take(written).cloned().fold(set.clone(), |set, segment| set.with(segment));
            let (left, tell) = fill(&set).switch(&broken, NOW);
            assert_eq!((left.len(), tell.is_some()), (switched.len() - written, true), "after {written}");
        }
    }

    #[test]
    fn who_cannot_be_asked_holds_a_part_up_for_a_while_and_is_then_left_out() {
        let mut at = Walked { cursor: Some("a".to_owned()), ..Walked::default() };
        for _ in 1..ROUNDS_MAX {
            at = at.on(Some("b".to_owned()), 2);
            assert_eq!((at.cursor.as_deref(), at.left_out), (Some("a"), 0));
        }
        let on = at.on(Some("b".to_owned()), 2);
        assert_eq!(on, Walked { cursor: Some("b".to_owned()), done: false, rounds: 0, left_out: 2 });
        assert_eq!(on.on(None, 0), Walked { left_out: 2, ..Walked::done() });
        // Who was asked in the end is not left out; and a build that does not count reads and writes the same.
        let mended = at.on(Some("b".to_owned()), 0);
        assert_eq!(serde_json::to_string(&mended).unwrap(), r#"{"cursor":"b","done":false}"#);
        assert_eq!(serde_json::from_str::<Walked>(r#"{"cursor":"b","done":false}"#).unwrap(), mended);
    }
}
