//! Segments as they are stored: their ids, documents and versions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compiled::{self, Compiled, Computed, Segment};
use super::read::{self, Defined, Mistake};
use crate::time::Timestamp;

/// A segment's name in keys, in other definitions and on profiles.
///
/// Shared, for a person holds it once for each answer, and each change again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SegmentId(Arc<str>);

impl Serialize for SegmentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The name would not be safe in a key or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a segment's id has 1 to {} of a-z, 0-9 and -", SegmentId::LENGTH_MAX)]
pub struct InvalidSegmentId;

impl SegmentId {
    pub const LENGTH_MAX: usize = 64;

    pub fn parse(id: &str) -> Result<Self, InvalidSegmentId> {
        Self::try_from(id.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SegmentId {
    type Error = InvalidSegmentId;

    fn try_from(id: String) -> Result<Self, InvalidSegmentId> {
        let safe = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let right = (1..=Self::LENGTH_MAX).contains(&id.len()) && id.bytes().all(safe);
        right.then(|| Self(id.into())).ok_or(InvalidSegmentId)
    }
}

impl std::fmt::Display for SegmentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Segments of one workspace.
pub const SEGMENTS_MAX: usize = 2_000;
/// Features that the segments of one workspace need together: ten bytes of each
/// are left on a person even if all else of it is let go.
pub const WORKSPACE_FEATURES_MAX: usize = 5_000;

/// A segment as it stands among the definitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSegment {
    pub id: SegmentId,
    /// What answers now.
    pub active: Option<Versioned>,
    /// What will, once every profile was looked at; of a new segment it answers
    /// already, as far as profiles were looked at.
    pub pending: Option<Versioned>,
    /// The highest version ever given: versions never go back, even if the
    /// segment ends and returns.
    pub last_version: u32,
    /// It has ended; its id is kept for the version's sake.
    #[serde(default)]
    pub ended: bool,
}

impl StoredSegment {
    /// The document of the newest version.
    pub fn document(&self) -> Option<Value> {
        let newest = self.pending.as_ref().or(self.active.as_ref())?;
        serde_json::from_str(&newest.document).ok()
    }

    /// Whether it stands, and people are in it or not; of a computed trait nobody is.
    pub fn is_segment(&self) -> bool {
        self.document().is_some_and(|document| document.get("value").is_none())
    }
}

/// One version of a segment's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    pub version: u32,
    /// JSON, as its author wrote it.
    pub document: String,
    pub published: Timestamp,
    /// The version of the whole set that brought it.
    pub since: u64,
}

/// All segments of a workspace, ended ones included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentSet {
    /// Counts the changes; 0 if there never was a segment.
    pub version: u64,
    pub segments: Vec<StoredSegment>,
}

impl SegmentSet {
    pub fn find(&self, id: &SegmentId) -> Option<&StoredSegment> {
        self.segments.iter().find(|segment| segment.id == *id)
    }

    /// The segments that have not ended.
    pub fn standing(&self) -> impl Iterator<Item = &StoredSegment> {
        self.segments.iter().filter(|segment| !segment.ended)
    }

    /// The set with a new document for one segment, to be stored as the next
    /// version of the set; or every mistake.
    pub fn publish(
        &self,
        id: &SegmentId,
        document: &str,
        now: Timestamp,
    ) -> Result<StoredSegment, Vec<Mistake>> {
        let refuse = |reason: String| vec![Mistake { place: "the document".to_owned(), reason }];
        let definition = read::read(document)?;
        let known = self.find(id);
        let stands = known.and_then(|known| known.pending.as_ref().or(known.active.as_ref()));
        if let Some(stands) = stands.and_then(|stands| read::read(&stands.document).ok())
            && stands.is.kind() != definition.is.kind()
        {
            let (stands, kind) = (stands.is.kind(), definition.is.kind());
            return Err(refuse(format!(
                "is {kind}, and `{id}` is {stands}; end it first, or take another id"
            )));
        }
        if known.is_none_or(|known| known.ended) && self.standing().count() >= SEGMENTS_MAX {
            return Err(refuse(format!(
                "would be segment {} of a workspace; end one first",
                SEGMENTS_MAX + 1
            )));
        }
        let last_version = known.map_or(0, |known| known.last_version).saturating_add(1);
        let pending = Versioned {
            version: last_version,
            document: document.to_owned(),
            published: now,
            since: self.version.saturating_add(1),
        };
        let active = known.filter(|known| !known.ended).and_then(|known| known.active.clone());
        let next =
            StoredSegment { id: id.clone(), active, pending: Some(pending), last_version, ended: false };
        self.with(next.clone()).check().map_err(refuse)?;
        Ok(next)
    }

