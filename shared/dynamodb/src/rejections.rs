//! Refused events in one table, bounded a source a minute.
//!
//! | `pk` | `sk` | holds beside version `v` and `expires` |
//! |---|---|---|
//! | `workspace#rejections#source#yyyy-mm-dd` | `minute#hh:mm` | `asked`: how many asked to be kept; `n#<reason>`: how many were refused for it |
//! | the same | `kept#hh:mm:ss.mmm#<hash>#<nn>` | `b`: refused events, packed |
//! | `workspace#rejections#source#yyyy-mm-dd#<shard>` | `rest` | `n#<reason>`: how many more |
//!
//! A request with refused events costs one small update; a minute's first
//! hundred of a source cost what they weigh. An item takes a thousand writes a
//! second: whoever has seen that a minute is full leaves its item alone, and
//! counts in a partition of its own ([`rest`]).

mod listing;
mod pack;
mod rest;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::rejections::{Part, Place};
use ports::{Clock, Unavailable};

use crate::item::{Attributes, EXPIRES, b, key, n, number, seconds, versioned};
use crate::unavailable;
use rest::Rest;

/// The version of every item's form.
const VERSION: i64 = 1;
const MINUTE: &str = "minute#";
const KEPT: &str = "kept#";
const COUNT: &str = "n#";
const ASKED: &str = "asked";

/// The rejections table; clones share what they know of full minutes.
#[derive(Debug, Clone)]
pub struct Rejections<C> {
    client: Client,
    table: String,
    clock: C,
    rest: Arc<Rest>,
}

/// Where the refusals of one source and day stand.
fn partition(workspace: &WorkspaceId, source: &SourceId, day: &str) -> String {
    format!("{workspace}#rejections#{source}#{day}")
}

/// The day and the time of day of a moment, as keys write them.
fn day_and_time(at: Timestamp) -> (String, String) {
    let text = at.rfc3339();
    // A moment outside the calendar has no `T`: it stands on a day of its own.
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    (day.to_owned(), time.trim_end_matches('Z').to_owned())
}

impl<C: Clock> Rejections<C> {
    pub fn new(client: Client, table: impl Into<String>, clock: C) -> Self {
        Self { client, table: table.into(), clock, rest: Arc::default() }
    }

    async fn record_minute(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        minute: Timestamp,
        refused: &[&Rejection],
    ) -> Result<(), Unavailable> {
        let (day, time) = day_and_time(minute);
        let pk = partition(workspace, source, &day);
        if self.rest.is_full(&pk, minute) {
            self.rest.owe(&pk, minute, counts(refused));
            return Ok(());
        }
        let expires = minute.plus(Rejection::DAYS * Timestamp::DAY);
        let counted = self.count(&pk, time.get(..5).unwrap_or_default(), expires, refused).await?;
        let Some(room) = counted else {
            self.rest.fill(&pk, minute);
            self.rest.owe(&pk, minute, counts(refused));
            return Ok(());
        };
        if room <= refused.len() {
            self.rest.fill(&pk, minute);
        }
        match refused.get(..room.min(refused.len())) {
            None | Some([]) => Ok(()),
            Some(kept) => self.keep(&pk, expires, refused, kept).await,
        }
    }

    /// Counts refusals in their minute, and says how many of them may be kept.
    ///
    /// `None` if they were not counted because the item is written more often
    /// than it takes: then others have claimed the minute's hundred by now.
    async fn count(
        &self,
        pk: &str,
        time: &str,
        expires: Timestamp,
        refused: &[&Rejection],
    ) -> Result<Option<usize>, Unavailable> {
        let mut counts = counts(refused);
        counts.insert(ASKED, refused.len());
        let update = self.add(pk.to_owned(), format!("{MINUTE}{time}"), expires, &counts);
        match update.return_values(ReturnValue::UpdatedNew).send().await {
            Ok(answer) => {
                let asked = number(&answer.attributes.unwrap_or_default(), ASKED)?;
                let before = usize::try_from(asked).unwrap_or(usize::MAX).saturating_sub(refused.len());
                Ok(Some((Rejection::KEPT_A_MINUTE as usize).saturating_sub(before)))
            }
            Err(error) if is_throttled(error.code()) => Ok(None),
            Err(error) => Err(unavailable("UpdateItem", error)),
        }
    }

