//! What profiles keep, against everything that ever happened: at any moment,
//! and at the very moments at which answers end, both say the same.

mod make;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use domain::event::{ClientTime, Event};
use domain::identifier::Identifier;
use domain::key::EventName;
use domain::profile::Profile;
use domain::profile::stamp::Stamp;
use domain::segment::Cause;
use domain::segment::compiled::{Compiled, Computed};
use domain::segment::feature::Feature;
use domain::segment::settle::Changed;
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment, Versioned};
use domain::segment::value::Scalar;
use domain::segment::verdict::Person;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use fastrand::Rng;
use serde_json::{Value, json};
use testkit::reference::{self, History, Past};

use make::OPERATORS;

/// 1 November 2026; the stories go on for a month.
const BEGIN: Timestamp = Timestamp::from_millis(1_793_491_200_000);
/// Stories of one run; `SEGMENT_CASES` asks for more.
const CASES: u64 = 2_200;
/// Steps of one story.
const STEPS: usize = 40;
/// Operators of one story, beside one that the others ask.
const ASKED: usize = 8;
/// Computed traits of one story.
const VALUES_ASKED: usize = 3;
/// How often each operator has to have held, not held, and flipped by time alone.
const LEAST: usize = 50;

/// What is published of the language.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../infra/segment.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// How often an operator answered what.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    held: usize,
    failed: usize,
    flipped: usize,
}

/// One person, kept by production and remembered whole.
struct Story {
    rng: Rng,
    now: Timestamp,
    profile: Profile,
    compiled: Compiled,
    documents: BTreeMap<SegmentId, Value>,
    /// Computed traits.
    values: BTreeMap<SegmentId, Value>,
    history: History,
    events: Vec<(Event, EventName)>,
    /// The events of whoever was taken in last.
    taken_in: BTreeSet<EventName>,
    next: u64,
    answers: BTreeMap<SegmentId, bool>,
}

/// A number that whoever runs the tests gives.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long, or which one")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

#[test]
fn what_is_kept_answers_as_the_whole_history_does_at_every_moment() {
    let cases = asked("SEGMENT_CASES").unwrap_or(CASES);
    let only = asked("SEGMENT_SEED");
    let mut table: BTreeMap<&str, Seen> =
        OPERATORS.iter().map(|(name, _)| (*name, Seen::default())).collect();
    let mut values_seen: BTreeMap<String, Seen> = BTreeMap::new();
    for seed in only.map_or(0..cases, |seed| seed..seed + 1) {
        let mut rng = Rng::with_seed(seed);
        let first = usize::try_from(seed).unwrap() * ASKED;
        let operators: Vec<&str> =
            (first..first + ASKED).map(|at| OPERATORS[at % OPERATORS.len()].0).collect();
        let mut documents = BTreeMap::from([(id("base"), make::condition("count, rolling", &mut rng))]);
        for (at, operator) in operators.iter().enumerate() {
            documents.insert(id(&format!("s-{at}")), make::condition(operator, &mut rng));
        }
        let values = (0..VALUES_ASKED).map(|at| {
            let measure =
                make::VALUES[(usize::try_from(seed).unwrap() * VALUES_ASKED + at) % make::VALUES.len()];
            (id(&format!("v-{at}")), make::value(measure, &mut rng))
        });
        let values = values.collect();
        let mut story = Story::new(rng, documents, values);
        for step in 0..STEPS {
            let is_event = story.step();
            for (measure, is_something) in story.check_values(seed, step) {
                let seen: &mut Seen = values_seen.entry(measure).or_default();
                *if is_something { &mut seen.held } else { &mut seen.failed } += 1;
            }
            for (at, operator) in operators.iter().enumerate() {
                let id = id(&format!("s-{at}"));
                let (holds, was) = story.check(&id, seed, step);
                let seen = table.get_mut(operator).unwrap();
                if holds {
                    seen.held += 1;
                } else {
                    seen.failed += 1;
                }
                seen.flipped += usize::from(!is_event && was.is_some_and(|was| was != holds));
            }
        }
    }
    println!("{:<28} {:>7} {:>7}", "computed trait", "of some", "of none");
    for (measure, Seen { held, failed, .. }) in &values_seen {
        println!("{measure:<28} {held:>7} {failed:>7}");
        assert!(only.is_some() || *held >= LEAST && *failed >= LEAST, "`{measure}` was seen too seldom");
    }
    println!("{:<28} {:>7} {:>7} {:>9}", "operator", "held", "failed", "by time");
    for (name, by_time) in OPERATORS {
        let seen = table[name];
        let flipped = if by_time { seen.flipped.to_string() } else { "-".to_owned() };
        println!("{name:<28} {:>7} {:>7} {flipped:>9}", seen.held, seen.failed);
    }
    if only.is_some() {
        return;
    }
    for (name, by_time) in OPERATORS {
        let Seen { held, failed, flipped } = table[name];
        let is_enough = held >= LEAST && failed >= LEAST && (!by_time || flipped >= LEAST);
        assert!(is_enough, "`{name}` was seen too seldom: {held} held, {failed} failed, {flipped} by time");
    }
}

