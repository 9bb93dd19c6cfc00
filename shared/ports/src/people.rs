//! The store of profiles, identifier rows and what belongs to them.

use std::future::Future;

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey, Version};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;

use crate::Unavailable;

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Half the price; safe wherever the write that follows is conditional.
    Eventual,
    Consistent,
}

/// A profile item as it stands in the store: opaque bytes under a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProfile {
    pub version: Version,
    pub body: Vec<u8>,
    /// When the sweep has to look at it.
    pub due: Option<Timestamp>,
}

/// An identifier that a profile write takes for its profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: IdentifierKey,
    /// The row that was read; `None` if there was none. The claim holds only
    /// if the row still is what was read.
    pub seen: Option<IdentityRow>,
    /// The row to write.
    pub row: IdentityRow,
}

/// What a write leaves as it is, and relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The profile has this version.
    Profile { id: ProfileId, seen: Version },
    /// The identifier's row is what was read; `None` if there was none.
    Row { key: IdentifierKey, seen: Option<IdentityRow> },
}

/// One conditional write of a profile, whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    pub id: ProfileId,
    /// The version that was read; `None` creates, and fails if one exists.
    pub seen: Option<Version>,
    pub next: StoredProfile,
    pub claims: Vec<Claim>,
    /// Items that travel in the same transaction.
    pub with: Vec<Item>,
    /// What else must stand as it was read; of nothing that is written here.
    pub checks: Vec<Check>,
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another writer came between, or our own write succeeded and its answer
    /// was lost: read again, the ledger tells which.
    #[error("another writer came between")]
    Conflict,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A page of items of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemPage {
    pub items: Vec<Item>,
    /// Where to go on: exclusive; `None` at the end.
    pub next: Option<ItemKey>,
}

/// Some of all profiles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Everyone {
    pub people: Vec<(WorkspaceId, ProfileId)>,
    /// Where to go on; `None` at the end of the part.
    pub next: Option<String>,
}

/// Profiles, identifier rows, and the items of a profile's collection.
pub trait People: Send + Sync {
    /// Reads identifier rows, each in the place of its key.
    fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        read: Read,
    ) -> impl Future<Output = Result<Vec<Option<IdentityRow>>, Unavailable>> + Send;

    /// Reads profile items, each in the place of its id.
    fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> impl Future<Output = Result<Vec<Option<StoredProfile>>, Unavailable>> + Send;

    /// Reads a collection's items with `from <= key < to`, in key order,
    /// strongly consistent; one page of at most 1 MB.
    fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> impl Future<Output = Result<ItemPage, Unavailable>> + Send;

    /// Puts items that are true whatever else happens; repeating it changes nothing.
    fn put(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        items: &[Item],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Removes items; one that is not there is no error.
    fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Writes an item if it still has the body that was read (`None`: if there is none).
    fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// Writes a profile, its claims and the items that travel with it, on the
    /// condition that nothing that was read has changed.
    fn save(&self, workspace: &WorkspaceId, save: Save)
    -> impl Future<Output = Result<(), SaveError>> + Send;

    /// Writes several profiles as [`People::save`] writes one: all of them or none.
    fn save_all(
        &self,
        workspace: &WorkspaceId,
        saves: Vec<Save>,
    ) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// Profiles of one part of all, in no order, from behind `cursor` on. All
    /// parts together read the whole table: for what has to look at everybody.
    /// People fall into parts by chance, so that one part is a fair sample.
    fn everyone(
        &self,
        part: u32,
        parts: u32,
        cursor: Option<&str>,
    ) -> impl Future<Output = Result<Everyone, Unavailable>> + Send;

    /// All profiles of one shard that were due at `now` or before, from the
    /// oldest, at most `limit`. The index may lag behind the profiles.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(WorkspaceId, ProfileId)>, Unavailable>> + Send;
}
