//! The contract of people, through the real client.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::{DUE_INDEX, People};
use crate::local::{Store, store};

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn keys(hash: &str, range: &str) -> Vec<KeySchemaElement> {
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    vec![key(hash, KeyType::Hash), key(range, KeyType::Range)]
}

async fn people_table(store: &Store) {
    let due = GlobalSecondaryIndex::builder()
        .index_name(DUE_INDEX)
        .set_key_schema(Some(keys("due_shard", "due")))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let create = store
        .client
        .create_table()
        .table_name("people")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_shard", ScalarAttributeType::N))
        .attribute_definitions(attribute("due", ScalarAttributeType::N))
        .set_key_schema(Some(keys("pk", "sk")))
        .global_secondary_indexes(due.build().unwrap());
    create.send().await.unwrap();
}

#[tokio::test]
async fn dynamodb_keeps_the_contract_of_people() {
    let store = store().await;
    people_table(&store).await;
    store.table("identities").await;
    let people = People::new(store.client.clone(), "people", "identities");
    testkit::contract::people::check(&people).await;
}
