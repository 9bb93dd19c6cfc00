//! A queue, a store and workers that crash, race and repeat, from one seed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::message::Message;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Clock as _;
use ports::definitions::{Source, Workspace};
use profile::{Conduct, Stage};
use runtime::Failure;
use serde_json::json;
use testkit::{Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryRejections, SeededEntropy, TestClock};

pub(crate) type TestStage<X> =
    Stage<Faulty<MemoryPeople>, MemoryDefinitions, Faulty<MemoryRejections>, TestClock, SeededEntropy, X>;
type Verdicts = Vec<Result<(), Failure>>;
type Running = Pin<Box<dyn Future<Output = Verdicts>>>;

/// Steps after which a run that has not ended is called a livelock.
const STEPS_MAX: usize = 200_000;
/// Workers that run at once.
const WORKERS: usize = 4;
/// In a thousand calls, how many meet a fault.
const FAULTS: u64 = 60;

pub(crate) struct World<X: Conduct> {
    chance: SeededEntropy,
    pub(crate) clock: TestClock,
    pub(crate) people: MemoryPeople,
    stage: Arc<TestStage<X>>,
    pub(crate) events: Vec<Event>,
    queue: VecDeque<String>,
    late: Vec<String>,
    live: Vec<(Vec<String>, Running)>,
    steps: usize,
    calm: Arc<std::sync::atomic::AtomicBool>,
}

pub(crate) fn key() -> IdKey {
    IdKey::new([9; IdKey::LENGTH])
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

/// No limit is hit, so that the partition may not depend on order.
pub(crate) fn definitions() -> MemoryDefinitions {
    let definitions = MemoryDefinitions::default();
    let source = |name: &str| Source {
        id: SourceId::parse(name).unwrap(),
        region: None,
        origins: Vec::new(),
        rate: 1_000,
    };
    let rules = Rules { limits: Vec::new(), limit_default: 1_000, ..Rules::default() };
    definitions.define(Workspace { id: workspace(), rules, sources: vec![source("web"), source("crm")] });
    definitions
}

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap()
}

pub(crate) fn draw(chance: &SeededEntropy, below: u64) -> u64 {
    chance.number() % below.max(1)
}

pub(crate) fn pick(chance: &SeededEntropy, length: usize) -> usize {
    usize::try_from(draw(chance, length as u64)).unwrap()
}

/// One event of a small crowd: a few people with devices, cards and addresses
/// that some of their events tie together.
pub(crate) fn event(chance: &SeededEntropy, number: usize) -> Event {
    let person = draw(chance, 3);
    let mut identifiers = Vec::new();
    let mut add =
        |kind: &str, value: String| identifiers.push(Identifier::parse(kind, &value, None).unwrap());
    match draw(chance, 10) {
        0..=3 => add("anonymous_id", format!("a{person}{}", draw(chance, 2))),
        4..=6 => add("user_id", format!("u{person}")),
        7 => {
            add("user_id", format!("u{person}"));
            add("anonymous_id", format!("a{person}{}", draw(chance, 2)));
        }
        8 => {
            add("email", format!("p{person}@example.com"));
            add("loyalty_card", format!("c{person}"));
        }
        _ => {
            add("user_id", format!("u{person}"));
            add("email", format!("p{person}@example.com"));
        }
    }
    Rules::default().sort(&mut identifiers);
    let (kind, payload) = payload(chance);
    // Few distinct moments, so that equal times are ordinary.
    let client = start().plus(i64::try_from(draw(chance, 40)).unwrap() * 1_000);
    let timeless = draw(chance, 20) == 0;
    let as_sent: Vec<&str> = identifiers.iter().map(Identifier::value).collect();
    Event {
        source: SourceId::parse(if draw(chance, 3) == 0 { "crm" } else { "web" }).unwrap(),
        message_id: format!("m{number}"),
        kind,
        as_sent: as_sent.join("\u{1f}"),
        identifiers,
        rules: 1,
        client_time: if timeless { ClientTime::Absent(client) } else { ClientTime::Sent(client) },
        event_time: client,
        received_at: client,
        payload: payload.to_string(),
    }
}

fn payload(chance: &SeededEntropy) -> (EventKind, serde_json::Value) {
    match draw(chance, 6) {
        0 => (
            EventKind::Identify,
            json!({"traits": {"plan": draw(chance, 3), "address": {"city": draw(chance, 2)}}}),
        ),
        1 => (EventKind::Identify, json!({"traits": {"plan": null, "address": "none"}})),
        2 => (EventKind::Page, json!({"context": {"campaign": {"name": format!("c{}", draw(chance, 3))}}})),
        3 => (EventKind::Group, json!({"groupId": "g", "traits": {"size": draw(chance, 5)}})),
        4 => (EventKind::Alias, json!({})),
        _ => (
            EventKind::Track,
            json!({"event": "Order Completed", "properties": {"revenue": draw(chance, 1_000)}}),
        ),
    }
}

/// A retry as SDKs make it: the same message id and timestamp, sent later,
/// in another batch. Only what the edge saw differs.
pub(crate) fn retry_of(event: &Event, later: i64) -> Event {
    Event { received_at: event.received_at.plus(later), ..event.clone() }
}

pub(crate) fn bodies(events: Vec<Event>) -> Vec<String> {
    Message { workspace: workspace(), trace: "t".to_owned(), events }.pack()
}

