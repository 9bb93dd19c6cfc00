//! The end of items whose time to live is over, by the clock of the stack: the
//! store's own sweep looks at the system's, which may be behind.

use std::collections::HashMap;

use domain::time::Timestamp;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::describe_time_to_live::DescribeTimeToLiveRequest;
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::{AttributeValue, Database, DynoxideError};

/// Items that are looked at in one go; others wait so long.
const PAGE: usize = 100;

/// Deletes what has ended in all tables; says how many items it was.
pub(super) fn sweep(database: &Database, now: Timestamp) -> Result<usize, DynoxideError> {
    let mut deleted = 0;
    let mut after = None;
    loop {
        let listed =
            database.list_tables(ListTablesRequest { exclusive_start_table_name: after, limit: None })?;
        for table in &listed.table_names {
            deleted += sweep_table(database, table, now)?;
        }
        after = listed.last_evaluated_table_name;
        if after.is_none() {
            return Ok(deleted);
        }
    }
}

fn sweep_table(database: &Database, table: &str, now: Timestamp) -> Result<usize, DynoxideError> {
    let life = database.describe_time_to_live(DescribeTimeToLiveRequest { table_name: table.to_owned() })?;
    let life = life.time_to_live_description;
    let Some(ends) = life.attribute_name.filter(|_| life.time_to_live_status == "ENABLED") else {
        return Ok(0);
    };
    let described = database.describe_table(DescribeTableRequest { table_name: table.to_owned() })?;
    let keys: Vec<String> = described.table.key_schema.into_iter().map(|key| key.attribute_name).collect();
    let ended = Ended { ends, now };
    let (mut deleted, mut after) = (0, None);
    loop {
        let page = database.scan(ended.scan(table, after))?;
        for mut item in page.items.unwrap_or_default() {
            item.retain(|name, _| keys.contains(name));
            deleted += usize::from(ended.delete(database, table, item)?);
        }
        after = page.last_evaluated_key;
        if after.is_none() {
            return Ok(deleted);
        }
    }
}

/// What has ended by now.
struct Ended {
    /// The attribute with an item's end, in seconds.
    ends: String,
    now: Timestamp,
}

impl Ended {
    const CONDITION: &str = "#ends <= :now";

    fn names(&self) -> HashMap<String, String> {
        HashMap::from([("#ends".to_owned(), self.ends.clone())])
    }

    fn values(&self) -> HashMap<String, AttributeValue> {
        let now = self.now.millis().div_euclid(Timestamp::SECOND).to_string();
        HashMap::from([(":now".to_owned(), AttributeValue::N(now))])
    }

    fn scan(&self, table: &str, after: Option<HashMap<String, AttributeValue>>) -> ScanRequest {
        ScanRequest {
            table_name: table.to_owned(),
            filter_expression: Some(Self::CONDITION.to_owned()),
            expression_attribute_names: Some(self.names()),
            expression_attribute_values: Some(self.values()),
            limit: Some(PAGE),
            exclusive_start_key: after,
            ..ScanRequest::default()
        }
    }

    /// An item that was given a new end meanwhile stays.
    fn delete(
        &self,
        database: &Database,
        table: &str,
        key: HashMap<String, AttributeValue>,
    ) -> Result<bool, DynoxideError> {
        let deleted = database.delete_item(DeleteItemRequest {
            table_name: table.to_owned(),
            key,
            condition_expression: Some(Self::CONDITION.to_owned()),
            expression_attribute_names: Some(self.names()),
            expression_attribute_values: Some(self.values()),
            ..DeleteItemRequest::default()
        });
        match deleted {
            Ok(_) => Ok(true),
            Err(DynoxideError::ConditionalCheckFailedException(..)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
