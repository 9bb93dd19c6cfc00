//! What an operator defines: workspaces, sources and keys, in a table of a
//! stack or of this machine.
//!
//! An order is data, so that it can be carried out here, on a stack, or be sent
//! to a running `tributary local`, which alone opens its folder.

pub(crate) mod arguments;
pub(crate) mod local;
mod shown;

use std::future::Future;

use domain::access::{AccessKey, is_key_id};
use domain::cursor::SigningKeys;
use domain::identifier::phone;
use domain::rules::Rules;
use domain::rules::document::{Document, Mistake};
use domain::segment::fill;
use domain::segment::stored::{SegmentId, StoredSegment};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::Definitions;
use dynamodb::definitions::{DefineError, KeyListed};
use ports::definitions::{Grant, Scope, Source, Workspace};
use ports::{Clock, Definitions as _, Entropy};
use runtime::{SystemClock, SystemEntropy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::output::{Failed, line, lines};
use arguments::Place;

/// The tool of a running platform that carries an order out.
pub(crate) const TOOL: &str = "operate";
/// Requests a second and write key, for a source of which nothing else is said.
pub(crate) const RATE: u32 = 1_000;
/// A source's list is read with each request's key.
const ORIGINS_MAX: usize = 100;

/// What an operator wants. Without a workspace it is the only one there is.
/// Bytes of rules and of what they were: `DynamoDB` takes 400 KB an item.
const RULES_MAX: usize = 300 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    CreateWorkspace {
        workspace: WorkspaceId,
    },
    ListWorkspaces,
    CreateSource {
        workspace: Option<WorkspaceId>,
        source: SourceId,
        settings: Settings,
    },
    ChangeSource {
        workspace: Option<WorkspaceId>,
        source: SourceId,
        settings: Settings,
    },
    ListSources {
        workspace: Option<WorkspaceId>,
    },
    ShowRules {
        workspace: Option<WorkspaceId>,
    },
    SetRules {
        workspace: Option<WorkspaceId>,
        /// A [`Document`], as written.
        rules: String,
    },
    /// Blocks values, besides those that are blocked.
    Block {
        workspace: Option<WorkspaceId>,
        values: Vec<String>,
    },
    /// Publishes a segment, new or changed.
    SetSegment {
        workspace: Option<WorkspaceId>,
        segment: SegmentId,
        /// JSON, as written.
        document: String,
    },
    EndSegment {
        workspace: Option<WorkspaceId>,
        segment: SegmentId,
    },
    ListSegments {
        workspace: Option<WorkspaceId>,
    },
    CreateKey {
        workspace: Option<WorkspaceId>,
        grant: Granted,
    },
    /// The old key goes on for so long, or until it is revoked.
    RotateKey {
        workspace: Option<WorkspaceId>,
        key: String,
        old_ends_in_s: Option<u32>,
    },
    RevokeKey {
        workspace: Option<WorkspaceId>,
        key: String,
    },
    ListKeys {
        workspace: Option<WorkspaceId>,
    },
    RotateSigningKeys,
}

/// What is set on a source; what is kept has its default on a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) phone_region: Change<String>,
    pub(crate) origins: Change<Vec<String>>,
    pub(crate) rate: Change<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

/// What a key is to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Granted {
    Write(SourceId),
    /// Names of scopes.
    Admin(Vec<String>),
}

