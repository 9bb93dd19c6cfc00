//! The commands about who is who, and their options.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::key::ProfileId;

use super::Who;
use super::who::Named;
use crate::arguments::Target;
use crate::operate::arguments::{Owner, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Says why somebody is who they are, as a graph: which event tied which
    /// identifier to which, what was made one for it, and what was refused.
    Why {
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        #[command(flatten)]
        target: Target,
        /// Prints the whole lineage as one line of JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Orders that a person be made one with the one who holds an identifier.
    Merge {
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        /// An identifier of the other: an e-mail address, or KIND:VALUE.
        with: Named,
        #[command(flatten)]
        target: Target,
    },
    /// Orders that a part of a person be a person of its own again.
    ///
    /// Both sides are made anew from the events whose home they hold, and no
    /// event makes them one again until `allow` says so.
    TakeOut {
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        #[command(flatten)]
        part: Part,
        /// What the lineage is to say about it.
        #[arg(long)]
        why: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Orders that two who were taken apart may be made one again.
    Allow {
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        /// The profile that it was taken apart from; `why` names it.
        with: ProfileIdArgument,
        #[command(flatten)]
        target: Target,
    },
    /// Says who is unusually large, and which identifiers are shared by many,
    /// as a shop's tablet or a made-up address is.
    Suspects {
        /// How many of each.
        #[arg(long, default_value_t = 10)]
        top: usize,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Blocks identifiers by their values: they name nobody from then on.
    ///
    /// What they tied before stays: see `take-out`.
    Block {
        /// Values, as `suspects` prints them behind their kind.
        #[arg(required = true)]
        values: Vec<String>,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Says who would be whom if all events came again under other rules;
    /// changes nothing.
    DryRun {
        /// The rules, as `rules show` prints them, changed; `-` for the standard input.
        #[arg(long)]
        rules: PathBuf,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Sends the ties on which nothing was decided to the identity stage: once,
    /// after an upgrade from a version that only recorded them.
    Adopt {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
}

/// What leaves.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Part {
    /// A profile that was taken in, with all that it had taken in before.
    #[arg(long)]
    pub(crate) profile: Option<ProfileIdArgument>,
    /// An identifier, with the events whose home it is.
    #[arg(long)]
    pub(crate) identifier: Option<Named>,
}

/// A profile's id, checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct ProfileIdArgument(String);

impl std::str::FromStr for ProfileIdArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let id = ProfileId::parse(text).ok_or("is no profile's id: these are 32 digits from 0 to f")?;
        Ok(Self(id.to_string()))
    }
}
