//! Profiles, identifier rows and collections in two tables.
//!
//! | table | `pk` | `sk` | holds |
//! |---|---|---|---|
//! | people | `workspace#profile id` | `profile` | `b` body, `v` version; `due_shard`, `due` only while due |
//! | people | `workspace#profile id` | an item's key | `b` body |
//! | identities | `workspace#identifier key` | `identity` | `o` owner, `g` generation |

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::TransactWriteItemBuilder;
use aws_sdk_dynamodb::types::{ConditionCheck, KeysAndAttributes, Put, TransactWriteItem};
use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey, Owner, Version, due_shard};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ports::Unavailable;
use ports::people::{Check, Claim, Everyone, ItemPage, Read, Save, SaveError, StoredProfile};

use crate::item::{Attributes, b, bytes, key, malformed, n, number, s, text};
use crate::unavailable;

const PROFILE: &str = "profile";
const IDENTITY: &str = "identity";
/// The sparse index of who is due.
const DUE_INDEX: &str = "due";
/// Keys that one `BatchGetItem` takes.
const KEYS_MAX: usize = 100;
/// Calls of one question or one write that are under way together.
const CALLS_AT_ONCE: usize = 8;
/// Rounds in which keys that an answer left out are asked for again.
const ROUNDS_MAX: usize = 10;

/// The people and identities tables.
#[derive(Debug, Clone)]
pub struct People {
    client: Client,
    profiles: String,
    identities: String,
}

/// The service answered 200 and left keys out, again and again.
#[derive(Debug, thiserror::Error)]
#[error("{ROUNDS_MAX} answers left keys out; the table is throttled")]
struct LeftOut;

impl People {
    pub fn new(client: Client, people: impl Into<String>, identities: impl Into<String>) -> Self {
        Self { client, profiles: people.into(), identities: identities.into() }
    }

    /// For a stage that asks for nobody by an identifier, and has no right to.
    pub fn without_identities(client: Client, people: impl Into<String>) -> Self {
        Self::new(client, people, String::new())
    }

    /// Reads items by their keys, however many answers that takes; `pk` of
    /// each item found, with the item.
    async fn get(
        &self,
        table: &str,
        sk: &str,
        pks: Vec<String>,
        read: Read,
    ) -> Result<HashMap<String, Attributes>, Unavailable> {
        let mut calls = Vec::new();
        for pks in pks.chunks(KEYS_MAX) {
            calls.push(self.get_chunk(table, sk, pks, read));
        }
        futures_util::stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).try_concat().await
    }

    async fn get_chunk(
        &self,
        table: &str,
        sk: &str,
        pks: &[String],
        read: Read,
    ) -> Result<HashMap<String, Attributes>, Unavailable> {
        const OPERATION: &str = "BatchGetItem";
        let keys: Vec<Attributes> = pks.iter().map(|pk| key(pk.clone(), sk)).collect();
        let asked = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(read == Read::Consistent)
            .build();
        let mut asked = asked.map_err(|cause| Unavailable::new(OPERATION, cause))?;
        let mut found = HashMap::new();
        for _ in 0..ROUNDS_MAX {
            let answer = self.client.batch_get_item().request_items(table, asked).send().await;
            let mut answer = answer.map_err(|cause| unavailable(OPERATION, cause))?;
            for item in answer.responses.as_mut().and_then(|tables| tables.remove(table)).unwrap_or_default()
            {
                found.insert(text(&item, "pk")?.to_owned(), item);
            }
            match answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)) {
                Some(left) => asked = left,
                None => return Ok(found),
            }
        }
        Err(Unavailable::new(OPERATION, LeftOut))
    }

    async fn write_one(&self, put: Put) -> Result<(), SaveError> {
        let write = self.client.put_item().table_name(put.table_name).set_item(Some(put.item));
        let write = write
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values);
        write.send().await.map(|_| ()).map_err(|error| match error.as_service_error() {
            Some(
                PutItemError::ConditionalCheckFailedException(_)
                | PutItemError::TransactionConflictException(_),
            ) => SaveError::Conflict,
            _ => unavailable("PutItem", error).into(),
        })
    }

    async fn write_all(&self, puts: Vec<Put>, checks: Vec<ConditionCheck>) -> Result<(), SaveError> {
        let checks = checks.into_iter().map(|check| TransactWriteItem::builder().condition_check(check));
        let puts = puts.into_iter().map(|put| TransactWriteItem::builder().put(put));
        let items = puts.chain(checks).map(TransactWriteItemBuilder::build).collect();
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        sent.map(|_| ()).map_err(cancelled)
    }
}

