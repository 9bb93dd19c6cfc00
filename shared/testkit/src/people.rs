//! The store of people in memory, with the conditions of the real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey, due_shard};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::{Check, Claim, Everyone, ItemPage, Read, Save, SaveError, StoredProfile};
use ports::{People, Unavailable};

use crate::lock;

/// Items of a page, as `DynamoDB` ends a page at 1 MB: small, so that tests
/// read more than one.
const PAGE_ITEMS: usize = 3;

/// All that is stored; can be looked at and set up by a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    pub profiles: BTreeMap<(WorkspaceId, ProfileId), StoredProfile>,
    pub identities: BTreeMap<(WorkspaceId, IdentifierKey), IdentityRow>,
    pub items: BTreeMap<(WorkspaceId, ProfileId, ItemKey), Vec<u8>>,
}

/// A store of people in memory; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryPeople {
    tables: Arc<Mutex<Tables>>,
    page_items: usize,
}

impl Default for MemoryPeople {
    fn default() -> Self {
        Self::with_pages_of(PAGE_ITEMS)
    }
}

impl MemoryPeople {
    /// A store whose pages hold so many items, for tests that count what a
    /// stage does with whole pages.
    pub fn with_pages_of(items: usize) -> Self {
        Self { tables: Arc::default(), page_items: items.max(1) }
    }

    /// What is stored now.
    pub fn tables(&self) -> Tables {
        lock(&self.tables).clone()
    }

    /// Lets a test set something up, or break it.
    pub fn alter(&self, change: impl FnOnce(&mut Tables)) {
        change(&mut lock(&self.tables));
    }
}

impl Tables {
    /// Whether nothing that was read for it has changed.
    fn permits(&self, workspace: &WorkspaceId, save: &Save) -> bool {
        let stored = self.profiles.get(&(workspace.clone(), save.id));
        let holds =
            |claim: &Claim| self.identities.get(&(workspace.clone(), claim.key)).copied() == claim.seen;
        let stands = |check: &Check| match check {
            Check::Profile { id, seen } => {
                let stored = self.profiles.get(&(workspace.clone(), *id));
                stored.is_some_and(|stored| stored.version == *seen)
            }
            Check::Row { key, seen } => self.identities.get(&(workspace.clone(), *key)) == seen.as_ref(),
        };
        stored.map(|stored| stored.version) == save.seen
            && save.claims.iter().all(holds)
            && save.checks.iter().all(stands)
    }
}

impl People for MemoryPeople {
    async fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        _: Read,
    ) -> Result<Vec<Option<IdentityRow>>, Unavailable> {
        let tables = lock(&self.tables);
        Ok(keys.iter().map(|key| tables.identities.get(&(workspace.clone(), *key)).copied()).collect())
    }

    async fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        _: Read,
    ) -> Result<Vec<Option<StoredProfile>>, Unavailable> {
        let tables = lock(&self.tables);
        Ok(ids.iter().map(|id| tables.profiles.get(&(workspace.clone(), *id)).cloned()).collect())
    }

    async fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> Result<ItemPage, Unavailable> {
        let tables = lock(&self.tables);
        let range =
            (workspace.clone(), id, from.clone())..(workspace.clone(), id, to.clone().max(from.clone()));
        let mut items = tables
            .items
            .range(range)
            .map(|((_, _, key), body)| Item { key: key.clone(), body: body.clone() });
        let page: Vec<Item> = items.by_ref().take(self.page_items).collect();
        let next = items.next().and(page.last()).map(|last| last.key.clone());
        Ok(ItemPage { items: page, next })
    }

    async fn put(&self, workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Result<(), Unavailable> {
        let mut tables = lock(&self.tables);
        for item in items {
            tables.items.insert((workspace.clone(), id, item.key.clone()), item.body.clone());
        }
        Ok(())
    }

    async fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> Result<(), Unavailable> {
        let mut tables = lock(&self.tables);
        for key in keys {
            tables.items.remove(&(workspace.clone(), id, key.clone()));
        }
        Ok(())
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        let mut tables = lock(&self.tables);
        let key = (workspace.clone(), id, next.key.clone());
        if tables.items.get(&key) != seen.map(|seen| &seen.body) {
            return Err(SaveError::Conflict);
        }
        tables.items.insert(key, next.body.clone());
        Ok(())
    }

    async fn save(&self, workspace: &WorkspaceId, save: Save) -> Result<(), SaveError> {
        self.save_all(workspace, vec![save]).await
    }

    async fn save_all(&self, workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError> {
        let mut tables = lock(&self.tables);
        if !saves.iter().all(|save| tables.permits(workspace, save)) {
            return Err(SaveError::Conflict);
        }
        for save in saves {
            tables.profiles.insert((workspace.clone(), save.id), save.next);
            for claim in save.claims {
                tables.identities.insert((workspace.clone(), claim.key), claim.row);
            }
            for item in save.with {
                tables.items.insert((workspace.clone(), save.id, item.key), item.body);
            }
        }
        Ok(())
    }

    async fn everyone(&self, part: u32, parts: u32, cursor: Option<&str>) -> Result<Everyone, Unavailable> {
        let tables = lock(&self.tables);
        let mut keys = tables.profiles.keys().filter(|(_, id)| {
            id.as_bytes().last_chunk().is_some_and(|end| u32::from_be_bytes(*end) % parts == part)
        });
        let name = |(workspace, id): &(WorkspaceId, ProfileId)| format!("{workspace}#{id}");
        let people: Vec<_> = keys
            .by_ref()
            .filter(|key| cursor.is_none_or(|cursor| name(key).as_str() > cursor))
            .take(PAGE_ITEMS)
            .cloned()
            .collect();
        let next = keys.next().and(people.last()).map(name);
        Ok(Everyone { people, next })
    }

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, ProfileId)>, Unavailable> {
        let tables = lock(&self.tables);
        let mut due: Vec<_> = tables
            .profiles
            .iter()
            .filter(|((_, id), _)| due_shard(*id) == shard)
            .filter_map(|(key, stored)| stored.due.filter(|due| *due <= now).map(|due| (due, key.clone())))
            .collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryPeople;

    #[test]
    fn memory_keeps_the_contract_of_people() {
        futures_util::future::FutureExt::now_or_never(crate::contract::people::check(
            &MemoryPeople::default(),
        ))
        .unwrap();
    }
}
