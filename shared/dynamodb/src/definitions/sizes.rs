//! Sizes of segments, one item a day, and how far they were counted.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::segment::size::{Counting, Size};
use domain::segment::stored::SegmentId;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::{Clock, Unavailable};

use super::operator::TRANSACTION;
use super::segments::json;
use super::{Definitions, VERSION};
use crate::item::{Attributes, check_version, key, malformed, n, s, text, versioned};
use crate::unavailable;

/// The key of all counts: a name of a workspace has no `#`.
const COUNTS: &str = "#counts";
/// How long a size is kept.
const KEPT_FOR: i64 = 731 * Timestamp::DAY;

impl<C: Clock> Definitions<C> {
    pub(super) async fn all_counts(&self) -> Result<Vec<Counting>, Unavailable> {
        let items = self.in_order(COUNTS, None).await?;
        items.iter().map(|item| read(item, "counting")).collect()
    }

    pub(super) async fn put_counting(&self, counting: &Counting) -> Result<(), Unavailable> {
        let mut item = versioned(COUNTS, counting.workspace.as_str(), VERSION);
        item.insert("counting".to_owned(), s(json(counting)));
        self.put_item(item).await
    }

    /// That a workspace is to be counted from now on, unless it is already.
    pub(super) fn counted(&self, workspace: &WorkspaceId) -> Result<TransactWriteItem, Unavailable> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(COUNTS, workspace.as_str())))
            .update_expression("SET v = if_not_exists(v, :v), counting = if_not_exists(counting, :counting)")
            .expression_attribute_values(":v", n(VERSION))
            .expression_attribute_values(":counting", s(json(&Counting::new(workspace.clone()))));
        let update = update.build().map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    pub(super) async fn put_size_of(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> Result<(), Unavailable> {
        let mut item = versioned(collection(workspace), format!("{segment}#{}", size.day), VERSION);
        item.insert("size".to_owned(), s(json(size)));
        let ends = size.day.start().plus(KEPT_FOR).millis() / Timestamp::SECOND;
        item.insert("expires".to_owned(), n(ends));
        self.put_item(item).await
    }

    pub(super) async fn sizes_of(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
    ) -> Result<Vec<Size>, Unavailable> {
        let items = self.in_order(&collection(workspace), Some(format!("{segment}#"))).await?;
        items.iter().map(|item| read(item, "size")).collect()
    }

    async fn put_item(&self, item: Attributes) -> Result<(), Unavailable> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| unavailable("PutItem", error))
    }

    /// Items of a collection, all or those whose key begins so.
    pub(super) async fn in_order(
        &self,
        pk: &str,
        begins: Option<String>,
    ) -> Result<Vec<Attributes>, Unavailable> {
        let query = self.client.query().table_name(&self.table).expression_attribute_values(":pk", s(pk));
        let query = match begins {
            Some(begins) => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :begins)")
                .expression_attribute_values(":begins", s(begins)),
            None => query.key_condition_expression("pk = :pk"),
        };
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| unavailable("Query", error))?);
        }
        Ok(items)
    }
}

fn collection(workspace: &WorkspaceId) -> String {
    format!("{workspace}#sizes")
}

fn read<T: serde::de::DeserializeOwned>(item: &Attributes, name: &'static str) -> Result<T, Unavailable> {
    check_version(item, VERSION)?;
    serde_json::from_str(text(item, name)?).map_err(|_| malformed(name))
}
