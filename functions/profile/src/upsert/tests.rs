//! A batch that is too large for its time, and what is said of each event.

use std::io::Write;
use std::sync::{Arc, Mutex};

use domain::event::{ClientTime, EventKind};
use domain::key::IdKey;
use domain::message::Message;
use domain::rules::Rules;
use domain::workspace::SourceId;
use ports::definitions::Source;
use testkit::{MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};

use super::*;
use crate::Writer;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
const TRACE: &str = "0123456789abcdef0123456789abcdef";

/// Each look at this clock takes a millisecond.
#[derive(Clone)]
struct Passing(TestClock);

impl Clock for Passing {
    fn now(&self) -> Timestamp {
        self.0.advance(1);
        self.0.now()
    }
}

type TestStage =
    Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, Passing, SeededEntropy>;

fn stage(people: &MemoryPeople) -> TestStage {
    let definitions = MemoryDefinitions::default();
    let source =
        Source { id: SourceId::parse("web").unwrap(), region: None, origins: Vec::new(), rate: 1_000 };
    let id = WorkspaceId::parse("shop").unwrap();
    definitions.define(Workspace {
        id,
        rules: Rules::default(),
        sources: vec![source],
        segments: 0,
        outreach: 0,
    });
    let clock = TestClock::at(NOW);
    let key = IdKey::new([7; IdKey::LENGTH]);
    let rejections = MemoryRejections::new(clock.clone());
    let writer = Writer {
        people: people.clone(),
        merges: MemoryQueue::default(),
        messages: None,
        clock: Passing(clock),
        entropy: SeededEntropy::seeded(1),
        key,
    };
    Stage::new(writer, definitions, rejections)
}

fn body(user: usize, message_id: &str) -> String {
    let event = Event {
        source: SourceId::parse("web").unwrap(),
        message_id: message_id.to_owned(),
        kind: EventKind::Track,
        identifiers: vec![Identifier::parse("user_id", &format!("u-{user}"), None).unwrap()],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(NOW),
        event_time: NOW,
        received_at: NOW,
        payload: r#"{"type":"track","event":"Seen"}"#.to_owned(),
        as_sent: format!("user_id=u-{user}"),
    };
    let message = Message {
        workspace: WorkspaceId::parse("shop").unwrap(),
        trace: TRACE.to_owned(),
        events: vec![event],
    };
    message.pack().remove(0)
}

fn bodies(people: usize) -> Vec<String> {
    (0..people).map(|user| body(user, &format!("m-{user}"))).collect()
}

async fn upsert(stage: &TestStage, bodies: &[String], until: Timestamp) -> Vec<bool> {
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    stage.upsert(&bodies, until).await.iter().map(Result::is_ok).collect()
}

#[tokio::test]
async fn after_the_deadline_nothing_is_begun_and_nothing_is_rejected() {
    let people = MemoryPeople::default();
    let stage = stage(&people);
    let bodies = bodies(3);
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let verdicts = stage.upsert(&bodies, NOW).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Err(Failure::Retry(_)))));
    assert_eq!(people.tables().profiles.len(), 0);
}

