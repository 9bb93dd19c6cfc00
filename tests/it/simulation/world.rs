//! Senders, a queue, a store, and functions that crash, race and repeat, all
//! from one seed.

mod tale;
mod senders;
mod merges;
mod walks;

pub(crate) use tale::{Call, Plan};

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use domain::identity_request::IdentityRequest;
use domain::message::Message;
use domain::rules::Rules;
use domain::segment::fill::Request;
use domain::time::Timestamp;
use ingest::Ingest;
use ports::Clock as _;
use profile::{Stage, Writer};
use runtime::definitions::Cached;
use testkit::{
    Faulty, MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock,
};

use super::chance::Chance;
use super::crowd::{Said, all_said, defined, definitions, draw, key, message_id, start};
use super::{oracle, segments};
use senders::Post;
use tale::Tale;

pub(crate) type TestStage<X> = Stage<
    Faulty<MemoryPeople>,
    Faulty<MemoryDefinitions>,
    Faulty<MemoryRejections>,
    Faulty<MemoryQueue>,
    TestClock,
    SeededEntropy,
    X,
>;
pub(crate) type TestIdentity = identity::Stage<
    Faulty<MemoryPeople>,
    Faulty<MemoryDefinitions>,
    Faulty<MemoryRejections>,
    TestClock,
    SeededEntropy,
>;
pub(crate) type TestSegments = ::segments::Stage<
    Faulty<MemoryPeople>,
    Faulty<MemoryDefinitions>,
    Faulty<MemoryQueue>,
    TestClock,
    SeededEntropy,
>;
pub(crate) type TestIngest<Y> = Ingest<
    Faulty<MemoryDefinitions>,
    Faulty<MemoryQueue>,
    Faulty<MemoryRejections>,
    TestClock,
    SeededEntropy,
    Y,
>;
/// What a run is called that has not ended after its steps.
pub(crate) const LIVELOCK: &str = "livelock";
/// Steps after which a run is called that.
const STEPS_MAX: usize = 200_000;
/// Batches that are folded at once.
const BATCHES: usize = 4;
/// Requests that are answered at once.
const POSTS: usize = 3;
/// Instances of ingest, each with its own memory of keys and its own limiter.
const DOORS: usize = 2;
/// Requests a second that a door takes of a source: some are throttled.
const RATE: u32 = 2;
/// Receives after which a record goes to the dead letters: some do.
const RECEIVES_MAX: u32 = 6;
/// What a function may take for a batch.
const BATCH_TIME: i64 = 60 * Timestamp::SECOND;

enum Live {
    Batch { of: Stop, records: Vec<SqsMessage>, running: Pin<Box<dyn Future<Output = SqsBatchResponse>>> },
    Sweep { running: Pin<Box<dyn Future<Output = ()>>> },
    Post { post: Post, running: Pin<Box<dyn Future<Output = ApiGatewayV2httpResponse>>> },
}

/// A queue and the stage that it feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Profile,
    Identity,
    Segments,
}

pub(crate) struct World<X = profile::Proper, Y = ingest::Proper> {
    seed: u64,
    steps: Chance,
    fates: Chance,
    tale: Tale,
    clock: TestClock,
    people: MemoryPeople,
    definitions: MemoryDefinitions,
    /// Those of the stage, with segments.
    known: MemoryDefinitions,
    rejections: MemoryRejections,
    /// Between ingest and the profile stage; what it took is moved to `records`.
    queue: MemoryQueue,
    dead_letters: MemoryQueue,
    letters: Faulty<MemoryQueue>,
    stage: Arc<TestStage<X>>,
    /// Between the profile stage and identity; what it took is moved to `requests`.
    merges: MemoryQueue,
    requests: VecDeque<SqsMessage>,
    identity: Arc<TestIdentity>,
    merge_letters: Faulty<MemoryQueue>,
    /// Between the sweep and the segments stage; what it took is moved to `walks`.
    parts: MemoryQueue,
    sent_parts: Faulty<MemoryQueue>,
    walks: VecDeque<SqsMessage>,
    segments: Arc<TestSegments>,
    doors: Vec<Arc<TestIngest<Y>>>,
    said: Vec<Said>,
    /// What is still to be sent, and what is to be sent again.
    waiting: VecDeque<usize>,
    late: Vec<usize>,
    is_month_later: bool,
    answered: BTreeSet<usize>,
    accepted: BTreeSet<usize>,
    records: VecDeque<SqsMessage>,
    live: Vec<Live>,
    count: usize,
    steps_max: usize,
    doors_opened: u64,
    /// Messages that the queue took, for their ids.
    sent: u64,
}

