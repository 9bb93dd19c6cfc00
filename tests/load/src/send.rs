//! The sending: each event until it is acknowledged, and some once more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::{Address, Http, Sent};
use crate::plan::{Plan, Planned};
use crate::problem::Problem;
use crate::record::Record;

/// Connections at once.
const SENDERS: u64 = 8;
/// Events in one request, at most.
const BATCH_MAX: usize = 25;

pub(crate) struct Sending {
    plan: Plan,
    http: Http,
    record: Record,
    /// Numbers of events; what was not acknowledged comes back to the front.
    waiting: Mutex<VecDeque<u32>>,
    total: u64,
    acknowledged: AtomicU64,
    /// `None` while the process is down.
    address: watch::Sender<Option<Address>>,
}

impl Sending {
    pub(crate) fn new(plan: Plan, http: Http, record: Record, address: Address) -> Self {
        let waiting: VecDeque<u32> = plan.sends().into();
        let total = waiting.len() as u64;
        let (address, _) = watch::channel(Some(address));
        Self {
            plan,
            http,
            record,
            waiting: Mutex::new(waiting),
            total,
            acknowledged: AtomicU64::new(0),
            address,
        }
    }

    /// Events to be sent, the repeated ones counted each time.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many of them were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Tells the senders where the process listens, or that it is down.
    pub(crate) fn listens_at(&self, address: Option<Address>) {
        self.address.send_replace(address);
    }

    fn take(&self, count: usize) -> Vec<u32> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(waiting.len());
        waiting.drain(..count).collect()
    }

    fn give_back(&self, numbers: &[u32]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers.iter().rev() {
            waiting.push_front(*number);
        }
    }

    async fn up(&self) -> Option<Address> {
        let mut address = self.address.subscribe();
        let up = address.wait_for(Option::is_some).await.ok()?;
        up.clone()
    }
}

/// Sends everything; ends when all of it is acknowledged.
pub(crate) async fn all(sending: &Arc<Sending>, seed: u64) -> Result<(), Problem> {
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        senders.spawn(sender(
            Arc::clone(sending),
            Rng::with_seed(seed.wrapping_mul(SENDERS).wrapping_add(number)),
        ));
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}

async fn sender(sending: Arc<Sending>, mut chance: Rng) -> Result<(), Problem> {
    loop {
        // A retry takes another number of events, and so travels in another batch.
        let numbers = sending.take(chance.usize(1..=BATCH_MAX));
        if numbers.is_empty() {
            return Ok(());
        }
        let Some(address) = sending.up().await else { return Ok(()) };
        let events: Vec<Planned> = numbers.iter().map(|number| sending.plan.event(*number)).collect();
        match sending.http.send(&address, batch(&events)).await {
            Sent::Acknowledged => {
                sending.record.acknowledge(&events)?;
                sending.acknowledged.fetch_add(events.len() as u64, Ordering::Relaxed);
            }
            Sent::Again(pause) => {
                sending.give_back(&numbers);
                tokio::time::sleep(pause).await;
            }
            Sent::Refused(status) => {
                return Err(Problem::Answer { method: "POST", path: "/v1/batch", status: status.as_u16() });
            }
        }
    }
}

fn batch(events: &[Planned]) -> String {
    let events: Vec<Value> = events.iter().map(Planned::json).collect();
    json!({ "batch": events, "sentAt": crate::now().rfc3339() }).to_string()
}