    /// The segment's end, if no other segment asks it.
    pub fn end(&self, id: &SegmentId) -> Result<StoredSegment, String> {
        let known = self.find(id).filter(|known| !known.ended);
        let known = known.ok_or_else(|| format!("there is no segment `{id}`; look at the list"))?;
        let next = StoredSegment { active: None, pending: None, ended: true, ..known.clone() };
        self.with(next.clone()).check()?;
        Ok(next)
    }

    /// Whether the set can be asked both now and when all that is to come answers:
    /// a version that is about to be replaced still asks what it names.
    fn check(&self) -> Result<(), String> {
        for pending_answers in [true, false] {
            let features = self.compile_all(pending_answers).map_err(|(_, reason)| reason)?.features.len();
            if features > WORKSPACE_FEATURES_MAX {
                return Err(format!(
                    "would make {features} features of events in this workspace, more than {WORKSPACE_FEATURES_MAX}; end other segments, or ask in their words"
                ));
            }
        }
        Ok(())
    }

    /// The set in which one segment stands otherwise.
    #[must_use]
    pub fn with(&self, next: StoredSegment) -> Self {
        let mut segments = self.segments.clone();
        segments.retain(|segment| segment.id != next.id);
        segments.push(next);
        Self { version: self.version.saturating_add(1), segments }
    }

    /// The set made ready. A definition that this build cannot read, because a
    /// newer one wrote it, fails all: to answer without it would be wrong.
    pub fn compile(&self) -> Result<Compiled, Unreadable> {
        self.compile_all(false).map_err(|(segment, reason)| Unreadable { segment, reason })
    }

    /// With `pending_answers` whatever is to come is asked as if it answered:
    /// what will fail later has to be refused now.
    fn compile_all(&self, pending_answers: bool) -> Result<Compiled, (String, String)> {
        let (mut segments, mut computed) = (Vec::new(), Vec::new());
        for stored in self.standing() {
            let versions = stored.active.iter().chain(&stored.pending);
            for versioned in versions {
                let is_pending = stored.pending.as_ref() == Some(versioned);
                let replaces = is_pending && stored.active.is_some();
                if pending_answers && !is_pending && stored.pending.is_some() {
                    continue;
                }
                let fail = |reason: String| (stored.id.to_string(), reason);
                let definition = read::read(&versioned.document).map_err(|mistakes| {
                    fail(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
                })?;
                let (id, is_silent) = (stored.id.clone(), replaces && !pending_answers);
                match definition.is {
                    Defined::Segment(when) => segments.push(Segment {
                        id,
                        version: versioned.version,
                        since: versioned.since,
                        ready: compiled::ready(&when).map_err(fail)?,
                        is_silent,
                    }),
                    Defined::Computed(value) => {
                        computed.push(Computed {
                            id,
                            ready: compiled::ready(&value).map_err(fail)?,
                            is_silent,
                        });
                    }
                }
            }
        }
        Compiled::new(self.version, segments, computed).map_err(|reason| ("segments".to_owned(), reason))
    }
}

/// A definition that this build cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the definition of segment `{segment}` cannot be read: {reason}")]
pub struct Unreadable {
    segment: String,
    reason: String,
}
