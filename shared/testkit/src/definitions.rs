//! Workspaces, sources and keys in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::messaging::outreach::{Outreach, Written};
use domain::segment::fill::{Fill, Walked, Which};
use domain::segment::size::{Counting, Day, Size};
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::Unavailable;
use ports::definitions::{Definitions, Key, Workspace};
use ports::people::SaveError;

use crate::{Injected, lock};

/// Definitions that a test writes; clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryDefinitions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    workspaces: BTreeMap<WorkspaceId, Workspace>,
    segments: BTreeMap<WorkspaceId, SegmentSet>,
    fills: BTreeMap<WorkspaceId, Fill>,
    counts: BTreeMap<WorkspaceId, Counting>,
    sizes: BTreeMap<(WorkspaceId, SegmentId, Day), Size>,
    outreach: BTreeMap<WorkspaceId, Outreach>,
    keys: BTreeMap<(WorkspaceId, String), Key>,
    reads: usize,
    failing: bool,
}

impl MemoryDefinitions {
    /// Defines a workspace, or replaces it whole.
    pub fn define(&self, workspace: Workspace) {
        lock(&self.0).workspaces.insert(workspace.id.clone(), workspace);
    }

    /// Defines a workspace's segments, or replaces them whole.
    pub fn segment(&self, workspace: &WorkspaceId, segments: SegmentSet) {
        lock(&self.0).segments.insert(workspace.clone(), segments);
    }

    /// Publishes a segment as an operator does: it is pending, and everybody is
    /// to be asked.
    pub fn publish(&self, workspace: &WorkspaceId, segment: StoredSegment, now: Timestamp) {
        let mut state = lock(&self.0);
        let set = state.segments.get(workspace).cloned().unwrap_or_default().with(segment);
        state.fills.insert(workspace.clone(), Fill::new(workspace.clone(), set.version, now));
        state.counts.entry(workspace.clone()).or_insert_with(|| Counting::new(workspace.clone()));
        state.segments.insert(workspace.clone(), set);
    }

    /// Publishes what a workspace defines of its messages, as an operator does.
    pub fn write(&self, workspace: &WorkspaceId, written: Written) {
        let mut state = lock(&self.0);
        let outreach = state.outreach.entry(workspace.clone()).or_default();
        *outreach = outreach.with(written);
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

impl State {
    /// A fill that has not ended, nor been replaced by a newer one.
    fn fill(&mut self, is: &Which) -> Result<&mut Fill, SaveError> {
        self.fills.get_mut(&is.workspace).filter(|fill| fill.is == *is).ok_or(SaveError::Conflict)
    }
}

impl Definitions for MemoryDefinitions {
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Unavailable> {
        self.read(|state| {
            let segments = state.segments.get(id).map_or(0, |set| set.version);
            let outreach = state.outreach.get(id).map_or(0, |outreach| outreach.version);
            state.workspaces.get(id).map(|workspace| Workspace { segments, outreach, ..workspace.clone() })
        })
    }

    async fn segments(&self, workspace: &WorkspaceId) -> Result<SegmentSet, Unavailable> {
        Ok(self.read(|state| state.segments.get(workspace).cloned())?.unwrap_or_default())
    }

    async fn fills(&self) -> Result<Vec<Fill>, Unavailable> {
        Ok(lock(&self.0).fills.values().cloned().collect())
    }

    async fn walk(&self, fill: &Fill, part: u8, to: &Walked, looked_at: u64) -> Result<(), SaveError> {
        let mut state = lock(&self.0);
        let kept = state.fill(&fill.is)?;
        let seen = fill.parts.get(usize::from(part));
        let place = kept.parts.get_mut(usize::from(part)).filter(|kept| Some(&**kept) == seen);
        *place.ok_or(SaveError::Conflict)? = to.clone();
        kept.looked_at += looked_at;
        Ok(())
    }

    async fn end(&self, fill: &Which) -> Result<(), SaveError> {
        let mut state = lock(&self.0);
        state.fill(fill)?;
        state.fills.remove(&fill.workspace);
        Ok(())
    }

    async fn switch(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> Result<(), SaveError> {
        let mut state = lock(&self.0);
        let set = state.segments.get(&fill.workspace).cloned().unwrap_or_default();
        if set.version != version {
            return Err(SaveError::Conflict);
        }
        state.fill(fill)?;
        match next {
            Some(next) => state.fills.insert(fill.workspace.clone(), next.clone()),
            None => state.fills.remove(&fill.workspace),
        };
        let set = segments.iter().cloned().fold(set, |set, segment| set.with(segment));
        state.segments.insert(fill.workspace.clone(), SegmentSet { version: version + 1, ..set });
        Ok(())
    }

    async fn counts(&self) -> Result<Vec<Counting>, Unavailable> {
        Ok(lock(&self.0).counts.values().cloned().collect())
    }

    async fn count_on(&self, counting: &Counting) -> Result<(), Unavailable> {
        lock(&self.0).counts.insert(counting.workspace.clone(), counting.clone());
        Ok(())
    }

    async fn put_size(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> Result<(), Unavailable> {
        lock(&self.0).sizes.insert((workspace.clone(), segment.clone(), size.day), size.clone());
        Ok(())
    }

    async fn sizes(&self, workspace: &WorkspaceId, segment: &SegmentId) -> Result<Vec<Size>, Unavailable> {
        let state = lock(&self.0);
        let is_of = |(of, id, _): &&(WorkspaceId, SegmentId, Day)| of == workspace && id == segment;
        Ok(state.sizes.iter().filter(|(key, _)| is_of(key)).map(|(_, size)| size.clone()).collect())
    }

    async fn outreach(&self, workspace: &WorkspaceId) -> Result<Outreach, Unavailable> {
        Ok(self.read(|state| state.outreach.get(workspace).cloned())?.unwrap_or_default())
    }

    async fn senders(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        Ok(lock(&self.0).outreach.keys().cloned().collect())
    }

    async fn key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<Option<Key>, Unavailable> {
        self.read(|state| state.keys.get(&(workspace.clone(), key_id.to_owned())).cloned())
    }
}
