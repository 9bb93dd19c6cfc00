//! The embedded store, with the tables of the template and a counter in front.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use dynoxide::{Database, ImportOptions};
use local::template::{AttributeKind, Index, Key, Projection, Table};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::failed::Failed;
use crate::meter::Meter;
use crate::rules::Item;

/// The region does not matter to the store; it stands in every signature.
const REGION: &str = "us-east-1";

/// A store in memory that ends with its owner.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) meter: Meter,
    tables: Vec<Table>,
    serving: JoinHandle<()>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Store {
    pub(crate) async fn start(tables: &[Table]) -> Result<Self, Failed> {
        let database = Database::memory()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let http: SharedHttpClient = aws_smithy_http_client::Builder::new().build_http();
        let meter = Meter::new(http, database.clone(), tables);
        let client = dynamodb::client(&aws(meter.clone()), Some(&url));
        for table in tables {
            database.create_table(serde_json::from_value(definition(table))?)?;
        }
        Ok(Self { database, client, meter, tables: tables.to_vec(), serving })
    }

    /// All items of a table.
    pub(crate) fn items(&self, table: &str) -> Result<Vec<Item>, Failed> {
        let mut items = Vec::new();
        let mut from = Value::Null;
        loop {
            let asked = json!({ "TableName": table, "ExclusiveStartKey": from });
            let page = serde_json::to_value(self.database.scan(serde_json::from_value(asked)?)?)?;
            let found = page.get("Items").and_then(Value::as_array).into_iter().flatten();
            items.extend(found.filter_map(Value::as_object).cloned());
            from = page.get("LastEvaluatedKey").cloned().unwrap_or_default();
            if from.is_null() {
                return Ok(items);
            }
        }
    }

    /// All items of all tables.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failed> {
        self.tables.iter().map(|table| Ok((table.name.clone(), self.items(&table.name)?))).collect()
    }

    pub(crate) fn restore(&self, snapshot: &Snapshot) -> Result<(), Failed> {
        snapshot.iter().try_for_each(|(table, items)| self.import(table, items.iter().cloned()))
    }

    /// Puts items in, uncounted.
    pub(crate) fn import(&self, table: &str, items: impl Iterator<Item = Item>) -> Result<(), Failed> {
        let items =
            items.map(|item| serde_json::from_value(Value::Object(item))).collect::<Result<Vec<_>, _>>()?;
        self.database.import_items(
            table,
            items,
            ImportOptions { record_streams: false, set_cached_at: false },
        )?;
        Ok(())
    }
}

/// Tables with their items.
pub(crate) type Snapshot = Vec<(String, Vec<Item>)>;

/// What every client shares: made-up credentials, and the HTTP beneath.
pub(crate) fn aws(http: impl HttpClient + 'static) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .build()
}

fn definition(table: &Table) -> Value {
    let mut attributes: Vec<Value> = Vec::new();
    let keys = std::iter::once(&table.key).chain(table.indexes.iter().map(|index| &index.key));
    for attribute in keys.flat_map(|key| std::iter::once(&key.hash).chain(&key.range)) {
        let kind = match attribute.kind {
            AttributeKind::Text => "S",
            AttributeKind::Number => "N",
            AttributeKind::Binary => "B",
        };
        let defined = json!({ "AttributeName": attribute.name, "AttributeType": kind });
        if !attributes.contains(&defined) {
            attributes.push(defined);
        }
    }
    let mut definition = json!({
        "TableName": table.name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes, "KeySchema": schema(&table.key),
    });
    if let (false, Some(definition)) = (table.indexes.is_empty(), definition.as_object_mut()) {
        let indexes = table.indexes.iter().map(index).collect();
        definition.insert("GlobalSecondaryIndexes".to_owned(), indexes);
    }
    definition
}

fn index(index: &Index) -> Value {
    let projection = match &index.projection {
        Projection::All => json!({ "ProjectionType": "ALL" }),
        Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        Projection::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
    };
    json!({ "IndexName": index.name, "KeySchema": schema(&index.key), "Projection": projection })
}

fn schema(key: &Key) -> Value {
    let hash = json!({ "AttributeName": key.hash.name, "KeyType": "HASH" });
    let range = key.range.as_ref().map(|range| json!({ "AttributeName": range.name, "KeyType": "RANGE" }));
    std::iter::once(hash).chain(range).collect()
}
