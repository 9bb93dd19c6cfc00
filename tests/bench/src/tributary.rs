//! The production stages over the real adapters, an embedded store and a queue
//! service that counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lambda_events::sqs::SqsMessage;
use domain::access::AccessKey;
use domain::key::IdKey;
use domain::rules::Rules;
use domain::segment::fill::PARTS;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::{Definitions, People, Rejections};
use ingest::Ingest;
use ports::People as _;
use ports::definitions::{Grant, Source};
use ports::people::Read;
use profile::{Proper, Stage, Writer, batch};
use sqs::SqsQueue;
use testkit::{MemoryQueue, SeededEntropy, TestClock};
use tracing::Instrument as _;

use crate::corpus::{Corpus, Sample, Sdk, TODAY};
use crate::design::Design;
use crate::failed::{Failed, Wrong, ensure};
use crate::rules::{count, http_api_requests};
use crate::segments::made;
use crate::store::{self, Snapshot, Store};
use crate::template::Template;
use crate::usage::{Usage, Work};
use crate::wire::{QueueService, Waiting};
use crate::{logs, request};

const INGEST: &str = "ingest-http";
const UPSERT: &str = "profile-upsert";
const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/profile";
pub(crate) const WORKSPACE: &str = "northbound";
/// An operator's `tributary init` makes one; any does for counting.
pub(crate) const ID_KEY: [u8; IdKey::LENGTH] = [7; IdKey::LENGTH];
/// No invocation of a run comes near its time limit.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
/// As the template's mapping gathers.
const WINDOW: i64 = Timestamp::SECOND;
/// Segments of one transaction.
const A_TRANSACTION: usize = 30;
/// As the template's queue tries; no record of a run needs a second.
const MAX_RECEIVES: u32 = 5;
/// Above what a run sends a second.
const RATE: u32 = 1_000_000;

pub(crate) type RealStage = Stage<
    People,
    Definitions<TestClock>,
    Rejections<TestClock>,
    MemoryQueue,
    TestClock,
    SeededEntropy,
    Proper,
>;
type RealIngest = Ingest<Definitions<TestClock>, SqsQueue, Rejections<TestClock>, TestClock, SeededEntropy>;

/// A deployment in one process.
pub(crate) struct Tributary {
    pub(crate) store: Store,
    pub(crate) queue: QueueService,
    pub(crate) people_table: String,
    pub(crate) identities_table: String,
    ingest: RealIngest,
    stage: RealStage,
    clock: TestClock,
    keys: WriteKeys,
    usage: Mutex<Usage>,
    store_calls_at_once: u64,
}

/// The write key of each source.
pub(crate) type WriteKeys = BTreeMap<Sdk, AccessKey>;

/// What a deployment holds, to begin others with.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) items: Snapshot,
    keys: WriteKeys,
}

impl Tributary {
    /// A deployment as `tributary init` leaves it.
    pub(crate) async fn empty(template: &Template) -> Result<Self, Failed> {
        let store = Store::start(&template.wiring.tables).await?;
        let clock = TestClock::at(beginning());
        let table = template.table(INGEST, "DEFINITIONS_TABLE")?;
        let definitions = Definitions::new(store.client.clone(), table, clock.clone());
        let workspace = WorkspaceId::parse(WORKSPACE)?;
        definitions.create_workspace(&workspace, &Rules::default()).await?;
        let mut keys = WriteKeys::new();
        for (sdk, name) in [(Sdk::Web, "web"), (Sdk::Mobile, "app"), (Sdk::Server, "server")] {
            let id = SourceId::parse(name)?;
            let source =
                Source { id: id.clone(), region: Some("DE".to_owned()), origins: Vec::new(), rate: RATE };
            definitions.create_source(&workspace, &source).await?;
            let made = definitions
                .create_key(&workspace, &Grant::Write(id), &SeededEntropy::seeded(count(keys.len())))
                .await?;
            keys.insert(sdk, made);
        }
        Self::over(template, store, clock, keys)
    }

    /// A deployment that has what another had.
    pub(crate) async fn with(template: &Template, loaded: &Loaded) -> Result<Self, Failed> {
        let store = Store::start(&template.wiring.tables).await?;
        store.restore(&loaded.items)?;
        let today = Timestamp::parse(TODAY).unwrap_or_default();
        Self::over(template, store, TestClock::at(today), loaded.keys.clone())
    }

