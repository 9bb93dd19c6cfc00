//! How profiles, identifier rows and the items of a collection are kept.

use serde::{Deserialize, Serialize};

use crate::key::ProfileId;
use crate::time::Timestamp;

/// Shards of the due index; frozen, it is part of every key in the index.
pub const DUE_SHARDS: u8 = 8;

/// A version can never recur: the counter orders our writes, the write id
/// tells two writes with one counter apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    pub counter: u64,
    pub write: [u8; 8],
}

/// The row of an identifier. It outlives every owner; the generation tells the
/// owners apart, so that a profile made for one never takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRow {
    pub owner: Owner,
    pub generation: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Profile(ProfileId),
    /// Cut off from its owner; free to be claimed.
    Nobody,
    /// The tombstone of an erased person's identifier: only an event from
    /// after the erasure may claim it.
    Erased(Timestamp),
}

/// The sort key of an item in a profile's collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey(pub String);

/// An item of a profile's collection beside the profile itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub key: ItemKey,
    pub body: Vec<u8>,
}

/// Bytes of an item beside its body: keys, version, the names of attributes.
const ITEM_OVERHEAD: usize = 120;
/// Bytes of a write unit.
const UNIT: usize = 1024;

/// Write units of an item with so large a body, outside of a transaction.
pub const fn write_units(body: usize) -> usize {
    (body + ITEM_OVERHEAD).div_ceil(UNIT)
}

/// In which shard of the due index a profile stands.
pub fn due_shard(id: ProfileId) -> u8 {
    id.as_bytes().first().map_or(0, |byte| byte % DUE_SHARDS)
}