    /// Adds to the numbers of an item.
    fn add(
        &self,
        pk: String,
        sk: String,
        expires: Timestamp,
        counts: &BTreeMap<&'static str, usize>,
    ) -> UpdateItemFluentBuilder {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(pk, sk)))
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":v", n(VERSION))
            .expression_attribute_values(":expires", seconds(expires));
        let mut add = Vec::new();
        for (name, count) in counts {
            add.push(format!("#{name} :{name}"));
            let attribute = if *name == ASKED { ASKED.to_owned() } else { format!("{COUNT}{name}") };
            update = update
                .expression_attribute_names(format!("#{name}"), attribute)
                .expression_attribute_values(format!(":{name}"), n(count));
        }
        update.update_expression(format!("SET v = :v, #expires = :expires ADD {}", add.join(", ")))
    }

    /// Keeps what may be kept of one call's refusals.
    async fn keep(
        &self,
        pk: &str,
        expires: Timestamp,
        refused: &[&Rejection],
        kept: &[&Rejection],
    ) -> Result<(), Unavailable> {
        let Some(first) = refused.first() else { return Ok(()) };
        let (_, time) = day_and_time(first.at);
        // Of all that was refused, so that repeating the call finds what it kept
        // at first, however little room is left by then.
        let name = pack::name(refused);
        for (position, body) in pack::pack(kept)?.into_iter().enumerate() {
            let mut item = versioned(pk, format!("{KEPT}{time}#{name}#{position:02}"), VERSION);
            item.insert(EXPIRES.to_owned(), seconds(expires));
            item.insert("b".to_owned(), b(body));
            self.put_new(item).await?;
        }
        Ok(())
    }

    async fn put_new(&self, item: Attributes) -> Result<(), Unavailable> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let Err(error) = put.condition_expression("attribute_not_exists(pk)").send().await else {
            return Ok(());
        };
        match error.as_service_error() {
            // What is there already is this very item.
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(unavailable("PutItem", error)),
        }
    }

    /// Counts what minutes had no room for.
    ///
    /// A failure is no error: the answer to good events shall not wait for a
    /// number. What could not be counted is counted with the next request, and
    /// is lost only if this process ends before.
    async fn count_rest(&self) {
        let mut owed = self.rest.take();
        while let Some((day, debt)) = owed.first() {
            let shard = self.clock.now().millis().rem_euclid(rest::SHARDS);
            let update =
                self.add(rest::partition(&day, shard), rest::ITEM.to_owned(), debt.expires, &debt.counts);
            let hasty = update.customize().config_override(rest::hasty());
            if let Err(error) = hasty.send().await {
                let cause = aws::Cause::of(error);
                tracing::warn!(%cause, "Could not count refused events, which will be done with the next: {cause}");
                return;
            }
            owed.paid(&day);
        }
    }
}

/// Refusals by reason.
fn counts(refused: &[&Rejection]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for refused in refused {
        *counts.entry(refused.reason.name()).or_default() += 1;
    }
    counts
}

/// The SDK has tried it several times by then.
fn is_throttled(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded")
    )
}

impl<C: Clock> ports::Rejections for Rejections<C> {
    async fn record(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        refused: &[Rejection],
    ) -> Result<(), Unavailable> {
        let mut minutes = BTreeMap::<Timestamp, Vec<&Rejection>>::new();
        for refused in refused {
            minutes.entry(refused.at.floor_to_minute()).or_default().push(refused);
        }
        for (minute, refused) in minutes {
            self.record_minute(workspace, source, minute, &refused).await?;
        }
        self.count_rest().await;
        Ok(())
    }

    async fn kept(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Part, Unavailable> {
        let pk = partition(workspace, source, &day_and_time(day).0);
        self.part(&pk, after, limit.max(1)).await
    }

    async fn counts(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Vec<(String, u64)>, Unavailable> {
        self.sums(&partition(workspace, source, &day_and_time(day).0)).await
    }
}

#[cfg(test)]
mod tests;