/// An order that cannot be carried out as it stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("say which workspace with --workspace; there are: {0}")]
    WhichWorkspace(String),
    #[error("there is no workspace yet; `tributary workspace create NAME` makes one")]
    NoWorkspace,
    #[error("there is no workspace `{0}`; `tributary workspace list` names those that are there")]
    UnknownWorkspace(WorkspaceId),
    #[error("workspace `{1}` has no source `{0}`; `tributary source list` names those that are there")]
    UnknownSource(SourceId, WorkspaceId),
    #[error("`{0}` is no region with phone numbers of its own: write two letters, such as RU or DE")]
    PhoneRegion(String),
    #[error(
        "`{0}` is no origin: write scheme and host as browsers send them, such as https://shop.example or \
         https://xn--80ak6aa92e.example:8443, without a path and without `*`"
    )]
    Origin(String),
    #[error("a source takes at most {ORIGINS_MAX} origins")]
    TooManyOrigins,
    #[error("a rate is a number of requests a second, from 1 on; revoke its keys to stop a source")]
    Rate,
    #[error("`{name}` is no scope; there are: {}", Scope::ALL.map(Scope::name).join(", "))]
    Scope { name: String },
    #[error("the segment is not changed:\n  {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Segment(Vec<domain::segment::read::Mistake>),
    #[error("the segment does not end: {0}")]
    NoEnd(String),
    #[error("give the key's id, its eight letters behind the workspace's name, and never the key itself")]
    KeyId,
    #[error("the rules are not changed:\n  {}", .0.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n  "))]
    Rules(Vec<Mistake>),
    #[error(
        "the document changes version {0} of the rules, and version {1} stands: carry your change over to what \
         `tributary rules show` prints now"
    )]
    OldRules(u32, u32),
    #[error(
        "the rules were changed so often that what they were in the last 30 days has no room beside them; there is \
         room again from {} on", .0.rfc3339()
    )]
    OftenChanged(Timestamp),
    #[error(transparent)]
    Defined(DefineError),
}

/// Where the signing keys of a platform are kept.
pub(crate) trait SigningKept: Sync {
    fn load(&self) -> impl Future<Output = Result<SigningKeys, Failed>> + Send;
    fn store(&self, keys: &SigningKeys) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// Carries an order out where `place` says, and says what came of it.
pub(crate) async fn run(place: &Place, order: Order) -> Result<(), Failed> {
    let answer = match &place.stack {
        Some(name) => {
            let stack = Stack::open(name, place.region.as_deref()).await?;
            let desk = Desk {
                definitions: &stack.definitions(),
                signing: &stack,
                clock: SystemClock,
                chance: SystemEntropy,
            };
            stack.explained(desk.carry_out(&order).await)?
        }
        None => {
            Client::of(&place.target)?
                .post(&format!("/_local/{TOOL}"), &serde_json::to_value(&order)?)
                .await?
        }
    };
    if place.json {
        line(&answer.to_string());
    } else {
        lines(&shown::lines(&order, &answer, &place.options()));
    }
    Ok(())
}

/// Where orders are carried out.
pub(crate) struct Desk<'a, C, K, E> {
    pub(crate) definitions: &'a Definitions<C>,
    pub(crate) signing: &'a K,
    pub(crate) clock: C,
    pub(crate) chance: E,
}

