//! Segments, one item each, under a version of them all.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::segment::fill::{Fill, PARTS, Walked, Which};
use domain::segment::stored::{SegmentSet, StoredSegment};
use domain::workspace::WorkspaceId;
use ports::people::SaveError;
use ports::{Clock, Unavailable};

use super::operator::TRANSACTION;
use super::{DefineError, Definitions, VERSION};
use crate::item::{Attributes, check_version, key, malformed, n, number, s, text, versioned};
use crate::unavailable;

/// The key of all fills: a name of a workspace has no `#`.
const FILLS: &str = "#fills";
/// The attributes that say how far each part came: parts are walked side by side.
const PART: [&str; PARTS as usize] =
    ["part_0", "part_1", "part_2", "part_3", "part_4", "part_5", "part_6", "part_7"];
/// Segments that one transaction puts into force: it takes 100 items of 4 MB.
const SWITCHED_MAX: usize = 30;
const SEGMENT: &str = "segment#";
/// The attribute of the workspace that counts changes of its segments.
pub(super) const SEGMENTS: &str = "segments";

impl<C: Clock> Definitions<C> {
    /// All segments and their version, as of one moment: if somebody changes
    /// them meanwhile they are read again.
    pub(super) async fn segment_set(&self, workspace: &WorkspaceId) -> Result<SegmentSet, Unavailable> {
        let mut before = self.version_now(workspace, SEGMENTS).await?;
        loop {
            // `$` follows `#`: the end of all that begins with `segment#`.
            let items = self.items(workspace, SEGMENT, "segment$").await?;
            let after = self.version_now(workspace, SEGMENTS).await?;
            if after == before {
                let segments = items.iter().map(segment).collect::<Result<_, _>>()?;
                return Ok(SegmentSet { version: after, segments });
            }
            before = after;
        }
    }

    /// Publishes segments if all of them still have the version that was seen,
    /// which they then leave behind; everybody is to be asked.
    pub async fn publish_segments(
        &self,
        workspace: &WorkspaceId,
        seen: u64,
        segments: &[StoredSegment],
    ) -> Result<(), DefineError> {
        let mut writes = self.segment_writes(workspace, seen, segments)?;
        let fill = Fill::new(workspace.clone(), seen + 1, self.clock.now());
        let put = Put::builder().table_name(&self.table).set_item(Some(fill_item(&fill))).build();
        let put = put.map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        writes.push((TransactWriteItem::builder().put(put).build(), DefineError::Conflict));
        writes.push((self.counted(workspace)?, DefineError::Conflict));
        self.transact(writes).await
    }

