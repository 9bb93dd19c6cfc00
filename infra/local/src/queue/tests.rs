use tempfile::TempDir;
use testkit::{SeededEntropy, TestClock};

use super::contract::{self, Sqs};
use super::settings::{DeduplicationScope, Fifo, Redrive};
use super::*;

/// The queues of the contract on a file of their own.
struct Subject {
    queues: Queues,
    clock: TestClock,
    folder: TempDir,
}

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

impl Subject {
    fn new() -> Self {
        Self::with(contract::queues())
    }

    fn with(settings: Vec<QueueSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queues = open(&folder.path().join("queues.db"), settings).unwrap();
        Self { queues, clock: TestClock::at(NOON), folder }
    }

    fn queue(&self, name: &str) -> LocalQueue<TestClock> {
        self.queues.queue(name, self.clock.clone()).unwrap()
    }

    /// As if the process had been started again.
    fn reopened(self) -> Self {
        let Self { queues, clock, folder } = self;
        drop(queues);
        let queues = open(&folder.path().join("queues.db"), contract::queues()).unwrap();
        Self { queues, clock, folder }
    }
}

fn open(file: &Path, settings: Vec<QueueSettings>) -> Result<Queues, QueueError> {
    Queues::open(file, settings, &SeededEntropy::seeded(1))
}

fn message(body: &str) -> Message {
    Message { body: body.to_owned(), ..Message::default() }
}

