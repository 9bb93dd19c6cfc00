//! Workspaces and keys, kept for a minute so that they are not read each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::messaging::outreach::Outreach;
use domain::segment::compiled::Compiled;
use domain::segment::fill::{Fill, Walked, Which};
use domain::segment::size::{Counting, Size};
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::definitions::{Key, Workspace};
use ports::people::SaveError;
use ports::{Clock, Definitions, Unavailable};

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
    segments: Mutex<HashMap<WorkspaceId, Arc<Compiled>>>,
    outreach: Mutex<HashMap<WorkspaceId, Arc<Outreach>>>,
}

impl<D: Definitions> Cached<D> {
    pub fn new(definitions: D) -> Self {
        Self {
            definitions,
            known: Mutex::default(),
            keys: Mutex::default(),
            segments: Mutex::default(),
            outreach: Mutex::default(),
        }
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

    /// What is asked of the store itself.
    pub const fn store(&self) -> &D {
        &self.definitions
    }

    /// A workspace's segments made ready, of the version `wanted` or a newer
    /// one; read again only if those that are kept are older.
    pub async fn segments(&self, workspace: &WorkspaceId, wanted: u64) -> Result<Arc<Compiled>, Unavailable> {
        if wanted == 0 {
            return Ok(Arc::default());
        }
        let kept = self.segments.lock().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned();
        if let Some(kept) = kept.filter(|kept| kept.version >= wanted) {
            return Ok(kept);
        }
        let set = self.definitions.segments(workspace).await?;
        let compiled = set.compile().map_err(|cause| Unavailable::new("making segments ready", cause))?;
        let compiled = Arc::new(compiled);
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.insert(workspace.clone(), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// What a workspace defined of its messages, of the version `wanted` or a
    /// newer one; read again only if what is kept is older.
    pub async fn outreach(&self, workspace: &WorkspaceId, wanted: u64) -> Result<Arc<Outreach>, Unavailable> {
        if wanted == 0 {
            return Ok(Arc::default());
        }
        let kept = self.outreach.lock().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned();
        if let Some(kept) = kept.filter(|kept| kept.version >= wanted) {
            return Ok(kept);
        }
        let read = Arc::new(self.definitions.outreach(workspace).await?);
        let mut outreach = self.outreach.lock().unwrap_or_else(PoisonError::into_inner);
        outreach.insert(workspace.clone(), Arc::clone(&read));
        Ok(read)
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

/// [`Cached`], for a stage that knows no more than the port.
#[derive(Debug)]
pub struct Kept<D, C> {
    cached: Cached<D>,
    clock: C,
}

impl<D: Definitions, C: Clock> Kept<D, C> {
    pub fn new(definitions: D, clock: C) -> Self {
        Self { cached: Cached::new(definitions), clock }
    }
}

impl<D: Definitions, C: Clock> Definitions for Kept<D, C> {
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Unavailable> {
        let found = self.cached.workspace(id, self.clock.now()).await?;
        Ok(found.map(Arc::unwrap_or_clone))
    }

    async fn segments(&self, workspace: &WorkspaceId) -> Result<SegmentSet, Unavailable> {
        self.cached.definitions.segments(workspace).await
    }

    async fn fills(&self) -> Result<Vec<Fill>, Unavailable> {
        self.cached.definitions.fills().await
    }

    async fn walk(&self, fill: &Fill, part: u8, to: &Walked, looked_at: u64) -> Result<(), SaveError> {
        self.cached.definitions.walk(fill, part, to, looked_at).await
    }

    async fn end(&self, fill: &Which) -> Result<(), SaveError> {
        self.cached.definitions.end(fill).await
    }

    async fn switch(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> Result<(), SaveError> {
        self.cached.definitions.switch(fill, version, segments, next).await
    }

    async fn counts(&self) -> Result<Vec<Counting>, Unavailable> {
        self.cached.definitions.counts().await
    }

    async fn count_on(&self, counting: &Counting) -> Result<(), Unavailable> {
        self.cached.definitions.count_on(counting).await
    }

    async fn put_size(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> Result<(), Unavailable> {
        self.cached.definitions.put_size(workspace, segment, size).await
    }

    async fn sizes(&self, workspace: &WorkspaceId, segment: &SegmentId) -> Result<Vec<Size>, Unavailable> {
        self.cached.definitions.sizes(workspace, segment).await
    }

    async fn outreach(&self, workspace: &WorkspaceId) -> Result<Outreach, Unavailable> {
        self.cached.definitions.outreach(workspace).await
    }

    async fn senders(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        self.cached.definitions.senders().await
    }

    async fn key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<Option<Key>, Unavailable> {
        let found = self.cached.key(workspace, key_id, self.clock.now()).await?;
        Ok(found.map(Arc::unwrap_or_clone))
    }
}

fn lives((at, key): &LookedKey, now: Timestamp) -> bool {
    let life = if key.is_some() { KEY_KEPT_FOR } else { NO_KEY_KEPT_FOR };
    (0..life).contains(&now.since(*at))
}

#[cfg(test)]
mod tests {
    use domain::rules::Rules;
    use testkit::{MemoryDefinitions, TestClock};

    use super::*;

    #[tokio::test]
    async fn a_stage_that_knows_the_port_alone_asks_once_a_minute() {
        let (definitions, clock) = (MemoryDefinitions::default(), TestClock::at(Timestamp::from_millis(0)));
        let id = WorkspaceId::parse("shop").unwrap();
        let define = |version| {
            let rules = Rules { version, ..Rules::default() };
            definitions.define(Workspace {
                id: id.clone(),
                rules,
                sources: Vec::new(),
                segments: 0,
                outreach: 0,
            });
        };
        define(1);
        let kept = Kept::new(definitions.clone(), clock.clone());
        let version = async || kept.workspace(&id).await.unwrap().unwrap().rules.version;
        assert_eq!((version().await, version().await, definitions.reads()), (1, 1, 1));
        define(2);
        clock.advance(KEPT_FOR - 1);
        assert_eq!(version().await, 1);
        clock.advance(1);
        assert_eq!((version().await, definitions.reads()), (2, 2));
    }
}
