//! Every call of the profile stage and of its sweep as a place to crash, alone
//! and in pairs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_lambda_events::sqs::SqsMessage;
use domain::event::Event;
use domain::identity_request::{IdentityRequest, Work};
use domain::profile::ledger::SPILL_ABOVE;
use domain::profile::stored::{IdentityRow, Owner};
use domain::profile::{Profile, page};
use domain::time::Timestamp;
use profile::{Proper, Stage, Writer};
use testkit::people::Tables;
use testkit::{
    Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock,
};

use super::crowd::{bodies, definitions, event, key, naming, retry_of, start, workspace};
use super::identity_crash_points;
use super::ingest_crash_points;
use super::oracle;
use super::segments_crash_points;
use super::world::{Call, Plan, TestStage, World};

/// What happens at the call at which a try ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The process dies before the call is made.
    NotDone,
    /// The process dies with the call done and its answer not seen.
    Done,
    /// The call is done, its answer is lost, and the function goes on.
    AnswerLost,
    /// The call is not done, an error says so, and the function goes on.
    Refused,
    /// A part of the call is done, an error says so, and the function goes on.
    Part,
}

pub(crate) const ENDS: [End; 4] = [End::NotDone, End::Done, End::AnswerLost, End::Refused];

/// Where a try ends: at which of its calls, and how.
pub(crate) type Point = (usize, End);

const RECEIVES_MAX: u32 = 5;
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// The calls that functions make, and the one that is their last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    made: Arc<Mutex<Vec<&'static str>>>,
    end: Option<Point>,
}

impl Calls {
    pub(crate) fn until(end: Option<Point>) -> Self {
        Self { made: Arc::default(), end }
    }

    pub(crate) fn made(&self) -> Vec<&'static str> {
        self.made.lock().unwrap().clone()
    }

    /// What a port asks at every call. Calls that run side by side with the
    /// last one are not made either: the process is dead.
    pub(crate) fn fates(&self) -> impl FnMut(&'static str) -> Fault + Send + use<> {
        let calls = self.clone();
        move |call| {
            let mut made = calls.made.lock().unwrap();
            if call == "due index" {
                return Fault::None;
            }
            made.push(call);
            match calls.end {
                Some((place, end)) if place + 1 == made.len() => end.fault(),
                Some((place, End::NotDone | End::Done)) if place + 1 < made.len() => Fault::DiesBefore,
                _ => Fault::None,
            }
        }
    }

    fn is_dead(&self) -> bool {
        let dies = |(place, end): (usize, End)| {
            matches!(end, End::NotDone | End::Done) && place < self.made.lock().unwrap().len()
        };
        self.end.is_some_and(dies)
    }

    /// Runs a function until it ends; `None` if it dies.
    pub(crate) fn run<T>(&self, running: impl Future<Output = T>) -> Option<T> {
        let mut running = std::pin::pin!(running);
        let mut context = Context::from_waker(Waker::noop());
        // Ports in memory do not wait: a call that is done is done within a poll.
        loop {
            if let Poll::Ready(ended) = running.as_mut().poll(&mut context) {
                return Some(ended);
            }
            if self.is_dead() {
                return None;
            }
        }
    }
}

impl End {
    const fn fault(self) -> Fault {
        match self {
            Self::NotDone => Fault::DiesBefore,
            Self::Done => Fault::DiesAfter,
            Self::AnswerLost => Fault::AnswerLost,
            Self::Refused => Fault::Refused,
            Self::Part => Fault::Part,
        }
    }
}

/// Every point of so many calls.
pub(crate) fn points(calls: usize) -> impl Iterator<Item = Point> {
    (0..calls).flat_map(|place| ENDS.map(|end| (place, end)))
}

/// What outlives a try.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) people: MemoryPeople,
    pub(crate) definitions: MemoryDefinitions,
    pub(crate) rejections: MemoryRejections,
    pub(crate) letters: MemoryQueue,
    /// What the profile stage sent to identity.
    pub(crate) merges: MemoryQueue,
    pub(crate) clock: TestClock,
}

impl Store {
    pub(crate) fn new(definitions: MemoryDefinitions) -> Self {
        let clock = TestClock::at(start().plus(Timestamp::HOUR));
        let rejections = MemoryRejections::new(clock.clone());
        let (people, letters, merges) =
            (MemoryPeople::default(), MemoryQueue::default(), MemoryQueue::default());
        Self { people, definitions, rejections, letters, merges, clock }
    }

