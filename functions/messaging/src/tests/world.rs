//! A workspace, its people and a provider in memory, on a clock that only
//! moves when everybody waits.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::identifier::Identifier;
use domain::key::{EventName, IdKey, ProfileId};
use domain::messaging::Channel;
use domain::messaging::consent::{About, Said, TopicId};
use domain::messaging::outreach::{MessageDocument, MessageId, Settings, TemplateId, Written};
use domain::messaging::record::{How, Record};
use domain::messaging::run::{Outcome, Outcomes, Run};
use domain::profile::stamp::Stamp;
use domain::profile::stored::Version;
use domain::profile::{Held, Profile};
use domain::rules::Rules;
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment, Versioned};
use domain::segment::{Cause, Change, list};
use domain::signing::SigningKeys;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::channel::AccountQuota;
use ports::definitions::Workspace;
use ports::people::{Save, StoredProfile};
use ports::{Clock, Email, People, Queue, Timer};
use runtime::definitions::Cached;
use serde_json::{Value, json};
use testkit::{MemoryChannel, MemoryDefinitions, MemoryPeople, MemoryQueue, SeededEntropy};
use tokio::time::Instant;

use crate::consent::{Heard, hear};
use crate::plan::{Planned, Planner};
use crate::send::Sent;
use crate::steer;
use crate::{Press, Stage};

pub(super) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// The time of a function that begins now.
pub(super) const FUNCTION: i64 = 45 * Timestamp::SECOND;
const SEGMENT: &str = "members";

/// The clock of tokio, which goes on at once when everybody waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let passed = self.0.elapsed().as_millis();
        START.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl Timer for Virtual {
    async fn until(&self, at: Timestamp) {
        let millis = u64::try_from(at.since(START)).unwrap_or_default();
        tokio::time::sleep_until(self.0 + Duration::from_millis(millis)).await;
    }
}

pub(super) type Sender<P, M> = Stage<P, MemoryDefinitions, M, MemoryChannel, Virtual, SeededEntropy, Virtual>;

pub(super) struct World {
    pub(super) clock: Virtual,
    pub(super) people: MemoryPeople,
    pub(super) definitions: MemoryDefinitions,
    pub(super) queue: MemoryQueue,
    pub(super) mail: MemoryChannel,
    pub(super) sms: MemoryChannel,
    entropy: SeededEntropy,
}

pub(super) fn workspace() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

pub(super) fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

pub(super) fn sale() -> MessageId {
    MessageId::parse("sale").unwrap()
}

pub(super) fn segment() -> SegmentId {
    SegmentId::parse(SEGMENT).unwrap()
}

pub(super) fn email(number: u32) -> Identifier {
    Identifier::parse("email", &format!("p{number}@example.com"), None).unwrap()
}

pub(super) fn person(number: u32) -> ProfileId {
    key().profile(key().identifier(&workspace(), &email(number)), 0)
}

/// A word about letters of the topic.
pub(super) fn word(number: u32, said: Said, at: Timestamp) -> Record {
    let about = About { channel: Channel::Email, topic: Some(TopicId::parse("news").unwrap()) };
    let source = SourceId::parse("import").unwrap();
    let name = Record::name(&key(), &source, &email(number), (&about, said, at));
    Record { about, said, at, name, how: How::default() }
}

pub(super) fn allowed(per_second: u64) -> AccountQuota {
    AccountQuota {
        max_send_rate_milli: per_second * 1_000,
        max_24_hours: Some(10_000_000),
        sent_24_hours: 0,
        is_production: true,
        is_enabled: true,
    }
}

/// A promotional letter with its way out.
pub(super) fn letter() -> Value {
    let html = "<p>Hello {{ profile.first_name }}</p> {{ sender.postal_address }} \
                <a href=\"{{ links.unsubscribe }}\">Unsubscribe</a>";
    let body = json!({ "email": { "subject": "Sale", "html": html } });
    json!({ "kind": "promotional", "topic": "news", "default_language": "en", "languages": { "en": body } })
}

impl World {
    /// A workspace with a broadcast that nobody started yet.
    pub(super) fn new() -> Self {
        Self::with(MemoryPeople::with_pages_of(1_000))
    }

