//! Who is in a segment, as lists; and what happened to one person's answers.
//!
//! These lists are a projection: candidates, at most a hop behind. Whoever acts on a
//! person reads the profile.

use serde::{Deserialize, Serialize};

use super::stored::SegmentId;
use super::{Cause, Change};
use crate::key::{IdKey, ProfileId};
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// Collections over which one list is spread, so that no partition is hot.
/// Frozen: it decides where rows stand.
pub const SHARDS: u8 = 8;

/// What this platform writes among a person's traits; at the front door an
/// event that holds a name with this beginning is refused.
pub const RESERVED: &str = "$tributary";

/// The trait that says when somebody was put on a list by hand, in milliseconds
/// since 1970. It is a trait as others are: what is merged, taken apart or comes
/// late has the same answer in the end.
pub fn path(list: &SegmentId) -> String {
    format!("{RESERVED}.lists.{list}")
}

const ROW: &str = "row#";
const ANSWER: &str = "segment#";

/// A person's row in a list. One who left keeps theirs, so that an older
/// answer that comes late does not bring them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub profile: ProfileId,
    pub holds: bool,
    pub seq: u32,
    pub since: Timestamp,
}

/// One change of a person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub segment: SegmentId,
    pub version: u32,
    pub seq: u32,
    pub holds: bool,
    pub at: Timestamp,
    pub cause: Cause,
}

#[derive(Serialize, Deserialize)]
struct PackedRow {
    holds: bool,
    seq: u32,
    since: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct PackedAnswer {
    version: u32,
    holds: bool,
    at: Timestamp,
    cause: Cause,
}

/// The part of a list in which a person stands.
pub fn shard(profile: ProfileId) -> u8 {
    profile.as_bytes().last().map_or(0, |byte| byte % SHARDS)
}

/// The collection of one part of a list, which stands among the profiles'.
pub fn collection(
    key: &IdKey,
    workspace: &WorkspaceId,
    segment: &SegmentId,
    version: u32,
    shard: u8,
) -> ProfileId {
    key.list(workspace, segment.as_str(), version, shard)
}

/// The key of a person's row.
pub fn row_key(profile: ProfileId) -> ItemKey {
    ItemKey(format!("{ROW}{profile}"))
}

/// The range of all rows behind one, or of all.
pub fn rows_after(after: Option<ProfileId>) -> (ItemKey, ItemKey) {
    let from = after.map_or_else(|| ROW.to_owned(), |after| format!("{ROW}{after}\0"));
    (ItemKey(from), ItemKey(format!("{ROW}~")))
}

/// A change as a row, unless the row that stands is as new.
pub fn row(profile: ProfileId, change: &Change, standing: Option<&Item>) -> Result<Option<Item>, Corrupt> {
    let known = standing.map(read_row).transpose()?;
    if known.is_some_and(|known| known.seq >= change.seq) {
        return Ok(None);
    }
    let row = PackedRow { holds: change.holds, seq: change.seq, since: change.at };
    Ok(Some(Item { key: row_key(profile), body: packed::encode(&row) }))
}

pub fn read_row(item: &Item) -> Result<Row, Corrupt> {
    let profile = item.key.0.strip_prefix(ROW).and_then(ProfileId::parse).ok_or(Corrupt::Bytes)?;
    let PackedRow { holds, seq, since } = packed::decode(&item.body)?;
    Ok(Row { profile, holds, seq, since })
}

/// A change as an item of the person's own collection: writing it twice writes one.
pub fn answer(change: &Change) -> Item {
    let Change { segment, version, seq, holds, at, cause, .. } = change;
    let body = PackedAnswer { version: *version, holds: *holds, at: *at, cause: *cause };
    Item { key: ItemKey(format!("{ANSWER}{segment}#{seq:08x}")), body: packed::encode(&body) }
}

/// The range of all answers of a person, or of those about one segment.
pub fn answers(segment: Option<&SegmentId>) -> (ItemKey, ItemKey) {
    let prefix = segment.map_or_else(|| ANSWER.to_owned(), |segment| format!("{ANSWER}{segment}#"));
    (ItemKey(prefix.clone()), ItemKey(format!("{prefix}~")))
}

/// The range of a person's answers behind one.
pub fn answers_behind(segment: &SegmentId, seq: u32) -> (ItemKey, ItemKey) {
    let (_, to) = answers(None);
    (ItemKey(format!("{ANSWER}{segment}#{seq:08x}\0")), to)
}

pub fn read_answer(item: &Item) -> Result<Answer, Corrupt> {
    let name = item.key.0.strip_prefix(ANSWER).and_then(|rest| rest.rsplit_once('#'));
    let (segment, seq) = name.ok_or(Corrupt::Bytes)?;
    let PackedAnswer { version, holds, at, cause } = packed::decode(&item.body)?;
    let segment = SegmentId::parse(segment).map_err(|_| Corrupt::Bytes)?;
    let seq = u32::from_str_radix(seq, 16).map_err(|_| Corrupt::Bytes)?;
    Ok(Answer { segment, version, seq, holds, at, cause })
}
