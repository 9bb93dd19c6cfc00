use std::path::PathBuf;

use aws_lambda_events::event::sqs::SqsMessage;
use domain::key::DeliveryId;
use domain::message::Message;
use domain::messaging::Kind;
use domain::messaging::address::{Address, Claimed, Delivery, State};
use domain::messaging::consent::{Status, TopicId};
use domain::messaging::mark::{self, Mark};
use domain::messaging::outreach::{MessageId, Settings, Written};
use domain::messaging::report::Arrival;
use domain::rules::Rules;
use ports::definitions::Workspace;
use serde_json::json;
use testkit::{Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryQueue, TestClock};

use super::*;
use crate::batch;
use crate::consent::{hear, look};

mod texts;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// What the examples name.
const DELIVERY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const ADDRESS: &str = "00112233445566778899aabbccddeeff";
const NUMBER: &str = "+12125550101";

fn shop() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

fn topic(id: &str) -> TopicId {
    TopicId::parse(id).unwrap()
}

fn collection() -> ProfileId {
    ProfileId::parse(ADDRESS).unwrap()
}

fn ann() -> Identifier {
    Identifier::parse("email", "ann@example.com", None).unwrap()
}

fn delivery(channel: Channel) -> Delivery {
    Delivery {
        id: DeliveryId::parse(DELIVERY).unwrap(),
        at: Timestamp::parse("2016-01-01T00:00:00Z").unwrap(),
        channel,
        kind: Kind::Promotional,
        topic: Some(topic("news")),
        message: MessageId::parse("sale").unwrap(),
        variant: 1,
        state: State::Unknown,
    }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A world in which one letter was sent, or so it is hoped.
struct World {
    people: MemoryPeople,
    definitions: MemoryDefinitions,
    queue: MemoryQueue,
}

impl World {
    fn new() -> Self {
        let world = Self {
            people: MemoryPeople::default(),
            definitions: MemoryDefinitions::default(),
            queue: MemoryQueue::default(),
        };
        world.define("shop", NUMBER);
        let mut address = Address::default();
        address.name(&ann());
        assert_eq!(address.claim(delivery(Channel::Email), NOW), Claimed::Now);
        finish(world.people.put(&shop(), collection(), &[address.item()])).unwrap();
        world
    }

    fn define(&self, id: &str, number: &str) {
        let id = WorkspaceId::parse(id).unwrap();
        let (rules, sources) = (Rules::default(), Vec::new());
        self.definitions.define(Workspace { id: id.clone(), rules, sources, segments: 0, outreach: 1 });
        let mut settings = Settings::default();
        settings.sender.sms = Some(number.to_owned());
        self.definitions.write(&id, Written::Settings(settings));
    }

    fn stage(&self) -> Feedback<MemoryPeople, MemoryDefinitions, MemoryQueue, TestClock> {
        self.over(self.people.clone())
    }

    fn over<P: People>(&self, people: P) -> Feedback<P, MemoryDefinitions, MemoryQueue, TestClock> {
        Feedback {
            people,
            definitions: Cached::new(self.definitions.clone()),
            queue: self.queue.clone(),
            clock: TestClock::at(NOW),
            key: key(),
        }
    }

    fn hear(&self, body: &str) -> Outcome {
        finish(self.stage().hear(body, NOW)).unwrap()
    }

    fn address(&self) -> Address {
        finish(store::address(&self.people, &shop(), collection())).unwrap().address
    }

    fn state(&self) -> State {
        self.address().delivery(DeliveryId::parse(DELIVERY).unwrap()).unwrap().state
    }

    fn mark(&self) -> Option<Mark> {
        let (run, key) =
            (key().message_run(&shop(), "sale"), mark::key(DeliveryId::parse(DELIVERY).unwrap()));
        let item = finish(store::item(&self.people, &shop(), run, &key)).unwrap();
        item.map(|item| Mark::read(&item).unwrap())
    }

    /// The names of the events that were sent.
    fn told(&self) -> Vec<String> {
        let messages = self.queue.sent().into_iter().map(|sent| Message::unpack(&sent.body).unwrap());
        let name = |event: domain::event::Event| {
            let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
            payload["event"].as_str().unwrap().to_owned()
        };
        messages.flat_map(|message| message.events).map(name).collect()
    }

    /// All that this stage keeps, to compare.
    fn all(&self) -> (Address, Option<Mark>, usize) {
        let records = domain::messaging::record::all();
        let words = finish(store::items(&self.people, &shop(), collection(), records)).unwrap();
        (self.address(), self.mark(), words.len())
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events/messaging").join(name)
}

fn body(name: &str) -> String {
    std::fs::read_to_string(folder(name)).unwrap()
}

fn bodies(of: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(of)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_receipt_settles_what_was_not_known_and_says_nothing_of_the_person() {
    for name in ["send.sns", "delivery.raw", "delivery.eventbridge", "delivery-delay.sns"] {
        let world = World::new();
        assert_eq!(world.hear(&body(&format!("ses-events/{name}.json"))), Outcome::Noted, "{name}");
        let delayed = name.starts_with("delivery-delay");
        assert_eq!(world.state(), State::Accepted, "{name}, delayed: {delayed}");
        assert_eq!((world.address().suppressed(), world.told().len()), (None, 0), "{name}");
    }
}

#[test]
fn a_delivery_is_noted_by_one_write_and_a_copy_by_none() {
    let world = World::new();
    world.hear(&body("ses-events/send.sns.json"));
    let writes = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&writes);
    let people = Faulty::new(world.people.clone(), move |call| {
        let is_write = ["put", "replace"].contains(&call);
        counted.fetch_add(usize::from(is_write), std::sync::atomic::Ordering::SeqCst);
        Fault::None
    });
    let stage = world.over(people);
    for _ in 0..3 {
        finish(stage.hear(&body("ses-events/delivery.raw.json"), NOW)).unwrap();
    }
    assert_eq!(writes.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(world.mark().unwrap().outcome().arrival, Arrival::Delivered);
}

#[test]
fn an_address_that_does_not_exist_is_suppressed_and_one_that_is_full_is_not() {
    let world = World::new();
    world.hear(&body("ses-events/bounce-transient.sns.json"));
    world.hear(&body("ses-events/bounce-undetermined.sns.json"));
    assert_eq!(world.address().suppressed(), None);
    assert_eq!(world.mark().unwrap().outcome().arrival, Arrival::SoftBounce);
    world.hear(&body("ses-events/bounce-permanent.sns.json"));
    assert_eq!(world.address().suppressed(), Some(Reason::Bounced));
    assert_eq!(world.mark().unwrap().outcome().arrival, Arrival::HardBounce);
    assert_eq!(world.told(), ["Message Bounced", "Message Bounced"]);
    let other = WorkspaceId::parse("other").unwrap();
    let elsewhere = finish(store::address(&world.people, &other, collection())).unwrap();
    assert_eq!(elsewhere.address, Address::default());
}

#[test]
fn who_calls_a_letter_spam_has_left_everything_and_the_proof_is_kept() {
    let world = World::new();
    world.hear(&body("ses-events/complaint.sns.json"));
    world.hear(&body("ses-events/complaint.eventbridge.json"));
    let address = world.address();
    assert_eq!(address.suppressed(), Some(Reason::Complained));
    assert!(matches!(address.status(Channel::Email, &topic("anything")), Status::Unsubscribed { .. }));
    let words = finish(store::items(&world.people, &shop(), collection(), domain::messaging::record::all()));
    let words: Vec<Record> = words.unwrap().iter().map(|item| Record::read(item).unwrap()).collect();
    assert_eq!(words[0].how.method.as_deref(), Some("complaint"));
    assert!(words[0].how.proof.as_deref().unwrap().starts_with("EXAMPLE7c191be45-"));
    assert_eq!(world.told(), ["Message Complained"]);
}

#[test]
fn what_the_provider_does_not_want_leaves_the_address_alone() {
    let world = World::new();
    for name in ["reject.sns", "rendering-failure.sns"] {
        world.hear(&body(&format!("ses-events/{name}.json")));
    }
    assert_eq!((world.state(), world.address().suppressed()), (State::Unknown, None));
    assert_eq!(world.mark(), None);
}

#[test]
fn a_receipt_of_somebody_elses_letter_changes_nothing() {
    let world = World::new();
    let before = world.all();
    for name in ["delivery-without-our-tags.sns", "bounce-of-an-identity.sns"] {
        assert_eq!(world.hear(&body(&format!("ses-events/{name}.json"))), Outcome::Foreign, "{name}");
    }
    let unknown = body("ses-events/complaint.sns.json").replace(ADDRESS, &ADDRESS.replace("00", "01"));
    assert_eq!(world.hear(&unknown), Outcome::Foreign);
    assert_eq!(world.all(), before);
}

/// An operator has looked into it: what is told again of then stays as it is.
#[test]
fn a_late_copy_of_a_bounce_does_not_undo_what_an_operator_said_since() {
    let world = World::new();
    world.hear(&body("ses-events/bounce-permanent.sns.json"));
    let workspace = shop();
    let lifted = store::change_address(&world.people, &workspace, collection(), |address| {
        (address.suppress(None, NOW, EventName(1)), ())
    });
    finish(lifted).unwrap();
    world.hear(&body("ses-events/bounce-permanent.sns.json"));
    assert_eq!(world.address().suppressed(), None);
}

#[test]
fn rule_18_receipts_twice_and_in_any_order_come_to_one_state() {
    let mut random = fastrand::Rng::with_seed(7);
    let all = bodies("ses-events");
    let expected = {
        let world = World::new();
        for body in &all {
            world.hear(body);
        }
        world.all()
    };
    for _ in 0..50 {
        let world = World::new();
        let mut bodies: Vec<&String> = all.iter().chain(&all).collect();
        random.shuffle(&mut bodies);
        for body in bodies {
            world.hear(body);
        }
        assert_eq!(world.all(), expected);
        let mut told = world.told();
        told.sort_unstable();
        assert_eq!(told, ["Message Bounced", "Message Bounced", "Message Complained"]);
    }
}

#[test]
fn rule_6_whatever_fails_a_receipt_that_comes_again_is_taken_in() {
    for fault in [Fault::Refused, Fault::AnswerLost, Fault::Conflict] {
        for broken in 0..12 {
            let world = World::new();
            let mut calls = 0;
            let faulty = Faulty::new(world.people.clone(), move |_| {
                calls += 1;
                if calls == broken + 1 { fault } else { Fault::None }
            });
            let stage = world.over(faulty);
            let complaint = body("ses-events/complaint.sns.json");
            if finish(stage.hear(&complaint, NOW)).is_err() {
                finish(stage.hear(&complaint, NOW)).unwrap();
            }
            let whole = World::new();
            whole.hear(&complaint);
            assert_eq!(world.all(), whole.all(), "{fault:?} at call {broken}");
            assert!(world.told().iter().all(|name| name == "Message Complained"));
            assert!(!world.told().is_empty(), "{fault:?} at call {broken}");
        }
    }
}

fn record(id: &str, body: &str) -> SqsMessage {
    let record = json!({
        "messageId": id, "body": body, "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1789999999000" },
    });
    serde_json::from_value(record).unwrap()
}

#[test]
fn a_batch_puts_what_nobody_can_read_aside_and_takes_in_the_rest() {
    let world = World::new();
    let dead = MemoryQueue::default();
    let records = [
        record("1", "no receipt at all"),
        record("2", &body("ses-events/bounce-permanent.sns.json")),
        record("3", &body("sms-events/registration-status.eventbridge.json")),
    ];
    let response = finish(batch::feedback(&world.stage(), &dead, &records, 5));
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(dead.sent().len(), 1);
    assert_eq!(world.address().suppressed(), Some(Reason::Bounced));
    world.queue.fail_next(1);
    let records = [record("4", &body("ses-events/complaint.sns.json"))];
    let response = finish(batch::feedback(&world.stage(), &dead, &records, 5));
    assert_eq!(response.batch_item_failures.len(), 1, "it is told again");
}
