//! Refused events in one table, bounded a source a minute.
//!
//! | `pk` | `sk` | holds beside version `v` and `expires` |
//! |---|---|---|
//! | `workspace#rejections#source#yyyy-mm-dd` | `minute#hh:mm` | `asked`: how many asked to be kept; `n#<reason>`: how many were refused for it |
//! | the same | `kept#hh:mm:ss.mmm#<hash>#<nn>` | `b`: refused events, packed |
//!
//! A request with refused events costs one small update; a minute's first
//! hundred of a source cost what they weigh.

mod pack;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::rejections::Listing;
use ports::{Clock, Unavailable};

use crate::item::{
    Attributes, EXPIRES, b, bytes, check_version, is_expired, key, n, number, s, seconds, versioned,
};
use crate::unavailable;

/// The version of every item's form.
const VERSION: i64 = 1;
const MINUTE: &str = "minute#";
const KEPT: &str = "kept#";
const COUNT: &str = "n#";
const ASKED: &str = "asked";
/// A listing holds the newest so many: with 10 KB each it fits into one answer.
const LISTED_MAX: usize = 500;
/// Items of one page of a listing, each up to 350 KB.
const PAGE_ITEMS: i32 = 25;

/// The rejections table.
#[derive(Debug, Clone)]
pub struct Rejections<C> {
    client: Client,
    table: String,
    clock: C,
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
        Self { client, table: table.into(), clock }
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
        let expires = minute.plus(Rejection::DAYS * Timestamp::DAY);
        let time = time.get(..5).unwrap_or_default();
        let room = self.count(&pk, time, expires, refused).await?;
        if room == 0 {
            return Ok(());
        }
        let kept = refused.get(..room.min(refused.len())).unwrap_or_default();
        self.keep(&pk, expires, refused, kept).await
    }

    /// Counts refusals, and says how many of them may be kept.
    async fn count(
        &self,
        pk: &str,
        time: &str,
        expires: Timestamp,
        refused: &[&Rejection],
    ) -> Result<usize, Unavailable> {
        let mut reasons = BTreeMap::<&str, usize>::new();
        for refused in refused {
            *reasons.entry(refused.reason.name()).or_default() += 1;
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(pk, format!("{MINUTE}{time}"))))
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":v", n(VERSION))
            .expression_attribute_values(":expires", seconds(expires))
            .expression_attribute_names("#asked", ASKED)
            .expression_attribute_values(":asked", n(refused.len()))
            .return_values(ReturnValue::UpdatedNew);
        let mut add = vec!["#asked :asked".to_owned()];
        for (reason, count) in reasons {
            add.push(format!("#{reason} :{reason}"));
            update = update
                .expression_attribute_names(format!("#{reason}"), format!("{COUNT}{reason}"))
                .expression_attribute_values(format!(":{reason}"), n(count));
        }
        let update =
            update.update_expression(format!("SET v = :v, #expires = :expires ADD {}", add.join(", ")));
        let answer = update.send().await.map_err(|error| unavailable("UpdateItem", error))?;
        let asked = number(&answer.attributes.unwrap_or_default(), ASKED)?;
        let before = usize::try_from(asked).unwrap_or(usize::MAX).saturating_sub(refused.len());
        Ok((Rejection::KEPT_A_MINUTE as usize).saturating_sub(before))
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

    /// The newest that were kept, at most [`LISTED_MAX`].
    async fn kept(&self, pk: &str) -> Result<Vec<Rejection>, Unavailable> {
        let mut kept = Vec::new();
        let mut next = None;
        loop {
            let query = self.query(pk, KEPT).scan_index_forward(false).limit(PAGE_ITEMS);
            let page = query.set_exclusive_start_key(next).send().await;
            let page = page.map_err(|error| unavailable("Query", error))?;
            for item in self.living(page.items())? {
                kept.extend(pack::unpack(bytes(item, "b")?)?);
            }
            next = page.last_evaluated_key;
            if next.is_none() || kept.len() >= LISTED_MAX {
                break;
            }
        }
        kept.sort_by_key(|refused| std::cmp::Reverse(refused.at));
        kept.truncate(LISTED_MAX);
        Ok(kept)
    }

    async fn counts(&self, pk: &str) -> Result<Vec<(String, u64)>, Unavailable> {
        let mut counts = BTreeMap::<String, u64>::new();
        let mut next = None;
        loop {
            let page = self.query(pk, MINUTE).set_exclusive_start_key(next).send().await;
            let page = page.map_err(|error| unavailable("Query", error))?;
            for item in self.living(page.items())? {
                add_counts(&mut counts, item);
            }
            next = page.last_evaluated_key;
            if next.is_none() {
                return Ok(counts.into_iter().collect());
            }
        }
    }

    fn query(&self, pk: &str, prefix: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":prefix", s(prefix))
    }

    /// Those that have not expired, all of a form that can be read.
    fn living<'a>(&self, items: &'a [Attributes]) -> Result<Vec<&'a Attributes>, Unavailable> {
        let now = self.clock.now();
        let living = items.iter().filter(|item| !is_expired(item, now));
        living.map(|item| check_version(item, VERSION).map(|()| item)).collect()
    }
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
        Ok(())
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> Result<Listing, Unavailable> {
        let pk = partition(workspace, source, &day_and_time(day).0);
        Ok(Listing { kept: self.kept(&pk).await?, counts: self.counts(&pk).await? })
    }
}

fn add_counts(counts: &mut BTreeMap<String, u64>, item: &Attributes) {
    for (name, value) in item {
        let counted = value.as_n().ok().and_then(|count| count.parse::<u64>().ok());
        if let (Some(reason), Some(counted)) = (name.strip_prefix(COUNT), counted) {
            *counts.entry(reason.to_owned()).or_default() += counted;
        }
    }
}

#[cfg(test)]
mod tests;