    /// The fills that are under way, of all workspaces.
    pub(super) async fn open_fills(&self) -> Result<Vec<Fill>, Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(FILLS));
        let mut pages = query.into_paginator().items().send();
        let mut fills = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable("Query", error))?;
            check_version(&item, VERSION)?;
            fills.push(fill(&item)?);
        }
        Ok(fills)
    }

    pub(super) async fn walk_fill(
        &self,
        fill: &Fill,
        part: u8,
        to: &Walked,
        looked_at: u64,
    ) -> Result<(), SaveError> {
        let place = usize::from(part);
        let (Some(seen), Some(name)) = (fill.parts.get(place), PART.get(place)) else {
            return Err(SaveError::Conflict); // A fill of other parts than this build's.
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(FILLS, fill.is.workspace.as_str())))
            .update_expression("SET #part = :to ADD looked_at :looked_at")
            .condition_expression("fill = :fill AND #part = :seen")
            .expression_attribute_names("#part", *name)
            .expression_attribute_values(":fill", s(json(&fill.is)))
            .expression_attribute_values(":seen", s(json(seen)))
            .expression_attribute_values(":to", s(json(to)))
            .expression_attribute_values(":looked_at", n(looked_at));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(refused)) if refused.err().is_conditional_check_failed_exception() => {
                Err(SaveError::Conflict)
            }
            Err(error) => Err(unavailable("UpdateItem", error).into()),
        }
    }

    pub(super) async fn end_fill(&self, fill: &Which) -> Result<(), SaveError> {
        let write = self.fill_write(fill, None)?;
        self.transact(vec![(write, DefineError::Conflict)]).await.map_err(raced)
    }

    pub(super) async fn switch_segments(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> Result<(), SaveError> {
        let mut chunks = segments.chunks(SWITCHED_MAX).peekable();
        let mut version = version;
        // What is left pending by a break is put into force by the next run.
        while let Some(chunk) = chunks.next() {
            let mut writes = self.segment_writes(&fill.workspace, version, chunk).map_err(raced)?;
            if chunks.peek().is_none() {
                writes.push((self.fill_write(fill, next)?, DefineError::Conflict));
            }
            self.transact(writes).await.map_err(raced)?;
            version += 1;
        }
        if segments.is_empty() { self.end_fill(fill).await } else { Ok(()) }
    }

    /// Ends a fill, or puts the next in its place.
    fn fill_write(&self, seen: &Which, next: Option<&Fill>) -> Result<TransactWriteItem, Unavailable> {
        let wrong = |cause| Unavailable::new(TRANSACTION, cause);
        let (condition, seen_json) = ("fill = :seen", s(json(seen)));
        let write = TransactWriteItem::builder();
        if let Some(next) = next {
            let put = Put::builder().table_name(&self.table).set_item(Some(fill_item(next)));
            let put = put.condition_expression(condition).expression_attribute_values(":seen", seen_json);
            return Ok(write.put(put.build().map_err(wrong)?).build());
        }
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(FILLS, seen.workspace.as_str())))
            .condition_expression(condition)
            .expression_attribute_values(":seen", seen_json);
        Ok(write.delete(delete.build().map_err(wrong)?).build())
    }

    fn segment_writes(
        &self,
        workspace: &WorkspaceId,
        seen: u64,
        segments: &[StoredSegment],
    ) -> Result<Vec<(TransactWriteItem, DefineError)>, DefineError> {
        let mut writes = vec![(self.raise(workspace, SEGMENTS, seen)?, DefineError::Conflict)];
        for segment in segments {
            let mut item = versioned(workspace.as_str(), format!("{SEGMENT}{}", segment.id), VERSION);
            // Texts and numbers: nothing that JSON could refuse.
            item.insert("document".to_owned(), s(serde_json::to_string(segment).unwrap_or_default()));
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            let put = put.map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
            writes.push((TransactWriteItem::builder().put(put).build(), DefineError::Conflict));
        }
        Ok(writes)
    }
}

fn raced(error: DefineError) -> SaveError {
    match error {
        DefineError::Unavailable(cause) => cause.into(),
        DefineError::Conflict | DefineError::Exists(_) | DefineError::Unknown(_) => SaveError::Conflict,
    }
}

pub(super) fn json<T: serde::Serialize>(of: &T) -> String {
    // Texts and numbers: nothing that JSON could refuse.
    serde_json::to_string(of).unwrap_or_default()
}

fn fill_item(fill: &Fill) -> Attributes {
    let mut item = versioned(FILLS, fill.is.workspace.as_str(), VERSION);
    item.insert("fill".to_owned(), s(json(&fill.is)));
    item.insert("looked_at".to_owned(), n(fill.looked_at));
    item.extend(PART.iter().zip(&fill.parts).map(|(name, part)| ((*name).to_owned(), s(json(part)))));
    item
}

fn fill(item: &Attributes) -> Result<Fill, Unavailable> {
    let is = serde_json::from_str(text(item, "fill")?).map_err(|_| malformed("fill"))?;
    let part = |name| -> Result<Walked, Unavailable> {
        serde_json::from_str(text(item, name)?).map_err(|_| malformed(name))
    };
    let looked_at = u64::try_from(number(item, "looked_at")?).map_err(|_| malformed("looked_at"))?;
    Ok(Fill { is, parts: PART.into_iter().map(part).collect::<Result<_, _>>()?, looked_at })
}

fn segment(item: &Attributes) -> Result<StoredSegment, Unavailable> {
    check_version(item, VERSION)?;
    serde_json::from_str(text(item, "document")?).map_err(|_| malformed("document"))
}