    pub(crate) fn of(tables: &Tables) -> Self {
        let store = Self::new(definitions());
        store.people.alter(|fresh| *fresh = tables.clone());
        store
    }

    pub(crate) fn stage(&self, calls: &Calls) -> TestStage<Proper> {
        let people = Faulty::new(self.people.clone(), calls.fates());
        let definitions = people.sharing(self.definitions.clone());
        let rejections = people.sharing(self.rejections.clone());
        let writer = Writer {
            merges: people.sharing(self.merges.clone()),
            messages: None,
            people,
            clock: self.clock.clone(),
            entropy: SeededEntropy::seeded(1),
            key: key(),
        };
        Stage::new(writer, definitions, rejections)
    }

    /// One delivery that ends at a call, or goes through; says what it called.
    pub(crate) fn deliver(&self, records: &[SqsMessage], end: Option<Point>) -> Vec<&'static str> {
        let calls = Calls::until(end);
        let stage = self.stage(&calls);
        let letters = Faulty::new(self.letters.clone(), calls.fates());
        calls.run(profile::batch::fold(&stage, &letters, records.to_vec(), NEVER, RECEIVES_MAX));
        calls.made()
    }

    /// One sweep that ends at a call, or goes through; says what it called.
    pub(crate) fn sweep(&self, end: Option<Point>) -> Vec<&'static str> {
        let calls = Calls::until(end);
        let stage = self.stage(&calls);
        // One that fails is followed by the next.
        let _ = calls.run(stage.sweep());
        calls.made()
    }

    pub(crate) fn tables(&self) -> Tables {
        self.people.tables()
    }
}

/// Bodies as the queue delivers them the first time.
pub(crate) fn records(bodies: Vec<String>) -> Vec<SqsMessage> {
    let record = |(number, body): (usize, String)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("r{number}"));
        record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
        record.body = Some(body);
        record
    };
    bodies.into_iter().enumerate().map(record).collect()
}

/// The batches of one scenario: what came before, and the batch under test.
struct Scenario {
    before: Vec<SqsMessage>,
    batch: Vec<SqsMessage>,
    /// What is to be folded in the end.
    events: Vec<Event>,
}

/// A known person, a new one, a tie, a group, a ledger that spills, somebody
/// who was erased, and a message that nobody can read.
fn scenario() -> Scenario {
    // The seed is one whose batch makes every call that the stage can make.
    let chance = SeededEntropy::seeded(13);
    let events: Vec<Event> = (0..60).map(|number| event(&chance, number)).collect();
    let (early, late) = events.split_at(40);
    let busy = busy();
    // The oldest of all comes last, when the ledger is full.
    let (oldest, rest) = busy.split_at(2);
    let (before, after) = rest.split_at(SPILL_ABOVE);
    let early = [early, before].concat();
    let again: Vec<Event> = early.iter().step_by(7).map(|event| retry_of(event, 1_000)).collect();
    let mut batch = bodies([late, oldest, after, &again, &[of_erased()]].concat());
    batch.push("rubbish".to_owned());
    Scenario { before: records(bodies(early)), batch: records(batch), events: [events, busy].concat() }
}

/// More events of one person than a ledger has room for.
fn busy() -> Vec<Event> {
    let count = i64::try_from(SPILL_ABOVE).unwrap() + 4;
    (0..count).map(|number| naming(1_000 + number, &[("user_id", "busy")])).collect()
}

fn of_erased() -> Event {
    let identifier = domain::identifier::Identifier::parse("user_id", "erased", None).unwrap();
    let event = event(&SeededEntropy::seeded(1), 2_000);
    Event { identifiers: vec![identifier], as_sent: "erased".to_owned(), ..event }
}

#[test]
fn the_scenario_spills_a_ledger_and_asks_its_pages() {
    let scenario = scenario();
    let store = Store::of(&prepared(&scenario));
    let pages = |store: &Store| {
        store.tables().items.keys().filter(|(_, _, item)| item.0.starts_with("ledger#")).count()
    };
    let before = pages(&store);
    store.deliver(&scenario.batch, None);
    assert!(pages(&store) > before, "the batch is to spill");
    let again = store.deliver(&scenario.batch, None);
    assert!(again.contains(&"items"), "a repetition is to ask the pages: {again:?}");
}