impl Sqs for Subject {
    async fn send(&self, queue: &str, message: Message) -> Option<String> {
        match self.queue(queue).send_all(vec![message]).await {
            Ok(mut ids) => ids.pop(),
            Err(QueueError::Refused { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn receive(&self, queue: &str, max: usize) -> Vec<Received> {
        self.queue(queue).receive(max, usize::MAX, None).await.unwrap()
    }

    async fn delete(&self, queue: &str, received: &Received) {
        self.queue(queue).delete(std::slice::from_ref(&received.receipt)).await.unwrap();
    }

    async fn hide(&self, queue: &str, received: &Received, seconds: u32) {
        self.queue(queue).change_visibility(&received.receipt, seconds).await.unwrap();
    }

    async fn counts(&self, queue: &str) -> Counts {
        self.queue(queue).counts().await.unwrap()
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(seconds * Timestamp::SECOND);
    }
}

/// Each promise as a test of its own.
macro_rules! promises {
    ($($promise:ident)*) => { $(
        #[tokio::test]
        async fn $promise() {
            contract::$promise(&Subject::new()).await;
        }
    )* };
}

promises! {
    what_is_sent_is_received_with_its_attributes
    a_received_message_is_hidden_until_its_timeout_and_then_counted
    a_deleted_message_never_comes_back
    a_receipt_of_an_earlier_receive_deletes_nothing
    visibility_can_be_ended_and_prolonged
    a_delayed_message_is_hidden_at_first
    what_was_received_too_often_goes_to_the_dead_letters
    a_message_ends_with_its_retention_and_keeps_its_age_in_the_dead_letters
    what_sqs_would_refuse_is_refused
    a_group_keeps_its_order_and_others_pass
    order_outlives_a_visibility_timeout
    a_released_head_waits_for_what_is_in_flight_behind_it
    an_expired_receipt_of_a_fifo_queue_deletes_nothing
    a_repeat_is_known_for_five_minutes_also_after_it_was_deleted
    a_dead_head_lets_its_group_go_on
}

/// The sending end keeps what the adapter of SQS and the queue in memory keep.
#[tokio::test]
async fn the_queue_keeps_the_promises_of_a_queue() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    let received = async || {
        let mut messages = Vec::new();
        loop {
            let some = queue.receive(10, usize::MAX, None).await.unwrap();
            if some.is_empty() {
                return messages;
            }
            let receipts: Vec<_> = some.iter().map(|received| received.receipt.clone()).collect();
            assert_eq!(queue.delete(&receipts).await.unwrap(), some.len());
            let sent =
                |Received { body, attributes, .. }: Received| Outgoing { body, attributes, fifo: None };
            messages.extend(some.into_iter().map(sent));
        }
    };
    testkit::contract::queue::check(&queue, received).await;
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_with_its_timeouts_and_its_memory() {
    let subject = Subject::new();
    let kept = subject.send("plain", message("kept")).await;
    subject.send("plain", message("held")).await;
    let line =
        Message { group: Some("a".to_owned()), deduplication: Some("a1".to_owned()), ..message("in line") };
    let id = subject.send("line.fifo", line.clone()).await;
    subject.queue("plain").receive(1, usize::MAX, None).await.unwrap();

    let subject = subject.reopened();
    assert_eq!(subject.counts("plain").await, Counts { visible: 1, in_flight: 1, delayed: 0 });
    assert_eq!(subject.send("line.fifo", line).await, id);
    subject.advance(31);
    let again = subject.receive("plain", 10).await;
    let first = again.iter().find(|received| Some(&received.id) == kept.as_ref()).unwrap();
    assert_eq!((first.body.as_str(), first.receives), ("kept", 2));
}

#[tokio::test]
async fn a_start_can_release_what_a_killed_process_held_and_does_not_count_it() {
    let subject = Subject::new();
    subject.send("plain", message("held")).await;
    subject.send("plain", Message { delay_s: Some(60), ..message("delayed") }).await;
    subject.receive("plain", 1).await;

    let subject = subject.reopened();
    assert_eq!(subject.queues.release_in_flight(subject.clock.now()).await.unwrap(), 1);
    let again = subject.receive("plain", 10).await;
    assert_eq!(
        again.iter().map(|again| (again.body.as_str(), again.receives)).collect::<Vec<_>>(),
        [("held", 1)]
    );
}

#[tokio::test]
async fn a_batch_with_a_message_that_is_refused_sends_nothing() {
    let subject = Subject::new();
    let sent = subject.queue("plain").send_all(vec![message("good"), message("")]).await;
    assert!(matches!(sent, Err(QueueError::Refused { .. })));
    assert_eq!(subject.counts("plain").await, Counts::default());
}

#[tokio::test]
async fn the_port_sends_and_names_what_failed() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    let outgoing = |body: &str| Outgoing { body: body.to_owned(), ..Outgoing::default() };
    Queue::send(&queue, vec![outgoing("one"), outgoing("two")]).await.unwrap();
    assert_eq!(subject.counts("plain").await.visible, 2);
    let failed = Queue::send(&queue, vec![outgoing("")]).await.unwrap_err();
    assert_eq!(failed.to_string(), "sending to the local queue failed");
}

#[tokio::test]
async fn concurrent_senders_share_commits_and_each_gets_his_own_answer() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    let sends = (0..500).map(|n| {
        let queue = queue.clone();
        let body = if n % 100 == 0 { String::new() } else { n.to_string() };
        tokio::spawn(async move { queue.send_all(vec![message(&body)]).await.is_ok() })
    });
    for (n, send) in sends.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(send.await.unwrap(), n % 100 != 0);
    }
    let received = subject.receive("plain", 1_000).await;
    let ids: std::collections::BTreeSet<_> = received.iter().map(|received| &received.id).collect();
    assert_eq!((received.len(), ids.len()), (495, 495));
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_and_holds_at_least_one_message() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    for body in ["aaaa", "bbbb", "cccc"] {
        subject.send("plain", message(body)).await;
    }
    let lengths = async |bytes_max| queue.receive(10, bytes_max, None).await.unwrap().len();
    assert_eq!(lengths(1).await, 1);
    assert_eq!(lengths(100).await, 2);
}

#[tokio::test]
async fn a_send_wakes_whoever_waits() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    let mut arrivals = queue.arrivals();
    let waiting = tokio::spawn(async move { arrivals.changed().await.is_ok() });
    subject.send("plain", message("one")).await;
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn a_redrive_wakes_the_dead_letters() {
    let subject = Subject::new();
    let mut arrivals = subject.queue("dead").arrivals();
    subject.send("plain", message("poison")).await;
    for _ in 0..=3 {
        assert!(!arrivals.has_changed().unwrap());
        subject.receive("plain", 1).await;
        subject.advance(31);
    }
    assert!(arrivals.has_changed().unwrap());
    arrivals.changed().await.unwrap();
}

#[tokio::test]
async fn looking_changes_nothing_and_goes_on_after_an_id() {
    let subject = Subject::new();
    let queue = subject.queue("plain");
    for body in ["one", "two", "three"] {
        subject.send("plain", message(body)).await;
    }
    subject.receive("plain", 1).await;
    subject.send("plain", Message { delay_s: Some(5), ..message("four") }).await;
    let first = queue.list(None, 2).await.unwrap();
    let seen = |listed: &[Listed]| listed.iter().map(|one| (one.body.clone(), one.state)).collect::<Vec<_>>();
    assert_eq!(seen(&first), [("one".to_owned(), State::InFlight), ("two".to_owned(), State::Visible)]);
    let rest = queue.list(Some(&first[1].id), 10).await.unwrap();
    assert_eq!(seen(&rest), [("three".to_owned(), State::Visible), ("four".to_owned(), State::Delayed)]);
    assert_eq!(subject.counts("plain").await, Counts { visible: 2, in_flight: 1, delayed: 1 });
}

#[tokio::test]
async fn deduplication_may_be_by_content_and_by_group() {
    let fifo = Some(Fifo { scope: DeduplicationScope::Group, by_content: true });
    let subject = Subject::with(vec![QueueSettings { fifo, ..QueueSettings::standard("f") }]);
    let of = |group: &str, body: &str| Message { group: Some(group.to_owned()), ..message(body) };
    let first = subject.send("f", of("a", "one")).await;
    assert_eq!(subject.send("f", of("a", "one")).await, first);
    assert_ne!(subject.send("f", of("b", "one")).await, first);
    assert_ne!(subject.send("f", of("a", "two")).await, first);
    assert_eq!(subject.counts("f").await.visible, 3);
}

#[tokio::test]
async fn a_receipt_of_another_queue_or_of_none_does_nothing() {
    let subject = Subject::new();
    subject.send("plain", message("one")).await;
    let received = subject.receive("plain", 1).await;
    let handle = Receipt::from_handle(received[0].receipt.as_str());
    assert_eq!(subject.queue("late").delete(std::slice::from_ref(&handle)).await.unwrap(), 0);
    assert_eq!(subject.queue("plain").delete(&[Receipt::from_handle("nonsense")]).await.unwrap(), 0);
    assert_eq!(subject.queue("plain").delete(&[handle]).await.unwrap(), 1);
}

#[tokio::test]
async fn what_has_ended_is_deleted_from_the_file() {
    let subject = Subject::new();
    let send = Message { group: Some("a".into()), deduplication: Some("a1".into()), ..message("one") };
    subject.send("line.fifo", send).await;
    subject.send("plain", message("one")).await;
    subject.advance(30 * 24 * 60 * 60);
    subject.receive("late", 1).await;
    let count = |db: &Connection| {
        db.query_row("SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM seen)", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    assert_eq!(subject.queues.0.writer.run(count).await.unwrap(), 0);
}

#[tokio::test]
async fn ids_of_another_file_are_others() {
    let folder = tempfile::tempdir().unwrap();
    let of = async |file: &str, seed| {
        let settings = vec![QueueSettings::standard("plain")];
        let queues = Queues::open(&folder.path().join(file), settings, &SeededEntropy::seeded(seed)).unwrap();
        let queue = queues.queue("plain", TestClock::at(NOON)).unwrap();
        queue.send_all(vec![message("one")]).await.unwrap().remove(0)
    };
    let (one, other) = (of("a.db", 1).await, of("b.db", 2).await);
    assert_ne!(one, other);
    assert_eq!((one.len(), one.split('-').count()), (36, 5));
}

#[test]
fn a_dead_letter_queue_has_to_be_defined() {
    let redrive = Some(Redrive { to: "nowhere".to_owned(), max_receives: 5 });
    let folder = tempfile::tempdir().unwrap();
    let settings = vec![QueueSettings { redrive, ..QueueSettings::standard("plain") }];
    let error = open(&folder.path().join("queues.db"), settings).unwrap_err();
    assert_eq!(error.to_string(), "there is no queue `nowhere` in the template");
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.db");
    std::fs::write(&damaged, "no database, but long enough to be looked at".repeat(100)).unwrap();
    assert!(matches!(open(&damaged, vec![]), Err(QueueError::File(FileError::Damaged { .. }))));
    assert!(matches!(
        open(&folder.path().join("no/such/folder.db"), vec![]),
        Err(QueueError::File(FileError::Open { .. }))
    ));
    let newer = folder.path().join("newer.db");
    drop(open(&newer, vec![]).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = open(&newer, vec![]).unwrap_err().to_string();
    assert!(error.contains("layout 99") && error.contains("update, or choose another data folder"));
}

#[tokio::test]
async fn a_full_disk_says_so_loses_nothing_and_heals() {
    let subject = Subject::new();
    subject.send("plain", message("before")).await;
    let queue = subject.queue("plain");
    let pages = |max: i64| {
        let pragma = format!("PRAGMA max_page_count = {max}");
        move |db: &Connection| db.query_row(&pragma, [], |row| row.get::<_, i64>(0))
    };
    let used = |db: &Connection| db.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0));
    let used = subject.queues.0.writer.run(used).await.unwrap();
    subject.queues.0.writer.run(pages(used)).await.unwrap();
    let big = message(&"x".repeat(100_000));
    let refused = queue.send_all(vec![big.clone()]).await.unwrap_err();
    assert!(matches!(refused, QueueError::File(FileError::Full { .. })), "{refused:?}");
    assert_eq!(subject.counts("plain").await.visible, 1);
    subject.queues.0.writer.run(pages(1_000_000)).await.unwrap();
    queue.send_all(vec![big]).await.unwrap();
    assert_eq!(subject.counts("plain").await.visible, 2);
}

#[test]
fn nothing_that_is_printed_holds_a_body() {
    let canary = Message {
        attributes: vec![("a".into(), "alice@example.com".into())],
        ..message("alice@example.com")
    };
    assert!(!format!("{canary:?}").contains("alice"));
}