/// How a function ended.
enum Ended {
    Swept,
    Settled(SqsBatchResponse),
    Answered(Box<ApiGatewayV2httpResponse>),
}

impl Live {
    fn poll(&mut self) -> Poll<Ended> {
        let mut context = Context::from_waker(Waker::noop());
        match self {
            Self::Sweep { running } => running.as_mut().poll(&mut context).map(|()| Ended::Swept),
            Self::Batch { running, .. } => running.as_mut().poll(&mut context).map(Ended::Settled),
            Self::Post { running, .. } => {
                running.as_mut().poll(&mut context).map(|response| Ended::Answered(Box::new(response)))
            }
        }
    }
}

impl<X: profile::Conduct, Y: ingest::Conduct> World<X, Y> {
    pub(crate) fn new(plan: &Plan) -> Self {
        let seed = plan.seed;
        let steps = Chance::new(seed, plan.steps.clone());
        let fates = Chance::new(seed ^ 0xfa7e, plan.fates.clone());
        let tale = Tale { is_told: plan.is_told, ..Tale::default() };
        let clock = TestClock::at(start().plus(Timestamp::HOUR));
        let people = MemoryPeople::default();
        let rejections = MemoryRejections::new(clock.clone());
        let store = Faulty::new(people.clone(), tale.fates("profile", &fates));
        let dead_letters = MemoryQueue::default();
        let letters = store.sharing(dead_letters.clone());
        let merges = MemoryQueue::default();
        let writer = Writer {
            people: store.clone(),
            merges: store.sharing(merges.clone()),
            messages: None,
            clock: clock.clone(),
            entropy: SeededEntropy::seeded(seed ^ 0xe27),
            key: key(),
        };
        let known = segments::with_segments(definitions());
        let stage = Stage::new(writer, store.sharing(known.clone()), store.sharing(rejections.clone()));
        let merger = Faulty::new(people.clone(), tale.fates("identity", &fates));
        let identity = identity::Stage {
            definitions: merger.sharing(definitions()),
            rejections: merger.sharing(rejections.clone()),
            clock: clock.clone(),
            entropy: SeededEntropy::seeded(seed ^ 0x1de),
            key: key(),
            people: merger.clone(),
        };
        let (parts, walker) =
            (MemoryQueue::default(), Faulty::new(people.clone(), tale.fates("segments", &fates)));
        let sent_parts = store.sharing(parts.clone());
        let backfill = ::segments::Stage {
            writer: Writer {
                people: walker.clone(),
                merges: walker.sharing(merges.clone()),
                messages: None,
                clock: clock.clone(),
                entropy: SeededEntropy::seeded(seed ^ 0x5e9),
                key: key(),
            },
            definitions: Cached::new(walker.sharing(known.clone())),
        };
        let crowd = SeededEntropy::seeded(seed ^ 0xc0de);
        let said = all_said(plan.crowd, &crowd);
        let is_sent = |number: &usize| !plan.without.contains(number);
        let late: Vec<usize> = (0..said.len()).filter(|_| draw(&crowd, 6) == 0).collect();
        let late = late.into_iter().filter(is_sent).collect();
        let rules = Rules { limits: Vec::new(), limit_default: 1_000, ..Rules::default() };
        let mut world = Self {
            seed,
            steps,
            fates,
            tale,
            clock,
            people,
            definitions: defined(rules, RATE),
            known,
            rejections,
            queue: MemoryQueue::default(),
            dead_letters: dead_letters.clone(),
            letters,
            stage: Arc::new(stage),
            merges,
            requests: VecDeque::new(),
            identity: Arc::new(identity),
            merge_letters: merger.sharing(dead_letters),
            parts,
            sent_parts,
            walks: VecDeque::new(),
            segments: Arc::new(backfill),
            doors: Vec::new(),
            waiting: (0..said.len()).filter(is_sent).collect(),
            said,
            late,
            is_month_later: false,
            answered: BTreeSet::new(),
            accepted: BTreeSet::new(),
            records: VecDeque::new(),
            live: Vec::new(),
            count: 0,
            steps_max: plan.steps_max.unwrap_or(STEPS_MAX),
            doors_opened: 0,
            sent: 0,
        };
        world.doors = (0..DOORS).map(|_| world.door()).collect();
        world
    }

