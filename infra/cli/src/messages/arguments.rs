//! The commands about messages, and their options.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use domain::messaging::outreach::{MessageId, TemplateId};
use domain::messaging::quiet::WallTime;
use domain::time::Timestamp;
use serde_json::Value;

use super::{Start, Unusable, What, Whom};
use crate::client::Client;
use crate::identity::Who;
use crate::operate::arguments::{Owner, Place};
use crate::output::Failed;

/// Whose messages, and where.
#[derive(Debug, Args)]
pub(crate) struct At {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    place: Place,
}

/// A message by its id.
#[derive(Debug, Args)]
pub(crate) struct Named {
    #[arg(value_parser = MessageId::parse)]
    message: MessageId,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MessagesCommand {
    /// Says who writes, about what, how often at most and not at night; without
    /// a file it shows what stands.
    Settings {
        /// The document, YAML or JSON: a file, or `-` for the standard input.
        file: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Keeps a template, new or changed; every mistake is told with its place.
    Template {
        #[arg(value_parser = TemplateId::parse)]
        template: TemplateId,
        /// The document, YAML or JSON: a file, or `-` for the standard input.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Keeps a message: which template goes to whom.
    ///
    /// A broadcast (`to`) goes out once it is started; a trigger (`entering`) to
    /// each person who enters its segment from now on.
    Set {
        #[arg(value_parser = MessageId::parse)]
        message: MessageId,
        /// The document, YAML or JSON: a file, or `-` for the standard input.
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Lists messages, how far they are, and templates.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Starts a broadcast; a second start changes nothing.
    Start {
        #[arg(value_parser = MessageId::parse)]
        message: MessageId,
        /// Not before this moment, in RFC 3339.
        #[arg(long, value_parser = moment, conflicts_with = "local")]
        when: Option<Timestamp>,
        /// When each person's own clock shows it, such as 2026-12-01T10:00.
        #[arg(long, value_parser = WallTime::parse)]
        local: Option<WallTime>,
        #[command(flatten)]
        at: At,
    },
    /// Stops a message until it is told to go on; whoever was handed out waits.
    Pause(Named),
    /// Lets a message go on.
    Resume(Named),
    /// Ends a message: whoever waits gets nothing.
    Cancel(Named),
    /// Says what became of it, by variant.
    Report(Named),
    /// Says what became of it for one person, and why.
    Why {
        #[arg(value_parser = MessageId::parse)]
        message: MessageId,
        /// An e-mail address, KIND:VALUE, a profile's id, or `delivery:ID`.
        whom: String,
        #[command(flatten)]
        at: At,
    },
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("this is no moment such as 2026-12-01T10:00:00+01:00")
}

impl MessagesCommand {
    /// The order that a command gives, of whose messages, and where.
    pub(super) async fn asked(
        self,
        document: impl Fn(&Path) -> Result<String, Failed>,
    ) -> Result<(Owner, Place, What), Failed> {
        let (at, what) = match self {
            Self::Settings { file: None, at } => (at, What::ShowSettings),
            Self::Settings { file: Some(file), at } => (at, What::Settings(document(&file)?)),
            Self::Template { template, file, at } => (at, What::Template(template, document(&file)?)),
            Self::Set { message, file, at } => (at, What::Set(message, document(&file)?)),
            Self::List { at } => (at, What::List),
            Self::Start { message, when, local, at } => {
                let start = local.map(Start::Local).or(when.map(Start::At)).unwrap_or(Start::Now);
                (at, What::Start(message, start))
            }
            Self::Pause(Named { message, at }) => (at, What::Pause(message)),
            Self::Resume(Named { message, at }) => (at, What::Resume(message)),
            Self::Cancel(Named { message, at }) => (at, What::Cancel(message)),
            Self::Report(Named { message, at }) => (at, What::Report(message)),
            Self::Why { message, whom, at } => {
                let whom = match whom.strip_prefix("delivery:") {
                    Some(id) => Whom::Delivery(id.to_owned()),
                    None => Whom::Profile(profile(&at.place, &whom).await?),
                };
                (at, What::Why(message, whom))
            }
        };
        Ok((at.owner, at.place, what))
    }
}

async fn profile(place: &Place, whom: &str) -> Result<String, Failed> {
    let who: Who = whom.parse()?;
    let found = who.find(&Client::of(&place.target)?).await?;
    Ok(found.get("id").and_then(Value::as_str).ok_or(Unusable::Missing("id"))?.to_owned())
}
