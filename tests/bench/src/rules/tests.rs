//! The examples that AWS's documents work out, and the edges between steps.

use serde_json::json;

use super::*;

fn item(item: Value) -> Item {
    match item {
        Value::Object(item) => item,
        other => panic!("{other} is no item"),
    }
}

#[test]
fn the_documents_shirt_has_23_bytes() {
    let shirt = json!({ "shirt-color": { "S": "R" }, "shirt-size": { "S": "M" } });
    assert_eq!(item_bytes(&item(shirt)), 23);
}

#[test]
fn each_type_is_sized_as_documented() {
    let check = |value: Value, bytes: u64| {
        assert_eq!(item_bytes(&item(json!({ "a": value }))), 1 + bytes, "{value}");
    };
    check(json!({ "S": "é" }), 2);
    check(json!({ "N": "27" }), 2);
    check(json!({ "N": "-27" }), 3);
    check(json!({ "N": "2700" }), 2);
    check(json!({ "N": "0.0001" }), 2);
    check(json!({ "N": "1795312059724" }), 8);
    check(json!({ "N": "0" }), 1);
    check(json!({ "B": "AAEC" }), 3);
    check(json!({ "B": "AAECAw==" }), 4);
    check(json!({ "BOOL": true }), 1);
    check(json!({ "NULL": true }), 1);
    check(json!({ "SS": ["ab", "c"] }), 3);
    check(json!({ "L": [] }), 3);
    check(json!({ "M": {} }), 3);
    check(json!({ "L": [{ "S": "ab" }, { "BOOL": true }] }), 3 + (1 + 2) + (1 + 1));
    check(json!({ "M": { "ab": { "S": "cd" } } }), 3 + 1 + 2 + 2);
}

#[test]
fn a_read_is_rounded_up_to_4_kb() {
    // "if you read an item that is 3.5 KB, DynamoDB rounds the item size to 4 KB": 1 unit; 10 KB: 3.
    assert_eq!(read_halves(3_584, Consistency::Strong), 2);
    assert_eq!(read_halves(10 * KB, Consistency::Strong), 2 * 3);
    // "if your item size is 8 KB": 2 units strongly, 1 eventually, 4 in a transaction.
    assert_eq!(read_halves(8 * KB, Consistency::Strong), 2 * 2);
    assert_eq!(read_halves(8 * KB, Consistency::Eventual), 2);
    assert_eq!(read_halves(8 * KB, Consistency::Transactional), 2 * 4);
    assert_eq!(read_halves(4 * KB + 1, Consistency::Eventual), 2);
    assert_eq!(read_halves(0, Consistency::Eventual), 1);
}

#[test]
fn a_batch_rounds_each_item_and_a_query_their_sum() {
    // "a 1.5 KB item and a 6.5 KB item": 12 KB by BatchGetItem, 8 KB by Query.
    let sizes = [1_536, 6_656];
    let batch: u64 = sizes.iter().map(|bytes| read_halves(*bytes, Consistency::Strong)).sum();
    assert_eq!(batch, 2 * 3);
    assert_eq!(read_halves(sizes.iter().sum(), Consistency::Strong), 2 * 2);
    // "10 items whose combined size is 40.8 KB": 44 KB; 1,500 items of 64 bytes: 96 KB.
    assert_eq!(read_halves(41_779, Consistency::Strong), 2 * 11);
    assert_eq!(read_halves(1_500 * 64, Consistency::Strong), 2 * 24);
}

#[test]
fn a_write_is_rounded_up_to_1_kb_of_the_larger_item() {
    assert_eq!(write_units(None, Some(512)), 1);
    assert_eq!(write_units(None, Some(KB)), 1);
    assert_eq!(write_units(None, Some(KB + 1)), 2);
    // BatchWriteItem of 500 bytes and 3.5 KB: 5 KB.
    assert_eq!(write_units(None, Some(500)) + write_units(None, Some(3_584)), 5);
    assert_eq!(write_units(Some(5 * KB), Some(100)), 5);
    // Deleting, or a condition that fails, where there is nothing.
    assert_eq!(write_units(None, None), 1);
    // "two write units for an item up to 1 KB", six for 3 KB.
    assert_eq!(transaction_units(None, Some(KB)), 2);
    assert_eq!(transaction_units(Some(3 * KB), Some(3 * KB)), 6);
}

#[test]
fn an_index_takes_writes_only_for_what_it_holds() {
    let entry = |due: &str| {
        let keys = item(json!({ "due": { "N": due } }));
        Indexed { projected: keys.clone(), keys }
    };
    let (one, two) = (entry("1"), entry("2"));
    assert_eq!(index_units(None, None), 0);
    assert_eq!(index_units(None, Some(&one)), 1);
    assert_eq!(index_units(Some(&one), None), 1);
    assert_eq!(index_units(Some(&one), Some(&one)), 0);
    assert_eq!(index_units(Some(&one), Some(&two)), 2);
    let mut wider = one.clone();
    wider.projected.insert("more".to_owned(), json!({ "S": "x".repeat(1_500) }));
    assert_eq!(index_units(Some(&one), Some(&wider)), 2);
}

#[test]
fn an_action_on_a_queue_counts_64_kb_at_a_time() {
    assert_eq!(queue_requests(0), 1);
    assert_eq!(queue_requests(64 * KB), 1);
    assert_eq!(queue_requests(64 * KB + 1), 2);
    // "an API action with a 256 KB payload is billed as four requests".
    assert_eq!(queue_requests(256 * KB), 4);
}

#[test]
fn an_http_api_counts_512_kb_at_a_time() {
    assert_eq!(http_api_requests(512 * KB), 1);
    assert_eq!(http_api_requests(513 * KB), 2);
}

#[test]
fn storage_counts_100_bytes_more() {
    assert_eq!(stored_bytes(&item(json!({ "a": { "S": "b" } }))), 102);
}
