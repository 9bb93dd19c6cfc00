use ports::queue::Outgoing;
use tempfile::TempDir;
use testkit::{Fault, Faulty, MemoryQueue, TestClock};

use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A mailbox on a file of its own.
struct Subject {
    mailbox: Mailbox<TestClock>,
    clock: TestClock,
    folder: TempDir,
}

impl Subject {
    fn new() -> Self {
        Self::holding(MESSAGES_MAX)
    }

    fn holding(messages_max: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOON);
        let mailbox =
            Mailbox::bounded(&folder.path().join("mailbox.db"), clock.clone(), messages_max).unwrap();
        Self { mailbox, clock, folder }
    }

    async fn send(&self, to: &str) -> Result<ProviderId, SendError> {
        Email::send(&self.mailbox, &letter(to)).await
    }

    async fn kept(&self) -> Vec<String> {
        let kept = self.mailbox.after(None, usize::MAX).await.unwrap();
        kept.into_iter().map(|message| message.content.to().clone()).collect()
    }
}

pub(super) fn letter(to: &str) -> Letter {
    let text = str::to_owned;
    Letter {
        from: text("shop@example.com"),
        from_name: Some(text("The Shop")),
        to: text(to),
        reply_to: Some(text("help@example.com")),
        subject: text("Welcome, Ann"),
        html: text("<p>Hello, Ann</p>"),
        text: text("Hello, Ann"),
        headers: vec![(text("List-Unsubscribe"), text("<https://shop.example/u/1>"))],
        configuration_set: Some(text("tributary")),
        tags: vec![(text("t-workspace"), text("shop")), (text("t-occasion"), text("welcome"))],
    }
}

pub(super) fn sms(to: &str, body: &str) -> Text {
    let text = str::to_owned;
    Text {
        to: text(to),
        origination: Some(text("+12065550152")),
        body: text(body),
        is_promotional: true,
        ttl_s: Some(3_600),
        max_price: Some(text("0.05")),
        context: vec![(text("t-workspace"), text("shop")), (text("t-occasion"), text("sale"))],
        configuration_set: None,
    }
}

