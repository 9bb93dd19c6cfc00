//! The memory of requests, in the definitions table.
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | `workspace#idempotency#hash of the key` | `idempotency` | `b` hash of the body; `u` until when, in milliseconds; `expires` |
//!
//! Each has a partition of its own, so that they do not slow down the reading
//! of a workspace's definitions.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::Unavailable;
use ports::idempotency::{Claimed, Fingerprint};

use crate::client::unavailable;
use crate::item::{Attributes, EXPIRES, b, bytes, check_version, malformed, n, seconds, versioned};

const ITEM: &str = "idempotency";
const VERSION: i64 = 1;

/// Requests that were made before, in the definitions table.
#[derive(Debug, Clone)]
pub struct Idempotency {
    client: Client,
    table: String,
}

impl Idempotency {
    pub fn new(client: Client, definitions_table: impl Into<String>) -> Self {
        Self { client, table: definitions_table.into() }
    }
}

impl ports::Idempotency for Idempotency {
    async fn claim(
        &self,
        workspace: &WorkspaceId,
        request: Fingerprint,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Claimed, Unavailable> {
        let pk = format!("{workspace}#idempotency#{}", hex(request.key_sha256));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(versioned(pk, ITEM, VERSION)))
            .item("b", b(request.body_sha256))
            .item("u", n(expires.millis()))
            .item(EXPIRES, seconds(expires))
            // The table removes an item up to days after its time: the time itself decides.
            .condition_expression("attribute_not_exists(pk) OR u <= :now")
            .expression_attribute_values(":now", n(now.millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Claimed::New),
            Err(SdkError::ServiceError(refused)) if refused.err().is_conditional_check_failed_exception() => {
                taken(refused.into_err(), request)
            }
            Err(error) => Err(unavailable("PutItem", error)),
        }
    }
}

/// Whoever took the key took it for some body; if its answer was lost, for ours.
fn taken(refused: PutItemError, request: Fingerprint) -> Result<Claimed, Unavailable> {
    let PutItemError::ConditionalCheckFailedException(refused) = refused else { return Err(malformed("b")) };
    let item: Attributes = refused.item.unwrap_or_default();
    check_version(&item, VERSION)?;
    Ok(if bytes(&item, "b")? == request.body_sha256 { Claimed::Same } else { Claimed::Other })
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local;

    const TABLE: &str = "definitions";

    #[tokio::test]
    async fn the_table_keeps_the_promises_of_its_port() {
        let store = local::store().await;
        store.table(TABLE).await;
        testkit::contract::idempotency::check(&Idempotency::new(store.client, TABLE)).await;
    }

    #[tokio::test]
    async fn an_item_of_a_newer_build_is_not_guessed_at() {
        let store = local::store().await;
        store.table(TABLE).await;
        let pk = format!("shop#idempotency#{}", hex([1; 32]));
        let newer = versioned(pk, ITEM, VERSION + 1);
        let put = store.client.put_item().table_name(TABLE).set_item(Some(newer)).item("u", n(i64::MAX));
        put.send().await.unwrap();
        let memory = Idempotency::new(store.client, TABLE);
        let request = Fingerprint { key_sha256: [1; 32], body_sha256: [1; 32] };
        let shop = WorkspaceId::parse("shop").unwrap();
        let now = Timestamp::from_millis(0);
        assert!(ports::Idempotency::claim(&memory, &shop, request, now, now.plus(1)).await.is_err());
    }
}