/// Why a transaction was cancelled: a lost race, or a service in trouble.
fn cancelled(error: SdkError<TransactWriteItemsError, HttpResponse>) -> SaveError {
    let raced = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let codes = || cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            codes().any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
        }
        _ => false,
    };
    if raced { SaveError::Conflict } else { unavailable("TransactWriteItems", error).into() }
}

impl ports::People for People {
    async fn identities(
        &self,
        workspace: &WorkspaceId,
        keys: &[IdentifierKey],
        read: Read,
    ) -> Result<Vec<Option<IdentityRow>>, Unavailable> {
        let pks: Vec<String> = keys.iter().map(|key| format!("{workspace}#{key}")).collect();
        let found = self.get(&self.identities, IDENTITY, distinct(&pks), read).await?;
        pks.iter().map(|pk| found.get(pk).map(identity).transpose()).collect()
    }

    async fn profiles(
        &self,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> Result<Vec<Option<StoredProfile>>, Unavailable> {
        let pks: Vec<String> = ids.iter().map(|id| format!("{workspace}#{id}")).collect();
        let found = self.get(&self.profiles, PROFILE, distinct(&pks), read).await?;
        pks.iter().map(|pk| found.get(pk).map(profile).transpose()).collect()
    }

    async fn items(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        from: &ItemKey,
        to: &ItemKey,
    ) -> Result<ItemPage, Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.profiles)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(format!("{workspace}#{id}")))
            .expression_attribute_values(":from", s(&from.0))
            .expression_attribute_values(":to", s(&to.0));
        let answer = query.send().await.map_err(|cause| unavailable("Query", cause))?;
        let next =
            answer.last_evaluated_key.as_ref().map(|last| text(last, "sk").map(|sk| ItemKey(sk.to_owned())));
        let items = answer.items.unwrap_or_default();
        let items = items.iter().map(|found| {
            Ok(Item { key: ItemKey(text(found, "sk")?.to_owned()), body: bytes(found, "b")?.to_vec() })
        });
        let items: Vec<Item> = items.collect::<Result<_, Unavailable>>()?;
        // `BETWEEN` includes its end.
        let items = items.into_iter().filter(|item| item.key < *to).collect();
        Ok(ItemPage { items, next: next.transpose()? })
    }

    async fn put(&self, workspace: &WorkspaceId, id: ProfileId, items: &[Item]) -> Result<(), Unavailable> {
        let puts = items.iter().map(|item| self.item(workspace, id, item));
        let puts: Vec<Put> = puts.collect::<Result<_, _>>()?;
        let writes = puts.into_iter().map(|put| self.write_one(put));
        let written = futures_util::stream::iter(writes).buffer_unordered(CALLS_AT_ONCE);
        let written = written.try_collect::<()>().await;
        written.map_err(|error| match error {
            SaveError::Unavailable(cause) => cause,
            SaveError::Conflict => Unavailable::new("PutItem", error),
        })
    }

    async fn remove(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        keys: &[ItemKey],
    ) -> Result<(), Unavailable> {
        let remove = |item: &ItemKey| {
            let key = key(format!("{workspace}#{id}"), &item.0);
            self.client.delete_item().table_name(&self.profiles).set_key(Some(key)).send()
        };
        let removed = futures_util::stream::iter(keys.iter().map(remove)).buffer_unordered(CALLS_AT_ONCE);
        let removed = removed.map_ok(drop).try_collect::<()>().await;
        removed.map_err(|error| unavailable("DeleteItem", error))
    }

    async fn replace(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        seen: Option<&Item>,
        next: &Item,
    ) -> Result<(), SaveError> {
        let mut put = self.item(workspace, id, next)?;
        match seen {
            None => put.condition_expression = Some("attribute_not_exists(pk)".to_owned()),
            Some(seen) => {
                put.condition_expression = Some("b = :seen".to_owned());
                put.expression_attribute_values =
                    Some(HashMap::from([(":seen".to_owned(), b(seen.body.clone()))]));
            }
        }
        self.write_one(put).await
    }

    async fn save(&self, workspace: &WorkspaceId, save: Save) -> Result<(), SaveError> {
        if save.claims.is_empty() && save.with.is_empty() && save.checks.is_empty() {
            return self.write_one(self.profile(workspace, &save)?).await;
        }
        self.save_all(workspace, vec![save]).await
    }

    async fn save_all(&self, workspace: &WorkspaceId, saves: Vec<Save>) -> Result<(), SaveError> {
        let (mut puts, mut checks) = (Vec::new(), Vec::new());
        for save in &saves {
            puts.push(self.profile(workspace, save)?);
            for claim in &save.claims {
                puts.push(self.claim(workspace, claim)?);
            }
            for item in &save.with {
                puts.push(self.item(workspace, save.id, item)?);
            }
            for check in &save.checks {
                checks.push(self.check(workspace, check)?);
            }
        }
        self.write_all(puts, checks).await
    }

    async fn everyone(&self, part: u32, parts: u32, cursor: Option<&str>) -> Result<Everyone, Unavailable> {
        let number = |number: u32| i32::try_from(number).map_err(|cause| Unavailable::new("Scan", cause));
        let scan = self
            .client
            .scan()
            .table_name(&self.profiles)
            .segment(number(part)?)
            .total_segments(number(parts)?)
            .filter_expression("sk = :profile")
            .projection_expression("pk")
            .expression_attribute_values(":profile", s(PROFILE));
        let last = cursor.map(|cursor| cursor.split_once('|').ok_or_else(|| malformed("pk"))).transpose()?;
        let scan = scan.set_exclusive_start_key(last.map(|(pk, sk)| key(pk, sk)));
        let answer = scan.send().await.map_err(|cause| unavailable("Scan", cause))?;
        let people = answer.items.unwrap_or_default().iter().map(whose).collect::<Result<_, _>>()?;
        let next = answer.last_evaluated_key.filter(|last| !last.is_empty());
        let next = next.map(|last| Ok(format!("{}|{}", text(&last, "pk")?, text(&last, "sk")?)));
        Ok(Everyone { people, next: next.transpose()? })
    }

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, ProfileId)>, Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.profiles)
            .index_name(DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND due <= :now")
            .expression_attribute_values(":shard", n(shard))
            .expression_attribute_values(":now", n(now.millis()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await.map_err(|cause| unavailable("Query", cause))?;
        answer.items.unwrap_or_default().iter().map(whose).collect()
    }
}

fn whose(item: &Attributes) -> Result<(WorkspaceId, ProfileId), Unavailable> {
    let (workspace, id) = text(item, "pk")?.split_once('#').ok_or_else(|| malformed("pk"))?;
    let workspace = WorkspaceId::parse(workspace).map_err(|_| malformed("pk"))?;
    Ok((workspace, ProfileId::parse(id).ok_or_else(|| malformed("pk"))?))
}

impl People {
    fn profile(&self, workspace: &WorkspaceId, save: &Save) -> Result<Put, Unavailable> {
        let Save { id, seen, next, .. } = save;
        let mut put = Put::builder()
            .table_name(&self.profiles)
            .set_item(Some(key(format!("{workspace}#{id}"), PROFILE)))
            .item("b", b(next.body.clone()))
            .item("v", b(version(next.version)));
        if let Some(due) = next.due {
            put = put.item("due_shard", n(due_shard(*id))).item("due", n(due.millis()));
        }
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => {
                put.condition_expression("v = :seen").expression_attribute_values(":seen", b(version(*seen)))
            }
        };
        built(put.build())
    }

    fn claim(&self, workspace: &WorkspaceId, claim: &Claim) -> Result<Put, Unavailable> {
        let put = Put::builder()
            .table_name(&self.identities)
            .set_item(Some(key(format!("{workspace}#{}", claim.key), IDENTITY)))
            .item("o", s(owner(claim.row.owner)))
            .item("g", n(claim.row.generation));
        let put = match claim.seen {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => put
                .condition_expression("o = :owner AND g = :generation")
                .expression_attribute_values(":owner", s(owner(seen.owner)))
                .expression_attribute_values(":generation", n(seen.generation)),
        };
        built(put.build())
    }

    fn check(&self, workspace: &WorkspaceId, check: &Check) -> Result<ConditionCheck, Unavailable> {
        let built = match check {
            Check::Profile { id, seen } => ConditionCheck::builder()
                .table_name(&self.profiles)
                .set_key(Some(key(format!("{workspace}#{id}"), PROFILE)))
                .condition_expression("v = :seen")
                .expression_attribute_values(":seen", b(version(*seen))),
            Check::Row { key: of, seen } => {
                let row = ConditionCheck::builder()
                    .table_name(&self.identities)
                    .set_key(Some(key(format!("{workspace}#{of}"), IDENTITY)));
                match seen {
                    None => row.condition_expression("attribute_not_exists(pk)"),
                    Some(seen) => row
                        .condition_expression("o = :owner AND g = :generation")
                        .expression_attribute_values(":owner", s(owner(seen.owner)))
                        .expression_attribute_values(":generation", n(seen.generation)),
                }
            }
        };
        built.build().map_err(|cause| Unavailable::new("building a ConditionCheck", cause))
    }

    fn item(&self, workspace: &WorkspaceId, id: ProfileId, item: &Item) -> Result<Put, Unavailable> {
        let put = Put::builder()
            .table_name(&self.profiles)
            .set_item(Some(key(format!("{workspace}#{id}"), &item.key.0)))
            .item("b", b(item.body.clone()));
        built(put.build())
    }
}

