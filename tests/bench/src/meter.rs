//! A counter between the SDK's client and the store: each call, with the units
//! that AWS would bill for it.
//!
//! It stands where the network is, so that retries and calls that nobody meant
//! to make are counted too. Sizes before and after a write are read from the
//! embedded store itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use dynoxide::Database;
use local::template::{Key, Projection, Table};
use serde_json::{Map, Value, json};

use crate::failed::{Failed, Wrong};
use crate::rules::{
    Consistency, Indexed, Item, index_units, item_bytes, read_halves, transaction_units, write_units,
};
use crate::usage::Store;

/// Counts the calls that go through it; clones count together.
#[derive(Clone)]
pub(crate) struct Meter {
    inner: SharedHttpClient,
    database: Database,
    tables: Arc<BTreeMap<String, Table>>,
    counted: Arc<Mutex<Counted>>,
    /// One call at a time, so that sizes are those of just before and after.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Counted {
    store: Store,
    /// A call that was not understood: figures without it would be false.
    unknown: Option<String>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

/// One item that a call writes.
struct Target {
    table: String,
    key: Item,
    before: Option<Item>,
    /// The item as a put would leave it, were its condition to hold.
    proposed: Option<Item>,
}

/// What a call turned out to use.
#[derive(Default)]
struct Used {
    read_halves: u64,
    lost: bool,
    /// Kind of item, units, bytes.
    writes: Vec<(String, u64, u64)>,
    about: String,
}

impl Meter {
    pub(crate) fn new(inner: SharedHttpClient, database: Database, tables: &[Table]) -> Self {
        let tables = tables.iter().map(|table| (table.name.clone(), table.clone())).collect();
        let counted = Arc::default();
        Self { inner, database, tables: Arc::new(tables), counted, turn: Arc::default() }
    }

    /// What was counted since the last time, or why it cannot be said.
    pub(crate) fn take(&self) -> Result<Store, Failed> {
        let counted = std::mem::take(&mut *self.lock());
        match counted.unknown {
            None => Ok(counted.store),
            Some(unknown) => Err(Wrong(format!("the counter cannot weigh a call: {unknown}")).into()),
        }
    }

    /// Calls that read and calls that write, so far.
    pub(crate) fn reads_and_writes(&self) -> (u64, u64) {
        self.lock().store.reads_and_writes()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, operation: &str, used: Result<Used, Failed>) {
        let mut counted = self.lock();
        let used = match used {
            Ok(used) => used,
            Err(why) => {
                counted.unknown = Some(format!("{operation}: {why}"));
                return;
            }
        };
        let store = &mut counted.store;
        *store.calls.entry((operation.to_owned(), used.about)).or_default() += 1;
        store.read_halves += used.read_halves;
        store.lost += u64::from(used.lost);
        for (kind, units, bytes) in used.writes {
            store.write_units += units;
            store.written.entry(kind).or_default().add(units, bytes);
        }
    }

    async fn call(
        self,
        inner: SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let asked = request.body().bytes().map(serde_json::from_slice::<Item>);
        let _turn = self.turn.lock().await;
        let begun = match asked {
            Some(Ok(asked)) => self.begin(&operation, &asked),
            _ => Err(Wrong("its body cannot be read".to_owned()).into()),
        };
        let mut response = inner.call(request).await?;
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let body = ByteStream::new(body).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
        if let Ok(Some(begun)) = begun {
            let answer = serde_json::from_slice::<Item>(&body).unwrap_or_default();
            self.note(&operation, self.end(begun, response.status().as_u16(), &answer));
        } else if let Err(why) = begun {
            self.note(&operation, Err(why));
        }
        *response.body_mut() = SdkBody::from(body);
        Ok(response)
    }

    /// What is to be known before the store is asked; `None` is not billed.
    fn begin(&self, operation: &str, asked: &Item) -> Result<Option<Begun>, Failed> {
        Ok(Some(match operation {
            "ListTables" | "CreateTable" | "UpdateTimeToLive" | "DescribeTable" => return Ok(None),
            "GetItem" => self.read([(text(asked, "TableName")?, asked)], consistency(asked), "Key")?,
            "BatchGetItem" => self.batch_get(asked)?,
            "TransactGetItems" => {
                let gets = actions(asked)?;
                let gets = gets.iter().map(|get| Ok((text(get, "TableName")?, *get)));
                self.read(gets.collect::<Result<Vec<_>, Wrong>>()?, Consistency::Transactional, "Key")?
            }
            "Query" | "Scan" => {
                if asked.contains_key("ProjectionExpression") || asked.contains_key("FilterExpression") {
                    return Err(Wrong("its answer does not hold all that was read".to_owned()).into());
                }
                Begun::Query { table: text(asked, "TableName")?.to_owned(), consistency: consistency(asked) }
            }
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                Begun::Write { targets: vec![self.target(asked)?], transaction: false }
            }
            "TransactWriteItems" => {
                let targets = actions(asked)?.into_iter().map(|action| self.target(action));
                Begun::Write { targets: targets.collect::<Result<_, _>>()?, transaction: true }
            }
            _ => return Err(Wrong("no rule is known for it".to_owned()).into()),
        }))
    }

