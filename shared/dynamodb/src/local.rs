//! A store for tests: the real client against an embedded engine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;

/// An engine in memory that ends with the runtime of its test.
pub(crate) struct Store {
    pub(crate) client: Client,
}

pub(crate) async fn store() -> Store {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    Store { client: connect(&url) }
}

pub(crate) fn connect(url: &str) -> Client {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "local",
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    crate::client(&shared, Some(url))
}

impl Store {
    /// Creates a table with the keys `pk` and `sk`, as all of ours have.
    pub(crate) async fn table(&self, name: &str) {
        let text =
            |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key =
            |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let create = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text("pk").build().unwrap())
            .attribute_definitions(text("sk").build().unwrap())
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        create.send().await.unwrap();
    }
}
