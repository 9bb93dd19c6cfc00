//! Workspaces, sources and keys in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::workspace::WorkspaceId;
use ports::Unavailable;
use ports::definitions::{Definitions, Key, Workspace};

use crate::{Injected, lock};

/// Definitions that a test writes; clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryDefinitions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    workspaces: BTreeMap<WorkspaceId, Workspace>,
    keys: BTreeMap<(WorkspaceId, String), Key>,
    reads: usize,
    failing: bool,
}

impl MemoryDefinitions {
    /// Defines a workspace, or replaces it whole.
    pub fn define(&self, workspace: Workspace) {
        lock(&self.0).workspaces.insert(workspace.id.clone(), workspace);
    }

    pub fn add_key(&self, workspace: &WorkspaceId, key_id: &str, key: Key) {
        lock(&self.0).keys.insert((workspace.clone(), key_id.to_owned()), key);
    }

    pub fn revoke_key(&self, workspace: &WorkspaceId, key_id: &str) {
        lock(&self.0).keys.remove(&(workspace.clone(), key_id.to_owned()));
    }

    /// Every read fails until this is called with `false`.
    pub fn set_failing(&self, failing: bool) {
        lock(&self.0).failing = failing;
    }

    /// How often the store was asked: what a cache is measured by.
    pub fn reads(&self) -> usize {
        lock(&self.0).reads
    }

    fn read<T>(&self, pick: impl FnOnce(&State) -> Option<T>) -> Result<Option<T>, Unavailable> {
        let mut state = lock(&self.0);
        state.reads += 1;
        if state.failing {
            return Err(Unavailable::new("reading definitions in memory", Injected));
        }
        Ok(pick(&state))
    }
}

impl Definitions for MemoryDefinitions {
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Unavailable> {
        self.read(|state| state.workspaces.get(id).cloned())
    }

    async fn key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<Option<Key>, Unavailable> {
        self.read(|state| state.keys.get(&(workspace.clone(), key_id.to_owned())).cloned())
    }
}
