//! What Lambda's poller does between a queue and a function: batches, a
//! window, bounded concurrency, and deleting what went through.
//!
//! What a function reports as failed stays hidden until its visibility timeout
//! ends. A panic, a timeout, or a report that names no record or an unknown one
//! fails the whole batch, as at AWS. In a FIFO queue, what stands behind a
//! failed record in its group fails with it.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use domain::time::Timestamp;
use futures_util::FutureExt as _;
use ports::Clock;
use runtime::failure::chain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::queue::{LocalQueue, MESSAGE_BYTES_MAX, Receipt, Received};

/// What a function can be handed at once, as at AWS; the rest of it is for the envelope.
const BATCH_BYTES_MAX: usize = 6 * 1024 * 1024 - 512 * 1024;
/// What becomes visible by time alone makes no sound: how often to look for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a queue feeds a function, in the words of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    pub batch_size: usize,
    /// For how long a batch that is not full waits for more.
    pub window_ms: i64,
    /// Batches that are worked on at once.
    pub concurrency: usize,
    /// When the function is given up, and its batch with it.
    pub timeout: Duration,
}

/// A running poller of one queue.
#[derive(Debug)]
pub struct Consumer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Consumer {
    /// Starts to feed what is in the queue to `handler`, inside a Tokio runtime.
    pub fn start<C, H, F>(queue: LocalQueue<C>, mapping: Mapping, handler: H) -> Self
    where
        C: Clock + Clone + 'static,
        H: Fn(SqsEvent) -> F + Send + Sync + 'static,
        F: Future<Output = SqsBatchResponse> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(poll(Arc::new(Poller { queue, mapping, handler }), stopped));
        Self { stop, task }
    }

    /// Takes nothing new, and returns when what was begun is done.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!("A poller ended by itself: {}", chain(&error));
        }
    }
}

struct Poller<C, H> {
    queue: LocalQueue<C>,
    mapping: Mapping,
    handler: H,
}

async fn poll<C, H, F>(poller: Arc<Poller<C, H>>, mut stop: watch::Receiver<bool>)
where
    C: Clock + Clone + 'static,
    H: Fn(SqsEvent) -> F + Send + Sync + 'static,
    F: Future<Output = SqsBatchResponse> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(poller.mapping.concurrency.max(1)));
    let mut running = JoinSet::new();
    while let Some(slot) = free_slot(&slots, &mut stop).await {
        while running.try_join_next().is_some() {}
        let batch = poller.collect(&mut stop).await;
        if !batch.is_empty() {
            let poller = poller.clone();
            running.spawn(async move { poller.work(batch, slot).await });
        }
    }
    while running.join_next().await.is_some() {}
}

/// `None` once it is time to stop.
async fn free_slot(slots: &Arc<Semaphore>, stop: &mut watch::Receiver<bool>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        slot = slots.clone().acquire_owned() => slot.ok(),
    }
}

impl<C, H, F> Poller<C, H>
where
    C: Clock + Clone,
    H: Fn(SqsEvent) -> F + Send + Sync,
    F: Future<Output = SqsBatchResponse> + Send,
{
    /// The next batch: full, or as full as it was when its window ended. It is
    /// empty only if it is time to stop.
    async fn collect(&self, stop: &mut watch::Receiver<bool>) -> Vec<Received> {
        let mut batch = Batch::new(self.mapping);
        let mut arrivals = self.queue.arrivals();
        let mut is_ailing = false;
        while !*stop.borrow() {
            // Both before looking: what arrives from now on wakes, and the window begins now at the latest.
            arrivals.mark_unchanged();
            let asked = self.queue.clock().now();
            match self.queue.receive(batch.records_left(), batch.bytes_left, None).await {
                Ok(more) => {
                    is_ailing = false;
                    batch.extend(more, asked);
                }
                Err(error) => {
                    // Said once, not each second that it lasts.
                    if !std::mem::replace(&mut is_ailing, true) {
                        let queue = &self.queue.settings().name;
                        tracing::error!(queue, "Cannot receive from `{queue}`: {}", chain(&error));
                    }
                }
            }
            let Some(wait) = batch.wait(self.queue.clock().now()) else { break };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                _ = arrivals.changed(), if !is_ailing => (),
                () = tokio::time::sleep(wait) => (),
            }
        }
        batch.records
    }

    async fn work(&self, batch: Vec<Received>, slot: OwnedSemaphorePermit) {
        let queue = &self.queue.settings().name;
        let event = event(queue, &batch);
        // What the work shares is behind ports, which hold nothing half-done.
        let work = AssertUnwindSafe(async { (self.handler)(event).await }).catch_unwind();
        let done = match tokio::time::timeout(self.mapping.timeout, work).await {
            Ok(Ok(response)) => done(&batch, &response, self.queue.settings().fifo.is_some()),
            // The panic's message may hold what the record held.
            Ok(Err(_)) => give_up(queue, "panicked"),
            Err(_) => give_up(queue, "took longer than its timeout"),
        };
        if let Err(error) = self.queue.delete(&done).await {
            tracing::error!(queue, "Cannot delete from `{queue}`, so it will repeat: {}", chain(&error));
        }
        drop(slot);
    }
}