impl<C: Clock, K: SigningKept, E: Entropy> Desk<'_, C, K, E> {
    pub(crate) async fn carry_out(&self, order: &Order) -> Result<Value, Failed> {
        match order {
            Order::CreateWorkspace { workspace } => {
                self.definitions.create_workspace(workspace, &Rules::default()).await.map_err(refused)?;
                Ok(json!({ "workspace": workspace }))
            }
            Order::ListWorkspaces => Ok(json!({ "workspaces": self.definitions.workspaces().await? })),
            Order::CreateSource { workspace, source, settings } => {
                self.create_source(&self.workspace(workspace.as_ref()).await?, source, settings).await
            }
            Order::ChangeSource { workspace, source, settings } => {
                self.change_source(&self.workspace(workspace.as_ref()).await?, source, settings).await
            }
            Order::ListSources { workspace } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                let sources: Vec<_> = self.sources(&workspace).await?.iter().map(source_shape).collect();
                Ok(json!({ "workspace": workspace, "sources": sources }))
            }
            Order::ShowRules { workspace } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                let rules = Document::of(&self.defined(&workspace).await?.rules);
                Ok(json!({ "workspace": workspace, "rules": rules }))
            }
            Order::SetRules { workspace, rules } => {
                self.set_rules(&self.workspace(workspace.as_ref()).await?, rules).await
            }
            Order::Block { workspace, values } => {
                self.block(&self.workspace(workspace.as_ref()).await?, values).await
            }
            Order::SetSegment { workspace, segment, document } => {
                self.set_segment(&self.workspace(workspace.as_ref()).await?, segment, document).await
            }
            Order::EndSegment { workspace, segment } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                let set = self.definitions.segments(&workspace).await?;
                let ended = set.end(segment).map_err(Refused::NoEnd)?;
                self.definitions
                    .publish_segments(&workspace, set.version, &[ended])
                    .await
                    .map_err(refused)?;
                Ok(json!({ "workspace": workspace, "segment": segment }))
            }
            Order::ListSegments { workspace } => {
                self.list_segments(&self.workspace(workspace.as_ref()).await?).await
            }
            Order::CreateKey { workspace, grant } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                let grant = grant.checked()?;
                let made = self.definitions.create_key(&workspace, &grant, &self.chance).await;
                Ok(made_shape(&made.map_err(refused)?, &grant))
            }
            Order::RotateKey { workspace, key, old_ends_in_s } => {
                self.rotate_key(&self.workspace(workspace.as_ref()).await?, key, *old_ends_in_s).await
            }
            Order::RevokeKey { workspace, key } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                self.definitions.revoke_key(&workspace, key_id(key)?).await.map_err(refused)?;
                Ok(json!({ "workspace": workspace, "id": key }))
            }
            Order::ListKeys { workspace } => {
                let workspace = self.workspace(workspace.as_ref()).await?;
                let (now, keys) = (self.clock.now(), self.definitions.keys(&workspace).await?);
                let keys: Vec<_> = keys.iter().map(|key| listed_shape(key, now)).collect();
                Ok(json!({ "workspace": workspace, "keys": keys }))
            }
            Order::RotateSigningKeys => self.rotate_signing_keys().await,
        }
    }

    /// The workspace that was named, or the only one there is.
    async fn workspace(&self, named: Option<&WorkspaceId>) -> Result<WorkspaceId, Failed> {
        named_or_only(self.definitions, named).await
    }

    async fn defined(&self, workspace: &WorkspaceId) -> Result<Workspace, Failed> {
        defined(self.definitions, workspace).await
    }

    async fn sources(&self, workspace: &WorkspaceId) -> Result<Vec<Source>, Failed> {
        Ok(self.defined(workspace).await?.sources)
    }

    /// The rules stand in one item, so that no stage ever sees half of a change.
    async fn set_rules(&self, workspace: &WorkspaceId, text: &str) -> Result<Value, Failed> {
        let document = Document::read(text).map_err(|mistake| Refused::Rules(vec![mistake]))?;
        self.replace_rules(workspace, document).await
    }

    /// Whoever changes the rules at the same moment is not overwritten: the
    /// order is to be given again.
    async fn block(&self, workspace: &WorkspaceId, values: &[String]) -> Result<Value, Failed> {
        let rules = self.defined(workspace).await?.rules;
        let mut document = Document::of(&rules);
        let is_new = |value: &&String| !rules.homing.blocked.contains(value);
        document.blocked.values.extend(values.iter().filter(is_new).cloned());
        if document.blocked.values.len() == rules.homing.blocked.len() {
            return Ok(json!({ "workspace": workspace, "version": rules.version, "homes_from": null }));
        }
        self.replace_rules(workspace, document).await
    }

    async fn replace_rules(&self, workspace: &WorkspaceId, document: Document) -> Result<Value, Failed> {
        let known = self.defined(workspace).await?.rules;
        let seen = document.version;
        if seen != known.version {
            return Err(Refused::OldRules(seen, known.version).into());
        }
        let now = self.clock.now();
        let rules = document.rules().map_err(Refused::Rules)?.after(&known, now);
        if serde_json::to_vec(&rules)?.len() > RULES_MAX {
            let until = known.former.iter().map(|former| former.until).min().unwrap_or(now);
            return Err(Refused::OftenChanged(until).into());
        }
        self.definitions.replace_rules(workspace, seen, &rules).await.map_err(refused)?;
        let homes_from = Some(rules.homes_from).filter(|from| *from > now).map(Timestamp::rfc3339);
        Ok(json!({ "workspace": workspace, "version": rules.version, "homes_from": homes_from }))
    }

    async fn set_segment(
        &self,
        workspace: &WorkspaceId,
        id: &SegmentId,
        document: &str,
    ) -> Result<Value, Failed> {
        self.defined(workspace).await?;
        let (set, now) = (self.definitions.segments(workspace).await?, self.clock.now());
        let next = set.publish(id, document, now).map_err(Refused::Segment)?;
        let version = next.last_version;
        self.definitions.publish_segments(workspace, set.version, &[next]).await.map_err(refused)?;
        let asked_from = now.plus(fill::ROLLOUT).rfc3339();
        Ok(json!({ "workspace": workspace, "segment": id, "version": version, "asked_from": asked_from }))
    }

    async fn list_segments(&self, workspace: &WorkspaceId) -> Result<Value, Failed> {
        let set = self.definitions.segments(workspace).await?;
        let fills = self.definitions.fills().await?;
        let fill = fills.iter().find(|fill| fill.is.workspace == *workspace);
        let segment = |segment: &StoredSegment| {
            let document = segment.document().unwrap_or_default();
            json!({
                "segment": segment.id,
                "name": document.get("name"),
                "is": if document.get("value").is_some() { "computed trait" } else { "segment" },
                "active": segment.active.as_ref().map(|versioned| versioned.version),
                "pending": segment.pending.as_ref().map(|versioned| versioned.version),
            })
        };
        let fill = fill.map(|fill| {
            let done = fill.parts.iter().filter(|part| part.done).count();
            json!({
                "begins": fill.is.published.plus(fill::ROLLOUT).rfc3339(),
                "looked_at": fill.looked_at,
                "left_out": fill.parts.iter().map(|part| part.left_out).sum::<u64>(),
                "parts_done": done,
                "parts": fill.parts.len(),
            })
        });
        let segments: Vec<Value> = set.standing().map(segment).collect();
        Ok(json!({ "workspace": workspace, "segments": segments, "fill": fill }))
    }

    async fn create_source(
        &self,
        workspace: &WorkspaceId,
        id: &SourceId,
        settings: &Settings,
    ) -> Result<Value, Failed> {
        let new = Source { id: id.clone(), region: None, origins: Vec::new(), rate: RATE };
        let source = settings.on(new)?;
        self.definitions.create_source(workspace, &source).await.map_err(refused)?;
        Ok(json!({ "workspace": workspace, "source": source_shape(&source) }))
    }

    async fn change_source(
        &self,
        workspace: &WorkspaceId,
        id: &SourceId,
        settings: &Settings,
    ) -> Result<Value, Failed> {
        let known = self.sources(workspace).await?.into_iter().find(|source| source.id == *id);
        let known = known.ok_or_else(|| Refused::UnknownSource(id.clone(), workspace.clone()))?;
        let source = settings.on(known)?;
        self.definitions.change_source(workspace, &source).await.map_err(refused)?;
        Ok(json!({ "workspace": workspace, "source": source_shape(&source) }))
    }

    async fn rotate_key(
        &self,
        workspace: &WorkspaceId,
        key: &str,
        old_ends_in_s: Option<u32>,
    ) -> Result<Value, Failed> {
        let id = key_id(key)?;
        let old_ends = old_ends_in_s.map(|s| self.clock.now().plus(i64::from(s) * Timestamp::SECOND));
        let made =
            self.definitions.rotate_key(workspace, id, old_ends, &self.chance).await.map_err(refused)?;
        let keys = self.definitions.keys(workspace).await?;
        let grant = keys.into_iter().find(|key| key.id == made.id()).map(|key| key.grant);
        let mut shape = made_shape(&made, &grant.ok_or(Refused::Defined(DefineError::Conflict))?);
        if let Some(shape) = shape.as_object_mut() {
            let ends = old_ends.map(Timestamp::rfc3339);
            shape.insert("old".to_owned(), json!({ "id": id, "ends": ends }));
        }
        Ok(shape)
    }

    async fn rotate_signing_keys(&self) -> Result<Value, Failed> {
        let id = signing_key_id(&self.chance);
        let keys = self.signing.load().await?.rotate(&id, [self.chance.bytes(), self.chance.bytes()])?;
        self.signing.store(&keys).await?;
        Ok(json!({ "signing_key": id }))
    }
}