    fn batch_get(&self, asked: &Item) -> Result<Begun, Failed> {
        let mut read = Begun::Read { halves: 0, about: String::new() };
        for (table, asked) in object(asked, "RequestItems")? {
            let asked = asked.as_object().ok_or_else(|| missing("RequestItems"))?;
            let keys = asked.get("Keys").and_then(Value::as_array).ok_or_else(|| missing("Keys"))?;
            let wrapped: Vec<Item> =
                keys.iter().map(|key| Map::from_iter([("Key".to_owned(), key.clone())])).collect();
            let of_table =
                self.read(wrapped.iter().map(|key| (table.as_str(), key)), consistency(asked), "Key")?;
            if let (Begun::Read { halves, about }, Begun::Read { halves: more, about: what }) =
                (&mut read, of_table)
            {
                *halves += more;
                *about = what;
            }
        }
        Ok(read)
    }

    fn read<'a>(
        &self,
        items: impl IntoIterator<Item = (&'a str, &'a Item)>,
        consistency: Consistency,
        member: &'static str,
    ) -> Result<Begun, Failed> {
        let (mut halves, mut about) = (0, String::new());
        for (table, item) in items {
            let key = object(item, member)?;
            about = self.kind(table, key);
            let bytes = self.find(table, key)?.as_ref().map_or(0, item_bytes);
            halves += read_halves(bytes, consistency);
        }
        Ok(Begun::Read { halves, about })
    }

    /// What a `Put`, `Update`, `Delete` or `ConditionCheck` is about.
    fn target(&self, action: &Item) -> Result<Target, Failed> {
        let table = text(action, "TableName")?;
        let proposed = action.get("Item").and_then(Value::as_object).cloned();
        let key = match &proposed {
            Some(item) => self.key(table, item)?,
            None => object(action, "Key")?.clone(),
        };
        let before = self.find(table, &key)?;
        Ok(Target { table: table.to_owned(), key, before, proposed })
    }

    fn end(&self, begun: Begun, status: u16, answer: &Item) -> Result<Used, Failed> {
        let ok = status == 200;
        match begun {
            Begun::Read { halves, about } => Ok(Used { read_halves: halves, about, ..Used::default() }),
            Begun::Query { table, consistency } => {
                let items =
                    answer.get("Items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let bytes = items.iter().filter_map(Value::as_object).map(item_bytes).sum();
                let about = items
                    .first()
                    .and_then(Value::as_object)
                    .map_or(table.clone(), |item| self.kind(&table, item));
                Ok(Used { read_halves: read_halves(bytes, consistency), about, ..Used::default() })
            }
            Begun::Write { .. } if !ok && !lost_a_race(answer) => {
                Ok(Used { about: "refused".to_owned(), ..Used::default() })
            }
            Begun::Write { targets, transaction } => {
                let about =
                    targets.first().map_or_else(String::new, |target| self.kind(&target.table, &target.key));
                let writes = targets.into_iter().map(|target| self.weigh(target, transaction, ok));
                let writes = writes.collect::<Result<Vec<_>, _>>()?;
                Ok(Used { lost: !ok, writes, about, ..Used::default() })
            }
        }
    }

    fn weigh(&self, target: Target, transaction: bool, ok: bool) -> Result<(String, u64, u64), Failed> {
        let Target { table, key, before, proposed } = target;
        let after = if ok { self.find(&table, &key)? } else { before.clone() };
        let sizes = |item: &Option<Item>| item.as_ref().map(item_bytes);
        let units = match (transaction, ok) {
            (false, _) => write_units(sizes(&before), sizes(&after)),
            (true, true) => transaction_units(sizes(&before), sizes(&after)),
            // A cancelled transaction was prepared with what it would have written.
            (true, false) => transaction_units(sizes(&before), sizes(&proposed)),
        };
        let shape = self.tables.get(&table).ok_or_else(|| missing("a table of the template"))?;
        let entry = |item: &Option<Item>, index| item.as_ref().and_then(|item| indexed(shape, index, item));
        let indexes = shape
            .indexes
            .iter()
            .map(|index| index_units(entry(&before, index).as_ref(), entry(&after, index).as_ref()));
        let bytes = sizes(&after).unwrap_or_default();
        Ok((self.kind(&table, &key), units + indexes.sum::<u64>(), bytes))
    }

    fn find(&self, table: &str, key: &Item) -> Result<Option<Item>, Failed> {
        let asked = serde_json::from_value(json!({ "TableName": table, "Key": key }))?;
        let found = self.database.get_item(asked)?.item;
        Ok(found.map(serde_json::to_value).transpose()?.and_then(|item| match item {
            Value::Object(item) => Some(item),
            _ => None,
        }))
    }

    fn key(&self, table: &str, item: &Item) -> Result<Item, Failed> {
        let shape = self.tables.get(table).ok_or_else(|| missing("a table of the template"))?;
        chosen(&shape.key, item).ok_or_else(|| missing("a key").into())
    }

    /// The kind of an item: what its sort key begins with, else its table.
    fn kind(&self, table: &str, key: &Item) -> String {
        let range = self.tables.get(table).and_then(|shape| shape.key.range.as_ref());
        let sort = range.and_then(|range| key.get(&range.name)?.get("S")?.as_str());
        let sort = sort.map(|sort| sort.split('#').next().unwrap_or_default());
        sort.filter(|sort| sort.bytes().all(|byte| byte.is_ascii_lowercase())).unwrap_or(table).to_owned()
    }
}

