//! The design that a well-meaning engineer would begin with, to compare with.
//!
//! An HTTP API in front of a function that puts each event into a queue; a
//! second function that takes ten messages at a time and, for each event,
//! reads the person's profile, updates it, and puts the event into a table.
//! It counts an event twice when its message comes twice. With
//! [`Writes::Transaction`] it does not: the update, the event and a row that
//! remembers the event are written together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::time::Timestamp;
use local::template::{Attribute, AttributeKind, Key, Table};
use serde_json::{Map, Value};

use crate::corpus::{Corpus, Sample, Sdk};
use crate::design::Design;
use crate::failed::{Failed, Wrong};
use crate::request;
use crate::rules::{count, http_api_requests};
use crate::store::{self, Snapshot, Store};
use crate::usage::{Usage, Work};
use crate::wire::{QueueService, Waiting};

const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/events";
const PROFILES: &str = "Profiles";
const EVENTS: &str = "Events";
const SEEN: &str = "Seen";
/// The default of an event source mapping.
const BATCH: usize = 10;
/// The default of a function.
const MEMORY_MB: u64 = 128;
/// START, END and REPORT, which Lambda writes of each invocation unless it is told not to.
const PLATFORM_LINES: u64 = 3;
const PLATFORM_BYTES: u64 = 83 + 53 + 156;

type Attributes = HashMap<String, AttributeValue>;

/// How one event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// An update and a put.
    Plain,
    /// Both and a row that remembers the event, in one transaction.
    Transaction,
}

pub(crate) struct Naive {
    pub(crate) store: Store,
    queue: QueueService,
    sqs: aws_sdk_sqs::Client,
    writes: Writes,
    usage: Mutex<Usage>,
}

impl Naive {
    pub(crate) async fn empty(writes: Writes) -> Result<Self, Failed> {
        let tables =
            [table(PROFILES, "user", None), table(EVENTS, "user", Some("at")), table(SEEN, "event", None)];
        let queue = QueueService::default();
        let sqs = sqs::client(&store::aws(queue.clone()), None);
        let store = Store::start(&tables).await?;
        Ok(Self { store, queue, sqs, writes, usage: Mutex::new(fresh()) })
    }

    /// The corpus's history, taken in; what it took is not counted.
    pub(crate) async fn history(corpus: &Corpus) -> Result<Snapshot, Failed> {
        let naive = Self::empty(Writes::Plain).await?;
        for requests in corpus.requests().chunks(50) {
            for samples in requests {
                naive.post(samples).await?;
            }
            naive.work().await?;
        }
        naive.store.snapshot()
    }

    pub(crate) async fn with(writes: Writes, items: &Snapshot) -> Result<Self, Failed> {
        let naive = Self::empty(writes).await?;
        naive.store.restore(items)?;
        Ok(naive)
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first function: a message an event.
    async fn ingest(&self, body: &str) -> Result<(), Failed> {
        let body: Value = serde_json::from_str(body)?;
        let events: Vec<&Value> = match body.get("batch").and_then(Value::as_array) {
            Some(batch) => batch.iter().collect(),
            None => vec![&body],
        };
        let mut usage_events = 0;
        for event in events {
            self.sqs.send_message().queue_url(QUEUE_URL).message_body(event.to_string()).send().await?;
            usage_events += 1;
        }
        let mut usage = self.lock();
        usage.ingest.invocations += 1;
        usage.ingest.events += usage_events;
        usage.ingest.queue_waits += usage_events;
        platform(&mut usage);
        Ok(())
    }

    /// The second function: ten messages at a time.
    async fn process(&self, batch: &[Waiting]) -> Result<(), Failed> {
        self.queue.poll(batch);
        let before = self.store.meter.reads_and_writes();
        for message in batch {
            self.event(&serde_json::from_str(&message.body)?).await?;
        }
        let after = self.store.meter.reads_and_writes();
        let mut usage = self.lock();
        usage.upsert.invocations += 1;
        usage.upsert.events += count(batch.len());
        usage.upsert.store_waits += after.0 + after.1 - before.0 - before.1;
        platform(&mut usage);
        Ok(())
    }

    async fn event(&self, event: &Map<String, Value>) -> Result<(), Failed> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let user = text("userId")
            .or_else(|| text("anonymousId"))
            .ok_or_else(|| Wrong("an event of nobody".to_owned()))?;
        let message_id = text("messageId").unwrap_or_default();
        let at = text("timestamp").unwrap_or_default();
        let client = &self.store.client;
        let found = client.get_item().table_name(PROFILES).key("user", s(user)).send().await?;
        let update = profile(&found.item.unwrap_or_default(), user, event).build()?;
        let put = Put::builder()
            .table_name(EVENTS)
            .item("user", s(user))
            .item("at", s(&format!("{at}#{message_id}")))
            .item("type", s(text("type").unwrap_or_default()))
            .item("event", s(text("event").unwrap_or_default()))
            .item("payload", s(&Value::Object(event.clone()).to_string()))
            .build()?;
        match self.writes {
            Writes::Plain => self.write(update, put).await,
            Writes::Transaction => self.write_together(update, put, message_id).await,
        }
    }