    fn over(template: &Template, store: Store, clock: TestClock, keys: WriteKeys) -> Result<Self, Failed> {
        let queue = QueueService::default();
        let definitions = template.table(INGEST, "DEFINITIONS_TABLE")?;
        let rejections = template.table(INGEST, "REJECTIONS_TABLE")?;
        let people_table = template.table(UPSERT, "PEOPLE_TABLE")?;
        let identities_table = template.table(UPSERT, "IDENTITIES_TABLE")?;
        let entropy = SeededEntropy::seeded(1);
        let definitions = || Definitions::new(store.client.clone(), &definitions, clock.clone());
        let rejections = || Rejections::new(store.client.clone(), &rejections, clock.clone());
        let sender = SqsQueue::new(sqs::client(&store::aws(queue.clone()), None), QUEUE_URL);
        let people = People::new(store.client.clone(), &people_table, &identities_table);
        let work = |bin| Ok::<_, Failed>(Work { memory_mb: template.memory(bin)?, ..Work::default() });
        let usage = Usage { ingest: work(INGEST)?, upsert: work(UPSERT)?, ..Usage::default() };
        Ok(Self {
            ingest: Ingest::new(definitions(), sender, rejections(), clock.clone(), entropy.clone()),
            stage: Stage::new(
                Writer {
                    people,
                    merges: MemoryQueue::default(),
                    messages: None,
                    clock: clock.clone(),
                    entropy,
                    key: IdKey::new(ID_KEY),
                },
                definitions(),
                rejections(),
            ),
            store,
            queue,
            people_table,
            identities_table,
            clock,
            keys,
            usage: Mutex::new(usage),
            store_calls_at_once: prices::Prices::read()?.time.store_calls_at_once,
        })
    }

    /// The corpus's history, folded; what it took is not counted.
    pub(crate) async fn history(template: &Template, corpus: &Corpus) -> Result<Loaded, Failed> {
        let world = Self::empty(template).await?;
        for requests in corpus.requests().chunks(50) {
            for samples in requests {
                world.post(samples).await?;
            }
            world.work().await?;
        }
        world.loaded()
    }

    pub(crate) fn loaded(&self) -> Result<Loaded, Failed> {
        Ok(Loaded { items: self.store.snapshot()?, keys: self.keys.clone() })
    }

    pub(crate) fn key(&self, sdk: Sdk) -> Result<String, Failed> {
        let key = self.keys.get(&sdk).map(AccessKey::reveal);
        key.ok_or_else(|| Wrong(format!("no write key for {sdk:?}")).into())
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends events in one request, through `sdk` whatever they came from.
    pub(crate) async fn post_through(&self, sdk: Sdk, samples: &[&Sample]) -> Result<(), Failed> {
        let last = samples.iter().map(|sample| sample.at()).collect::<Result<Vec<_>, _>>()?;
        let sent_at = last.into_iter().max().unwrap_or_default().plus(400);
        // A moment on the way; events of other people may have been later.
        let now = sent_at.plus(80);
        if now > ports::Clock::now(&self.clock) {
            self.clock.set(now);
        }
        let key = self.key(sdk)?;
        let posted = request::post(sdk, samples, &key, sent_at)?;
        let calls = self.queue.calls();
        let answer =
            self.ingest.handle(request::invocation(&posted, &key)?).instrument(logs::invocation()).await;
        ensure(answer.status_code == 200, || format!("ingest answered {}", answer.status_code))?;
        let mut usage = self.lock();
        usage.front_door += http_api_requests(count(posted.body.len()));
        usage.ingest.invocations += 1;
        usage.ingest.events += count(samples.len());
        usage.ingest.queue_waits += self.queue.calls() - calls;
        Ok(())
    }

    /// A message as Lambda hands it over, after it has waited for the batching window.
    fn record(&self, message: &Waiting) -> SqsMessage {
        let sent = ports::Clock::now(&self.clock).plus(-WINDOW);
        let mut record = SqsMessage::default();
        record.message_id = Some("8f507cfc-xmpl-4697-b07a-ac58fc914c95".to_owned());
        record.body = Some(message.body.clone());
        record.attributes.insert("SentTimestamp".to_owned(), sent.millis().to_string());
        record
    }

    /// One invocation of the profile stage, with these messages.
    pub(crate) async fn fold(&self, batch: &[Waiting], events: u64) -> Result<(), Failed> {
        self.queue.poll(batch);
        let records = batch.iter().map(|message| self.record(message)).collect();
        let (reads, writes) = self.store.meter.reads_and_writes();
        let dead_letters = MemoryQueue::default();
        let folding = batch::fold(&self.stage, &dead_letters, records, NEVER, MAX_RECEIVES);
        let answer = Box::pin(folding.instrument(logs::invocation())).await;
        let (failed, dead) = (answer.batch_item_failures.len(), dead_letters.take().len());
        ensure(failed == 0 && dead == 0, || {
            format!("the profile stage gave {failed} records back and refused {dead}")
        })?;
        let (reads_after, writes_after) = self.store.meter.reads_and_writes();
        let mut usage = self.lock();
        usage.upsert.invocations += 1;
        usage.upsert.events += events;
        usage.upsert.store_waits +=
            (reads_after - reads) + (writes_after - writes).div_ceil(self.store_calls_at_once);
        Ok(())
    }
}

/// What segments are measured with.
impl Tributary {
    /// Puts segments with these conditions in force.
    pub(crate) async fn define_segments(&self, conditions: &[serde_json::Value]) -> Result<(), Failed> {
        let definitions = self.stage.definitions.store();
        let workspace = WorkspaceId::parse(WORKSPACE)?;
        let set = made::set_of(conditions, ports::Clock::now(&self.clock))?;
        for (chunk, seen) in set.segments.chunks(A_TRANSACTION).zip(0..) {
            definitions.publish_segments(&workspace, seen, chunk).await?;
        }
        self.later(2 * Timestamp::MINUTE);
        Ok(())
    }

