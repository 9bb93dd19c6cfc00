//! People to ask: variations of those of the corpus, folded by the stage.

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::{IdKey, ProfileId};
use domain::message::Message;
use domain::rules::Rules;
use domain::segment::stored::SegmentSet;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use fastrand::Rng;
use ports::definitions::{Source, Workspace};
use ports::people::StoredProfile;
use profile::{Stage, Writer};
use serde_json::{Map, Value, json};
use testkit::{MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};
use tokio::runtime::Runtime;

use crate::corpus::{Corpus, PEOPLE, Sample, TODAY};
use crate::failed::{Failed, Wrong, ensure};
use crate::tributary::{ID_KEY, WORKSPACE};

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
const SEED: u64 = 11;
/// Of the corpus's month of a person so many percent are taken, of each month others.
const TAKEN: u8 = 90;
const MONTH: i64 = 30 * Timestamp::DAY;
const TRAITS: [(&str, [&str; 4]); 2] =
    [("plan", ["free", "starter", "team", "business"]), ("language", ["en", "es", "de", "fr"])];

pub(crate) type MemoryStage =
    Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy>;

/// A store in memory with its stage.
pub(crate) struct Town {
    pub(crate) people: MemoryPeople,
    pub(crate) definitions: MemoryDefinitions,
    pub(crate) clock: TestClock,
    pub(crate) stage: MemoryStage,
    pub(crate) workspace: WorkspaceId,
}

/// One of them as each design stores it.
pub(crate) struct Known {
    pub(crate) id: ProfileId,
    pub(crate) stored: StoredProfile,
    /// Traits and events, as JSON.
    pub(crate) naive: Vec<u8>,
}

impl Town {
    pub(crate) fn new() -> Result<Self, Failed> {
        let workspace = WorkspaceId::parse(WORKSPACE)?;
        let (people, definitions) = (MemoryPeople::default(), MemoryDefinitions::default());
        definitions.define(Workspace {
            id: workspace.clone(),
            rules: Rules::default(),
            sources: vec![Source { id: web()?, region: None, origins: Vec::new(), rate: 1_000 }],
            segments: 0,
            outreach: 0,
        });
        let clock = TestClock::at(Timestamp::parse(TODAY).unwrap_or_default());
        let writer = Writer {
            people: people.clone(),
            merges: MemoryQueue::default(),
            messages: None,
            clock: clock.clone(),
            entropy: SeededEntropy::seeded(1),
            key: IdKey::new(ID_KEY),
        };
        let stage = Stage::new(writer, definitions.clone(), MemoryRejections::new(clock.clone()));
        Ok(Self { people, definitions, clock, stage, workspace })
    }

    /// Puts these definitions in force; the stage knows them within a minute.
    pub(crate) fn define(&self, set: SegmentSet) {
        self.definitions.segment(&self.workspace, set);
        self.clock.advance(2 * Timestamp::MINUTE);
    }

    /// Folds events of one person.
    pub(crate) fn fold(&self, runtime: &Runtime, events: Vec<Event>) -> Result<(), Failed> {
        let bodies = self.bodies(events);
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let verdicts = runtime.block_on(self.stage.upsert(&bodies, NEVER));
        ensure(verdicts.iter().all(Result::is_ok), || "the profile stage failed".to_owned())
    }

    pub(crate) fn bodies(&self, events: Vec<Event>) -> Vec<String> {
        let trace = "0".repeat(32);
        Message { workspace: self.workspace.clone(), trace, events }.pack()
    }

    /// So many people with a history each.
    pub(crate) fn settle(
        &self,
        runtime: &Runtime,
        corpus: &Corpus,
        (count, months): (usize, i64),
    ) -> Result<Vec<Known>, Failed> {
        let mut rng = Rng::with_seed(SEED);
        let mut all = Vec::new();
        for number in 0..count {
            let user = format!("user-{number}");
            let events = history(corpus, number, months, &mut rng)?;
            let seen: Vec<Value> = events.iter().filter_map(naive_event).collect();
            self.fold(runtime, events)?;
            let (id, stored) = self.of(&user)?;
            let profile = runtime::stored::profile(id, &stored)
                .map_err(|_| Wrong("a profile that was just folded cannot be read".to_owned()))?;
            let naive = json!({ "traits": profile.traits.value(), "events": seen }).to_string().into_bytes();
            all.push(Known { id, stored, naive });
        }
        Ok(all)
    }

