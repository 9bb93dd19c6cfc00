//! Workspaces and keys, kept for a minute so that they are not read each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::definitions::{Key, Workspace};
use ports::{Definitions, Unavailable};

/// A changed definition is seen within this time.
pub const KEPT_FOR: i64 = Timestamp::MINUTE;

/// How long a known key is believed: a revoked one stops within a minute, with
/// room for a store that answers a little behind.
const KEY_KEPT_FOR: i64 = 55 * Timestamp::SECOND;
/// Shorter, so that a key made a moment ago soon works.
const NO_KEY_KEPT_FOR: i64 = 10 * Timestamp::SECOND;
/// Answers about keys kept; made-up keys must not fill the memory.
const KEYS_MAX: usize = 10_000;

/// What a workspace was at a moment.
type Looked = (Timestamp, Option<Arc<Workspace>>);
/// What a key was at a moment.
type LookedKey = (Timestamp, Option<Arc<Key>>);
/// A key is found by its workspace and its public part.
type KeyPlace = (WorkspaceId, String);

/// Definitions with a memory of a minute.
#[derive(Debug)]
pub struct Cached<D> {
    definitions: D,
    known: Mutex<HashMap<WorkspaceId, Looked>>,
    keys: Mutex<HashMap<KeyPlace, LookedKey>>,
}

impl<D: Definitions> Cached<D> {
    pub fn new(definitions: D) -> Self {
        Self { definitions, known: Mutex::default(), keys: Mutex::default() }
    }

    pub async fn workspace(
        &self,
        id: &WorkspaceId,
        now: Timestamp,
    ) -> Result<Option<Arc<Workspace>>, Unavailable> {
        let looked = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some((at, workspace)) = looked
            && now.since(at) < KEPT_FOR
        {
            return Ok(workspace);
        }
        let workspace = self.definitions.workspace(id).await?.map(Arc::new);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id.clone(), (now, workspace.clone()));
        Ok(workspace)
    }

    /// A key by its public part; a revoked one is `None`.
    pub async fn key(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Key>>, Unavailable> {
        let place = (workspace.clone(), id.to_owned());
        let looked = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some(looked) = looked
            && lives(&looked, now)
        {
            return Ok(looked.1);
        }
        let key = self.definitions.key(workspace, id).await?.map(Arc::new);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.retain(|_, looked| looked.1.is_some() && lives(looked, now));
        }
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(place, (now, key.clone()));
        Ok(key)
    }
}

fn lives((at, key): &LookedKey, now: Timestamp) -> bool {
    let life = if key.is_some() { KEY_KEPT_FOR } else { NO_KEY_KEPT_FOR };
    (0..life).contains(&now.since(*at))
}