#[test]
fn the_published_schema_takes_the_examples_and_refuses_what_has_another_form() {
    for example in ["lapsing-buyers", "cart-abandoned", "best-customers", "spent-90-days"] {
        let path = format!("{}/../events/segments/{example}.json", env!("CARGO_MANIFEST_DIR"));
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        if let Err(error) = SCHEMA.validate(&document) {
            panic!("{example}: {error}");
        }
    }
    let bad: Value = serde_json::from_str(include_str!("../../events/segments/bad.json")).unwrap();
    let bad: Vec<&Value> = bad.as_array().unwrap().iter().map(|case| &case["document"]).collect();
    // Form is all that a schema knows: how many tests there are, and what words mean, it does not.
    let refused = bad.iter().filter(|document| !SCHEMA.is_valid(document)).count();
    assert!(refused * 2 >= bad.len(), "{refused} of {}", bad.len());
}

fn id(name: &str) -> SegmentId {
    SegmentId::parse(name).unwrap()
}

fn compile(
    version: u64,
    documents: &BTreeMap<SegmentId, Value>,
    values: &BTreeMap<SegmentId, Value>,
) -> Compiled {
    let segment = |(id, of, said): (&SegmentId, &str, &Value)| {
        let document = json!({"name": id.as_str(), of: said}).to_string();
        if let Err(mistakes) = domain::segment::read::read(&document) {
            panic!("{document}: {mistakes:?}");
        }
        let value: Value = serde_json::from_str(&document).unwrap();
        if let Err(error) = SCHEMA.validate(&value) {
            panic!("{document} is read, and the schema refuses it: {error}");
        }
        let number = u32::try_from(version).unwrap();
        let versioned = Versioned { version: number, document, published: BEGIN, since: version };
        StoredSegment {
            id: id.clone(),
            active: Some(versioned),
            pending: None,
            last_version: number,
            ended: false,
        }
    };
    let documents = documents.iter().map(|(id, when)| (id, "when", when));
    let all = documents.chain(values.iter().map(|(id, value)| (id, "value", value)));
    SegmentSet { version, segments: all.map(segment).collect() }.compile().unwrap()
}

impl Story {
    fn new(mut rng: Rng, documents: BTreeMap<SegmentId, Value>, values: BTreeMap<SegmentId, Value>) -> Self {
        let segments = documents.iter().map(|(id, when)| (id.to_string(), when.clone())).collect();
        let compiled = compile(1, &documents, &values);
        let seed = rng.u64(..);
        let mut story = Self {
            rng,
            now: BEGIN,
            profile: Profile { seed: Some(seed), ..Profile::default() },
            compiled,
            documents,
            values,
            history: History { segments, seed: Some(seed), ..History::default() },
            events: Vec::new(),
            taken_in: BTreeSet::new(),
            next: 0,
            answers: BTreeMap::new(),
        };
        story.settle(&Changed::default());
        story
    }

