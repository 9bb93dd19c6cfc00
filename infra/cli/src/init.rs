//! `tributary init`: what a deployment hangs on, made once.
//!
//! Each step asks whether it was done before and changes nothing then, so that
//! a run that was broken off is mended by the next. The keys are shown before
//! they are stored: nobody is left with a key that nobody saw.

use std::io::{Read as _, Write as _};
use std::path::Path;

use domain::access::AccessKey;
use domain::cursor::{InvalidSigningKeys, SigningKeys};
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::Definitions;
use dynamodb::definitions::{DefineError, make_key};
use ports::definitions::{Grant, Scope, Source};
use ports::{Clock, Entropy};
use profile::settings::InvalidSecret;
use runtime::SystemEntropy;
use serde_json::json;
use ssm::Parameters;

use crate::deployed::Stack;
use crate::operate::arguments::Init;
use crate::operate::{RATE, signing_key_id};
use crate::output::{Failed, line, lines};

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("cannot read the backup of the id key from `{0}`")]
    Backup(String, #[source] std::io::Error),
    #[error("`{0}` holds no id key")]
    NoIdKey(String, #[source] InvalidSecret),
    #[error(
        "the stack has another id key than the backup: nothing was changed. What is in its tables was written \
         under the key that it has. If they are empty or restored from elsewhere, delete parameter `{0}` and try again"
    )]
    OtherIdKey(String),
    #[error(
        "the stack's id key is gone, but its tables are in use: without it nobody in them can be found. Put it \
         back from its backup with --restore-id-key FILE; nothing was made"
    )]
    LostIdKey,
    #[error("parameter `{0}` holds no id key: put it back from its backup")]
    BrokenIdKey(String, #[source] InvalidSecret),
    #[error(
        "parameter `{0}` holds no signing keys: delete it and try again; cursors that were handed out end"
    )]
    BrokenSigningKeys(String, #[source] InvalidSigningKeys),
    #[error("parameter `{0}` came and went: does somebody else work on this stack? Try again")]
    Fickle(String),
    #[error("the keys could not be shown and were not stored; try again")]
    Unshown(#[source] std::io::Error),
    #[error("another `init` was faster: the keys above open nothing, those that it showed do")]
    Overtaken,
    #[error(
        "the keys above were perhaps not stored; run this again: if it makes new ones, the ones above open nothing"
    )]
    Unstored(#[source] DefineError),
}

/// What became of one of the things that are made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Made,
    Restored,
    Kept,
}

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    id_key: Step,
    signing_keys: Step,
    /// The workspaces that were there already; none if the first was made.
    workspaces: Vec<WorkspaceId>,
}

/// What is made, and where.
struct Setup<'a, C, E> {
    parameters: &'a Parameters,
    id_key: String,
    signing_keys: String,
    kms_key: Option<&'a str>,
    definitions: &'a Definitions<C>,
    workspace: &'a WorkspaceId,
    source: &'a SourceId,
    /// An id key from a backup.
    backup: Option<String>,
    chance: E,
}

/// The two keys of the first workspace.
struct FirstKeys {
    write: AccessKey,
    admin: AccessKey,
}

pub(crate) async fn run(options: Init) -> Result<(), Failed> {
    let backup = options.restore_id_key.as_deref().map(read_backup).transpose()?;
    let stack = Stack::open(&options.stack, options.region.as_deref()).await?;
    let setup = Setup {
        parameters: stack.parameters(),
        id_key: stack.parameter("id-key"),
        signing_keys: stack.parameter("signing-keys"),
        kms_key: stack.kms_key(),
        definitions: &stack.definitions(),
        workspace: &options.workspace,
        source: &options.source,
        backup,
        chance: SystemEntropy,
    };
    let done = setup.make(|keys| show(&options, keys)).await;
    let done = stack.explained(done)?;
    if options.json {
        if !done.workspaces.is_empty() {
            line("{}");
        }
    } else {
        lines(&told(&stack, &setup, &done));
    }
    Ok(())
}

