//! The template's tables, made in the embedded store.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use local::template::{Attribute, AttributeKind, Index, Key, Projection, Table};

use crate::output::Failed;

/// Makes the tables that are not there yet.
pub(crate) async fn create(client: &Client, tables: &[Table]) -> Result<(), Failed> {
    let there =
        client.list_tables().send().await.map_err(|error| dynamodb::unavailable("ListTables", error))?;
    for table in tables {
        if !there.table_names().contains(&table.name) {
            create_one(client, table).await?;
        }
    }
    Ok(())
}

async fn create_one(client: &Client, table: &Table) -> Result<(), Failed> {
    let mut create = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(schema(&table.key)?));
    for attribute in attributes(table) {
        let definition = AttributeDefinition::builder().attribute_name(&attribute.name).attribute_type(
            match attribute.kind {
                AttributeKind::Text => ScalarAttributeType::S,
                AttributeKind::Number => ScalarAttributeType::N,
                AttributeKind::Binary => ScalarAttributeType::B,
            },
        );
        create = create.attribute_definitions(definition.build()?);
    }
    for index in &table.indexes {
        create = create.global_secondary_indexes(indexed(index)?);
    }
    create.send().await.map_err(|error| dynamodb::unavailable("CreateTable", error))?;
    let Some(attribute) = &table.ends_by else { return Ok(()) };
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build()?;
    let update = client.update_time_to_live().table_name(&table.name).time_to_live_specification(ttl);
    update.send().await.map_err(|error| dynamodb::unavailable("UpdateTimeToLive", error))?;
    Ok(())
}

fn indexed(index: &Index) -> Result<GlobalSecondaryIndex, Failed> {
    let (kind, included) = match &index.projection {
        Projection::All => (ProjectionType::All, None),
        Projection::KeysOnly => (ProjectionType::KeysOnly, None),
        Projection::Include(names) => (ProjectionType::Include, Some(names.clone())),
    };
    let projection = aws_sdk_dynamodb::types::Projection::builder();
    let projection = projection.projection_type(kind).set_non_key_attributes(included).build();
    let made = GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(schema(&index.key)?))
        .projection(projection);
    Ok(made.build()?)
}

/// Every attribute that is part of a key, once.
fn attributes(table: &Table) -> Vec<&Attribute> {
    let keys = std::iter::once(&table.key).chain(table.indexes.iter().map(|index| &index.key));
    let mut all: Vec<&Attribute> =
        keys.flat_map(|key| std::iter::once(&key.hash).chain(&key.range)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup();
    all
}

fn schema(key: &Key) -> Result<Vec<KeySchemaElement>, Failed> {
    let element = |attribute: &Attribute, kind| {
        KeySchemaElement::builder()
            .attribute_name(&attribute.name)
            .key_type(kind)
            .build()
            .map_err(Failed::from)
    };
    let hash = element(&key.hash, KeyType::Hash);
    let range = key.range.as_ref().map(|range| element(range, KeyType::Range));
    std::iter::once(hash).chain(range).collect()
}