/// A call of which the store has not heard yet.
enum Begun {
    Read { halves: u64, about: String },
    Query { table: String, consistency: Consistency },
    Write { targets: Vec<Target>, transaction: bool },
}

/// What stands within each of a transaction's items.
fn actions(asked: &Item) -> Result<Vec<&Item>, Wrong> {
    let items =
        asked.get("TransactItems").and_then(Value::as_array).ok_or_else(|| missing("TransactItems"))?;
    items
        .iter()
        .map(|item| item.as_object().and_then(|item| item.values().next()?.as_object()))
        .map(|action| action.ok_or_else(|| missing("an action")))
        .collect()
}

/// Only a condition that failed is billed; what is refused otherwise is not.
fn lost_a_race(answer: &Item) -> bool {
    let kind = answer.get("__type").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("ConditionalCheckFailedException") || kind.ends_with("TransactionCanceledException")
}

fn consistency(asked: &Item) -> Consistency {
    match asked.get("ConsistentRead") {
        Some(Value::Bool(true)) => Consistency::Strong,
        _ => Consistency::Eventual,
    }
}

/// The attributes of a key, if the item has all of them.
fn chosen(key: &Key, item: &Item) -> Option<Item> {
    let names = std::iter::once(&key.hash).chain(&key.range);
    names.map(|attribute| Some((attribute.name.clone(), item.get(&attribute.name)?.clone()))).collect()
}

fn indexed(table: &Table, index: &local::template::Index, item: &Item) -> Option<Indexed> {
    let keys = chosen(&index.key, item)?;
    let mut projected = match &index.projection {
        Projection::All => item.clone(),
        Projection::KeysOnly => Item::new(),
        Projection::Include(names) => {
            names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
        }
    };
    projected.extend(keys.clone());
    projected.extend(chosen(&table.key, item)?);
    Some(Indexed { keys, projected })
}

fn text<'a>(asked: &'a Item, name: &'static str) -> Result<&'a str, Wrong> {
    asked.get(name).and_then(Value::as_str).ok_or_else(|| missing(name))
}

fn object<'a>(asked: &'a Item, name: &'static str) -> Result<&'a Item, Wrong> {
    asked.get(name).and_then(Value::as_object).ok_or_else(|| missing(name))
}

fn missing(what: &str) -> Wrong {
    Wrong(format!("{what} is missing"))
}

impl HttpClient for Meter {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Metered { inner, meter: self.clone() })
    }
}

#[derive(Debug)]
struct Metered {
    inner: SharedHttpConnector,
    meter: Meter,
}

impl HttpConnector for Metered {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.meter.clone().call(self.inner.clone(), request))
    }
}

#[cfg(test)]
mod tests;
