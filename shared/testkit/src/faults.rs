//! Ports that fail on purpose, at every call.
//!
//! A call waits once before it is done and once after, so that a test can
//! drop its future on either side (a crash), let others run in between (a
//! race), or change what comes back.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey};
use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::people::{ItemPage, Read, Save, SaveError, StoredProfile};
use ports::queue::Outgoing;
use ports::rejections::Listing;
use ports::{People, Queue, Rejections, Unavailable};

use crate::{Injected, lock};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// It is not done, and an error says so: throttling, a refused connection.
    Refused,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// A condition fails though nothing changed, as in a transaction's conflict.
    Conflict,
    /// An index shows nothing yet.
    Lagging,
}

type Choose = Arc<Mutex<dyn FnMut(&'static str) -> Fault + Send>>;

/// A port whose calls meet a fate.
#[derive(Clone)]
pub struct Faulty<T> {
    inner: T,
    choose: Choose,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// The only way in which a fault's error comes about.
trait Fails {
    fn refused(operation: &'static str) -> Self;
    fn conflict(operation: &'static str) -> Self;
}

impl Fails for Unavailable {
    fn refused(operation: &'static str) -> Self {
        Self::new(operation, Injected)
    }

    fn conflict(operation: &'static str) -> Self {
        Self::refused(operation)
    }
}

impl Fails for SaveError {
    fn refused(operation: &'static str) -> Self {
        Self::Unavailable(Unavailable::refused(operation))
    }

    fn conflict(_: &'static str) -> Self {
        Self::Conflict
    }
}

/// Lets whoever drives the future do something else, or drop it.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<T> Faulty<T> {
    /// `choose` is asked at every call, with the call's name.
    pub fn new(inner: T, choose: impl FnMut(&'static str) -> Fault + Send + 'static) -> Self {
        Self { inner, choose: Arc::new(Mutex::new(choose)) }
    }

    pub fn sharing<U>(&self, inner: U) -> Faulty<U> {
        Faulty { inner, choose: Arc::clone(&self.choose) }
    }

    async fn meet<R, E: Fails>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        pause().await;
        let fault = (lock(&self.choose))(name);
        let answer = match fault {
            Fault::None | Fault::Lagging => call.await,
            Fault::AnswerLost => call.await.and(Err(E::refused(name))),
            Fault::Refused => Err(E::refused(name)),
            Fault::Conflict => Err(E::conflict(name)),
        };
        pause().await;
        answer
    }
}

impl<T: People> People for Faulty<T> {
    async fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        read: Read,
    ) -> Result<Vec<Option<IdentityRow>>, Unavailable> {
        self.meet("identities", self.inner.identities(workspace, keys, read)).await
    }

    async fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> Result<Vec<Option<StoredProfile>>, Unavailable> {
        self.meet("profiles", self.inner.profiles(workspace, ids, read)).await
    }

    async fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> Result<ItemPage, Unavailable> {
        self.meet("items", self.inner.items(workspace, id, from, to)).await
    }

    async fn put(&self, workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Result<(), Unavailable> {
        self.meet("put", self.inner.put(workspace, id, items)).await
    }

    async fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> Result<(), Unavailable> {
        self.meet("remove", self.inner.remove(workspace, id, keys)).await
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        self.meet("replace", self.inner.replace(workspace, id, seen, next)).await
    }

    async fn save(&self, workspace: &WorkspaceId, save: Save) -> Result<(), SaveError> {
        self.meet("save", self.inner.save(workspace, save)).await
    }

    async fn save_all(&self, workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError> {
        self.meet("save_all", self.inner.save_all(workspace, saves)).await
    }

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, ProfileId)>, Unavailable> {
        let lagging = (lock(&self.choose))("due index") == Fault::Lagging;
        let due = self.meet("due", self.inner.due(shard, now, limit)).await?;
        Ok(if lagging { Vec::new() } else { due })
    }
}

impl<T: Rejections> Rejections for Faulty<T> {
    async fn record(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        refused: &[Rejection],
    ) -> Result<(), Unavailable> {
        self.meet("record", self.inner.record(workspace, source, refused)).await
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Listing, Unavailable> {
        self.meet("list", self.inner.list(workspace, source, day)).await
    }
}

impl<T: Queue> Queue for Faulty<T> {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), Unavailable> {
        self.meet("send", self.inner.send(messages)).await
    }
}
