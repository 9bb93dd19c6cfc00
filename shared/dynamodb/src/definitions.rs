//! Workspaces, sources and keys in one table.
//!
//! | `pk` | `sk` | holds beside its version `v` |
//! |---|---|---|
//! | workspace | `workspace` | `rules` as JSON, `rules_version`, `created`; `segments` and `outreach`, the versions of all of these |
//! | workspace | `source#<id>` | `region`, `origins`, `rate`, `changed` |
//! | workspace | `segment#<id>` | `document`: the segment with its versions, as JSON |
//! | workspace | `outreach#settings`, `outreach#template#<id>`, `outreach#message#<id>` | `document`, as JSON |
//! | `#senders` | workspace | nothing: it has messages |
//! | `#fills` | workspace | `fill`: how far everybody was asked about new segments, as JSON |
//! | workspace | `key#<key id>` | `sha256`, `source` or `scopes`, `created`; `ends` and `expires` once it was ended |

mod operator;
mod outreach;
mod segments;
mod sizes;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::messaging::outreach::Outreach;
use domain::segment::fill::{Fill, Walked, Which};
use domain::segment::size::{Counting, Size};
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::{Grant, Key, Scope, Source, Workspace};
use ports::people::SaveError;
use ports::{Clock, Unavailable};

use crate::item::{Attributes, bytes, check_version, key, list, malformed, n, number, s, text};
use crate::unavailable;
pub use operator::{DefineError, KeyListed, make_key};

/// The version of every item's form.
const VERSION: i64 = 1;
const WORKSPACE: &str = "workspace";
const SOURCE: &str = "source#";
const KEY: &str = "key#";

/// The definitions table.
#[derive(Debug, Clone)]
pub struct Definitions<C> {
    client: Client,
    table: String,
    clock: C,
}

impl<C: Clock> Definitions<C> {
    pub fn new(client: Client, table: impl Into<String>, clock: C) -> Self {
        Self { client, table: table.into(), clock }
    }

    /// Opens a connection, so that the first question need not: it asks for
    /// what nobody has, since a name of a workspace has no `#`.
    pub async fn connect(&self) {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s("#"));
        let _ = query.send().await;
    }

    async fn item(&self, workspace: &WorkspaceId, sk: String) -> Result<Option<Attributes>, Unavailable> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(workspace.as_str(), sk)));
        // A key that was revoked a moment ago has to be seen as revoked.
        let found = get.consistent_read(true).send().await;
        Ok(found.map_err(|error| unavailable("GetItem", error))?.item)
    }

    /// Reads a workspace's items with `from <= sk <= to`, however many pages that takes.
    async fn items(
        &self,
        workspace: &WorkspaceId,
        from: &str,
        to: &str,
    ) -> Result<Vec<Attributes>, Unavailable> {
        let mut items = Vec::new();
        let mut next = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", s(workspace.as_str()))
                .expression_attribute_values(":from", s(from))
                .expression_attribute_values(":to", s(to))
                .set_exclusive_start_key(next);
            let page = query.send().await.map_err(|error| unavailable("Query", error))?;
            items.extend(page.items.unwrap_or_default());
            next = page.last_evaluated_key;
            if next.is_none() {
                return Ok(items);
            }
        }
    }
}

impl<C: Clock> Definitions<C> {
    /// Counts a change of what stands beside a workspace, if it still has the
    /// version that was seen.
    fn raise(
        &self,
        workspace: &WorkspaceId,
        of: &'static str,
        seen: u64,
    ) -> Result<TransactWriteItem, Unavailable> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(workspace.as_str(), WORKSPACE)))
            .update_expression("SET #of = :next")
            .expression_attribute_names("#of", of) // `segments` is a word that DynamoDB keeps for itself.
            .condition_expression(if seen == 0 {
                "attribute_exists(pk) AND attribute_not_exists(#of)"
            } else {
                "#of = :seen"
            })
            .expression_attribute_values(":next", n(seen + 1));
        let update = if seen == 0 { update } else { update.expression_attribute_values(":seen", n(seen)) };
        let update = update.build().map_err(|cause| Unavailable::new(operator::TRANSACTION, cause))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The version of what stands beside a workspace, as of now.
    async fn version_now(&self, workspace: &WorkspaceId, of: &'static str) -> Result<u64, Unavailable> {
        match self.item(workspace, WORKSPACE.to_owned()).await? {
            Some(item) => version(&item, of),
            None => Ok(0),
        }
    }
}

