//! One person's story: what happens to them, kept by production and remembered whole.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{ClientTime, Event};
use domain::identifier::Identifier;
use domain::key::EventName;
use domain::profile::Profile;
use domain::profile::stamp::Stamp;
use domain::segment::Cause;
use domain::segment::compiled::{Compiled, Computed};
use domain::segment::feature::{Feature, POINTS_MAX, RUNS_MAX, Retain};
use domain::segment::settle::Changed;
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment, Versioned};
use domain::segment::value::Scalar;
use domain::segment::verdict::{Person, Truth};
use domain::time::Timestamp;
use domain::workspace::SourceId;
use fastrand::Rng;
use serde_json::{Value, json};
use testkit::reference::{self, History, Past};

use super::{BEGIN, SCHEMA, id, make};

/// How a story goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) begin: Timestamp,
    /// How fast time goes by.
    pub(super) times: i64,
    /// Points that are kept of a condition of which production keeps all that it
    /// has room for.
    pub(super) kept: Option<usize>,
}

/// One person, kept by production and remembered whole.
pub(super) struct Story {
    rng: Rng,
    pace: Pace,
    now: Timestamp,
    profile: Profile,
    compiled: Compiled,
    documents: BTreeMap<SegmentId, Value>,
    /// The segments of the operators.
    asked: Vec<SegmentId>,
    /// Computed traits.
    values: BTreeMap<SegmentId, Value>,
    history: History,
    events: Vec<(Event, EventName)>,
    /// The events of whoever was taken in last.
    taken_in: BTreeSet<EventName>,
    next: u64,
    answers: BTreeMap<SegmentId, bool>,
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

/// The definitions made ready, and less kept of what they need if the pace says so.
fn compiled(
    pace: Pace,
    version: u64,
    documents: &BTreeMap<SegmentId, Value>,
    values: &BTreeMap<SegmentId, Value>,
) -> Compiled {
    let mut compiled = compile(version, documents, values);
    for query in compiled.features.values_mut() {
        if let (Some(kept), Retain::Points { newest, .. }) = (pace.kept, &mut query.retain) {
            match *newest {
                POINTS_MAX => *newest = kept,
                RUNS_MAX => *newest = 2,
                // No more are needed.
                _ => (),
            }
        }
    }
    compiled
}

impl Story {
    pub(super) fn new(
        mut rng: Rng,
        pace: Pace,
        operators: &[&str],
        measures: impl Iterator<Item = &'static str>,
    ) -> Self {
        let named = make::asked(&mut rng).map(|(name, when)| (id(name), when));
        let mut documents = BTreeMap::from(named);
        let asked: Vec<SegmentId> = (0..operators.len()).map(|at| id(&format!("s-{at}"))).collect();
        for (id, operator) in asked.iter().zip(operators) {
            documents.insert(id.clone(), make::condition(operator, &mut rng));
        }
        let values = measures.enumerate();
        let values = values.map(|(at, measure)| (id(&format!("v-{at}")), make::value(measure, &mut rng)));
        let values = values.collect();
        let segments = documents.iter().map(|(id, when)| (id.to_string(), when.clone())).collect();
        let compiled = compiled(pace, 1, &documents, &values);
        let seed = rng.u64(..);
        let mut story = Self {
            rng,
            pace,
            now: pace.begin,
            profile: Profile { seed: Some(seed), ..Profile::default() },
            compiled,
            documents,
            asked,
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
    pub(super) fn step(&mut self) -> bool {
        match self.rng.u8(..20) {
            0..9 => {
                let passed = self.rng.i64(0..6) * Timestamp::HOUR + self.rng.i64(0..1000);
                self.pass(passed * self.pace.times);
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
                if self.pace.kept.is_some() {
                    self.shrink();
                }
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
                self.pass(passed * self.pace.times);
                false
            }
        }
    }

    /// As if all features took more room than there is.
    fn shrink(&mut self) {
        let features = &mut self.profile.segments.features;
        let some = self.rng.usize(..=features.len());
        for (id, feature) in features.iter_mut().take(some) {
            self.compiled.features[id].shrink(feature);
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
        let (kind, payload) = make::payload(&mut self.rng, self.now);
        // Most events are new; some are late by days.
        let late = if self.rng.u8(..4) == 0 {
            self.rng.i64(0..6 * Timestamp::DAY) * self.pace.times
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
        self.compiled = compiled(self.pace, version, &self.documents, &self.values);
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
    /// measure, and whether there was something to measure, if that is known.
    pub(super) fn check_values(&self, at: &str) -> Vec<(&'static str, Option<bool>)> {
        let memberships = &self.profile.segments.memberships;
        let person = Person::new(&self.compiled, &self.profile, memberships, self.now);
        let check = |computed: &Computed| {
            let said = &self.values[&computed.id];
            let measure = make::VALUES.into_iter().find(|measure| !said[*measure].is_null()).unwrap();
            let kept = person.value(&computed.ready.rule);
            let of_all = kept.filter(|(_, is_whole)| *is_whole);
            assert!(
                of_all.is_some() || self.pace.kept.is_some(),
                "{at}, {}: {said} is not known",
                computed.id
            );
            let Some((kept, _)) = of_all else { return (measure, None) };
            let wanted = reference::value(said, &self.history, self.now);
            let scalars = |value: &Value| match value {
                Value::Array(all) => all.iter().map(Scalar::of).collect::<BTreeSet<_>>(),
                one => BTreeSet::from([Scalar::of(one)]),
            };
            let wanted = wanted.unwrap_or_default();
            assert_eq!(
                scalars(&kept),
                scalars(&wanted),
                "{at}, {} at {}: {said} is {wanted}, and kept is {kept}",
                computed.id,
                self.now.rfc3339(),
            );
            (measure, Some(wanted != json!([]) && wanted != json!(0) && !wanted.is_null()))
        };
        self.compiled.computed.iter().map(check).collect()
    }

    /// Whether the person is in, of each operator, if it is known; and the last answer.
    pub(super) fn check(&mut self, at: &str) -> Vec<(Option<bool>, Option<bool>)> {
        let all: Vec<SegmentId> = self.documents.keys().cloned().collect();
        let known: BTreeMap<SegmentId, Option<bool>> =
            all.into_iter().map(|id| (id.clone(), self.check_one(&id, at))).collect();
        let asked = self.asked.clone().into_iter();
        asked.map(|id| (known[&id], known[&id].and_then(|known| self.answers.insert(id, known)))).collect()
    }

    /// What is answered, what would be if it were asked now, and what the whole
    /// history says have to be one.
    fn check_one(&self, id: &SegmentId, at: &str) -> Option<bool> {
        let memberships = &self.profile.segments.memberships;
        let kept = memberships.get(id).is_some_and(|of| of.holds);
        let person = Person::new(&self.compiled, &self.profile, memberships, self.now);
        let verdict = person.verdict(&self.compiled.segment(id).unwrap().ready.rule);
        let when = &self.documents[id];
        let is_known = verdict.truth != Truth::Unknown;
        assert!(is_known || self.pace.kept.is_some(), "{at}, {id}: {when} is not known");
        if !is_known {
            return None;
        }
        let holds = reference::holds(when, &self.history, self.now);
        let events = self.history.events.iter();
        assert!(
            kept == holds && (verdict.truth == Truth::Yes) == holds,
            "{at}, {id} at {}: it is {holds}, was answered {kept} and now {verdict:?}, until {:?}: {when}\n{:#?}\n{:#?}",
            self.now.rfc3339(),
            self.profile.segments.until.map(Timestamp::rfc3339),
            events.map(|past| (past.at.rfc3339(), past.kind, &past.payload)).collect::<Vec<_>>(),
            self.profile.segments.features,
        );
        Some(holds)
    }
}
