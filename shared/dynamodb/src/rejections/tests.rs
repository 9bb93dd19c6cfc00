use testkit::{TestClock, contract};

use super::*;
use crate::local;

const TABLE: &str = "rejections";

#[tokio::test]
async fn rejections_in_dynamodb_keep_the_promises_of_rejections() {
    let store = local::store().await;
    store.table(TABLE).await;
    let clock = TestClock::default();
    contract::rejections::check(&Rejections::new(store.client, TABLE, clock.clone()), &clock).await;
}