fn prepared(scenario: &Scenario) -> Tables {
    let store = Store::new(definitions());
    store.people.alter(|tables| {
        let row = IdentityRow { owner: Owner::Erased(start().plus(Timestamp::DAY)), generation: 0 };
        let place = key().identifier(&workspace(), &of_erased().identifiers[0]);
        tables.identities.insert((workspace(), place), row);
    });
    store.deliver(&scenario.before, None);
    store.tables()
}

/// Delivers once more, sweeps, and compares with a sequential reading.
fn settled(store: &Store, scenario: &Scenario) -> Result<(), String> {
    store.deliver(&scenario.batch, None);
    store.sweep(None);
    if store.letters.sent().is_empty() {
        return Err("the message that nobody can read is gone".to_owned());
    }
    let events: Vec<&Event> = scenario.events.iter().collect();
    oracle::effects(&store.tables(), &events)?;
    oracle::check(&store.tables(), &scenario.events)
}

/// Every tie that was recorded since was sent to identity, too.
fn requested(store: &Store, since: &Tables) -> Result<(), String> {
    let requests =
        store.merges.sent().into_iter().map(|sent| IdentityRequest::unpack(&sent.body).unwrap().work);
    let asked: BTreeSet<u64> = requests
        .filter_map(|work| if let Work::Merge(tie) = work { Some(tie.mark()) } else { None })
        .collect();
    let tables = store.tables();
    let new = tables.items.iter().filter(|(place, _)| !since.items.contains_key(place));
    let ties = new.filter(|((.., item), _)| item.0.starts_with("tie#"));
    let marks: BTreeSet<u64> = ties.map(|(_, body)| page::read_tie(body).unwrap().mark()).collect();
    match (marks.len(), marks.difference(&asked).count()) {
        (0, _) => Err("no tie was recorded".to_owned()),
        (_, 0) => Ok(()),
        (_, count) => Err(format!("{count} ties were cleared and never sent")),
    }
}

/// A store that a crash left with something in an outbox, which no redelivery
/// carries out: that is the sweep's.
fn due(scenario: &Scenario) -> Tables {
    let prepared = prepared(scenario);
    let count = Store::of(&prepared).deliver(&scenario.batch, None).len();
    let after = |place| {
        let store = Store::of(&prepared);
        store.deliver(&scenario.batch, Some((place, End::Done)));
        store.deliver(&scenario.batch, None);
        store.tables()
    };
    (0..count).map(after).find(is_due).unwrap()
}

fn is_due(tables: &Tables) -> bool {
    tables.profiles.values().any(|stored| !Profile::decode(&stored.body).unwrap().outbox.is_empty())
}

/// Every call of the profile stage that has crash points here.
fn covered() -> BTreeSet<Call> {
    let scenario = scenario();
    let batch = Store::of(&prepared(&scenario)).deliver(&scenario.batch, None);
    let sweep = Store::of(&due(&scenario)).sweep(None);
    batch.into_iter().chain(sweep).map(|call| ("profile", call)).collect()
}

#[test]
fn every_call_that_the_storm_records_has_crash_points() {
    let (mut recorded, mut statuses) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..5 {
        let mut world = World::<Proper, ingest::Proper>::new(&Plan { seed, ..Plan::default() });
        world.run().unwrap();
        recorded.extend(world.calls());
        statuses.extend(world.statuses());
    }
    let others = ingest_crash_points::covered().into_iter().chain(identity_crash_points::covered());
    let others = others.chain(segments_crash_points::covered());
    let covered: BTreeSet<Call> = covered().into_iter().chain(others).collect();
    let without: Vec<&Call> = recorded.difference(&covered).collect();
    assert!(without.is_empty(), "no crash point at {without:?}");
    assert_eq!(statuses, BTreeSet::from([200, 429, 503]), "the storm is to see every answer");
    println!("{} kinds of calls: {recorded:?}", recorded.len());
}