fn built(put: Result<Put, aws_sdk_dynamodb::error::BuildError>) -> Result<Put, Unavailable> {
    put.map_err(|cause| Unavailable::new("building a Put", cause))
}

/// `BatchGetItem` refuses a key that is asked for twice.
fn distinct(pks: &[String]) -> Vec<String> {
    let mut distinct = pks.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

fn profile(item: &Attributes) -> Result<StoredProfile, Unavailable> {
    let (counter, write) = bytes(item, "v")?.split_at_checked(8).ok_or_else(|| malformed("v"))?;
    let version = Version {
        counter: u64::from_be_bytes(counter.try_into().map_err(|_| malformed("v"))?),
        write: write.try_into().map_err(|_| malformed("v"))?,
    };
    let due = item.contains_key("due").then(|| number(item, "due").map(Timestamp::from_millis));
    Ok(StoredProfile { version, body: bytes(item, "b")?.to_vec(), due: due.transpose()? })
}

fn version(version: Version) -> Vec<u8> {
    let mut bytes = version.counter.to_be_bytes().to_vec();
    bytes.extend(version.write);
    bytes
}

fn identity(item: &Attributes) -> Result<IdentityRow, Unavailable> {
    let generation = u32::try_from(number(item, "g")?).map_err(|_| malformed("g"))?;
    let owner = match text(item, "o")?.split_at_checked(1) {
        Some(("p", id)) => Owner::Profile(ProfileId::parse(id).ok_or_else(|| malformed("o"))?),
        Some(("n", "")) => Owner::Nobody,
        Some(("e", at)) => Owner::Erased(Timestamp::from_millis(at.parse().map_err(|_| malformed("o"))?)),
        _ => return Err(malformed("o")),
    };
    Ok(IdentityRow { owner, generation })
}

fn owner(owner: Owner) -> String {
    match owner {
        Owner::Profile(id) => format!("p{id}"),
        Owner::Nobody => "n".to_owned(),
        Owner::Erased(at) => format!("e{}", at.millis()),
    }
}

#[cfg(test)]
mod tests;