    pub(super) fn with(people: MemoryPeople) -> Self {
        let world = Self {
            clock: Virtual(Instant::now()),
            people,
            definitions: MemoryDefinitions::default(),
            queue: MemoryQueue::default(),
            mail: MemoryChannel::default(),
            sms: MemoryChannel::default(),
            entropy: SeededEntropy::seeded(1),
        };
        world.define();
        world
    }

    fn define(&self) {
        let id = workspace();
        let (rules, sources) = (Rules::default(), Vec::new());
        self.definitions.define(Workspace { id: id.clone(), rules, sources, segments: 0, outreach: 0 });
        let document = r#"{"name":"Members","when":{"trait":"plan","is":"pro"}}"#.to_owned();
        let active = Versioned { version: 1, document, published: START, since: 1 };
        let members = StoredSegment {
            id: segment(),
            active: Some(active),
            pending: None,
            last_version: 1,
            ended: false,
        };
        self.definitions.segment(&id, SegmentSet::default().with(members));
        self.settle(&json!({}));
        self.template("letter", &letter());
        self.message("sale", &json!({}));
        self.mail.set_quota(allowed(14));
    }

    /// The settings, with what a test wants otherwise.
    pub(super) fn settle(&self, with: &Value) {
        let mut settings = json!({
            "sender": { "name": "Shop", "email": "hi@shop.example", "postal_address": "1 Road, Leeds" },
            "topics": { "news": { "name": { "en": "News" } } },
        });
        settings.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let settings = Settings::read(&settings.to_string()).unwrap();
        self.definitions.write(&workspace(), Written::Settings(settings));
    }

    pub(super) fn template(&self, id: &str, document: &Value) {
        let id = TemplateId::parse(id).unwrap();
        self.definitions.write(&workspace(), Written::Template(id, document.to_string()));
    }

    /// A broadcast of the letter, with what a test wants otherwise.
    pub(super) fn message(&self, id: &str, with: &Value) {
        let mut message =
            json!({ "name": "Sale", "to": SEGMENT, "template": "letter", "channels": ["email"] });
        message.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let message = MessageDocument::read(&message.to_string()).unwrap();
        message.message().unwrap();
        self.definitions.write(&workspace(), Written::Message(MessageId::parse(id).unwrap(), message));
    }

    /// A person as a profile that holds an address and is in the segment.
    pub(super) fn profile(number: u32) -> Profile {
        Self::profile_with(number, &json!({}))
    }

    /// The same with other traits besides.
    pub(super) fn profile_with(number: u32, with: &Value) -> Profile {
        let mut profile = Profile { seed: Some(u64::from(number)), ..Profile::default() };
        profile.sources.insert("web".to_owned());
        profile.identifiers.insert(email(number), Held { generation: 0, since: START });
        let mut traits = json!({ "plan": "pro", "first_name": "Ann" });
        traits.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let stamp = Stamp { at: START, event: EventName(1) };
        profile.traits.observe(traits.as_object().unwrap(), stamp, &SourceId::parse("web").unwrap());
        profile
    }

    /// Keeps a profile, whatever stood there.
    pub(super) async fn keep(&self, id: ProfileId, profile: &Profile) {
        let seen = self.people.profiles(&workspace(), &[id], ports::people::Read::Consistent).await.unwrap();
        let seen = seen.into_iter().flatten().next().map(|stored| stored.version);
        let version = Version { counter: seen.map_or(1, |seen| seen.counter + 1), write: [0; 8] };
        let next = StoredProfile { version, body: profile.encode(), due: None };
        let save = Save { id, seen, next, claims: Vec::new(), with: Vec::new(), checks: Vec::new() };
        self.people.save(&workspace(), save).await.unwrap();
    }

    /// A person's row in the segment's list.
    pub(super) async fn enlist(&self, id: ProfileId, holds: bool) {
        let change = Change {
            of: None,
            segment: segment(),
            version: 1,
            seq: if holds { 1 } else { 2 },
            holds,
            at: START,
            cause: Cause::Event,
            silent: false,
        };
        let row = list::row(id, &change, None).unwrap().unwrap();
        let collection = list::collection(&key(), &workspace(), &segment(), 1, list::shard(id));
        self.people.put(&workspace(), collection, &[row]).await.unwrap();
    }

