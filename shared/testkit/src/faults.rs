//! Ports that fail on purpose, at every call.
//!
//! A call waits once before it is done and once after, so that a test can
//! drop its future on either side (a crash), let others run in between (a
//! race), or change what comes back.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use domain::key::{IdentifierKey, ProfileId};
use domain::messaging::outreach::Outreach;
use domain::profile::stored::{IdentityRow, Item, ItemKey};
use domain::rejection::Rejection;
use domain::segment::fill::{Fill, Walked, Which};
use domain::segment::size::{Counting, Size};
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::channel::{AccountQuota, Letter, ProviderId, SendError, Text};
use ports::definitions::{Key, Workspace};
use ports::people::{Everyone, ItemPage, Read, Save, SaveError, StoredProfile};
use ports::queue::Outgoing;
use ports::rejections::{Part, Place};
use ports::{Definitions, Email, People, Queue, Quota, Rejections, Sms, Unavailable};

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
    /// It is done, its answer is lost, and the client asks again by itself: of a
    /// condition it then hears that it does not hold any more.
    Repeated,
    /// An index shows nothing yet.
    Lagging,
    /// Of several messages every other one is accepted, and an error says so;
    /// a call that has no parts is refused.
    Part,
    /// It is not done and never answered: its caller is dead, and whoever
    /// drives it drops it.
    DiesBefore,
    /// It is done and never answered, for the same reason.
    DiesAfter,
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
trait Fails: Sized {
    fn refused(operation: &'static str) -> Self;
    fn conflict(operation: &'static str) -> Self;
    /// What the second of two equal calls is told, if that is not the same as the first.
    fn repeated() -> Option<Self> {
        None
    }
    /// It was done, and its answer was lost.
    fn lost(operation: &'static str) -> Self {
        Self::refused(operation)
    }
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

    fn repeated() -> Option<Self> {
        Some(Self::Conflict)
    }
}

/// A send says which of the two it was.
impl Fails for SendError {
    fn refused(operation: &'static str) -> Self {
        Self::NotSent(Unavailable::refused(operation))
    }

    fn conflict(_: &'static str) -> Self {
        Self::Throttled
    }

    fn lost(operation: &'static str) -> Self {
        Self::Unknown(Unavailable::refused(operation))
    }
}

/// Lets whoever drives the future do something else, or drop it.
pub(crate) async fn pause() {
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

async fn answer<R, E: Fails>(
    name: &'static str,
    fault: Fault,
    call: impl Future<Output = Result<R, E>>,
) -> Result<R, E> {
    let answer = match fault {
        Fault::None | Fault::Lagging => call.await,
        Fault::AnswerLost => call.await.and(Err(E::lost(name))),
        Fault::Refused | Fault::Part => Err(E::refused(name)),
        Fault::Conflict => Err(E::conflict(name)),
        Fault::Repeated => call.await.and_then(|done| E::repeated().map_or(Ok(done), Err)),
        Fault::DiesBefore => std::future::pending().await,
        Fault::DiesAfter => {
            drop(call.await);
            std::future::pending().await
        }
    };
    pause().await;
    answer
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
        let fault = self.fault(name).await;
        answer(name, fault, call).await
    }

    /// What is to become of a call that is about to be made.
    async fn fault(&self, name: &'static str) -> Fault {
        pause().await;
        (lock(&self.choose))(name)
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

    async fn everyone(&self, part: u32, parts: u32, cursor: Option<&str>) -> Result<Everyone, Unavailable> {
        self.meet("everyone", self.inner.everyone(part, parts, cursor)).await
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

    async fn kept(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Part, Unavailable> {
        self.meet("kept", self.inner.kept(workspace, source, day, after, limit)).await
    }

    async fn counts(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Vec<(String, u64)>, Unavailable> {
        self.meet("counts", self.inner.counts(workspace, source, day)).await
    }
}

impl<T: Queue> Queue for Faulty<T> {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), Unavailable> {
        let fault = self.fault("send").await;
        if fault == Fault::Part {
            let some = messages.into_iter().step_by(2).collect();
            return answer("send", Fault::AnswerLost, self.inner.send(some)).await;
        }
        answer("send", fault, self.inner.send(messages)).await
    }
}

impl<T: Email> Email for Faulty<T> {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        self.meet("email", self.inner.send(letter)).await
    }
}

impl<T: Sms> Sms for Faulty<T> {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        self.meet("sms", self.inner.send(text)).await
    }
}

impl<T: Quota> Quota for Faulty<T> {
    async fn quota(&self) -> Result<AccountQuota, Unavailable> {
        self.meet("quota", self.inner.quota()).await
    }
}

impl<T: Definitions> Definitions for Faulty<T> {
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Unavailable> {
        self.meet("workspace", self.inner.workspace(id)).await
    }

    async fn segments(&self, workspace: &WorkspaceId) -> Result<SegmentSet, Unavailable> {
        self.meet("segments", self.inner.segments(workspace)).await
    }

    async fn fills(&self) -> Result<Vec<Fill>, Unavailable> {
        self.meet("fills", self.inner.fills()).await
    }

    async fn walk(&self, fill: &Fill, part: u8, to: &Walked, looked_at: u64) -> Result<(), SaveError> {
        self.meet("walk", self.inner.walk(fill, part, to, looked_at)).await
    }

    async fn end(&self, fill: &Which) -> Result<(), SaveError> {
        self.meet("end", self.inner.end(fill)).await
    }

    async fn switch(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> Result<(), SaveError> {
        self.meet("switch", self.inner.switch(fill, version, segments, next)).await
    }

    async fn counts(&self) -> Result<Vec<Counting>, Unavailable> {
        self.meet("counts", self.inner.counts()).await
    }

    async fn count_on(&self, counting: &Counting) -> Result<(), Unavailable> {
        self.meet("count_on", self.inner.count_on(counting)).await
    }

    async fn put_size(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> Result<(), Unavailable> {
        self.meet("put_size", self.inner.put_size(workspace, segment, size)).await
    }

    async fn sizes(&self, workspace: &WorkspaceId, segment: &SegmentId) -> Result<Vec<Size>, Unavailable> {
        self.meet("sizes", self.inner.sizes(workspace, segment)).await
    }

    async fn outreach(&self, workspace: &WorkspaceId) -> Result<Outreach, Unavailable> {
        self.meet("outreach", self.inner.outreach(workspace)).await
    }

    async fn senders(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        self.meet("senders", self.inner.senders()).await
    }

    async fn key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<Option<Key>, Unavailable> {
        self.meet("key", self.inner.key(workspace, key_id)).await
    }
}