#[tokio::test]
async fn what_there_was_time_for_is_done_and_the_rest_ends_with_later_batches() {
    let people = MemoryPeople::default();
    let stage = stage(&people);
    let mut left = bodies(3 * SLICE_PEOPLE);
    let mut batches = 0;
    while !left.is_empty() {
        let until = stage.writer.clock.0.now().plus(700);
        let before = people.tables().profiles.len();
        let done = upsert(&stage, &left, until).await;
        let count = done.iter().filter(|done| **done).count();
        assert_eq!(people.tables().profiles.len() - before, count, "a verdict says what was written");
        assert!(count > 0, "a batch gets on");
        assert!(in_order(&done), "a slice is begun only when the one before it ended");
        left = left.into_iter().zip(done).filter(|(_, done)| !done).map(|(body, _)| body).collect();
        batches += 1;
    }
    assert!(batches > 1, "the time was to be too short for one batch");
    assert_eq!(people.tables().profiles.len(), 3 * SLICE_PEOPLE);
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_rejects_its_own_record_alone() {
    let people = MemoryPeople::default();
    let stage = stage(&people);
    assert_eq!(upsert(&stage, &[body(1, "m-1")], NEVER).await, [true]);
    people.alter(|tables| {
        for stored in tables.profiles.values_mut() {
            stored.body = vec![0];
        }
    });
    let bodies = [body(2, "m-2"), body(1, "m-3"), body(3, "m-4")];
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let verdicts = stage.upsert(&bodies, NEVER).await;
    assert!(matches!(verdicts.as_slice(), [Ok(()), Err(Failure::Reject(_)), Ok(())]), "{verdicts:?}");
    assert_eq!(people.tables().profiles.len(), 3);
}

/// Whole slices, then one that the time cut, then nothing.
fn in_order(done: &[bool]) -> bool {
    let share = |slice: &[bool]| (slice.contains(&true), slice.contains(&false));
    let left = done.chunks(SLICE_PEOPLE).map(share).skip_while(|share| *share == (true, false));
    left.skip(1).all(|share| share == (false, true))
}

#[test]
fn a_slice_holds_so_many_people_and_all_of_each() {
    let two_each: Vec<Message> =
        bodies(500).iter().chain(&bodies(500)).map(|body| Message::unpack(body).unwrap()).collect();
    let messages: Vec<(usize, Message)> = two_each.into_iter().enumerate().collect();
    let events: Vec<Brought<'_>> = messages.iter().flat_map(brought).collect();
    let slices = slices(&events);
    assert_eq!(slices.iter().map(Vec::len).collect::<Vec<_>>(), [400, 400, 200]);
    for slice in &slices {
        let homes: std::collections::BTreeSet<_> = slice.iter().map(|brought| brought.event.home()).collect();
        assert_eq!(slice.len(), 2 * homes.len());
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_event_is_said_to_be_folded_once_and_repeated_after() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let people = MemoryPeople::default();
    let stage = stage(&people);
    let twice = [body(1, "m-1"), body(1, "m-1"), body(1, "m-2")];
    assert_eq!(upsert(&stage, &twice, NEVER).await, [true; 3]);
    assert_eq!(upsert(&stage, &twice[..1], NEVER).await, [true]);
    drop(guard);
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<_> = lines.iter().filter(|line| line["target"] == "decision").collect();
    let decisions: Vec<_> = lines.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["folded", "repeated", "folded", "repeated"]);
    assert!(lines.iter().all(|line| line["trace"] == TRACE && line["workspace"] == "shop"));
    assert_eq!(lines[0]["message_key"], lines[3]["message_key"]);
    assert_ne!(lines[0]["message_key"], lines[2]["message_key"]);
}

#[tokio::test]
async fn a_batch_is_counted_as_it_came_out() {
    let stage = stage(&MemoryPeople::default());
    let mut twice = bodies(3);
    twice.extend(bodies(3));
    let twice: Vec<&str> = twice.iter().map(String::as_str).collect();
    let (verdicts, counts) = stage.upsert_counted(&twice, NEVER).await;
    assert!(verdicts.iter().all(Result::is_ok));
    // A new person is one transaction of a profile, a page and a claim, which bills each twice.
    let expected = Counts { settled: 6, folded: 3, dropped: 0, people: 3, write_units: 3 * 3 * 2 };
    assert_eq!((counts, counts.repeated()), (expected, 3));
    let (_, counts) = stage.upsert_counted(&twice, NEVER).await;
    assert_eq!((counts, counts.repeated()), (Counts { settled: 6, ..Counts::default() }, 6));
    let known = [body(0, "m-new")];
    let (_, counts) = stage.upsert_counted(&[&known[0], "unreadable"], NEVER).await;
    let expected = Counts { settled: 1, folded: 1, dropped: 0, people: 1, write_units: 2 };
    assert_eq!(counts, expected, "a person who is known costs a page and a profile");
}

#[tokio::test]
async fn a_batch_is_told_in_one_line_of_metrics() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let written = Written::default();
    let writer = written.clone();
    let level = tracing::level_filters::LevelFilter::OFF;
    let lines =
        runtime::telemetry::function_lines(move || writer.clone(), level, Some("Tributary/test".to_owned()));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
    let stage = stage(&MemoryPeople::default());
    let record = |body: String, waited: i64| {
        let mut record = aws_lambda_events::event::sqs::SqsMessage::default();
        record.message_id = Some(body.len().to_string());
        record.body = Some(body);
        record.attributes.insert("SentTimestamp".to_owned(), NOW.plus(-waited).millis().to_string());
        record
    };
    let records = vec![
        record(body(1, "m-1"), 1_000),
        record(body(1, "m-2"), 60_000),
        record("wrong".to_owned(), 2_000),
    ];
    let letters = testkit::MemoryQueue::default();
    crate::batch::fold(&stage, &letters, records, NEVER, 5).await;
    drop(guard);
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["folded"], &line["people"], &line["failed"]), (&2.into(), &1.into(), &1.into()));
    assert!((60_000..61_000).contains(&line["oldest_ms"].as_i64().unwrap()), "{line}");
    assert!(line["_aws"].is_object() && line.get("repeated").is_none(), "{line}");
}
