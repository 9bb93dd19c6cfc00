//! Several senders at work, as the queue starts them: copies, deaths, and what
//! comes back after a while.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::time::Timestamp;
use ports::{Clock as _, Email, People};
use tokio::task::JoinHandle;

use super::wire::lock;
use super::world::{FUNCTION, Sender, Virtual, World};

/// A message that was received and not deleted comes back after so long.
const VISIBILITY: i64 = 300 * Timestamp::SECOND;
/// How long a sender that found nothing waits before it looks again.
const IDLE: Duration = Duration::from_millis(200);

/// How hard the world is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hardship {
    /// Of a hundred parcels so many are delivered twice.
    pub(super) copied: u8,
    /// Of a hundred senders so many die at their parcel.
    pub(super) killed: u8,
}

/// What the fleet did.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) killed: AtomicUsize,
    pub(super) failed: AtomicUsize,
    /// People who were held by senders at once, and the most of them.
    held: AtomicUsize,
    pub(super) most_held: AtomicUsize,
    pub(super) working: AtomicUsize,
}

/// A queue that delivers at least once, in any order.
#[derive(Debug, Default)]
struct Waiting(Vec<(Timestamp, String)>);

pub(super) struct Fleet {
    waiting: Arc<Mutex<Waiting>>,
    pub(super) deeds: Arc<Deeds>,
    workers: Vec<JoinHandle<()>>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

impl Waiting {
    fn receive(&mut self, now: Timestamp, rng: &mut fastrand::Rng) -> Option<String> {
        let mut visible = (0..self.0.len()).filter(|place| self.0[*place].0 <= now);
        let place = visible.nth(rng.usize(0..3)).or_else(|| self.0.iter().position(|(at, _)| *at <= now))?;
        self.0[place].0 = now.plus(VISIBILITY);
        Some(self.0[place].1.clone())
    }

    fn delete(&mut self, body: &str) {
        if let Some(place) = self.0.iter().position(|(_, known)| known == body) {
            self.0.swap_remove(place);
        }
    }
}

impl Fleet {
    pub(super) fn start<P, M>(world: &World, sender: Sender<P, M>, senders: u64, hardship: Hardship) -> Self
    where
        P: People + 'static,
        M: Email + 'static,
    {
        let (waiting, deeds) = (Arc::<Mutex<Waiting>>::default(), Arc::<Deeds>::default());
        let sender = Arc::new(sender);
        let worker = |seed| {
            let (sender, waiting, deeds) = (Arc::clone(&sender), Arc::clone(&waiting), Arc::clone(&deeds));
            let rng = fastrand::Rng::with_seed(seed);
            tokio::task::spawn_local(work(sender, waiting, deeds, world.clock, hardship, rng))
        };
        Self { workers: (0..senders).map(worker).collect(), waiting, deeds }
    }

    /// Takes over what was sent to the queue; some of it comes twice.
    pub(super) fn receive(&self, world: &World, hardship: Hardship, rng: &mut fastrand::Rng) {
        let now = world.clock.now();
        for sent in world.queue.take() {
            let copies = if rng.u8(0..100) < hardship.copied { 2 } else { 1 };
            lock(&self.waiting).0.extend((0..copies).map(|_| (now, sent.body.clone())));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.waiting).0.is_empty()
    }
}

async fn work<P: People + 'static, M: Email + 'static>(
    sender: Arc<Sender<P, M>>,
    waiting: Arc<Mutex<Waiting>>,
    deeds: Arc<Deeds>,
    clock: Virtual,
    hardship: Hardship,
    mut rng: fastrand::Rng,
) {
    loop {
        let received = lock(&waiting).receive(clock.now(), &mut rng);
        let Some(body) = received else {
            tokio::time::sleep(IDLE).await;
            continue;
        };
        let people = domain::messaging::parcel::Parcel::unpack(&body).unwrap().to.len();
        let held = deeds.held.fetch_add(people, Ordering::SeqCst) + people;
        deeds.most_held.fetch_max(held, Ordering::SeqCst);
        deeds.working.fetch_add(1, Ordering::SeqCst);
        let until = clock.now().plus(FUNCTION);
        let sent = Box::pin(sender.send(&body, until));
        // A function that is killed does nothing more, wherever it was.
        let life = if rng.u8(0..100) < hardship.killed { rng.u64(1..2_000) } else { 50_000 };
        match tokio::time::timeout(Duration::from_millis(life), sent).await {
            Ok(Ok(_)) => lock(&waiting).delete(&body),
            Ok(Err(_)) => drop(deeds.failed.fetch_add(1, Ordering::SeqCst)),
            Err(_) => drop(deeds.killed.fetch_add(1, Ordering::SeqCst)),
        }
        deeds.held.fetch_sub(people, Ordering::SeqCst);
        deeds.working.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets senders work beside a test, on its own thread.
pub(super) async fn beside<T>(test: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(test).await
}

/// The most calls that began within any second.
pub(super) fn densest_second(begun: &[Timestamp]) -> usize {
    let (mut window, mut densest) = (VecDeque::new(), 0);
    for at in begun {
        window.push_back(*at);
        while window.front().is_some_and(|first| at.since(*first) >= Timestamp::SECOND) {
            window.pop_front();
        }
        densest = densest.max(window.len());
    }
    densest
}