/// The id of a new signing key: one of 2^64, so that none comes twice.
pub(crate) fn signing_key_id(chance: &impl Entropy) -> String {
    format!("{:016x}", u128::from_be_bytes(chance.bytes()) & u128::from(u64::MAX))
}

/// A fault of the store stays one; all else is for whoever gave the order.
/// The workspace that is meant, with its rules.
pub(crate) async fn workspace<C: Clock>(
    definitions: &Definitions<C>,
    named: Option<&WorkspaceId>,
) -> Result<Workspace, Failed> {
    let id = named_or_only(definitions, named).await?;
    defined(definitions, &id).await
}

async fn named_or_only<C: Clock>(
    definitions: &Definitions<C>,
    named: Option<&WorkspaceId>,
) -> Result<WorkspaceId, Failed> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    match definitions.workspaces().await?.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Refused::NoWorkspace.into()),
        several => {
            let names: Vec<&str> = several.iter().map(WorkspaceId::as_str).collect();
            Err(Refused::WhichWorkspace(names.join(", ")).into())
        }
    }
}

async fn defined<C: Clock>(
    definitions: &Definitions<C>,
    workspace: &WorkspaceId,
) -> Result<Workspace, Failed> {
    let found = definitions.workspace(workspace).await?;
    Ok(found.ok_or_else(|| Refused::UnknownWorkspace(workspace.clone()))?)
}