    /// A cold instance of ingest.
    fn door(&mut self) -> Arc<TestIngest<Y>> {
        self.doors_opened += 1;
        let entropy = SeededEntropy::seeded(self.seed ^ (self.doors_opened << 32));
        let queue = Faulty::new(self.queue.clone(), self.tale.fates("ingest", &self.fates));
        let definitions = queue.sharing(self.definitions.clone());
        let rejections = queue.sharing(self.rejections.clone());
        Arc::new(Ingest::conducted(definitions, queue, rejections, self.clock.clone(), entropy))
    }

    /// The storm, the copies of a month later, then calm: everything ends and
    /// is compared.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.storm()?;
        self.clock.advance(30 * Timestamp::DAY);
        self.is_month_later = true;
        self.waiting = std::mem::take(&mut self.late).into();
        self.tale.line(|| format!("a month later {} of them come again", self.waiting.len()));
        self.storm()?;
        self.tale.calm.store(true, Ordering::SeqCst);
        self.clock.advance(Timestamp::HOUR);
        self.calm()?;
        let tables = self.people.tables();
        let brought = oracle::brought(&tables, &self.said, &self.answered)?;
        oracle::effects(&tables, &brought.iter().collect::<Vec<_>>())?;
        oracle::check(&tables, &brought)?;
        segments::check(&tables, self.clock.now())?;
        oracle::one_profile_a_person(&tables, &brought)
    }

    fn storm(&mut self) -> Result<(), String> {
        loop {
            while !(self.waiting.is_empty() && self.is_idle()) {
                self.count += 1;
                if self.count > self.steps_max {
                    return Err(LIVELOCK.to_owned());
                }
                self.step()?;
                if self.count.is_multiple_of(16) {
                    self.check_step()?;
                }
            }
            let letters = self.dead_letters.take();
            if letters.is_empty() {
                return Ok(());
            }
            self.redrive(letters)?;
        }
    }

    fn check_step(&self) -> Result<(), String> {
        let tables = self.people.tables();
        oracle::invariants(&tables)?;
        let events: Vec<_> = self.said.iter().filter_map(|said| said.meant.as_ref().ok()).collect();
        oracle::effects(&tables, &events)
    }

    /// An operator puts the dead letters back; nothing right may be among the
    /// rejected.
    fn redrive(&mut self, letters: Vec<ports::queue::Outgoing>) -> Result<(), String> {
        self.tale.line(|| format!("{} dead letters are put back", letters.len()));
        for letter in letters {
            let of = |name: &str| {
                letter.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            };
            if of("fate") != Some("given_up") {
                return Err(format!("a right message was rejected: {:?}", of("reason")));
            }
            let queue = if IdentityRequest::unpack(&letter.body).is_ok() {
                Stop::Identity
            } else if Request::unpack(&letter.body).is_ok() {
                Stop::Segments
            } else {
                Stop::Profile
            };
            self.push_record(queue, letter.body);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        let count = |is: fn(&Live) -> bool| self.live.iter().filter(|live| is(live)).count();
        let posts = count(|live| matches!(live, Live::Post { .. }));
        let sweeps = count(|live| matches!(live, Live::Sweep { .. }));
        let folds = count(|live| matches!(live, Live::Batch { of: Stop::Profile, .. }));
        let may_post = posts < POSTS && !self.waiting.is_empty();
        let may_receive = folds < BATCHES && !self.records.is_empty();
        match self.steps.rarely(450, 100) {
            1..=30 if may_post => self.post(),
            31..=70 if may_receive => self.receive(),
            71..=85 if self.may_merge() => self.merge(),
            86..=89 if sweeps < 2 => self.sweep(),
            90..=91 => self.crash(),
            92 => self.lose_patience(),
            93..=100 => self.clock.advance(250),
            101..=110 if self.may_walk() => self.walk(),
            _ if self.live.is_empty() && may_post => self.post(),
            _ if self.live.is_empty() && !self.records.is_empty() => self.receive(),
            _ if self.live.is_empty() && !self.requests.is_empty() => self.merge(),
            _ if self.live.is_empty() => self.walk(),
            _ => return self.poll(),
        }
        Ok(())
    }

    fn receive(&mut self) {
        let records = self.take(Stop::Profile);
        if records.is_empty() {
            return;
        }
        self.tale.line(|| format!("profile takes {}", held(&records)));
        let (stage, letters) = (Arc::clone(&self.stage), self.letters.clone());
        let (taken, deadline) = (records.clone(), self.clock.now().plus(BATCH_TIME));
        let running =
            Box::pin(
                async move { profile::batch::fold(&stage, &letters, taken, deadline, RECEIVES_MAX).await },
            );
        self.live.push(Live::Batch { of: Stop::Profile, records, running });
    }

    /// Some of what lies in a queue, in any order.
    fn take(&mut self, of: Stop) -> Vec<SqsMessage> {
        let queue = match of {
            Stop::Profile => &mut self.records,
            Stop::Identity => &mut self.requests,
            Stop::Segments => &mut self.walks,
        };
        let count = (1 + self.steps.pick(3)).min(queue.len());
        let mut records = Vec::new();
        for _ in 0..count {
            let place = self.steps.pick(queue.len());
            records.extend(queue.remove(place));
        }
        if !records.is_empty() && self.steps.sometimes(33) {
            // The queue delivers at least once: sometimes twice.
            self.tale.line(|| format!("the queue doubles {}", held(&records)));
            queue.extend(records.iter().cloned());
        }
        for record in &mut records {
            let receives = 1 + runtime::sqs::letter::receives(record);
            record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
        }
        records
    }

    fn sweep(&mut self) {
        self.clock.advance(20 * Timestamp::SECOND);
        self.tale.line(|| "a sweep begins".to_owned());
        let (stage, parts, clock) = (Arc::clone(&self.stage), self.sent_parts.clone(), self.clock.clone());
        // A sweep that fails is followed by the next one.
        let running = Box::pin(async move {
            drop(stage.sweep().await);
            drop(profile::fill::send(&stage.definitions, &parts, &clock).await);
        });
        self.live.push(Live::Sweep { running });
    }

    /// A function dies where it is. Records come back when their visibility
    /// ends; a sender whose connection breaks sends again.
    fn crash(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let place = self.steps.pick(self.live.len());
        match self.live.swap_remove(place) {
            Live::Sweep { .. } => self.tale.line(|| "a sweep dies".to_owned()),
            Live::Batch { of, records, .. } => {
                self.tale.line(|| format!("{of:?} dies with {}", held(&records)));
                self.back(of, records);
            }
            Live::Post { post, .. } => {
                self.tale.line(|| format!("ingest dies with {}", named(&post.numbers)));
                self.doors[post.door] = self.door();
                if post.is_awaited {
                    self.waiting.extend(post.numbers);
                }
            }
        }
    }

    fn poll(&mut self) -> Result<(), String> {
        let place = self.steps.pick(self.live.len());
        let polled = self.live[place].poll();
        for sent in self.queue.take() {
            self.accepted.extend(numbers_in(&sent.body)?);
            self.push_record(Stop::Profile, sent.body);
        }
        for sent in self.merges.take() {
            self.push_record(Stop::Identity, sent.body);
        }
        for sent in self.parts.take() {
            self.push_record(Stop::Segments, sent.body);
        }
        let Poll::Ready(ended) = polled else { return Ok(()) };
        match (self.live.swap_remove(place), ended) {
            (Live::Batch { of, records, .. }, Ended::Settled(settled)) => {
                self.settle(of, records, &settled);
            }
            (Live::Post { post, .. }, Ended::Answered(response)) => return self.hear(post, &response),
            _ => (),
        }
        Ok(())
    }

    /// What is not reported as failed is deleted.
    fn settle(&mut self, of: Stop, records: Vec<SqsMessage>, settled: &SqsBatchResponse) {
        let failed: BTreeSet<&str> =
            settled.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
        let came_back =
            |record: &SqsMessage| record.message_id.as_deref().is_some_and(|id| failed.contains(id));
        self.back(of, records.into_iter().filter(came_back).collect());
    }

    fn back(&mut self, to: Stop, records: Vec<SqsMessage>) {
        match to {
            Stop::Profile => self.records.extend(records),
            Stop::Identity => self.requests.extend(records),
            Stop::Segments => self.walks.extend(records),
        }
    }

    fn push_record(&mut self, to: Stop, body: String) {
        let mut record = SqsMessage::default();
        self.sent += 1;
        record.message_id = Some(format!("r{}", self.sent));
        record.attributes.insert("ApproximateReceiveCount".to_owned(), "0".to_owned());
        record.body = Some(body);
        self.back(to, vec![record]);
    }
}

