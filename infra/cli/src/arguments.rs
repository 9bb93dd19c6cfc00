//! The commands and their options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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

/// Which platform a command speaks to.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The folder of a running `tributary local`, which says its URL and keys.
    #[arg(long, default_value = ".local")]
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
    /// Shows one person, found by an e-mail address or another identifier.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// An e-mail address; with `--kind`, an identifier of that kind.
    pub(crate) value: String,
    /// The kind of the identifier: `user_id`, `anonymous_id`, `phone`, …
    #[arg(long, default_value = "email")]
    pub(crate) kind: String,
    #[command(flatten)]
    pub(crate) target: Target,
}