    /// A member of the segment who consented.
    pub(super) async fn reader(&self, number: u32) {
        self.keep(person(number), &Self::profile(number)).await;
        self.enlist(person(number), true).await;
        self.say(number, Said::Subscribed).await;
    }

    pub(super) async fn readers(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.reader(number).await;
        }
    }

    pub(super) async fn say(&self, number: u32, said: Said) -> Heard {
        let now = self.clock.now();
        hear(&self.people, (&key(), &workspace()), &email(number), &word(number, said, now), now)
            .await
            .unwrap()
    }

    /// Starts a broadcast, as an operator does.
    pub(super) async fn start(&self, id: &str) {
        self.start_as(id, Run::new(self.clock.now())).await;
    }

    pub(super) async fn start_as(&self, id: &str, run: Run) {
        let id = MessageId::parse(id).unwrap();
        let outreach = ports::Definitions::outreach(&self.definitions, &workspace()).await.unwrap();
        let message = outreach.messages[&id].message().unwrap();
        steer::start(&self.people, (&key(), &workspace()), (&id, &message), &run).await.unwrap();
    }

    pub(super) fn planner(
        &self,
    ) -> Planner<MemoryPeople, MemoryDefinitions, MemoryQueue, MemoryChannel, Virtual> {
        self.planner_over(self.people.clone(), self.queue.clone())
    }

    pub(super) fn planner_over<P: People, Q: Queue>(
        &self,
        people: P,
        queue: Q,
    ) -> Planner<P, MemoryDefinitions, Q, MemoryChannel, Virtual> {
        Planner {
            people,
            definitions: Cached::new(self.definitions.clone()),
            queue,
            quotas: vec![(Channel::Email, self.mail.clone()), (Channel::Sms, self.sms.clone())],
            clock: self.clock,
            key: key(),
        }
    }

    pub(super) fn sender(&self) -> Sender<MemoryPeople, MemoryChannel> {
        self.sender_over(self.people.clone(), self.mail.clone())
    }

    pub(super) fn sender_over<P: People, M: Email>(&self, people: P, mail: M) -> Sender<P, M> {
        let keys = SigningKeys::make("k1", [[3; 16], [4; 16]]).unwrap();
        Stage {
            people,
            definitions: Cached::new(self.definitions.clone()),
            email: mail,
            sms: self.sms.clone(),
            clock: self.clock,
            entropy: self.entropy.clone(),
            timer: self.clock,
            key: key(),
            press: Press::new(keys, "https://links.example", [Some("mail".to_owned()), None]),
        }
    }

    /// Plans once and sends what that handed out, without any fault.
    pub(super) async fn round(&self) -> (Planned, Sent) {
        let planned = self.planner().plan().await.unwrap();
        let (sender, mut all) = (self.sender(), Sent::default());
        for parcel in self.queue.take() {
            let sent = Box::pin(sender.send(&parcel.body, self.clock.now().plus(FUNCTION))).await.unwrap();
            all.sent += sent.sent;
            all.unknown += sent.unknown;
            all.refused += sent.refused;
            all.skipped += sent.skipped;
            all.waiting += sent.waiting;
        }
        (planned, all)
    }

    /// Goes on, minute by minute, until nobody is handed out any more.
    pub(super) async fn rounds(&self, minutes: u32) -> Sent {
        let mut all = Sent::default();
        for _ in 0..minutes {
            let (_, sent) = self.round().await;
            all.sent += sent.sent;
            all.unknown += sent.unknown;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        all
    }

    /// What the pages say became of each person.
    pub(super) async fn outcomes(&self, id: &str) -> BTreeMap<ProfileId, Outcome> {
        let id = MessageId::parse(id).unwrap();
        let outcomes: Outcomes = steer::outcomes(&self.people, (&key(), &workspace()), &id).await.unwrap();
        outcomes.rows().map(|(_, row)| (row.profile, row.outcome)).collect()
    }

    /// Letters by the address that they went to.
    pub(super) fn letters(&self) -> BTreeMap<String, usize> {
        let mut letters = BTreeMap::new();
        for sent in self.mail.sent() {
            if let testkit::channel::Sent::Letter(_, letter) = sent {
                *letters.entry(letter.to).or_default() += 1;
            }
        }
        letters
    }
}