    /// Puts so many segments in force and asks everybody.
    pub(crate) async fn ask_everybody(&self, segments: usize) -> Result<(), Failed> {
        let conditions = made::conditions(segments);
        self.define_segments(&conditions).await?;
        let writer = &self.stage.writer;
        let workspace = WorkspaceId::parse(WORKSPACE)?;
        for part in 0..PARTS {
            let everyone = writer.people.everyone(part.into(), PARTS.into(), None).await?;
            ensure(everyone.next.is_none(), || "there are more people than a page".to_owned())?;
            for (_, id) in everyone.people {
                let found = writer.people.profiles(&workspace, &[id], Read::Consistent).await?;
                let Some(Some(stored)) = found.into_iter().next() else { continue };
                let profile = domain::profile::Profile::decode(&stored.body)?;
                let known = (&stored, &profile);
                writer
                    .refresh(&self.stage.definitions, &workspace, id, known, 0)
                    .await
                    .map_err(|failure| Wrong(runtime::failure::chain(failure.cause())))?;
            }
        }
        // What that took is not what is measured, nor is there a scan in it.
        drop(self.store.meter.take());
        Ok(())
    }

    pub(crate) fn later(&self, by: i64) {
        self.clock.advance(by);
    }

    /// One sweep; says how many were due.
    pub(crate) async fn sweep(&self) -> Result<usize, Failed> {
        let swept =
            self.stage.sweep().await.map_err(|failure| Wrong(runtime::failure::chain(failure.cause())))?;
        ensure(swept.failed == 0, || format!("{} could not be swept", swept.failed))?;
        Ok(swept.due)
    }
}

impl Design for Tributary {
    async fn post(&self, samples: &[&Sample]) -> Result<(), Failed> {
        let sdk = samples.first().map_or(Sdk::Server, |sample| sample.sdk);
        self.post_through(sdk, samples).await
    }

    async fn post_mixed(&self, samples: &[&Sample]) -> Result<(), Failed> {
        self.post_through(Sdk::Server, samples).await
    }

    /// All that waits, as one batch.
    async fn work(&self) -> Result<(), Failed> {
        let batch = self.queue.take();
        let events = batch
            .iter()
            .map(|message| Ok(count(domain::message::Message::unpack(&message.body)?.events.len())));
        let events = events.sum::<Result<u64, domain::message::Unreadable>>()?;
        self.fold(&batch, events).await
    }

    fn take(&self) -> Result<Usage, Failed> {
        let mut usage = self.lock();
        let empty = Usage {
            ingest: Work { memory_mb: usage.ingest.memory_mb, ..Work::default() },
            upsert: Work { memory_mb: usage.upsert.memory_mb, ..Work::default() },
            ..Usage::default()
        };
        let mut taken = std::mem::replace(&mut *usage, empty);
        taken.queue_requests = self.queue.take_requests();
        taken.store = self.store.meter.take()?;
        (taken.log_lines, taken.log_bytes) = logs::take();
        Ok(taken)
    }
}

/// Before the first event of the corpus.
fn beginning() -> Timestamp {
    Timestamp::parse(TODAY).unwrap_or_default().plus(-(crate::corpus::HISTORY_DAYS + 1) * Timestamp::DAY)
}