fn refused(error: DefineError) -> Failed {
    match error {
        DefineError::Unavailable(cause) => cause.into(),
        error => Refused::Defined(error).into(),
    }
}

/// A whole key is refused without a look: it must not end in an error or a shell's history.
fn key_id(text: &str) -> Result<&str, Refused> {
    is_key_id(text).then_some(text).ok_or(Refused::KeyId)
}

impl Settings {
    /// A source with these settings.
    fn on(&self, known: Source) -> Result<Source, Refused> {
        let region = match &self.phone_region {
            Change::Keep => known.region,
            Change::Clear => None,
            Change::Set(code) if phone::is_region(code) => Some(code.to_ascii_uppercase()),
            Change::Set(code) => return Err(Refused::PhoneRegion(code.clone())),
        };
        let origins = match &self.origins {
            Change::Keep => known.origins,
            Change::Clear => Vec::new(),
            Change::Set(origins) if origins.len() > ORIGINS_MAX => return Err(Refused::TooManyOrigins),
            Change::Set(origins) => origins.iter().map(|text| origin(text)).collect::<Result<_, _>>()?,
        };
        let rate = match self.rate {
            Change::Keep => known.rate,
            Change::Clear => RATE,
            Change::Set(0) => return Err(Refused::Rate),
            Change::Set(rate) => rate,
        };
        Ok(Source { id: known.id, region, origins, rate })
    }
}

/// What a browser would send, but for the case of its letters.
fn origin(text: &str) -> Result<String, Refused> {
    let plain = text.trim_end_matches('/');
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    let right = plain.split_once("://").is_some_and(|(scheme, host)| is_scheme(scheme) && is_host(host));
    if right { Ok(plain.to_ascii_lowercase()) } else { Err(Refused::Origin(text.to_owned())) }
}

impl Granted {
    fn checked(&self) -> Result<Grant, Refused> {
        Ok(match self {
            Self::Write(source) => Grant::Write(source.clone()),
            Self::Admin(names) => {
                let scope =
                    |name: &String| Scope::parse(name).ok_or_else(|| Refused::Scope { name: name.clone() });
                let mut scopes = names.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
                scopes.sort_unstable();
                scopes.dedup();
                Grant::Admin(scopes)
            }
        })
    }
}

fn source_shape(source: &Source) -> Value {
    let Source { id, region, origins, rate } = source;
    json!({ "source": id, "phone_region": region, "origins": origins, "rate": rate })
}

/// The one answer that holds a key.
fn made_shape(made: &AccessKey, grant: &Grant) -> Value {
    let mut shape = grant_shape(grant);
    shape.insert("workspace".to_owned(), json!(made.workspace()));
    shape.insert("id".to_owned(), json!(made.id()));
    shape.insert("key".to_owned(), json!(made.reveal()));
    shape.into()
}

fn listed_shape(key: &KeyListed, now: Timestamp) -> Value {
    let mut shape = grant_shape(&key.grant);
    let has_ended = key.ends.is_some_and(|ends| ends <= now);
    shape.insert("id".to_owned(), json!(key.id));
    shape.insert("created".to_owned(), json!(key.created.rfc3339()));
    shape.insert("ends".to_owned(), json!(key.ends.map(Timestamp::rfc3339)));
    shape.insert("opens".to_owned(), json!(!has_ended));
    shape.into()
}

fn grant_shape(grant: &Grant) -> serde_json::Map<String, Value> {
    let mut shape = serde_json::Map::new();
    match grant {
        Grant::Write(source) => shape.insert("source".to_owned(), json!(source)),
        Grant::Admin(scopes) => {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            shape.insert("scopes".to_owned(), json!(names))
        }
    };
    shape
}

#[cfg(test)]
pub(crate) mod tests;
