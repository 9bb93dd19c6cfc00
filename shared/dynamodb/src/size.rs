//! How large a table is, for whoever asks what it costs.

use aws_sdk_dynamodb::Client;
use ports::Unavailable;

use crate::client::unavailable;

const OPERATION: &str = "DescribeTable";

/// A table with its indexes, as of some hours ago: `DynamoDB` counts that often.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableSize {
    pub table: Size,
    /// By name.
    pub indexes: Vec<(String, Size)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub items: u64,
    pub bytes: u64,
}

/// The table's answer lacks what it always has.
#[derive(Debug, thiserror::Error)]
#[error("the answer describes no table")]
struct Lacks;

pub async fn of(client: &Client, table: &str) -> Result<TableSize, Unavailable> {
    let sent = client.describe_table().table_name(table).send().await;
    let described = sent.map_err(|error| unavailable(OPERATION, error))?.table;
    let described = described.ok_or_else(|| Unavailable::new(OPERATION, Lacks))?;
    let size = |items: Option<i64>, bytes: Option<i64>| {
        let number =
            |number: Option<i64>| number.and_then(|number| number.try_into().ok()).unwrap_or_default();
        Size { items: number(items), bytes: number(bytes) }
    };
    let indexes = described.global_secondary_indexes.unwrap_or_default().into_iter();
    let indexes =
        indexes.filter_map(|index| Some((index.index_name?, size(index.item_count, index.index_size_bytes))));
    Ok(TableSize {
        table: size(described.item_count, described.table_size_bytes),
        indexes: indexes.collect(),
    })
}

#[cfg(test)]
mod tests {
    use aws::service::Service;

    use super::*;

    async fn of_answer(status: u16, answer: &str) -> Result<TableSize, Unavailable> {
        let service = Service::replay([(status, answer.to_owned())]);
        of(&crate::client(&service.config(), None), "people").await
    }

    #[tokio::test]
    async fn a_table_says_how_large_it_and_its_indexes_are() {
        let answer = r#"{"Table":{"ItemCount":3,"TableSizeBytes":700,
            "GlobalSecondaryIndexes":[{"IndexName":"due","ItemCount":1,"IndexSizeBytes":50}]}}"#;
        let size = of_answer(200, answer).await.unwrap();
        assert_eq!(size.table, Size { items: 3, bytes: 700 });
        assert_eq!(size.indexes, [("due".to_owned(), Size { items: 1, bytes: 50 })]);
        assert_eq!(of_answer(200, r#"{"Table":{}}"#).await.unwrap(), TableSize::default());
    }

    #[tokio::test]
    async fn a_table_that_may_not_be_asked_is_an_error_with_its_code() {
        let error = of_answer(400, r#"{"__type":"AccessDeniedException"}"#).await.unwrap_err();
        assert_eq!(
            (error.operation, error.cause.to_string().as_str()),
            (OPERATION, "the service answered 400 AccessDeniedException")
        );
        assert!(of_answer(200, "{}").await.is_err());
    }
}
