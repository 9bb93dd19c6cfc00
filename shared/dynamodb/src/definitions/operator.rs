//! What an operator does: create, change, end and list definitions.
//!
//! Every write is a transaction: the SDK gives it a token, so that its own
//! retry after a lost answer is not taken for a second writer.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem, Update};
use domain::access::{AccessKey, KeyKind};
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::{Grant, Source};
use ports::{Clock, Entropy, Unavailable};

use super::{Definitions, KEY, SOURCE, VERSION, WORKSPACE, ends, grant, has_ended, is_workspace};
use crate::item::{
    Attributes, EXPIRES, b, check_version, key, malformed, n, number, s, seconds, text, texts, versioned,
};
use crate::unavailable;

pub(super) const TRANSACTION: &str = "TransactWriteItems";
const NEW: &str = "attribute_not_exists(pk)";
const THERE: &str = "attribute_exists(pk)";
/// An ended key is shown for so long, then `DynamoDB` removes it.
const ENDED_SHOWN: i64 = 30 * Timestamp::DAY;

/// Why a definition was not written.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    #[error("this {0} exists already; choose another name, or change the one that is there")]
    Exists(&'static str),
    #[error("there is no such {0}; look for its name in the list, or create it first")]
    Unknown(&'static str),
    #[error("another operator came between; look at what is there now and try again")]
    Conflict,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A key as an operator sees it: nothing in it opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyListed {
    pub id: String,
    pub grant: Grant,
    pub created: Timestamp,
    /// From when on it opens nothing; `None` while nobody has ended it.
    pub ends: Option<Timestamp>,
}

/// What went wrong if the condition of an item of a transaction did not hold.
type IfNot = DefineError;

impl<C: Clock> Definitions<C> {
    /// Creates a workspace with a source and its first keys, all or nothing: one
    /// that is there already stays as it is.
    ///
    /// The keys are made before ([`make_key`]), so that they can be shown
    /// before they open anything: nobody is left with a key that nobody saw.
    pub async fn create_first(
        &self,
        workspace: &WorkspaceId,
        source: &Source,
        keys: &[(AccessKey, Grant)],
    ) -> Result<(), DefineError> {
        let item = self.workspace_item(workspace, &Rules::default());
        let mut writes = vec![
            (self.put(item, NEW)?, DefineError::Exists(WORKSPACE)),
            (self.put(self.source_item(workspace, source), NEW)?, DefineError::Exists("source")),
        ];
        for (key, grant) in keys {
            writes.push((self.put(self.key_item(key, grant), NEW)?, DefineError::Exists("key")));
        }
        self.transact(writes).await
    }

    pub async fn create_workspace(&self, id: &WorkspaceId, rules: &Rules) -> Result<(), DefineError> {
        let item = self.workspace_item(id, rules);
        self.transact(vec![(self.put(item, NEW)?, DefineError::Exists("workspace"))]).await
    }

    /// Replaces the rules, if those that are there still have the version that was seen.
    pub async fn replace_rules(&self, id: &WorkspaceId, seen: u32, rules: &Rules) -> Result<(), DefineError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(id.as_str(), WORKSPACE)))
            .update_expression("SET #rules = :rules, rules_version = :version")
            .condition_expression("rules_version = :seen")
            .expression_attribute_names("#rules", "rules") // A word that DynamoDB keeps for itself.
            .expression_attribute_values(":rules", s(rules_json(rules)))
            .expression_attribute_values(":version", n(rules.version))
            .expression_attribute_values(":seen", n(seen))
            .build();
        let update = update.map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        self.transact(vec![(TransactWriteItem::builder().update(update).build(), DefineError::Conflict)])
            .await
    }

    pub async fn create_source(&self, workspace: &WorkspaceId, source: &Source) -> Result<(), DefineError> {
        let item = self.source_item(workspace, source);
        self.transact(vec![
            (self.check(workspace, WORKSPACE.to_owned())?, DefineError::Unknown(WORKSPACE)),
            (self.put(item, NEW)?, DefineError::Exists("source")),
        ])
        .await
    }

    /// Changes how a source's events are read: region, origins and rate.
    pub async fn change_source(&self, workspace: &WorkspaceId, source: &Source) -> Result<(), DefineError> {
        let item = self.source_item(workspace, source);
        self.transact(vec![(self.put(item, THERE)?, DefineError::Unknown("source"))]).await
    }

    /// Creates a key. Its secret exists only in what is given back: show it
    /// once ([`AccessKey::reveal`]); the table keeps a hash.
    pub async fn create_key(
        &self,
        workspace: &WorkspaceId,
        grant: &Grant,
        chance: &impl Entropy,
    ) -> Result<AccessKey, DefineError> {
        let made = make_key(workspace, grant, chance);
        self.transact(vec![
            self.grantee(workspace, grant)?,
            (self.put(self.key_item(&made, grant), NEW)?, DefineError::Exists("key")),
        ])
        .await?;
        Ok(made)
    }

    /// Creates a key with the grant of an old one, which goes on to open until
    /// `old_ends`, or until it is revoked: time to change it wherever it is used.
    pub async fn rotate_key(
        &self,
        workspace: &WorkspaceId,
        key_id: &str,
        old_ends: Option<Timestamp>,
        chance: &impl Entropy,
    ) -> Result<AccessKey, DefineError> {
        let old = self.item(workspace, format!("{KEY}{key_id}")).await?;
        let old = old.ok_or(DefineError::Unknown("key"))?;
        if has_ended(&old, self.clock.now())? {
            return Err(DefineError::Unknown("key"));
        }
        let grant = grant(&old)?;
        let made = make_key(workspace, &grant, chance);
        let old = match old_ends {
            Some(at) => (self.end(workspace, key_id, at)?, DefineError::Conflict),
            None => (self.check(workspace, format!("{KEY}{key_id}"))?, DefineError::Conflict),
        };
        let new = (self.put(self.key_item(&made, &grant), NEW)?, DefineError::Exists("key"));
        self.transact(vec![old, new]).await?;
        Ok(made)
    }

    /// Ends a key now; one that has ended before stays as it is.
    pub async fn revoke_key(&self, workspace: &WorkspaceId, key_id: &str) -> Result<(), DefineError> {
        let now = self.clock.now();
        let found = self.item(workspace, format!("{KEY}{key_id}")).await?;
        if has_ended(&found.ok_or(DefineError::Unknown("key"))?, now)? {
            return Ok(());
        }
        self.transact(vec![(self.end(workspace, key_id, now)?, DefineError::Conflict)]).await
    }

    /// The keys of a workspace, ended ones included.
    pub async fn keys(&self, workspace: &WorkspaceId) -> Result<Vec<KeyListed>, Unavailable> {
        // `$` follows `#`: the end of all that begins with `key#`.
        let items = self.items(workspace, KEY, "key$").await?;
        items.iter().map(key_listed).collect()
    }

    /// Every workspace of the deployment. It reads the whole table: for
    /// operators, never for a request.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let scan = self.client.scan().table_name(&self.table).projection_expression("pk, sk");
            let page = scan.set_exclusive_start_key(next).send().await;
            let page = page.map_err(|error| unavailable("Scan", error))?;
            for item in page.items().iter().filter(|item| is_workspace(item)) {
                found.push(WorkspaceId::parse(text(item, "pk")?).map_err(|_| malformed("pk"))?);
            }
            next = page.last_evaluated_key;
            if next.is_none() {
                found.sort();
                return Ok(found);
            }
        }
    }

    /// What a key is for has to be there.
    fn grantee(
        &self,
        workspace: &WorkspaceId,
        grant: &Grant,
    ) -> Result<(TransactWriteItem, IfNot), Unavailable> {
        Ok(match grant {
            Grant::Write(source) => {
                (self.check(workspace, source_sk(source))?, DefineError::Unknown("source"))
            }
            Grant::Admin(_) => {
                (self.check(workspace, WORKSPACE.to_owned())?, DefineError::Unknown(WORKSPACE))
            }
        })
    }

    fn workspace_item(&self, id: &WorkspaceId, rules: &Rules) -> Attributes {
        let mut item = versioned(id.as_str(), WORKSPACE, VERSION);
        item.insert("rules".to_owned(), s(rules_json(rules)));
        item.insert("rules_version".to_owned(), n(rules.version));
        item.insert("created".to_owned(), n(self.clock.now().millis()));
        item
    }

    fn source_item(&self, workspace: &WorkspaceId, source: &Source) -> Attributes {
        let mut item = versioned(workspace.as_str(), source_sk(&source.id), VERSION);
        if let Some(region) = &source.region {
            item.insert("region".to_owned(), s(region));
        }
        item.insert("origins".to_owned(), texts(source.origins.iter().map(String::as_str)));
        item.insert("rate".to_owned(), n(source.rate));
        item.insert("changed".to_owned(), n(self.clock.now().millis()));
        item
    }

    fn key_item(&self, made: &AccessKey, grant: &Grant) -> Attributes {
        let mut item = versioned(made.workspace().as_str(), format!("{KEY}{}", made.id()), VERSION);
        item.insert("sha256".to_owned(), b(made.sha256()));
        match grant {
            Grant::Write(source) => item.insert("source".to_owned(), s(source.as_str())),
            Grant::Admin(scopes) => {
                item.insert("scopes".to_owned(), texts(scopes.iter().map(|scope| scope.name())))
            }
        };
        item.insert("created".to_owned(), n(self.clock.now().millis()));
        item
    }

    /// Ends a key at a moment, unless it ends earlier already: an end never
    /// moves away.
    fn end(
        &self,
        workspace: &WorkspaceId,
        key_id: &str,
        at: Timestamp,
    ) -> Result<TransactWriteItem, Unavailable> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(workspace.as_str(), format!("{KEY}{key_id}"))))
            .update_expression("SET ends = :at, #expires = :expires")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(ends) OR ends >= :at)")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":at", n(at.millis()))
            .expression_attribute_values(":expires", seconds(at.plus(ENDED_SHOWN)));
        let update = update.build().map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    pub(super) fn put(&self, item: Attributes, condition: &str) -> Result<TransactWriteItem, Unavailable> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(condition);
        let put = put.build().map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn check(&self, workspace: &WorkspaceId, sk: String) -> Result<TransactWriteItem, Unavailable> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(workspace.as_str(), sk)))
            .condition_expression(THERE);
        let check = check.build().map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Writes all or nothing; the error is that of the first condition that did not hold.
    pub(super) async fn transact(&self, writes: Vec<(TransactWriteItem, IfNot)>) -> Result<(), DefineError> {
        let (items, if_not): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        sent.map(|_| ()).map_err(|error| cancelled(error, if_not))
    }
}