    /// Something happens, or time goes by; `true` if it was not time alone.
    fn step(&mut self) -> bool {
        match self.rng.u8(..20) {
            0..9 => {
                let passed = self.rng.i64(0..6) * Timestamp::HOUR + self.rng.i64(0..1000);
                self.pass(passed);
                for _ in 0..self.rng.u8(1..4) {
                    self.event();
                }
                true
            }
            9 => {
                if self.taken_in.is_empty() || self.rng.bool() {
                    self.merge();
                } else {
                    self.unmerge();
                }
                true
            }
            10 => {
                self.redefine();
                true
            }
            11 => {
                self.profile = Profile::decode(&self.profile.encode()).unwrap();
                false
            }
            12..17 => {
                // The very moment at which an answer ends, and the one before.
                let until = self.profile.segments.until.filter(|until| *until > self.now);
                let to = until.map_or(self.now, |until| if self.rng.bool() { until } else { until.plus(-1) });
                self.pass(to.since(self.now));
                false
            }
            _ => {
                let passed = self.rng.i64(0..3 * Timestamp::DAY);
                self.pass(passed);
                false
            }
        }
    }

    fn pass(&mut self, millis: i64) {
        self.now = self.now.plus(millis);
        if self.profile.segments.until.is_some_and(|until| until <= self.now) {
            self.profile.advance(&self.compiled, self.now);
            self.note_entries();
        }
    }

    fn new_event(&mut self) -> (Event, EventName) {
        let (kind, payload) = make::payload(&mut self.rng);
        // Most events are new; some are late by days.
        let late = if self.rng.u8(..4) == 0 {
            self.rng.i64(0..6 * Timestamp::DAY)
        } else {
            self.rng.i64(0..Timestamp::HOUR)
        };
        let at = self.now.plus(-late);
        self.next += 1;
        let name = EventName(self.rng.u64(..));
        let event = Event {
            source: SourceId::parse("web").unwrap(),
            message_id: format!("m-{}", self.next),
            kind,
            identifiers: vec![Identifier::parse("user_id", "u-1", None).unwrap()],
            blocked: Vec::new(),
            rules: 0,
            client_time: ClientTime::Sent(at),
            event_time: at,
            received_at: self.now,
            payload: payload.to_string(),
            as_sent: String::new(),
        };
        let payload = payload.as_object().unwrap().clone();
        self.history.events.push(Past { at, name: name.0, kind, payload });
        self.events.push((event.clone(), name));
        (event, name)
    }

    fn event(&mut self) {
        let (event, name) = self.new_event();
        let mut changed = Changed::default();
        if self.rng.u8(..10) == 0 {
            let (kind, value) =
                if self.rng.bool() { ("email", "ann@example.com") } else { ("phone", "+380441234567") };
            let held = domain::profile::Held { generation: 0, since: self.now };
            self.profile.identifiers.insert(Identifier::parse(kind, value, None).unwrap(), held);
            self.history.identifier_kinds.insert(kind.to_owned());
            changed.identifiers();
        }
        self.profile.fold_under(&self.compiled, &event, name, &mut changed);
        self.settle(&changed);
    }

    fn settle(&mut self, changed: &Changed) {
        self.profile.settle(&self.compiled, changed, false, self.now, Cause::Event);
        self.note_entries();
    }

    /// When somebody entered no event says: it is taken from what was told.
    fn note_entries(&mut self) {
        let told: Vec<_> = self.profile.outbox.changes().to_vec();
        for change in told.iter().filter(|change| change.holds && !change.silent) {
            let entered = self.history.entered.entry(change.segment.to_string()).or_default();
            if !entered.contains(&change.at) {
                entered.push(change.at);
            }
        }
        let ids: Vec<u64> = told.iter().map(domain::segment::Change::id).collect();
        self.profile.outbox.clear_changes(&ids);
    }

    /// Another profile turns out to be the same person.
    fn merge(&mut self) {
        let mut other = Profile { seed: self.profile.seed, ..Profile::default() };
        self.taken_in.clear();
        for _ in 0..self.rng.u8(1..6) {
            let (event, name) = self.new_event();
            self.taken_in.insert(name);
            let mut changed = Changed::default();
            other.fold_under(&self.compiled, &event, name, &mut changed);
            other.settle(&self.compiled, &changed, false, self.now, Cause::Event);
        }
        std::mem::swap(&mut other, &mut self.profile);
        self.note_entries();
        std::mem::swap(&mut other, &mut self.profile);
        let one = std::mem::take(&mut self.profile);
        self.profile = if self.rng.bool() { one.union(other) } else { other.union(one) };
        self.rebuild();
    }