impl<C: Clock> ports::Definitions for Definitions<C> {
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Unavailable> {
        // `source#…` stands before `workspace`, and `key#…` before both.
        let items = self.items(id, SOURCE, WORKSPACE).await?;
        let Some((last, sources)) = items.split_last().filter(|(last, _)| is_workspace(last)) else {
            return Ok(None);
        };
        check_version(last, VERSION)?;
        let rules = serde_json::from_str(text(last, "rules")?).map_err(|_| malformed("rules"))?;
        let sources = sources.iter().map(source).collect::<Result<_, _>>()?;
        let (segments, outreach) = (version(last, segments::SEGMENTS)?, version(last, outreach::OUTREACH)?);
        Ok(Some(Workspace { id: id.clone(), rules, sources, segments, outreach }))
    }

    async fn segments(&self, workspace: &WorkspaceId) -> Result<SegmentSet, Unavailable> {
        self.segment_set(workspace).await
    }

    async fn fills(&self) -> Result<Vec<Fill>, Unavailable> {
        self.open_fills().await
    }

    async fn walk(&self, fill: &Fill, part: u8, to: &Walked, looked_at: u64) -> Result<(), SaveError> {
        self.walk_fill(fill, part, to, looked_at).await
    }

    async fn end(&self, fill: &Which) -> Result<(), SaveError> {
        self.end_fill(fill).await
    }

    async fn switch(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> Result<(), SaveError> {
        self.switch_segments(fill, version, segments, next).await
    }

    async fn counts(&self) -> Result<Vec<Counting>, Unavailable> {
        self.all_counts().await
    }

    async fn count_on(&self, counting: &Counting) -> Result<(), Unavailable> {
        self.put_counting(counting).await
    }

    async fn put_size(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> Result<(), Unavailable> {
        self.put_size_of(workspace, segment, size).await
    }

    async fn sizes(&self, workspace: &WorkspaceId, segment: &SegmentId) -> Result<Vec<Size>, Unavailable> {
        self.sizes_of(workspace, segment).await
    }

    async fn outreach(&self, workspace: &WorkspaceId) -> Result<Outreach, Unavailable> {
        self.whole_outreach(workspace).await
    }

    async fn senders(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        self.all_senders().await
    }

    async fn key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<Option<Key>, Unavailable> {
        // What is no key id is in no store: `DynamoDB` need not be asked.
        if !domain::access::is_key_id(key_id) {
            return Ok(None);
        }
        let Some(item) = self.item(workspace, format!("{KEY}{key_id}")).await? else { return Ok(None) };
        if has_ended(&item, self.clock.now())? {
            return Ok(None);
        }
        check_version(&item, VERSION)?;
        let secret_sha256 = bytes(&item, "sha256")?.try_into().map_err(|_| malformed("sha256"))?;
        Ok(Some(Key { secret_sha256, grant: grant(&item)? }))
    }
}

/// The version of what stands beside a workspace: it counts the changes.
fn version(workspace: &Attributes, of: &'static str) -> Result<u64, Unavailable> {
    if !workspace.contains_key(of) {
        return Ok(0);
    }
    u64::try_from(number(workspace, of)?).map_err(|_| malformed(of))
}

fn is_workspace(item: &Attributes) -> bool {
    text(item, "sk").is_ok_and(|sk| sk == WORKSPACE)
}

fn source(item: &Attributes) -> Result<Source, Unavailable> {
    check_version(item, VERSION)?;
    let id = text(item, "sk")?.strip_prefix(SOURCE).ok_or_else(|| malformed("sk"))?;
    Ok(Source {
        id: SourceId::parse(id).map_err(|_| malformed("sk"))?,
        region: item.contains_key("region").then(|| text(item, "region").map(str::to_owned)).transpose()?,
        origins: list(item, "origins")?.into_iter().map(str::to_owned).collect(),
        rate: u32::try_from(number(item, "rate")?).map_err(|_| malformed("rate"))?,
    })
}

fn grant(item: &Attributes) -> Result<Grant, Unavailable> {
    if item.contains_key("source") {
        return SourceId::parse(text(item, "source")?).map(Grant::Write).map_err(|_| malformed("source"));
    }
    let scopes =
        list(item, "scopes")?.into_iter().map(|name| Scope::parse(name).ok_or_else(|| malformed("scopes")));
    scopes.collect::<Result<_, _>>().map(Grant::Admin)
}

fn ends(item: &Attributes) -> Result<Option<Timestamp>, Unavailable> {
    item.contains_key("ends").then(|| number(item, "ends").map(Timestamp::from_millis)).transpose()
}

fn has_ended(item: &Attributes, now: Timestamp) -> Result<bool, Unavailable> {
    Ok(ends(item)?.is_some_and(|ends| ends <= now))
}

#[cfg(test)]
mod tests;
