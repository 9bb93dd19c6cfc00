//! How many people a segment held, day by day.
//!
//! Lists are counted, not changes: a sum of changes would be as wrong for ever
//! as the one that was lost.

use serde::{Deserialize, Serialize};

use super::list::SHARDS;
use super::stored::{SegmentId, SegmentSet};
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// A day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    pub const fn of(at: Timestamp) -> Self {
        Self(at.millis().div_euclid(Timestamp::DAY))
    }

    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(Timestamp::DAY))
    }
}

/// `2026-11-23`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.start().rfc3339();
        f.write_str(start.split('T').next().unwrap_or_default())
    }
}

/// Members of one day, as the list of that version had them when it was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub day: Day,
    pub version: u32,
    pub members: u64,
}

/// How far the segments of a workspace were counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    pub workspace: WorkspaceId,
    /// The last day of which all were.
    pub done: Option<Day>,
    /// Where the count of a later day is.
    pub at: Option<At>,
}

/// A place within a count: segments are counted in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    pub day: Day,
    pub segment: SegmentId,
    pub version: u32,
    /// The parts of its list that were counted, and members of these.
    pub shards: u8,
    pub members: u64,
}

/// That the segments of a workspace are to be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub workspace: WorkspaceId,
    pub day: Day,
}

impl Counting {
    pub const fn new(workspace: WorkspaceId) -> Self {
        Self { workspace, done: None, at: None }
    }

    /// What is to be counted now.
    pub fn due(&self, now: Timestamp) -> Option<Count> {
        let day = Day::of(now);
        let is_due = self.done.is_none_or(|done| done < day);
        is_due.then(|| Count { workspace: self.workspace.clone(), day })
    }

    /// What is left of a day's count, each from its place on.
    pub fn left(&self, set: &SegmentSet, day: Day) -> Vec<At> {
        let at = self.at.as_ref().filter(|at| at.day == day);
        let mut left: Vec<At> = set
            .standing()
            .filter(|segment| segment.is_segment())
            .filter_map(|segment| {
                let version = segment.active.as_ref().or(segment.pending.as_ref())?.version;
                Some(At { day, segment: segment.id.clone(), version, shards: 0, members: 0 })
            })
            .filter(|new| at.is_none_or(|at| new.segment >= at.segment))
            .collect();
        left.sort_by(|a, b| a.segment.cmp(&b.segment));
        // Of another version the list is another one.
        if let (Some(at), Some(first)) = (at, left.first_mut())
            && (at.segment == first.segment && at.version == first.version)
        {
            *first = at.clone();
        }
        left
    }
}

impl At {
    pub const fn is_whole(&self) -> bool {
        self.shards >= SHARDS
    }

    pub const fn size(&self) -> Size {
        Size { day: self.day, version: self.version, members: self.members }
    }
}

impl Count {
    pub(super) fn group(&self) -> String {
        format!("{}/sizes", self.workspace)
    }

    pub(super) fn deduplication(&self, now: Timestamp) -> String {
        format!("{}/sizes/{}", self.workspace, now.millis().div_euclid(Timestamp::MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(ids: &[&str]) -> SegmentSet {
        let now = Timestamp::from_millis(0);
        ids.iter().fold(SegmentSet::default(), |set, id| {
            let document = json!({"name": id, "when": {"identifier": "email"}}).to_string();
            let next = set.publish(&SegmentId::parse(id).unwrap(), &document, now).unwrap();
            set.with(next)
        })
    }

    #[test]
    fn a_day_is_named_as_people_do_and_ends_at_midnight() {
        let last = Timestamp::parse("2026-11-23T23:59:59.999Z").unwrap();
        assert_eq!(Day::of(last).to_string(), "2026-11-23");
        assert_eq!(Day::of(last.plus(1)).to_string(), "2026-11-24");
        assert_eq!(Day::of(Timestamp::from_millis(-1)).to_string(), "1969-12-31");
    }

    #[test]
    fn a_count_goes_on_where_it_broke_off_and_begins_anew_each_day() {
        let workspace = WorkspaceId::parse("shop").unwrap();
        let (now, set) = (Timestamp::parse("2026-11-23T10:00:00Z").unwrap(), set(&["b", "a", "c"]));
        let mut counting = Counting::new(workspace);
        let day = counting.due(now).unwrap().day;
        let ids = |left: &[At]| left.iter().map(|at| at.segment.to_string()).collect::<Vec<_>>();
        let left = counting.left(&set, day);
        assert_eq!(ids(&left), ["a", "b", "c"]);
        counting.at = Some(At { shards: 3, members: 70, ..left[1].clone() });
        let left = counting.left(&set, day);
        assert_eq!((ids(&left), left[0].shards, left[0].members), (vec!["b".into(), "c".into()], 3, 70));
        counting.at.as_mut().unwrap().version = 9;
        assert_eq!(counting.left(&set, day)[0].shards, 0);
        let tomorrow = Day::of(now.plus(Timestamp::DAY));
        assert_eq!(counting.left(&set, tomorrow).len(), 3);
        counting.done = Some(day);
        assert_eq!(counting.due(now), None);
        assert!(counting.due(now.plus(Timestamp::DAY)).is_some());
    }
}