impl<X, Y> World<X, Y> {
    pub(crate) const fn steps(&self) -> usize {
        self.count
    }

    /// The decisions of the run so far, as a plan that repeats it.
    pub(crate) fn plan(&self, plan: &Plan) -> Plan {
        Plan { steps: Some(self.steps.made()), fates: Some(self.fates.made()), ..plan.clone() }
    }

    pub(crate) fn crowd(&self) -> usize {
        self.said.len()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.tale.lines.lock().unwrap().clone()
    }

    /// Every status that ingest answered with.
    pub(crate) fn statuses(&self) -> BTreeSet<i64> {
        self.tale.statuses.lock().unwrap().clone()
    }

    /// Every call that was made by a function.
    pub(crate) fn calls(&self) -> BTreeSet<Call> {
        self.tale.calls.lock().unwrap().clone()
    }
}

/// The events of a message, by their numbers in the crowd.
pub(crate) fn numbers_in(body: &str) -> Result<Vec<usize>, String> {
    let message =
        Message::unpack(body).map_err(|error| format!("ingest sent what nobody can read: {error}"))?;
    let number = |id: &str| id.strip_prefix('m').and_then(|number| number.parse().ok());
    let numbers: Option<Vec<usize>> = message.events.iter().map(|event| number(&event.message_id)).collect();
    numbers.ok_or_else(|| "ingest sent an event that nobody sent to it".to_owned())
}

fn held(records: &[SqsMessage]) -> String {
    let bodies = records.iter().filter_map(|record| record.body.as_deref());
    named(&bodies.flat_map(|body| numbers_in(body).unwrap_or_default()).collect::<Vec<_>>())
}

fn named(numbers: &[usize]) -> String {
    numbers.iter().map(|number| message_id(*number)).collect::<Vec<_>>().join(" ")
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

impl<X, Y> std::fmt::Debug for World<X, Y> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World at {}", self.clock.now().rfc3339())
    }
}
