//! The tables, in an embedded store, and what an operator has defined in them.

use std::net::SocketAddr;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_types::SdkConfig;
use domain::rules::Rules;
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::Definitions;
use ports::definitions::{Grant, Scope, Source};
use runtime::{SystemClock, SystemEntropy};
use tokio::net::TcpListener;

use crate::Failed;

pub(crate) const PEOPLE: &str = "people";
pub(crate) const IDENTITIES: &str = "identities";
pub(crate) const DEFINITIONS: &str = "definitions";
pub(crate) const REJECTIONS: &str = "rejections";
/// Requests a second that the measuring write key may make: no limit is measured.
const RATE: u32 = 1_000_000;

/// What opens the functions.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) write: String,
    pub(crate) admin: String,
}

pub(crate) async fn start() -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory()?));
    Ok(address)
}

/// Makes the tables, and one workspace with one source.
pub(crate) async fn define(url: &str) -> Result<Keys, Failed> {
    let client = client(url);
    for table in [PEOPLE, IDENTITIES, DEFINITIONS, REJECTIONS] {
        create(&client, table).await?;
    }
    let definitions = Definitions::new(client, DEFINITIONS, SystemClock);
    let (workspace, source) = (WorkspaceId::parse("shop")?, SourceId::parse("web")?);
    definitions.create_workspace(&workspace, &Rules::default()).await?;
    let web = Source { id: source.clone(), region: None, origins: Vec::new(), rate: RATE };
    definitions.create_source(&workspace, &web).await?;
    let write = definitions.create_key(&workspace, &Grant::Write(source), &SystemEntropy).await?;
    let scopes = Grant::Admin(Scope::ALL.to_vec());
    let admin = definitions.create_key(&workspace, &scopes, &SystemEntropy).await?;
    Ok(Keys { write: write.reveal(), admin: admin.reveal() })
}

fn client(url: &str) -> Client {
    let credentials = Credentials::from_keys("local", "local", None);
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    dynamodb::client(&shared, Some(url))
}

/// All tables have the same keys; the index of who is due is in that of people.
async fn create(client: &Client, table: &str) -> Result<(), Failed> {
    let mut create = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("sk", ScalarAttributeType::S)?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?);
    if table == PEOPLE {
        let due = GlobalSecondaryIndex::builder()
            .index_name("due")
            .key_schema(key("due_shard", KeyType::Hash)?)
            .key_schema(key("due", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()?;
        create = create
            .attribute_definitions(attribute("due_shard", ScalarAttributeType::N)?)
            .attribute_definitions(attribute("due", ScalarAttributeType::N)?)
            .global_secondary_indexes(due);
    }
    create.send().await?;
    Ok(())
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, Failed> {
    Ok(AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, Failed> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?)
}
