//! The commands and their options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::consent::ConsentCommand;
use crate::cost::arguments::Cost;
use crate::dlq::arguments::DlqCommand;
use crate::identity::Who;
use crate::identity::arguments::IdentityCommand;
use crate::messages::MessagesCommand;
use crate::operate::arguments::{Init, KeyCommand, RulesCommand, SourceCommand, WorkspaceCommand};
use crate::segments::arguments::SegmentsCommand;

/// A customer data platform that runs in your own AWS account, or whole on
/// this machine.
#[derive(Debug, Parser)]
#[command(name = "tributary", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the whole platform on this machine.
    Local(Local),
    /// Streams a year of a made-up shop into a platform and says what came out.
    Demo(Demo),
    /// Looks at people.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Says why somebody is who they are, and orders what no event says.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Says who is meant by a segment, who that is, and why.
    #[command(subcommand)]
    Segments(SegmentsCommand),
    /// Keeps what people said about being written to, and says what stands of it.
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Writes to people: settings, templates, broadcasts, triggers, reports.
    #[command(subcommand)]
    Messages(MessagesCommand),
    /// Shows events of a running `tributary local` as they come, each with
    /// what was decided on it.
    ///
    /// A line holds: time, source, kind, decision, profile, trace, and what
    /// else is to be said. It begins with what comes from now on.
    Tail(Tail),
    /// Tells an event's way through the stages of a running `tributary local`.
    ///
    /// It is found by the `messageId` that its sender gave it, or by the trace
    /// in the answer's header `x-tributary-trace`.
    Trace(Trace),
    /// Makes what a deployed stack hangs on: its keys, and a first workspace.
    ///
    /// The first keys are shown once. A second run changes nothing and says
    /// what is there; one that was broken off is mended by the next.
    Init(Init),
    /// Creates and lists workspaces.
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Creates, changes and lists what sends events.
    #[command(subcommand)]
    Source(SourceCommand),
    /// Shows and replaces the rules by which identifiers name people.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Creates, rotates, revokes and lists keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Looks at dead letters, and sends them back to their queue.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Says what AWS asks for what a platform used, by stage.
    ///
    /// Of a stack, its metrics and the sizes of its tables are counted; reading
    /// them costs a tenth of a cent at most. Of a platform on this
    /// machine, its journal. Prices are AWS's list prices of us-east-1, without
    /// free tiers; what is not counted is said.
    Cost(Cost),
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    /// The folder that keeps everything.
    #[arg(long, default_value = ".local")]
    pub(crate) data: PathBuf,
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8787)]
    pub(crate) port: u16,
    /// Prints one line of JSON with the URL and the keys, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The folder of a platform, unless another is named.
pub(crate) const DATA: &str = ".local";

/// Which platform a command speaks to.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The folder of a running `tributary local`, which says its URL and keys.
    #[arg(long, default_value = DATA)]
    pub(crate) data: PathBuf,
    /// The platform's URL, instead of the one that the folder names.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// An admin key, instead of the one that the folder names.
    #[arg(long, env = "TRIBUTARY_ADMIN_KEY", hide_env_values = true)]
    pub(crate) admin_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) target: Target,
    /// People of the shop.
    #[arg(long, default_value_t = demo::PEOPLE_DEFAULT)]
    pub(crate) people: u32,
    /// The same seed tells the same year.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Shows one person.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// An e-mail address, KIND:VALUE, or a profile's id.
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only events of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only events on which this was decided.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(crate::entry::DECISIONS))]
    pub(crate) decision: Option<String>,
    /// Begins with the oldest line that is kept.
    #[arg(long)]
    pub(crate) all: bool,
    /// Shows what is kept and ends, instead of waiting for more.
    #[arg(long)]
    pub(crate) once: bool,
    /// Ends after so many lines.
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// Prints each line as JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// A message id as it was sent, or the 32 hex digits of a trace.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Prints all that was found as one line of JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}
