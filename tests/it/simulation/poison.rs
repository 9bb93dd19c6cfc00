//! Messages that can never be folded end in the dead letters with their
//! reason, each received five times at most, and harm nobody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_lambda_events::sqs::SqsMessage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::{IdentifierKey, ProfileId};
use domain::message::Message;
use domain::profile::Profile;
use domain::profile::stored::{IdentityRow, Item, ItemKey};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::people::{Everyone, ItemPage, Read, Save, SaveError, StoredProfile};
use ports::{People, Unavailable};
use profile::{Stage, Writer};
use testkit::{MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};

use super::crowd::{definitions, key, start, workspace};
use super::world::finish;

const MESSAGES: usize = 100_000;
/// One message in a hundred is poison.
const POISON_EVERY: usize = 100;
const PEOPLE: usize = 2_000;
const BATCH: usize = 1_000;
const RECEIVES_MAX: u32 = 5;

/// A store that panics for one identifier: the fault is the test's, so that no
/// input has a meaning of its own in the code that ships.
#[derive(Debug, Clone)]
struct Panicking {
    people: MemoryPeople,
    for_key: IdentifierKey,
}

impl People for Panicking {
    async fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        read: Read,
    ) -> Result<Vec<Option<IdentityRow>>, Unavailable> {
        assert!(!keys.contains(&self.for_key), "the store's client has a bug");
        self.people.identities(workspace, keys, read).await
    }

    async fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> Result<Vec<Option<StoredProfile>>, Unavailable> {
        self.people.profiles(workspace, ids, read).await
    }

    async fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> Result<ItemPage, Unavailable> {
        self.people.items(workspace, id, from, to).await
    }

    async fn put(&self, workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Result<(), Unavailable> {
        self.people.put(workspace, id, items).await
    }

    async fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> Result<(), Unavailable> {
        self.people.remove(workspace, id, keys).await
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        self.people.replace(workspace, id, seen, next).await
    }

    async fn save(&self, workspace: &WorkspaceId, save: Save) -> Result<(), SaveError> {
        self.people.save(workspace, save).await
    }

    async fn save_all(&self, workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError> {
        self.people.save_all(workspace, saves).await
    }

    async fn everyone(&self, part: u32, parts: u32, cursor: Option<&str>) -> Result<Everyone, Unavailable> {
        self.people.everyone(part, parts, cursor).await
    }

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, ProfileId)>, Unavailable> {
        self.people.due(shard, now, limit).await
    }
}

