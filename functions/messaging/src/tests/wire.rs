//! The store and the provider as a stage sees them: slow, and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey, write_units};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::channel::{Letter, ProviderId, SendError};
use ports::people::{Everyone, ItemPage, Read, Save, SaveError, StoredProfile};
use ports::{Clock as _, Email, People, Unavailable};
use testkit::MemoryChannel;
use testkit::channel::Verdict;

use super::world::Virtual;

/// Bytes of a read unit.
const READ_UNIT: usize = 4 * 1024;

pub(super) fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was asked of the store so far.
#[derive(Debug, Default)]
pub(super) struct Bill {
    calls: AtomicU64,
    writes: AtomicU64,
    /// Halves of read units: an eventual read costs one.
    half_reads: AtomicU64,
}

impl Bill {
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    pub(super) fn half_reads(&self) -> u64 {
        self.half_reads.load(Ordering::SeqCst)
    }

    fn write<'a>(&self, items: impl IntoIterator<Item = &'a Item>) {
        let units = items.into_iter().map(|item| write_units(item.body.len()) as u64).sum();
        self.writes.fetch_add(units, Ordering::SeqCst);
    }

    fn read(&self, bytes: usize, read: Read) {
        let halves = if read == Read::Eventual { 1 } else { 2 };
        let units = bytes.div_ceil(READ_UNIT).max(1) as u64;
        self.half_reads.fetch_add(units * halves, Ordering::SeqCst);
    }
}

/// A store that takes a while, by the virtual clock, and keeps a bill.
#[derive(Debug, Clone)]
pub(super) struct Wire<T> {
    inner: T,
    bill: Arc<Bill>,
    latency: Duration,
}

impl<T> Wire<T> {
    /// With a latency of zero nothing waits at all.
    pub(super) fn new(inner: T, latency: Duration) -> Self {
        Self { inner, bill: Arc::default(), latency }
    }

    pub(super) fn bill(&self) -> &Bill {
        &self.bill
    }

    /// Calls take from half to all of the latency; which of it is no matter of chance.
    async fn wait(&self) {
        let calls = self.bill.calls.fetch_add(1, Ordering::SeqCst);
        if !self.latency.is_zero() {
            let share = u32::try_from(calls.wrapping_mul(7) % 11).unwrap_or_default();
            tokio::time::sleep(self.latency / 2 + self.latency * share / 22).await;
        }
    }
}

impl<T: People> People for Wire<T> {
    async fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        read: Read,
    ) -> Result<Vec<Option<IdentityRow>>, Unavailable> {
        self.inner.identities(workspace, keys, read).await
    }

    async fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> Result<Vec<Option<StoredProfile>>, Unavailable> {
        self.wait().await;
        let found = self.inner.profiles(workspace, ids, read).await?;
        for one in &found {
            self.bill.read(one.as_ref().map_or(0, |one| one.body.len()), read);
        }
        Ok(found)
    }

    async fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> Result<ItemPage, Unavailable> {
        self.wait().await;
        let page = self.inner.items(workspace, id, from, to).await?;
        let bytes = page.items.iter().map(|item| item.body.len() + 120).sum();
        self.bill.read(bytes, Read::Consistent);
        Ok(page)
    }

    async fn put(&self, workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Result<(), Unavailable> {
        self.wait().await;
        self.bill.write(items);
        self.inner.put(workspace, id, items).await
    }

    async fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> Result<(), Unavailable> {
        self.wait().await;
        // A page of those who wait is larger than a unit, but not by much.
        self.bill.writes.fetch_add(keys.len() as u64 * 3, Ordering::SeqCst);
        self.inner.remove(workspace, id, keys).await
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        self.wait().await;
        // The larger of what stood and what stands is paid for.
        self.bill.write([seen.unwrap_or(next), next].into_iter().max_by_key(|item| item.body.len()));
        self.inner.replace(workspace, id, seen, next).await
    }

    async fn save(&self, workspace: &WorkspaceId, save: Save) -> Result<(), SaveError> {
        self.inner.save(workspace, save).await
    }

    async fn save_all(&self, workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError> {
        self.inner.save_all(workspace, saves).await
    }

    async fn everyone(&self, part: u32, parts: u32, cursor: Option<&str>) -> Result<Everyone, Unavailable> {
        self.inner.everyone(part, parts, cursor).await
    }

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, ProfileId)>, Unavailable> {
        self.inner.due(shard, now, limit).await
    }
}

type Answers = Arc<Mutex<dyn FnMut() -> Verdict + Send>>;

/// A provider that takes a while, and remembers when each call began.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) memory: MemoryChannel,
    clock: Virtual,
    latency: Duration,
    begun: Arc<Mutex<Vec<(Timestamp, String)>>>,
    /// To whom nobody can say whether a letter went: the answer was unknown, or
    /// the caller died.
    unknown: Arc<Mutex<Vec<String>>>,
    answers: Answers,
}

/// A call that nobody waits for any more when this is dropped.
struct Call<'a> {
    to: Option<&'a str>,
    unknown: &'a Mutex<Vec<String>>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(to) = self.to {
            lock(self.unknown).push(to.to_owned());
        }
    }
}

impl Post {
    pub(super) fn new(memory: MemoryChannel, clock: Virtual, latency: Duration) -> Self {
        let answers: Answers = Arc::new(Mutex::new(|| Verdict::Accepted));
        Self { memory, clock, latency, begun: Arc::default(), unknown: Arc::default(), answers }
    }

    /// Who decides how each call is answered.
    pub(super) fn answering(self, answers: impl FnMut() -> Verdict + Send + 'static) -> Self {
        Self { answers: Arc::new(Mutex::new(answers)), ..self }
    }

    /// When calls began, and to whom, in order.
    pub(super) fn begun(&self) -> Vec<(Timestamp, String)> {
        lock(&self.begun).clone()
    }

    pub(super) fn unknown(&self) -> Vec<String> {
        lock(&self.unknown).clone()
    }
}

impl Email for Post {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        lock(&self.begun).push((self.clock.now(), letter.to.clone()));
        let mut call = Call { to: Some(&letter.to), unknown: &self.unknown };
        tokio::time::sleep(self.latency / 2).await;
        let verdict = (lock(&self.answers))();
        self.memory.answer_next([verdict]);
        let answer = Email::send(&self.memory, letter).await;
        tokio::time::sleep(self.latency / 2).await;
        if !answer.as_ref().is_err_and(SendError::may_have_been_sent) {
            call.to = None;
        }
        answer
    }
}