    /// The profile of somebody whom no other was merged with.
    pub(crate) fn id(&self, user: &str) -> Result<ProfileId, Failed> {
        let key = IdKey::new(ID_KEY);
        Ok(key.profile(key.identifier(&self.workspace, &named(user)?), 0))
    }

    pub(crate) fn of(&self, user: &str) -> Result<(ProfileId, StoredProfile), Failed> {
        let id = self.id(user)?;
        let stored = self.people.tables().profiles.get(&(self.workspace.clone(), id)).cloned();
        Ok((id, stored.ok_or_else(|| Wrong(format!("{user} has no profile")))?))
    }
}

/// So many months of a person who is one of the corpus with a part left out, of each month another.
pub(crate) fn history(
    corpus: &Corpus,
    number: usize,
    months: i64,
    rng: &mut Rng,
) -> Result<Vec<Event>, Failed> {
    let person = u32::try_from(number)? % PEOPLE;
    let user = format!("user-{number}");
    let earlier = rng.i64(0..20) * Timestamp::DAY;
    let mut events = Vec::new();
    for month in (0..months).rev() {
        for sample in corpus.history.iter().filter(|sample| sample.person == person) {
            if rng.u8(0..100) < TAKEN || sample.event.get("type") == Some(&json!("identify")) {
                let earlier = earlier + month * MONTH;
                events.extend(event(sample, &user, earlier, events.len(), rng)?);
            }
        }
    }
    Ok(events)
}

/// An event of a user, as ingest hands it on.
pub(crate) fn track(user: &str, name: &str, at: Timestamp, number: usize) -> Result<Event, Failed> {
    made(user, EventKind::Track, at, number, &json!({ "event": name, "properties": {} }))
}

pub(crate) fn event(
    sample: &Sample,
    user: &str,
    earlier: i64,
    number: usize,
    rng: &mut Rng,
) -> Result<Option<Event>, Failed> {
    let kind = sample.event.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(kind) = EventKind::ALL.into_iter().find(|known| known.name() == kind) else { return Ok(None) };
    let mut payload = Map::new();
    for name in ["event", "name", "properties", "traits", "context"] {
        payload.extend(sample.event.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    if let Some(traits) = payload.get_mut("traits").and_then(Value::as_object_mut) {
        for (name, values) in TRAITS {
            traits.insert(name.to_owned(), json!(rng.choice(values)));
        }
    }
    made(user, kind, sample.at()?.plus(-earlier), number, &Value::Object(payload)).map(Some)
}

fn made(user: &str, kind: EventKind, at: Timestamp, number: usize, payload: &Value) -> Result<Event, Failed> {
    Ok(Event {
        source: web()?,
        message_id: format!("{user}-{number}"),
        kind,
        identifiers: vec![named(user)?],
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: payload.to_string(),
        as_sent: user.to_owned(),
    })
}

/// What the naive design keeps of an event: all that conditions may ask.
fn naive_event(event: &Event) -> Option<Value> {
    let payload: Map<String, Value> = serde_json::from_str(&event.payload).ok()?;
    let properties = payload.get("properties").cloned().unwrap_or_default();
    Some(json!({ "event": payload.get("event")?, "at": event.event_time.millis(), "properties": properties }))
}

fn web() -> Result<SourceId, Failed> {
    Ok(SourceId::parse("web")?)
}

fn named(user: &str) -> Result<Identifier, Failed> {
    Ok(Identifier::parse("user_id", user, None)?)
}

pub(crate) fn failed(failure: &runtime::failure::Failure) -> Wrong {
    Wrong(runtime::failure::chain(failure.cause()))
}