/// The reasons of a cancelled transaction stand in the places of its items.
fn cancelled(error: SdkError<TransactWriteItemsError>, if_not: Vec<IfNot>) -> DefineError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return unavailable(TRANSACTION, error).into();
    };
    let codes = || cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default());
    let failed = codes().zip(if_not).find(|(code, _)| *code == "ConditionalCheckFailed");
    match failed {
        Some((_, if_not)) => if_not,
        None if codes().any(|code| code == "TransactionConflict") => DefineError::Conflict,
        None => unavailable(TRANSACTION, error).into(),
    }
}

/// Makes a key that opens nothing until it is stored.
pub fn make_key(workspace: &WorkspaceId, grant: &Grant, chance: &impl Entropy) -> AccessKey {
    let kind = match grant {
        Grant::Write(_) => KeyKind::Write,
        Grant::Admin(_) => KeyKind::Admin,
    };
    AccessKey::make(kind, workspace.clone(), chance.bytes(), [chance.bytes(), chance.bytes()])
}

fn source_sk(source: &SourceId) -> String {
    format!("{SOURCE}{source}")
}

/// Rules are lists of texts and numbers: nothing that JSON could refuse.
fn rules_json(rules: &Rules) -> String {
    serde_json::to_string(rules).unwrap_or_default()
}

fn key_listed(item: &Attributes) -> Result<KeyListed, Unavailable> {
    check_version(item, VERSION)?;
    let id = text(item, "sk")?.strip_prefix(KEY).ok_or_else(|| malformed("sk"))?;
    let created = Timestamp::from_millis(number(item, "created")?);
    Ok(KeyListed { id: id.to_owned(), grant: grant(item)?, created, ends: ends(item)? })
}