fn give_up(queue: &str, why: &'static str) -> Vec<Receipt> {
    tracing::warn!(queue, why, "The function of `{queue}` {why}: its whole batch will come back");
    Vec::new()
}

/// A batch while it is being filled.
struct Batch {
    mapping: Mapping,
    records: Vec<Received>,
    bytes_left: usize,
    /// When its first record came.
    since: Option<Timestamp>,
}

impl Batch {
    fn new(mapping: Mapping) -> Self {
        Self { mapping, records: Vec::new(), bytes_left: BATCH_BYTES_MAX, since: None }
    }

    fn records_left(&self) -> usize {
        self.mapping.batch_size.max(1).saturating_sub(self.records.len())
    }

    fn extend(&mut self, more: Vec<Received>, now: Timestamp) {
        if !more.is_empty() {
            self.since.get_or_insert(now);
        }
        let bytes: usize = more.iter().map(Received::bytes).sum();
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.records.extend(more);
    }

    /// How long to wait for more; `None` if it is to be handed over now.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        let Some(since) = self.since else { return Some(LOOK_EVERY) };
        let left = self.mapping.window_ms.saturating_sub(now.since(since));
        // The next message might be as large as messages are.
        let is_full = self.records_left() == 0 || self.bytes_left < MESSAGE_BYTES_MAX;
        let left = u64::try_from(left).ok().filter(|left| *left > 0 && !is_full)?;
        Some(Duration::from_millis(left).min(LOOK_EVERY))
    }
}

/// The receipts of what went through.
fn done(batch: &[Received], response: &SqsBatchResponse, fifo: bool) -> Vec<Receipt> {
    let known: HashSet<&str> = batch.iter().map(|received| received.id.as_str()).collect();
    let failed: HashSet<&str> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    if !failed.is_subset(&known) {
        return Vec::new(); // An empty or unknown identifier: nobody knows which are done.
    }
    let mut stuck: HashSet<&str> = HashSet::new();
    let mut done = Vec::new();
    for received in batch {
        let group = received.group.as_deref().filter(|_| fifo);
        if failed.contains(received.id.as_str()) {
            stuck.extend(group);
        } else if !group.is_some_and(|group| stuck.contains(group)) {
            done.push(received.receipt.clone());
        }
    }
    done
}

/// The batch as Lambda hands it to a function.
fn event(queue: &str, batch: &[Received]) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = batch.iter().map(|received| record(queue, received)).collect();
    event
}

fn record(queue: &str, received: &Received) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(received.id.clone());
    record.receipt_handle = Some(received.receipt.as_str().to_owned());
    record.body = Some(received.body.clone());
    record.attributes = system_attributes(received);
    record.message_attributes =
        received.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    record.event_source = Some("aws:sqs".to_owned());
    record.event_source_arn = Some(format!("arn:aws:sqs:local:000000000000:{queue}"));
    record.aws_region = Some("local".to_owned());
    record
}

fn text(value: &str) -> SqsMessageAttribute {
    let mut attribute = SqsMessageAttribute::default();
    attribute.string_value = Some(value.to_owned());
    attribute.data_type = Some("String".to_owned());
    attribute
}

fn system_attributes(received: &Received) -> std::collections::HashMap<String, String> {
    let is_fifo = received.group.is_some();
    let all = [
        ("ApproximateReceiveCount", Some(received.receives.to_string())),
        ("SentTimestamp", Some(received.sent.millis().to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(received.first_received.millis().to_string())),
        ("SenderId", Some("local".to_owned())),
        ("MessageGroupId", received.group.clone()),
        ("MessageDeduplicationId", received.deduplication.clone()),
        ("SequenceNumber", is_fifo.then(|| format!("{:020}", received.sequence))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests;