#[test]
fn a_crash_at_any_call_then_redelivery_gives_what_a_sequential_fold_gives() {
    let scenario = scenario();
    let prepared = prepared(&scenario);
    let calls = Store::of(&prepared).deliver(&scenario.batch, None);
    let events: Vec<&Event> = scenario.events.iter().collect();
    for (place, end) in points(calls.len()) {
        let store = Store::of(&prepared);
        let made = store.deliver(&scenario.batch, Some((place, end)));
        assert_eq!(
            made.get(..=place),
            calls.get(..=place),
            "the try comes as far as {end:?} at call {place}"
        );
        let at = format!("{end:?} at call {place}, `{}`", calls[place]);
        assert_eq!(oracle::invariants(&store.tables()), Ok(()), "{at}");
        assert_eq!(oracle::effects(&store.tables(), &events), Ok(()), "{at}");
        assert_eq!(settled(&store, &scenario), Ok(()), "{at}");
        assert_eq!(requested(&store, &prepared), Ok(()), "{at}");
    }
    println!("{} calls, {} crash points", calls.len(), calls.len() * ENDS.len());
}

#[test]
fn a_crash_at_any_call_of_the_first_try_and_any_of_the_second_is_mended_by_the_third() {
    let scenario = scenario();
    let prepared = prepared(&scenario);
    let count = Store::of(&prepared).deliver(&scenario.batch, None).len();
    // From one state a try goes on in one way: each state is tried once.
    let (mut tried, mut ended): (Vec<(Tables, usize)>, Vec<Tables>) = (Vec::new(), Vec::new());
    let (mut pairs, mut runs) = (0, 0);
    for first in points(count) {
        let store = Store::of(&prepared);
        store.deliver(&scenario.batch, Some(first));
        let after_first = store.tables();
        if let Some((_, points)) = tried.iter().find(|(tables, _)| *tables == after_first) {
            pairs += points;
            continue;
        }
        let again = Store::of(&after_first).deliver(&scenario.batch, None).len();
        for second in points(again) {
            let store = Store::of(&after_first);
            store.deliver(&scenario.batch, Some(second));
            runs += 1;
            if ended.contains(&store.tables()) {
                continue;
            }
            ended.push(store.tables());
            assert_eq!(settled(&store, &scenario), Ok(()), "{first:?}, then {second:?}");
        }
        pairs += again * ENDS.len();
        tried.push((after_first, again * ENDS.len()));
    }
    println!("{pairs} pairs of crash points, {runs} that differ, {} states after them", ended.len());
}

#[test]
fn a_crash_at_any_call_of_a_sweep_is_mended_by_the_next() {
    let scenario = scenario();
    let due = due(&scenario);
    let count = Store::of(&due).sweep(None).len();
    let mut ended: Vec<Tables> = Vec::new();
    for first in points(count) {
        let store = Store::of(&due);
        store.sweep(Some(first));
        assert_eq!(oracle::invariants(&store.tables()), Ok(()), "{first:?}");
        for second in points(count) {
            let again = Store::of(&store.tables());
            again.sweep(Some(second));
            if ended.contains(&again.tables()) {
                continue;
            }
            ended.push(again.tables());
            // What could not be carried out is looked at again after a while.
            again.clock.advance(Timestamp::HOUR);
            assert_eq!(settled(&again, &scenario), Ok(()), "{first:?}, then {second:?}");
        }
    }
    println!("{count} calls of a sweep, {} pairs of crash points", (count * ENDS.len()).pow(2));
}

#[test]
fn a_crash_is_before_or_after_its_call_and_nothing_comes_behind_it() {
    let scenario = scenario();
    let prepared = prepared(&scenario);
    let calls = Store::of(&prepared).deliver(&scenario.batch, None);
    let save = calls.iter().position(|call| *call == "save").unwrap();
    let profiles = |end| {
        let store = Store::of(&prepared);
        store.deliver(&scenario.batch, Some((save, end)));
        let before: BTreeSet<_> = prepared.profiles.values().map(|stored| stored.version.counter).collect();
        let changed = |(place, stored): (&_, &_)| prepared.profiles.get(place) != Some(stored);
        let tables = store.tables();
        assert!(!before.is_empty());
        tables.profiles.iter().filter(|(place, stored)| changed((*place, *stored))).count()
    };
    assert_eq!(profiles(End::NotDone), 0);
    assert_eq!(profiles(End::Done), 1);
}
