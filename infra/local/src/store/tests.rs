use domain::time::Timestamp;
use testkit::TestClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// One request of `DynamoDB`'s API, without an SDK.
async fn ask(store: &Store, operation: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(store.address).await.unwrap();
    let credentials = "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, \
                       SignedHeaders=host, Signature=00";
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: {credentials}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

const TABLE: &str = r#"{"TableName":"people","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}"#;
const GRACE: Duration = Duration::from_mins(10);

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = Store::start(&file, TestClock::default()).await.unwrap();
    assert!(store.url().starts_with("http://127.0.0.1:"));
    assert_eq!(ask(&store, "CreateTable", TABLE).await.0, 200);
    let put = r#"{"TableName":"people","Item":{"pk":{"S":"one"}}}"#;
    assert_eq!(ask(&store, "PutItem", put).await.0, 200);
    store.stop(GRACE).await;

    let store = Store::start(&file, TestClock::default()).await.unwrap();
    let get = r#"{"TableName":"people","Key":{"pk":{"S":"one"}}}"#;
    assert_eq!(ask(&store, "GetItem", get).await, (200, r#"{"Item":{"pk":{"S":"one"}}}"#.to_owned()));
    store.stop(GRACE).await;
}

/// In 2079, where the system's clock is not yet.
#[tokio::test]
async fn items_end_by_the_clock_of_the_stack() {
    const END: i64 = 40_000 * Timestamp::DAY;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let start = |at| Store::start(&file, TestClock::at(Timestamp::from_millis(at)));
    let store = start(END - 1).await.unwrap();
    ask(&store, "CreateTable", TABLE).await;
    let life = r#"{"TableName":"people","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ends"}}"#;
    assert_eq!(ask(&store, "UpdateTimeToLive", life).await.0, 200);
    let put = async |number: i64, ends: String| {
        let item = format!(r#"{{"TableName":"people","Item":{{"pk":{{"S":"{number}"}}{ends}}}}}"#);
        assert_eq!(ask(&store, "PutItem", &item).await.0, 200);
    };
    for number in 0..250 {
        put(number, format!(r#","ends":{{"N":"{}"}}"#, END / Timestamp::SECOND + number % 2)).await;
    }
    put(250, String::new()).await;
    let left = async |store: &Store| {
        let (_, counted) = ask(store, "Scan", r#"{"TableName":"people","Select":"COUNT"}"#).await;
        serde_json::from_str::<serde_json::Value>(&counted).unwrap()["Count"].as_u64().unwrap()
    };
    assert_eq!(left(&store).await, 251);
    store.stop(GRACE).await;

    let store = start(END).await.unwrap();
    while left(&store).await > 126 {}
    store.stop(GRACE).await; // The sweep has ended with it.
    let store = start(END - 1).await.unwrap();
    assert_eq!(left(&store).await, 126, "those that end a second later, and the one without an end");
    store.stop(GRACE).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.db");
    std::fs::write(&damaged, "no database, but long enough to be looked at".repeat(100)).unwrap();
    assert!(matches!(Store::start(&damaged, TestClock::default()).await, Err(StoreError::Damaged { .. })));
    let nowhere = folder.path().join("no/such/store.db");
    assert!(matches!(Store::start(&nowhere, TestClock::default()).await, Err(StoreError::Open { .. })));
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    Store::start(&file, TestClock::default()).await.unwrap().stop(GRACE).await;
    let database = rusqlite::Connection::open(&file).unwrap();
    database.execute("UPDATE _config SET value = '999' WHERE key = 'schema_version'", []).unwrap();
    drop(database);
    let error = Store::start(&file, TestClock::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unfit { .. }), "{error:?}");
    assert!(chain(&error).contains("update, or choose another data folder") && chain(&error).contains("999"));
}

#[test]
fn a_folder_belongs_to_one_process_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/data");
    let folder = DataFolder::open(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path.join("format")).unwrap(), "1\n");
    let error = DataFolder::open(&path).unwrap_err();
    assert!(matches!(error, FolderError::InUse { .. }));
    assert!(error.to_string().ends_with("stop it, or choose another with `--data`"));
    std::fs::write(folder.queues_file(), "").unwrap();
    drop(folder);
    assert_eq!(DataFolder::open(&path).unwrap().path(), path);
}

#[test]
fn a_folder_of_a_newer_or_unknown_format_is_refused_and_left_alone() {
    for (text, expected) in
        [("2\n", "format 2; this version reads up to 1"), ("x", "says no format"), ("0", "says no format")]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("format"), text).unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(folder.path().join("format")).unwrap(), text);
    }
}

#[test]
fn a_folder_with_other_things_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holiday.jpg"), "").unwrap();
    assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_killed_start_leaves_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lock", "format.new"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    DataFolder::open(folder.path()).unwrap();
    assert!(!folder.path().join("format.new").exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("data");
    std::fs::write(&file, "").unwrap();
    let error = DataFolder::open(&file).unwrap_err();
    assert!(matches!(error, FolderError::Unusable { .. }));
    assert!(error.to_string().contains(&*file.to_string_lossy()));
}