fn message(number: usize, user: &str) -> Message {
    let at = start().plus(i64::try_from(number).unwrap());
    let event = Event {
        source: SourceId::parse("web").unwrap(),
        message_id: format!("m{number}"),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse("user_id", user, None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: r#"{"event":"x"}"#.to_owned(),
        as_sent: user.to_owned(),
    };
    Message { workspace: workspace(), trace: "t".to_owned(), events: vec![event] }
}

fn body(message: Message) -> String {
    message.pack().remove(0)
}

/// A poisoned body, and a part of the reason that it has to come with.
fn poison(number: usize) -> (String, &'static str) {
    let good = || body(message(number, "u1"));
    let packed = |packed: String| format!(r#"{{"v":1,"packed":"{packed}"}}"#);
    match number / POISON_EVERY % 10 {
        0 => (packed("not base64!".to_owned()), "not base64"),
        1 => (packed(STANDARD.encode([0x28, 0xb5, 0x2f, 0xfd, 4])), "decompressed"),
        2 => (good().chars().take(40).collect(), "not the JSON of a message"),
        3 => (format!(r#"{{"v":1,"message":{}"#, "[".repeat(10_000)), "not the JSON of a message"),
        4 => (good().replacen("\"v\":1", "\"v\":9", 1), "version 9"),
        5 => (good().replacen("\"v\":1", "\"v\":0", 1), "version 0"),
        6 => {
            let foreign = WorkspaceId::parse("foreign").unwrap();
            (body(Message { workspace: foreign, ..message(number, "u1") }), "a workspace that is not defined")
        }
        7 => {
            let mut message = message(number, "u1");
            message.events[0].source = SourceId::parse("foreign").unwrap();
            (body(message), "a source that its workspace does not have")
        }
        8 => ("x".repeat(1024 * 1024), "not the JSON of a message"),
        _ => (body(message(number, "panics")), "panicked"),
    }
}

fn record(number: usize) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(format!("r{number}"));
    record.body = Some(if number.is_multiple_of(POISON_EVERY) {
        poison(number).0
    } else {
        body(message(number, &format!("u{}", number % PEOPLE)))
    });
    record
}

/// The queue as a function sees it: what fails comes back, counted.
fn received(record: &mut SqsMessage, receives: u32) {
    record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
}

#[test]
fn a_thousand_poisoned_messages_end_in_the_dead_letters_and_99_000_are_applied_once() {
    let people = MemoryPeople::default();
    let clock = TestClock::at(start());
    let for_key = key().identifier(&workspace(), &Identifier::parse("user_id", "panics", None).unwrap());
    let store = Panicking { people: people.clone(), for_key };
    let rejections = MemoryRejections::new(clock.clone());
    let merges = MemoryQueue::default();
    let writer = Writer {
        people: store,
        merges,
        messages: None,
        clock,
        entropy: SeededEntropy::seeded(1),
        key: key(),
    };
    let stage: Stage<_, _, _, _, _, _> = Stage::new(writer, definitions(), rejections);
    let dead_letters = MemoryQueue::default();
    let mut queue: VecDeque<(u32, usize)> = (0..MESSAGES).map(|number| (0, number)).collect();
    quiet_here();
    while !queue.is_empty() {
        let batch: Vec<(u32, usize)> = queue.drain(..BATCH.min(queue.len())).collect();
        let mut records: Vec<SqsMessage> = batch.iter().map(|(_, number)| record(*number)).collect();
        for (record, (receives, _)) in records.iter_mut().zip(&batch) {
            received(record, receives + 1);
        }
        let bodies: Vec<&str> = records.iter().map(|record| record.body.as_deref().unwrap()).collect();
        let verdicts = finish(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
        let answer = finish(runtime::sqs::settle(&dead_letters, &records, verdicts, RECEIVES_MAX));
        let failed: BTreeSet<String> =
            answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        let again = batch.iter().filter(|(_, number)| failed.contains(&format!("r{number}")));
        queue.extend(again.map(|(receives, number)| (receives + 1, *number)));
    }
    let _ = std::panic::take_hook();
    check_letters(&dead_letters);
    let decode = |stored: &StoredProfile| Profile::decode(&stored.body).unwrap();
    let applied: u64 = people.tables().profiles.values().map(|stored| decode(stored).counters.total()).sum();
    assert_eq!(applied, (MESSAGES - MESSAGES / POISON_EVERY) as u64);
}

/// A thousand expected panics are not for reading; those of other tests are.
fn quiet_here() {
    let (others, here) = (std::panic::take_hook(), std::thread::current().id());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() != here {
            others(panic);
        }
    }));
}

fn check_letters(dead_letters: &MemoryQueue) {
    let letters = dead_letters.sent();
    assert_eq!(letters.len(), MESSAGES / POISON_EVERY);
    for letter in letters {
        let attributes: BTreeMap<String, String> = letter.attributes.into_iter().collect();
        let number: usize = attributes["message_id"].trim_start_matches('r').parse().unwrap();
        let (_, expected) = poison(number);
        let reason = &attributes["reason"];
        assert!(reason.contains(expected), "record {number}: `{reason}` does not say `{expected}`");
        let receives = if matches!(expected, "panicked" | "version 9") { RECEIVES_MAX } else { 1 };
        assert_eq!(attributes["receives"], receives.to_string(), "record {number}: {reason}");
    }
}