impl<C: Clock, E: Entropy> Setup<'_, C, E> {
    async fn make(&self, show: impl FnOnce(&FirstKeys) -> std::io::Result<()>) -> Result<Done, Failed> {
        let workspaces = self.definitions.workspaces().await?;
        let id_key = self.make_id_key(!workspaces.is_empty()).await?;
        let signing_keys = self.make_signing_keys().await?;
        if workspaces.is_empty() {
            self.make_first(show).await?;
        }
        Ok(Done { id_key, signing_keys, workspaces })
    }

    /// Makes the id key or puts it back; one that is there stays.
    async fn make_id_key(&self, is_in_use: bool) -> Result<Step, Failed> {
        let name = &self.id_key;
        let found = match self.parameters.find(name).await? {
            Some(found) => found,
            None if is_in_use && self.backup.is_none() => return Err(InitError::LostIdKey.into()),
            None => {
                let key = self.backup.clone().unwrap_or_else(|| id_key(&self.chance));
                if self.parameters.create(name, &key, self.kms_key).await? {
                    return Ok(if self.backup.is_some() { Step::Restored } else { Step::Made });
                }
                self.parameters.find(name).await?.ok_or_else(|| InitError::Fickle(name.clone()))?
            }
        };
        let broken = |cause| InitError::BrokenIdKey(name.clone(), cause);
        profile::settings::id_key(found.expose()).map_err(broken)?;
        let is_other =
            self.backup.as_ref().is_some_and(|backup| !backup.eq_ignore_ascii_case(found.expose().trim()));
        if is_other { Err(InitError::OtherIdKey(name.clone()).into()) } else { Ok(Step::Kept) }
    }

    async fn make_signing_keys(&self) -> Result<Step, Failed> {
        let name = &self.signing_keys;
        let mut found = self.parameters.find(name).await?;
        if found.is_none() {
            let secret = [self.chance.bytes(), self.chance.bytes()];
            let keys = SigningKeys::make(&signing_key_id(&self.chance), secret)?;
            if self.parameters.create(name, &keys.reveal(), self.kms_key).await? {
                return Ok(Step::Made);
            }
            found = self.parameters.find(name).await?;
        }
        let found = found.ok_or_else(|| InitError::Fickle(name.clone()))?;
        let broken = |cause| InitError::BrokenSigningKeys(name.clone(), cause);
        SigningKeys::parse(found.expose().trim()).map_err(broken)?;
        Ok(Step::Kept)
    }

    /// Makes the first workspace, its source and its keys in one transaction.
    async fn make_first(&self, show: impl FnOnce(&FirstKeys) -> std::io::Result<()>) -> Result<(), Failed> {
        let source = Source { id: self.source.clone(), region: None, origins: Vec::new(), rate: RATE };
        let grants = [Grant::Write(self.source.clone()), Grant::Admin(Scope::ALL.to_vec())];
        let [write, admin] = grants.map(|grant| (make_key(self.workspace, &grant, &self.chance), grant));
        let keys = FirstKeys { write: write.0.clone(), admin: admin.0.clone() };
        show(&keys).map_err(InitError::Unshown)?;
        match self.definitions.create_first(self.workspace, &source, &[write, admin]).await {
            Ok(()) => Ok(()),
            Err(DefineError::Exists(_)) => Err(InitError::Overtaken.into()),
            Err(error) => Err(InitError::Unstored(error).into()),
        }
    }
}

/// 32 bytes of chance in hex.
fn id_key(chance: &impl Entropy) -> String {
    let number = || u128::from_be_bytes(chance.bytes());
    format!("{:032x}{:032x}", number(), number())
}

fn read_backup(file: &Path) -> Result<String, InitError> {
    let name = file.display().to_string();
    let text = if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|cause| InitError::Backup(name.clone(), cause))?;
    profile::settings::id_key(&text).map_err(|cause| InitError::NoIdKey(name, cause))?;
    Ok(text.trim().to_ascii_lowercase())
}

/// Shows the keys; what nobody reads must not be stored.
fn show(options: &Init, FirstKeys { write, admin }: &FirstKeys) -> std::io::Result<()> {
    let (write, admin) = (write.reveal(), admin.reveal());
    let text = if options.json {
        json!({ "write_key": write, "admin_key": admin }).to_string()
    } else {
        let Init { workspace, source, .. } = options;
        format!(
            "The keys of workspace `{workspace}`, shown this once and kept as hashes only:\n\n  \
             write key of `{source}`  {write}\n  admin key  {admin}\n"
        )
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn told<C, E>(stack: &Stack, setup: &Setup<'_, C, E>, done: &Done) -> Vec<String> {
    let name = stack.name();
    let mut told = Vec::new();
    if let [first, ..] = done.workspaces.as_slice() {
        let names: Vec<&str> = done.workspaces.iter().map(WorkspaceId::as_str).collect();
        told.push(format!("Stack `{name}` has workspaces already: {}.", names.join(", ")));
        told.push(format!(
            "A further key is made by: tributary key create --stack {name} --workspace {first} --source … (or --scope …)"
        ));
    } else {
        told.push("Stored: they open from now on.".to_owned());
    }
    told.push(format!(
        "{} ({})",
        match done.id_key {
            Step::Made => "Made the id key",
            Step::Restored => "Put the id key back",
            Step::Kept => "The id key was there already and stays",
        },
        setup.id_key
    ));
    told.push(format!(
        "{} ({})",
        match done.signing_keys {
            Step::Made | Step::Restored => "Made the signing keys",
            Step::Kept => "The signing keys were there already and stay",
        },
        setup.signing_keys
    ));
    if done.id_key == Step::Made {
        told.push(String::new());
        told.push(
            "Back the id key up now: without it nobody in the tables can be found any more.".to_owned(),
        );
        told.push(format!(
            "  aws ssm get-parameter --with-decryption --name {} --region {} --query Parameter.Value --output text",
            setup.id_key,
            stack.region()
        ));
        told.push(format!("It comes back by: tributary init --stack {name} --restore-id-key FILE"));
    }
    told
}

#[cfg(test)]
mod tests;
