use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use testkit::{SeededEntropy, TestClock};
use tokio::sync::mpsc;

use super::*;
use crate::queue::settings::{Fifo, QueueSettings, Redrive};
use crate::queue::{Counts, Message, Queues};

const MAPPING: Mapping =
    Mapping { batch_size: 10, window_ms: 0, concurrency: 2, timeout: Duration::from_mins(10) };

struct World {
    queues: Queues,
    clock: TestClock,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redrive = Some(Redrive { to: "dead".to_owned(), max_receives: 2 });
        let settings = vec![
            QueueSettings { redrive, ..QueueSettings::standard("plain") },
            QueueSettings::standard("dead"),
            QueueSettings { fifo: Some(Fifo::default()), ..QueueSettings::standard("line.fifo") },
        ];
        let file = folder.path().join("queues.db");
        let queues = Queues::open(&file, settings, &SeededEntropy::seeded(1)).unwrap();
        Self { queues, clock: TestClock::at(Timestamp::from_millis(1_800_000_000_000)), _folder: folder }
    }

    fn queue(&self, name: &str) -> LocalQueue<TestClock> {
        self.queues.queue(name, self.clock.clone()).unwrap()
    }

    async fn send(&self, bodies: &[&str]) {
        let messages = bodies.iter().map(|body| Message { body: (*body).to_owned(), ..Message::default() });
        self.queue("plain").send_all(messages.collect()).await.unwrap();
    }

    async fn counts(&self, queue: &str) -> Counts {
        self.queue(queue).counts().await.unwrap()
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(seconds * Timestamp::SECOND);
        self.queues.wake();
    }
}

fn bodies(event: &SqsEvent) -> Vec<&str> {
    event.records.iter().filter_map(|record| record.body.as_deref()).collect()
}

fn failing(event: &SqsEvent, is_bad: impl Fn(&str) -> bool) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let bad = event.records.iter().filter(|record| is_bad(record.body.as_deref().unwrap_or_default()));
    response.set_failures(bad.filter_map(|record| record.message_id.clone()));
    response
}

/// A handler that shows what it gets and answers what `answer` says.
fn shown<A>(
    answer: A,
) -> (impl Fn(SqsEvent) -> std::future::Ready<SqsBatchResponse>, mpsc::UnboundedReceiver<SqsEvent>)
where
    A: Fn(&SqsEvent) -> SqsBatchResponse,
{
    let (show, seen) = mpsc::unbounded_channel();
    let handler = move |event: SqsEvent| {
        let response = answer(&event);
        show.send(event).unwrap();
        std::future::ready(response)
    };
    (handler, seen)
}

#[tokio::test]
async fn what_goes_through_is_deleted_and_what_fails_comes_back_and_dies() {
    let world = World::new();
    let (handler, mut seen) = shown(|event| failing(event, |body| body == "bad"));
    world.send(&["good", "bad", "fine"]).await;
    let consumer = Consumer::start(world.queue("plain"), MAPPING, handler);
    assert_eq!(bodies(&seen.recv().await.unwrap()), ["good", "bad", "fine"]);
    world.advance(31);
    let again = seen.recv().await.unwrap();
    assert_eq!(bodies(&again), ["bad"]);
    assert_eq!(again.records[0].attributes["ApproximateReceiveCount"], "2");
    let mut dead = world.queue("dead").arrivals();
    world.advance(31);
    dead.changed().await.unwrap();
    // The clock's wake-up may come before the burial's.
    while world.counts("dead").await.visible == 0 {
        dead.changed().await.unwrap();
    }
    consumer.stop().await;
    assert_eq!(world.counts("plain").await, Counts::default());
}

#[tokio::test]
async fn a_record_is_what_lambda_makes_of_a_message() {
    let world = World::new();
    let (handler, mut seen) = shown(|_| SqsBatchResponse::default());
    let attributes = vec![("trace".to_owned(), "t-1".to_owned())];
    let message = Message { body: "one".to_owned(), attributes, ..Message::default() };
    let ids = world.queue("plain").send_all(vec![message]).await.unwrap();
    let consumer = Consumer::start(world.queue("plain"), MAPPING, handler);
    let event = seen.recv().await.unwrap();
    consumer.stop().await;
    let record = &event.records[0];
    assert_eq!(record.message_id.as_ref(), ids.first());
    assert_eq!(record.attributes["SentTimestamp"], "1800000000000");
    assert_eq!(record.attributes["ApproximateReceiveCount"], "1");
    assert_eq!(record.message_attributes["trace"].string_value.as_deref(), Some("t-1"));
    assert_eq!(record.event_source_arn.as_deref(), Some("arn:aws:sqs:local:000000000000:plain"));
    assert!(!record.attributes.contains_key("MessageGroupId"));
}

#[tokio::test]
async fn a_panic_fails_the_whole_batch_and_the_next_one_goes_on() {
    let world = World::new();
    let (handler, mut seen) = shown(|event| {
        let is_first = event.records[0].attributes["ApproximateReceiveCount"] == "1";
        assert!(!(is_first && bodies(event).contains(&"bad")), "a bug in the function");
        SqsBatchResponse::default()
    });
    world.send(&["good", "bad"]).await;
    let consumer = Consumer::start(world.queue("plain"), MAPPING, handler);
    world.send(&["later"]).await;
    while world.counts("plain").await.visible > 0 {
        tokio::task::yield_now().await;
    }
    world.advance(31);
    let mut bodies_seen: Vec<String> = Vec::new();
    while bodies_seen.len() < 3 {
        bodies_seen.extend(bodies(&seen.recv().await.unwrap()).into_iter().map(str::to_owned));
    }
    consumer.stop().await;
    bodies_seen.sort();
    assert_eq!(bodies_seen, ["bad", "good", "later"]);
    assert_eq!(world.counts("plain").await, Counts::default());
}