impl<X: Conduct> World<X> {
    pub(crate) fn seeded(seed: u64) -> Self {
        let chance = SeededEntropy::seeded(seed);
        let clock = TestClock::at(start().plus(Timestamp::HOUR));
        let people = MemoryPeople::default();
        let calm = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (fate, calms) = (SeededEntropy::seeded(seed ^ 0xfa7e), Arc::clone(&calm));
        let store = Faulty::new(people.clone(), move |call| {
            if calms.load(std::sync::atomic::Ordering::SeqCst) { Fault::None } else { fault(&fate, call) }
        });
        let rejections = store.sharing(MemoryRejections::new(clock.clone()));
        let entropy = SeededEntropy::seeded(seed ^ 0xe27);
        let stage = Stage::new(store, definitions(), rejections, clock.clone(), entropy, key());
        let count = 60 + pick(&chance, 120);
        let events: Vec<Event> = (0..count).map(|number| event(&chance, number)).collect();
        let mut world = Self {
            chance,
            clock,
            people,
            stage: Arc::new(stage),
            events,
            queue: VecDeque::new(),
            late: Vec::new(),
            live: Vec::new(),
            steps: 0,
            calm,
        };
        world.fill();
        world
    }

    /// Every event once, and about one in three again, most within minutes,
    /// some up to 30 days late; in batches of their own, in any order.
    fn fill(&mut self) {
        let mut soon: Vec<Event> = self.events.clone();
        let mut late = Vec::new();
        for event in &self.events {
            match draw(&self.chance, 6) {
                0 => soon.push(retry_of(event, 1_000 + i64::try_from(draw(&self.chance, 300_000)).unwrap())),
                1 => late
                    .push(retry_of(event, i64::try_from(draw(&self.chance, 30)).unwrap() * Timestamp::DAY)),
                _ => (),
            }
        }
        shuffle(&self.chance, &mut soon);
        shuffle(&self.chance, &mut late);
        self.queue = self.batches(soon).into();
        self.late = self.batches(late);
    }

    fn batches(&self, mut events: Vec<Event>) -> Vec<String> {
        let mut batches = Vec::new();
        while !events.is_empty() {
            let size = 1 + pick(&self.chance, 6);
            let rest = events.split_off(size.min(events.len()));
            batches.extend(bodies(std::mem::replace(&mut events, rest)));
        }
        batches
    }

    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// The storm, the late copies, then calm: everything ends and is compared.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.storm()?;
        self.clock.advance(30 * Timestamp::DAY);
        self.queue = std::mem::take(&mut self.late).into();
        self.storm()?;
        self.calm.store(true, std::sync::atomic::Ordering::SeqCst);
        self.clock.advance(Timestamp::HOUR);
        let swept = finish(self.stage.writer.sweep());
        if let Err(failure) = swept {
            return Err(format!("a calm sweep failed: {failure:?}"));
        }
        super::oracle::check(&self.people.tables(), &self.events)
    }

    fn storm(&mut self) -> Result<(), String> {
        while !(self.queue.is_empty() && self.live.is_empty()) {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("livelock".to_owned());
            }
            self.step();
            if self.steps.is_multiple_of(16) {
                super::oracle::invariants(&self.people.tables())?;
            }
        }
        Ok(())
    }

    fn step(&mut self) {
        let start = self.live.len() < WORKERS && !self.queue.is_empty() && draw(&self.chance, 4) == 0;
        if start || self.live.is_empty() {
            return self.receive();
        }
        let place = pick(&self.chance, self.live.len());
        if draw(&self.chance, 200) == 0 {
            // A crash: the records come back when their visibility ends.
            let (records, _) = self.live.swap_remove(place);
            self.queue.extend(records);
            return;
        }
        if draw(&self.chance, 50) == 0 {
            self.clock.advance(20_000);
            let stage = Arc::clone(&self.stage);
            self.live.push((
                Vec::new(),
                Box::pin(async move {
                    // A sweep that fails is followed by the next one.
                    stage.writer.sweep().await.map_or_else(|_| Vec::new(), |_| Vec::new())
                }),
            ));
        }
        self.poll(place);
    }

    fn receive(&mut self) {
        let count = (1 + pick(&self.chance, 3)).min(self.queue.len());
        let mut records = Vec::new();
        for _ in 0..count {
            let place = pick(&self.chance, self.queue.len());
            records.extend(self.queue.remove(place));
        }
        if draw(&self.chance, 30) == 0 {
            // The queue delivers at least once: sometimes twice.
            self.queue.extend(records.iter().cloned());
        }
        if records.is_empty() {
            return;
        }
        let stage = Arc::clone(&self.stage);
        let bodies = records.clone();
        self.live.push((
            records,
            Box::pin(async move {
                let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
                stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)).await
            }),
        ));
    }

    fn poll(&mut self, place: usize) {
        let Some((_, running)) = self.live.get_mut(place) else { return };
        let Poll::Ready(verdicts) = running.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return;
        };
        let (records, _) = self.live.swap_remove(place);
        for (record, verdict) in records.into_iter().zip(verdicts) {
            if verdict.is_err() {
                self.queue.push_back(record);
            }
        }
    }
}

fn fault(fate: &SeededEntropy, call: &str) -> Fault {
    if draw(fate, 1_000) >= FAULTS {
        return Fault::None;
    }
    match (call, draw(fate, 4)) {
        ("due index", _) => Fault::Lagging,
        ("save" | "replace", 0) => Fault::Conflict,
        (_, 1 | 2) => Fault::AnswerLost,
        _ => Fault::Refused,
    }
}

fn shuffle<T>(chance: &SeededEntropy, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, pick(chance, last + 1));
    }
}

/// Runs a future over ports that never really wait.
pub(crate) fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

impl<X: Conduct> std::fmt::Debug for World<X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World at {}", self.clock.now().rfc3339())
    }
}
