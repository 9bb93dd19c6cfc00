//! The commands of an operator and their options.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::Scope;

use super::{Change, Granted, Order, Settings};
use crate::arguments::{DATA, Target};
use crate::output::Failed;

/// A deployed stack, or the `tributary local` that runs on this machine.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The name of a deployed stack; without it, the platform of `--data`.
    #[arg(long)]
    pub(crate) stack: Option<String>,
    /// The stack's region, instead of the one that the environment names.
    #[arg(long, requires = "stack")]
    pub(crate) region: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Prints JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Place {
    /// The options by which another command gets to the same place.
    pub(crate) fn options(&self) -> String {
        let Self { stack, region, target, .. } = self;
        let Some(stack) = stack else {
            let data = target.data.display().to_string();
            return if data == DATA { String::new() } else { format!(" --data {data}") };
        };
        let region = region.as_ref().map(|region| format!(" --region {region}"));
        format!(" --stack {stack}{}", region.unwrap_or_default())
    }
}

/// Whose it is.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The workspace, where there is more than one.
    #[arg(long, value_parser = WorkspaceId::parse)]
    pub(crate) workspace: Option<WorkspaceId>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name of the deployed stack.
    #[arg(long)]
    pub(crate) stack: String,
    /// The stack's region, instead of the one that the environment names.
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// The name of the first workspace.
    #[arg(long, default_value = "main", value_parser = WorkspaceId::parse)]
    pub(crate) workspace: WorkspaceId,
    /// The name of its first source.
    #[arg(long, default_value = "web", value_parser = SourceId::parse)]
    pub(crate) source: SourceId,
    /// Puts the id key of a backup back instead of making one: a file, or `-`
    /// for the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) restore_id_key: Option<PathBuf>,
    /// Prints one line of JSON with the keys that were made, for scripts; an
    /// empty object if there was nothing to make.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Creates a workspace: a tenant whose data no other can see.
    Create {
        #[arg(value_parser = WorkspaceId::parse)]
        name: WorkspaceId,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the workspaces.
    List {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Creates a source: a site, an app, a shop, a CRM that sends events.
    Create {
        #[arg(value_parser = SourceId::parse)]
        name: SourceId,
        #[command(flatten)]
        new: New,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Changes how a source's events are read; what is not named stays.
    Change {
        #[arg(value_parser = SourceId::parse)]
        name: SourceId,
        #[command(flatten)]
        new: New,
        #[command(flatten)]
        cleared: Cleared,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the sources of a workspace with their settings.
    List {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Reads national phone numbers as those of a region, such as RU or DE.
    #[arg(long)]
    phone_region: Option<String>,
    /// An origin from which browsers may send, such as `https://shop.example`;
    /// give it again for each. Without any, every origin may.
    #[arg(long = "origin")]
    origins: Vec<String>,
    /// Requests a second that each write key may make, 1000 by default; each
    /// instance of the function counts for itself.
    #[arg(long)]
    rate: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Cleared {
    /// Reads international phone numbers only.
    #[arg(long, conflicts_with = "phone_region")]
    no_phone_region: bool,
    /// Lets browsers of every origin send.
    #[arg(long, conflicts_with = "origins")]
    any_origin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Prints the rules of a workspace as the JSON that `set` takes.
    Show {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Replaces the rules of a workspace, all or nothing.
    ///
    /// Every mistake is told with its place. The document names the version
    /// that it changes, so that no other operator's change is overwritten.
    Set {
        /// A file, or `-` for the standard input.
        file: PathBuf,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Creates a key and shows it once: a write key for a source, or an admin
    /// key with scopes.
    #[command(group = ArgGroup::new("grant").required(true).args(["source", "scopes"]))]
    Create {
        /// A write key: it can only post, as this source.
        #[arg(long, value_parser = SourceId::parse)]
        source: Option<SourceId>,
        /// An admin key that may do this; give it again for each scope.
        #[arg(long = "scope", value_parser = clap::builder::PossibleValuesParser::new(Scope::ALL.map(Scope::name)))]
        scopes: Vec<String>,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Creates a key that opens what another one opens, which goes on to open
    /// until it is revoked.
    Rotate {
        /// The old key's id: the eight letters behind the workspace's name.
        id: String,
        /// Ends the old key after this time, such as 90m, 24h or 7d.
        #[arg(long, value_parser = seconds, value_name = "TIME")]
        old_ends_in: Option<u32>,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Ends a key; within a minute it opens nothing.
    Revoke {
        /// The key's id: the eight letters behind the workspace's name.
        id: String,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the keys of a workspace, ended ones for 30 days; none can be read back.
    List {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Makes a new key that signs cursors; those of the key before go on to open.
    RotateSigning {
        #[command(flatten)]
        place: Place,
    },
}

impl New {
    fn settings(self) -> Settings {
        let origins = if self.origins.is_empty() { Change::Keep } else { Change::Set(self.origins) };
        Settings {
            phone_region: self.phone_region.map_or(Change::Keep, Change::Set),
            origins,
            rate: self.rate.map_or(Change::Keep, Change::Set),
        }
    }
}

impl Cleared {
    fn settings(&self, mut settings: Settings) -> Settings {
        if self.no_phone_region {
            settings.phone_region = Change::Clear;
        }
        if self.any_origin {
            settings.origins = Change::Clear;
        }
        settings
    }
}

impl WorkspaceCommand {
    pub(crate) fn order(self) -> (Place, Order) {
        match self {
            Self::Create { name, place } => (place, Order::CreateWorkspace { workspace: name }),
            Self::List { place } => (place, Order::ListWorkspaces),
        }
    }
}

impl SourceCommand {
    pub(crate) fn order(self) -> (Place, Order) {
        match self {
            Self::Create { name, new, owner: Owner { workspace }, place } => {
                (place, Order::CreateSource { workspace, source: name, settings: new.settings() })
            }
            Self::Change { name, new, cleared, owner: Owner { workspace }, place } => {
                let settings = cleared.settings(new.settings());
                (place, Order::ChangeSource { workspace, source: name, settings })
            }
            Self::List { owner: Owner { workspace }, place } => (place, Order::ListSources { workspace }),
        }
    }
}

impl RulesCommand {
    /// Reads the file that it names.
    pub(crate) fn order(self) -> Result<(Place, Order), Failed> {
        Ok(match self {
            Self::Show { owner: Owner { workspace }, place } => (place, Order::ShowRules { workspace }),
            Self::Set { file, owner: Owner { workspace }, place } => {
                (place, Order::SetRules { workspace, rules: whole(&file)? })
            }
        })
    }
}

impl KeyCommand {
    pub(crate) fn order(self) -> (Place, Order) {
        match self {
            Self::Create { source, scopes, owner: Owner { workspace }, place } => {
                let grant = source.map_or(Granted::Admin(scopes), Granted::Write);
                (place, Order::CreateKey { workspace, grant })
            }
            Self::Rotate { id, old_ends_in, owner: Owner { workspace }, place } => {
                (place, Order::RotateKey { workspace, key: id, old_ends_in_s: old_ends_in })
            }
            Self::Revoke { id, owner: Owner { workspace }, place } => {
                (place, Order::RevokeKey { workspace, key: id })
            }
            Self::List { owner: Owner { workspace }, place } => (place, Order::ListKeys { workspace }),
            Self::RotateSigning { place } => (place, Order::RotateSigningKeys),
        }
    }
}

/// A whole file, or the whole standard input.
pub(crate) fn whole(file: &Path) -> Result<String, Failed> {
    let read = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|cause| Unread { file: file.to_owned(), cause }.into())
}

#[derive(Debug, thiserror::Error)]
#[error("`{file}` cannot be read", file = .file.display())]
struct Unread {
    file: PathBuf,
    #[source]
    cause: std::io::Error,
}

/// A time of at most a year, in seconds.
pub(crate) fn seconds(text: &str) -> Result<u32, &'static str> {
    const YEAR: u32 = 365 * 24 * 60 * 60;
    const FORM: &str = "write a number and its unit, such as 90m, 24h or 7d, up to 365d";
    let unit = text.char_indices().next_back().and_then(|(at, unit)| Some((text.get(..at)?, unit)));
    let (number, unit) = unit.ok_or(FORM)?;
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(FORM),
    };
    let number: u32 = number.parse().map_err(|_| FORM)?;
    number.checked_mul(unit).filter(|seconds| (1..=YEAR).contains(seconds)).ok_or(FORM)
}