#[tokio::test]
async fn a_batch_waits_for_its_window_and_no_longer_when_it_is_full() {
    let world = World::new();
    let (handler, mut seen) = shown(|_| SqsBatchResponse::default());
    let mapping = Mapping { batch_size: 3, window_ms: 5_000, ..MAPPING };
    world.send(&["a", "b"]).await;
    let consumer = Consumer::start(world.queue("plain"), mapping, handler);
    while world.counts("plain").await.in_flight < 2 {
        tokio::task::yield_now().await;
    }
    world.advance(4);
    assert!(seen.try_recv().is_err());
    world.advance(1);
    assert_eq!(bodies(&seen.recv().await.unwrap()), ["a", "b"]);
    world.send(&["c", "d", "e", "f"]).await;
    assert_eq!(bodies(&seen.recv().await.unwrap()), ["c", "d", "e"]);
    consumer.stop().await; // What was collected is still handed over.
    let handed = seen.try_recv().map_or(0, |event| event.records.len());
    let counts = world.counts("plain").await;
    assert_eq!((handed, counts.in_flight), (usize::from(counts.visible == 0), 0));
}

#[tokio::test]
async fn no_more_batches_run_at_once_than_are_allowed_and_stopping_waits_for_them() {
    let world = World::new();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let (entered, mut entries) = mpsc::unbounded_channel();
    let handler = {
        let (running, most, gate) = (running.clone(), most.clone(), gate.clone());
        move |_| {
            let (running, most, gate) = (running.clone(), most.clone(), gate.clone());
            let entered = entered.clone();
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                entered.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                SqsBatchResponse::default()
            }
        }
    };
    world.send(&["a", "b", "c", "d", "e"]).await;
    let consumer = Consumer::start(world.queue("plain"), Mapping { batch_size: 1, ..MAPPING }, handler);
    for entry in 1..=5 {
        entries.recv().await.unwrap();
        gate.add_permits(usize::from(entry >= 2));
    }
    gate.add_permits(1);
    consumer.stop().await;
    assert_eq!((most.load(Ordering::SeqCst), running.load(Ordering::SeqCst)), (2, 0));
    assert_eq!(world.counts("plain").await, Counts::default());
}

#[tokio::test]
async fn a_function_that_takes_too_long_fails_its_batch() {
    let world = World::new();
    let mapping = Mapping { timeout: Duration::ZERO, concurrency: 1, ..MAPPING };
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    let handler = move |_| {
        begun.send(()).unwrap();
        std::future::pending()
    };
    world.send(&["slow"]).await;
    let consumer = Consumer::start(world.queue("plain"), mapping, handler);
    beginnings.recv().await.unwrap();
    consumer.stop().await;
    assert_eq!(world.counts("plain").await, Counts { in_flight: 1, ..Counts::default() });
}

/// What a report leaves to be deleted, as bodies, of a batch of `a1 a2 b1 a3`.
async fn check(fifo: bool, failed: &[&str], left: &[&str]) {
    let world = World::new();
    let queue = world.queue("line.fifo");
    let messages = ["a1", "a2", "b1", "a3"].map(|body| Message {
        body: body.to_owned(),
        group: Some(body[..1].to_owned()),
        deduplication: Some(body.to_owned()),
        ..Message::default()
    });
    queue.send_all(messages.to_vec()).await.unwrap();
    let batch = queue.receive(10, usize::MAX, None).await.unwrap();
    let id = |body: &str| {
        let found = batch.iter().find(|received| received.body == body);
        found.map_or_else(|| body.trim().to_owned(), |received| received.id.clone())
    };
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.iter().map(|body| id(body)));
    let done = done(&batch, &response, fifo);
    let body = |receipt: &Receipt| &batch.iter().find(|received| received.receipt == *receipt).unwrap().body;
    assert_eq!(done.iter().map(body).collect::<Vec<_>>(), left, "{failed:?}");
}

#[tokio::test]
async fn a_report_says_what_is_deleted() {
    check(false, &[], &["a1", "a2", "b1", "a3"]).await;
    check(false, &["a1"], &["a2", "b1", "a3"]).await;
    check(false, &["a1", "a1"], &["a2", "b1", "a3"]).await;
    check(false, &["a1", "unknown"], &[]).await;
    check(false, &[" "], &[]).await;
    check(true, &["a2"], &["a1", "b1"]).await;
    check(true, &["b1"], &["a1", "a2", "a3"]).await;
}

#[test]
fn a_batch_that_might_outgrow_an_invocation_is_full() {
    let mut batch = Batch::new(Mapping { window_ms: 1_000, ..MAPPING });
    let now = Timestamp::from_millis(0);
    assert_eq!(batch.wait(now), Some(LOOK_EVERY));
    batch.since = Some(now);
    assert_eq!(batch.wait(now.plus(900)), Some(Duration::from_millis(100)));
    batch.bytes_left = MESSAGE_BYTES_MAX - 1;
    assert_eq!(batch.wait(now.plus(900)), None);
}