#[tokio::test]
async fn what_was_sent_is_kept_as_it_was_over_a_restart() {
    let Subject { mailbox, clock, folder } = Subject::new();
    let bare = Letter { to: "b@example.com".to_owned(), ..Letter::default() };
    let mut sent = Vec::new();
    for letter in [letter("a@example.com"), bare] {
        let id = Email::send(&mailbox, &letter).await.unwrap();
        sent.push(Message { id, at: NOON, content: Content::Letter(letter) });
        clock.advance(0);
    }
    for text in [sms("+14255550156", "Sale"), Text::default()] {
        let id = Sms::send(&mailbox, &text).await.unwrap();
        sent.push(Message { id, at: NOON, content: Content::Text(text) });
    }
    drop(mailbox);
    let again = Mailbox::open(&folder.path().join("mailbox.db"), clock).unwrap();
    assert_eq!(again.after(None, 10).await.unwrap(), sent);
    assert_eq!(again.after(Some(&sent[1].id.0), 1).await.unwrap(), sent[2..3]);
    assert_eq!(again.find(&sent[3].id.0).await.unwrap().as_ref(), Some(&sent[3]));
    assert_eq!(again.find("local-nothing").await.unwrap(), None);
    assert_eq!(again.counts().await.unwrap(), Counts { kept: 4, dropped: 0, receipts: 4 });
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_accepted() {
    let subject = Subject::new();
    let id = subject.send("a@example.com").await.unwrap();
    // What lies on the disk while the file is open is what a killed process leaves.
    let left = tempfile::tempdir().unwrap();
    for file in ["mailbox.db", "mailbox.db-wal"] {
        std::fs::copy(subject.folder.path().join(file), left.path().join(file)).unwrap();
    }
    let again = Mailbox::open(&left.path().join("mailbox.db"), subject.clock.clone()).unwrap();
    assert!(again.find(&id.0).await.unwrap().is_some());
    assert_eq!(again.receipts(10).await.unwrap()[0].id, id);
}

#[tokio::test]
async fn the_oldest_are_dropped_and_counted() {
    let subject = Subject::holding(3);
    for to in ["a", "b", "c", "d", "e"] {
        subject.send(to).await.unwrap();
        subject.mailbox.tell(&MemoryQueue::default()).await.unwrap();
    }
    assert_eq!(subject.kept().await, ["c", "d", "e"]);
    assert_eq!(subject.mailbox.counts().await.unwrap(), Counts { kept: 3, dropped: 2, receipts: 0 });
    assert_eq!(subject.mailbox.quota().await.unwrap().sent_24_hours, 5);
}

#[tokio::test]
async fn a_message_stays_until_its_receipt_is_taken_and_meanwhile_there_is_no_room() {
    let subject = Subject::holding(2);
    for to in ["a", "b"] {
        subject.send(to).await.unwrap();
    }
    assert!(matches!(subject.send("c").await, Err(SendError::Throttled)));
    assert_eq!(subject.kept().await, ["a", "b"]);
    let queue = MemoryQueue::default();
    assert_eq!(subject.mailbox.tell(&queue).await.unwrap(), 2);
    subject.send("c").await.unwrap();
    assert_eq!(subject.kept().await, ["b", "c"]);
    assert_eq!(subject.mailbox.counts().await.unwrap(), Counts { kept: 2, dropped: 1, receipts: 1 });
}

#[tokio::test]
async fn a_receipt_comes_again_until_it_is_told() {
    let subject = Subject::new();
    let id = subject.send("a").await.unwrap();
    let failing = Faulty::new(MemoryQueue::default(), |_| Fault::Refused);
    subject.mailbox.tell(&failing).await.unwrap_err();
    let first = subject.mailbox.receipts(10).await.unwrap();
    assert_eq!(subject.mailbox.receipts(10).await.unwrap(), first);
    subject.mailbox.told(&first).await.unwrap();
    assert_eq!((first.len(), &first[0].id), (1, &id));
    assert_eq!(subject.mailbox.receipts(10).await.unwrap(), []);
}

#[tokio::test]
async fn all_receipts_reach_the_queue_in_order() {
    let subject = Subject::new();
    for n in 0..RECEIPTS_AT_ONCE + 50 {
        subject.send(&n.to_string()).await.unwrap();
    }
    let due = subject.mailbox.receipts(usize::MAX).await.unwrap();
    let queue = MemoryQueue::default();
    assert_eq!(subject.mailbox.tell(&queue).await.unwrap(), due.len());
    let sent: Vec<String> = queue.take().into_iter().map(|Outgoing { body, .. }| body).collect();
    assert_eq!(sent, due.into_iter().map(|receipt| receipt.body).collect::<Vec<_>>());
    assert_eq!(subject.mailbox.tell(&queue).await.unwrap(), 0);
}

#[tokio::test]
async fn a_message_wakes_whoever_waits_for_receipts() {
    let subject = Subject::new();
    let mut arrivals = subject.mailbox.arrivals();
    let waiting = tokio::spawn(async move { arrivals.changed().await.is_ok() });
    subject.send("a").await.unwrap();
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn the_account_is_a_generous_one_and_counts_a_day() {
    let subject = Subject::new();
    subject.send("a").await.unwrap();
    Sms::send(&subject.mailbox, &sms("+1", "x")).await.unwrap();
    let quota = async || subject.mailbox.quota().await.unwrap();
    let expected = AccountQuota {
        max_send_rate_milli: 50_000,
        max_24_hours: Some(50_000),
        sent_24_hours: 2,
        is_production: true,
        is_enabled: true,
    };
    assert_eq!(quota().await, expected);
    subject.clock.advance(23 * Timestamp::HOUR);
    assert_eq!(quota().await.sent_24_hours, 2);
    subject.clock.advance(2 * Timestamp::HOUR);
    assert_eq!(quota().await.sent_24_hours, 0);
}

#[tokio::test]
async fn a_letter_that_no_page_could_show_is_refused() {
    let subject = Subject::new();
    let large = |bytes| Letter { html: "x".repeat(bytes), ..Letter::default() };
    Email::send(&subject.mailbox, &large(MESSAGE_BYTES_MAX)).await.unwrap();
    let refused = Email::send(&subject.mailbox, &large(MESSAGE_BYTES_MAX + 1)).await.unwrap_err();
    assert!(matches!(refused, SendError::Refused { code: "MessageTooLong" }));
    assert_eq!(subject.mailbox.counts().await.unwrap().kept, 1);
}

#[tokio::test]
async fn names_follow_each_other_and_those_of_another_folder_are_others() {
    let subject = Subject::new();
    let ids = [subject.send("a").await.unwrap(), subject.send("b").await.unwrap()];
    assert_eq!(ids.map(|id| id.0), ["local-1a3185c5000-00000001", "local-1a3185c5000-00000002"]);
    let folder = tempfile::tempdir().unwrap();
    let later = TestClock::at(NOON.plus(1));
    let other = Mailbox::open(&folder.path().join("mailbox.db"), later).unwrap();
    assert_eq!(other.find("local-1a3185c5000-00000001").await.unwrap(), None);
    let first = Email::send(&other, &letter("a")).await.unwrap();
    assert_eq!(first.0, "local-1a3185c5001-00000001");
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_says_so_and_heals() {
    let subject = Subject::new();
    let pages = |max: i64| {
        let pragma = format!("PRAGMA max_page_count = {max}");
        move |db: &Connection| db.query_row(&pragma, [], |row| row.get::<_, i64>(0))
    };
    let writer = &subject.mailbox.shared.writer;
    writer.run(pages(1)).await.unwrap(); // No fewer than there are.
    let large = Letter { html: "x".repeat(100_000), ..letter("ann@example.com") };
    let refused = Email::send(&subject.mailbox, &large).await.unwrap_err();
    assert!(matches!(refused, SendError::NotSent(_)), "{refused:?}");
    assert_eq!(subject.mailbox.counts().await.unwrap(), Counts::default());
    writer.run(pages(1_000_000)).await.unwrap();
    Email::send(&subject.mailbox, &large).await.unwrap();
    let shown = format!("{refused:?} {}", runtime::failure::chain(&refused));
    assert!(!shown.contains("ann") && shown.contains("full"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.db");
    std::fs::write(&damaged, "no database, but long enough to be looked at".repeat(100)).unwrap();
    let error = Mailbox::open(&damaged, TestClock::at(NOON)).unwrap_err().to_string();
    assert!(error.contains("holds no sent messages or is damaged"), "{error}");
    let newer = folder.path().join("newer.db");
    drop(Mailbox::open(&newer, TestClock::at(NOON)).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Mailbox::open(&newer, TestClock::at(NOON)).unwrap_err();
    assert!(matches!(error, FileError::TooNew { found: 99, known: rows::LAYOUT, .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_that_is_printed_tells_a_person() {
    let subject = Subject::new();
    let id = subject.send("ann@example.com").await.unwrap();
    Sms::send(&subject.mailbox, &sms("+14255550156", "Hello, Ann")).await.unwrap();
    let page = subject.mailbox.answer(&format!("{}/{}", page::PATH, id.0), &[]).await.unwrap();
    assert!(page.body.contains("ann@example.com"));
    let messages = subject.mailbox.after(None, 10).await.unwrap();
    let receipts = subject.mailbox.receipts(10).await.unwrap();
    let shown = format!("{:?} {messages:?} {receipts:?} {page:?}", subject.mailbox);
    for personal in ["ann", "Ann", "4255550156"] {
        assert!(!shown.contains(personal), "{shown}");
    }
}