    /// Whoever was taken in turns out to be somebody else: what is left is folded
    /// anew from its own events, and knows only what it answered.
    fn unmerge(&mut self) {
        let gone = std::mem::take(&mut self.taken_in);
        self.events.retain(|(_, name)| !gone.contains(name));
        self.history.events.retain(|past| !gone.contains(&EventName(past.name)));
        let before = std::mem::take(&mut self.profile);
        let mut anew = Profile { seed: before.seed, identifiers: before.identifiers, ..Profile::default() };
        for (event, name) in &self.events {
            anew.fold_under(&Compiled::default(), event, *name, &mut Changed::default());
        }
        anew.segments = before.segments.anew(Cause::Split, self.now);
        self.profile = anew;
        self.rebuild();
    }

    /// Definitions change under the profile; those that stay keep their answers.
    fn redefine(&mut self) {
        let version = self.compiled.version + 1;
        self.compiled = compile(version, &self.documents, &self.values);
        self.rebuild();
    }

    /// As the sweep does with a profile that lacks features.
    fn rebuild(&mut self) {
        let absent: BTreeSet<_> = self
            .compiled
            .features
            .keys()
            .filter(|id| !self.profile.segments.features.contains_key(id))
            .copied()
            .collect();
        for id in absent {
            let query = &self.compiled.features[&id];
            let mut feature = Feature::default();
            for (event, name) in &self.events {
                let payload: Value = serde_json::from_str(&event.payload).unwrap();
                let stamp = Stamp { at: event.event_time, event: *name };
                query.take(&mut feature, event, payload.as_object().unwrap(), stamp);
            }
            self.profile.segments.features.insert(id, feature);
        }
        self.profile.settle(&self.compiled, &Changed::default(), true, self.now, Cause::Time);
        self.note_entries();
    }

    /// Computed traits, which have to be what the whole history comes to; each
    /// measure, and whether there was something to measure.
    fn check_values(&self, seed: u64, step: usize) -> Vec<(String, bool)> {
        let memberships = &self.profile.segments.memberships;
        let person = Person::new(&self.compiled, &self.profile, memberships, self.now);
        let check = |computed: &Computed| {
            let said = &self.values[&computed.id];
            let (kept, is_whole) = person.value(&computed.ready.rule).unwrap();
            let wanted = reference::value(said, &self.history, self.now);
            let scalars = |value: &Value| match value {
                Value::Array(all) => all.iter().map(Scalar::of).collect::<BTreeSet<_>>(),
                one => BTreeSet::from([Scalar::of(one)]),
            };
            let wanted = wanted.unwrap_or_default();
            assert!(
                is_whole && scalars(&kept) == scalars(&wanted),
                "seed {seed}, step {step}, {} at {}: {said} is {wanted}, and kept is {kept}",
                computed.id,
                self.now.rfc3339(),
            );
            let measure = make::VALUES.into_iter().find(|measure| !said[*measure].is_null());
            let is_something = wanted != json!([]) && wanted != json!(0) && !wanted.is_null();
            (measure.unwrap().to_owned(), is_something)
        };
        self.compiled.computed.iter().map(check).collect()
    }

    /// Both answers, which have to be one; and the last one.
    fn check(&mut self, id: &SegmentId, seed: u64, step: usize) -> (bool, Option<bool>) {
        let kept = self.profile.segments.memberships.get(id).is_some_and(|of| of.holds);
        let when = &self.documents[id];
        let holds = reference::holds(when, &self.history, self.now);
        assert_eq!(
            kept,
            holds,
            "seed {seed}, step {step}, {id} at {}, until {:?}: {when}\n{:#?}",
            self.now.rfc3339(),
            self.profile.segments.until.map(Timestamp::rfc3339),
            self.history
                .events
                .iter()
                .map(|past| (past.at.rfc3339(), past.kind, &past.payload))
                .collect::<Vec<_>>(),
        );
        (holds, self.answers.insert(id.clone(), holds))
    }
}
