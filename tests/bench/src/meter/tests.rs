//! The counter against the SDK's client, and against the store's own reckoning.

use aws_sdk_dynamodb::types::{
    AttributeValue, Get, KeysAndAttributes, Put, ReturnConsumedCapacity, TransactGetItem, TransactWriteItem,
};
use local::template::{Attribute, AttributeKind, Index};

use super::*;
use crate::store;

const TABLE: &str = "People";

async fn store() -> store::Store {
    let attribute = |name: &str, kind| Attribute { name: name.to_owned(), kind };
    let key = |hash, range| Key { hash, range: Some(range) };
    let keys = key(attribute("pk", AttributeKind::Text), attribute("sk", AttributeKind::Text));
    let due = key(attribute("shard", AttributeKind::Number), attribute("due", AttributeKind::Number));
    let index = Index { name: "due".to_owned(), key: due, projection: Projection::KeysOnly };
    let table = Table { name: TABLE.to_owned(), key: keys, indexes: vec![index], ends_by: None };
    store::Store::start(&[table]).await.unwrap()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// An item of about so many KB, less a little.
fn put(sort: &str, kb: usize) -> aws_sdk_dynamodb::types::builders::PutBuilder {
    Put::builder()
        .table_name(TABLE)
        .item("pk", s("p"))
        .item("sk", s(sort))
        .item("b", s(&"x".repeat(kb * 1_024 - 100)))
}

async fn write(store: &store::Store, put: Put) -> Option<f64> {
    let write = store.client.put_item().table_name(put.table_name).set_item(Some(put.item));
    let write = write.set_condition_expression(put.condition_expression);
    let sent = write.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
    sent.ok()?.consumed_capacity?.capacity_units
}

/// Units since the last time.
fn written(store: &store::Store) -> u64 {
    store.meter.take().unwrap().write_units
}

#[tokio::test]
async fn a_write_costs_the_larger_of_what_was_and_what_is() {
    let store = store().await;
    for (kb, units) in [(1, 1), (3, 3), (2, 3), (1, 2), (1, 1)] {
        let own = write(&store, put("profile", kb).build().unwrap()).await;
        assert_eq!(written(&store), units, "{kb} KB");
        assert!((own.unwrap() - crate::usage::real(units)).abs() < 1e-9, "the store says {own:?}");
    }
}

#[tokio::test]
async fn a_condition_that_fails_costs_the_item_that_is_there() {
    let store = store().await;
    write(&store, put("profile", 3).build().unwrap()).await.unwrap();
    store.meter.take().unwrap();
    let refused = put("profile", 1).condition_expression("attribute_not_exists(pk)").build().unwrap();
    assert_eq!(write(&store, refused).await, None);
    let counted = store.meter.take().unwrap();
    assert_eq!((counted.write_units, counted.lost), (3, 1));
    let nowhere = put("other", 1).condition_expression("attribute_exists(pk)").build().unwrap();
    assert_eq!(write(&store, nowhere).await, None);
    assert_eq!(written(&store), 1);
}

#[tokio::test]
async fn a_transaction_writes_everything_twice_even_when_it_is_cancelled() {
    let store = store().await;
    let both = || [put("profile", 2), put("page#1", 1).condition_expression("attribute_not_exists(pk)")];
    for (lost, kinds) in [(0, [4, 2]), (1, [4, 2])] {
        let items = both().map(|put| TransactWriteItem::builder().put(put.build().unwrap()).build());
        let sent = store.client.transact_write_items().set_transact_items(Some(items.into())).send().await;
        assert_eq!(sent.is_err(), lost == 1);
        let counted = store.meter.take().unwrap();
        assert_eq!([counted.kind("profile").units, counted.kind("page").units], kinds);
        assert_eq!((counted.write_units, counted.lost), (6, lost));
    }
}

#[tokio::test]
async fn an_index_is_paid_for_only_where_it_changes() {
    let store = store().await;
    let due = |due: &str| {
        let number = |text: &str| AttributeValue::N(text.to_owned());
        put("profile", 1).item("shard", number("3")).item("due", number(due)).build().unwrap()
    };
    let steps = [(put("profile", 1).build().unwrap(), 1), (due("1"), 2), (due("1"), 1), (due("2"), 3)];
    for (step, units) in steps {
        write(&store, step).await.unwrap();
        assert_eq!(written(&store), units);
    }
    write(&store, put("profile", 1).build().unwrap()).await.unwrap();
    assert_eq!(written(&store), 2, "leaving the index is a write of it");
}

#[tokio::test]
async fn reads_are_rounded_by_item_or_by_answer() {
    let store = store().await;
    write(&store, put("a", 2).build().unwrap()).await.unwrap();
    write(&store, put("b", 7).build().unwrap()).await.unwrap();
    store.meter.take().unwrap();
    let key =
        |sort: &str| std::collections::HashMap::from([("pk".to_owned(), s("p")), ("sk".to_owned(), s(sort))]);
    let halves = || store.meter.take().unwrap().read_halves;

    let keys = ["a", "b", "nobody"].map(key);
    let asked = KeysAndAttributes::builder().set_keys(Some(keys.into())).build().unwrap();
    store.client.batch_get_item().request_items(TABLE, asked).send().await.unwrap();
    assert_eq!(halves(), 1 + 2 + 1);

    let query = || {
        store
            .client
            .query()
            .table_name(TABLE)
            .key_condition_expression("pk = :p")
            .expression_attribute_values(":p", s("p"))
    };
    query().send().await.unwrap();
    assert_eq!(halves(), 3, "9 KB together");
    query().consistent_read(true).send().await.unwrap();
    assert_eq!(halves(), 6);

    store
        .client
        .get_item()
        .table_name(TABLE)
        .set_key(Some(key("b")))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    assert_eq!(halves(), 4);
    store.client.get_item().table_name(TABLE).set_key(Some(key("nobody"))).send().await.unwrap();
    assert_eq!(halves(), 1);

    let get = Get::builder().table_name(TABLE).set_key(Some(key("b"))).build().unwrap();
    let get = TransactGetItem::builder().get(get).build();
    store.client.transact_get_items().transact_items(get).send().await.unwrap();
    assert_eq!(halves(), 8);
}

#[tokio::test]
async fn a_call_that_is_not_understood_leaves_no_figure() {
    let store = store().await;
    store.client.execute_statement().statement("SELECT * FROM People").send().await.ok();
    let told = store.meter.take().unwrap_err().to_string();
    assert!(told.contains("ExecuteStatement"), "{told}");
}