    async fn write(&self, update: Update, put: Put) -> Result<(), Failed> {
        let write = self.store.client.update_item().table_name(update.table_name).set_key(Some(update.key));
        write
            .update_expression(update.update_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .send()
            .await?;
        self.store.client.put_item().table_name(put.table_name).set_item(Some(put.item)).send().await?;
        Ok(())
    }

    async fn write_together(&self, update: Update, put: Put, message_id: &str) -> Result<(), Failed> {
        let seen = Put::builder()
            .table_name(SEEN)
            .item("event", s(message_id))
            .condition_expression("attribute_not_exists(event)")
            .build()?;
        self.store
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(seen).build())
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(TransactWriteItem::builder().put(put).build())
            .send()
            .await?;
        Ok(())
    }

    async fn post_through(&self, sdk: Sdk, samples: &[&Sample]) -> Result<(), Failed> {
        let sent_at = samples.last().map_or(Ok(Timestamp::default()), |sample| sample.at())?;
        let posted = request::post(sdk, samples, "wk_0123456789abcdef0123456789abcdef", sent_at)?;
        self.lock().front_door += http_api_requests(count(posted.body.len()));
        self.ingest(&posted.body).await
    }
}

impl Design for Naive {
    async fn post(&self, samples: &[&Sample]) -> Result<(), Failed> {
        let sdk = samples.first().map_or(Sdk::Server, |sample| sample.sdk);
        self.post_through(sdk, samples).await
    }

    async fn post_mixed(&self, samples: &[&Sample]) -> Result<(), Failed> {
        self.post_through(Sdk::Server, samples).await
    }

    async fn work(&self) -> Result<(), Failed> {
        for batch in self.queue.take().chunks(BATCH) {
            self.process(batch).await?;
        }
        Ok(())
    }

    fn take(&self) -> Result<Usage, Failed> {
        let mut taken = std::mem::replace(&mut *self.lock(), fresh());
        taken.queue_requests = self.queue.take_requests();
        taken.store = self.store.meter.take()?;
        Ok(taken)
    }
}

/// What the event makes of the profile that was read. It holds what the other
/// design answers about a person, but for where and when each trait was set.
fn profile(found: &Attributes, user: &str, event: &Map<String, Value>) -> UpdateBuilder {
    let map = |name: &str| found.get(name).and_then(|value| value.as_m().ok()).cloned().unwrap_or_default();
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let at = text("timestamp").unwrap_or_default();
    let mut traits = map("traits");
    for (name, value) in event.get("traits").and_then(Value::as_object).into_iter().flatten() {
        traits.insert(name.clone(), attribute(value));
    }
    let mut identifiers = map("identifiers");
    let named = ["userId", "anonymousId"].into_iter().filter_map(|name| Some((name, s(text(name)?))));
    for (name, value) in named.chain(traits.get("email").cloned().map(|email| ("email", email))) {
        identifiers.insert(name.to_owned(), value);
    }
    let mut counts = map("counts");
    let counted = text("event").or_else(|| text("type")).unwrap_or_default();
    counts.insert(counted.to_owned(), counted_once_more(counts.get(counted), at));
    let campaign = event.get("context").and_then(|context| context.get("campaign"));
    let campaign = campaign.map(attribute).or_else(|| found.get("campaign").cloned());
    let revenue = event.get("properties").and_then(|properties| properties.get("revenue")?.as_f64());
    Update::builder()
        .table_name(PROFILES)
        .key("user", s(user))
        .update_expression(
            "SET traits = :traits, identifiers = :identifiers, #counts = :counts, campaign = :campaign, \
             lastSeen = :at, firstSeen = if_not_exists(firstSeen, :at) ADD events :one, revenue :revenue",
        )
        .expression_attribute_names("#counts", "counts")
        .expression_attribute_values(":traits", AttributeValue::M(traits))
        .expression_attribute_values(":identifiers", AttributeValue::M(identifiers))
        .expression_attribute_values(":counts", AttributeValue::M(counts))
        .expression_attribute_values(":campaign", campaign.unwrap_or(AttributeValue::Null(true)))
        .expression_attribute_values(":at", s(at))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .expression_attribute_values(":revenue", AttributeValue::N(revenue.unwrap_or_default().to_string()))
}

/// How often, since when, until when.
fn counted_once_more(known: Option<&AttributeValue>, at: &str) -> AttributeValue {
    let known = known.and_then(|value| value.as_m().ok()).cloned().unwrap_or_default();
    let count =
        known.get("count").and_then(|value| value.as_n().ok()?.parse::<u64>().ok()).unwrap_or_default();
    let first = known.get("first").cloned().unwrap_or_else(|| s(at));
    let count = AttributeValue::N((count + 1).to_string());
    let members = [("count", count), ("first", first), ("last", s(at))];
    AttributeValue::M(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => s(text),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(members) => {
            AttributeValue::M(members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}

fn fresh() -> Usage {
    let work = Work { memory_mb: MEMORY_MB, ..Work::default() };
    Usage { ingest: work, upsert: work, ..Usage::default() }
}

fn platform(usage: &mut Usage) {
    usage.log_lines += PLATFORM_LINES;
    usage.log_bytes += PLATFORM_BYTES;
}

fn table(name: &str, hash: &str, range: Option<&str>) -> Table {
    let attribute = |name: &str| Attribute { name: name.to_owned(), kind: AttributeKind::Text };
    let key = Key { hash: attribute(hash), range: range.map(attribute) };
    Table { name: name.to_owned(), key, indexes: Vec::new(), ends_by: None }
}
