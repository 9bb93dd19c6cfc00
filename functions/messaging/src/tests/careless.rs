//! What is caught: a store that knows no conditions.

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::{Everyone, ItemPage, Read, Save, SaveError, StoredProfile};
use ports::{People, Unavailable};

/// A store that writes whether or not somebody came between.
#[derive(Debug, Clone)]
pub(super) struct Careless<T>(pub(super) T);

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&self, $($argument: $type),*) -> $answer {
            self.0.$name($($argument),*).await
        })*
    };
}

type Answer<T> = Result<T, Unavailable>;

impl<T: People> People for Careless<T> {
    passed_on! {
        identities(workspace: &WorkspaceId, keys: &[IdentifierKey], read: Read)
            -> Answer<Vec<Option<IdentityRow>>>;
        profiles(workspace: &WorkspaceId, ids: &[ProfileId], read: Read)
            -> Answer<Vec<Option<StoredProfile>>>;
        items(workspace: &WorkspaceId, id: ProfileId, from: &ItemKey, to: &ItemKey) -> Answer<ItemPage>;
        put(workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Answer<()>;
        remove(workspace: &WorkspaceId, id: ProfileId, keys: &[ItemKey]) -> Answer<()>;
        save(workspace: &WorkspaceId, save: Save) -> Result<(), SaveError>;
        save_all(workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError>;
        everyone(part: u32, parts: u32, cursor: Option<&str>) -> Answer<Everyone>;
        due(shard: u8, now: Timestamp, limit: usize) -> Answer<Vec<(WorkspaceId, ProfileId)>>;
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        _: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        Ok(self.0.put(workspace, id, std::slice::from_ref(next)).await?)
    }
}
