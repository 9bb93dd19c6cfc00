//! What the platform costs: counted calls, units and requests, priced from a
//! file, beside a naive design on the same events.
//!
//! `cargo run --release -p bench` writes `BENCHMARKS.md`; `--quick` counts a
//! part of it, checks what must hold, and writes nothing.

// The SDK's futures nest deeper than the compiler looks by default.
#![recursion_limit = "256"]

mod failed;
mod rules;
mod usage;
mod logs;
mod meter;
mod wire;
mod corpus;
mod request;
mod template;
mod store;
mod design;
mod naive;
mod tributary;
mod mixes;
mod sizes;
mod sessions;
mod flood;
mod slopes;
mod merges;
mod segments;
mod measured;
mod callgrind;
mod report;
mod run;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failed::Failed;
use measured::Measured;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Counts a part only, checks what must hold, and writes no file.
    #[arg(long)]
    quick: bool,
    /// Where the figures go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../BENCHMARKS.md"))]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the corpus again from its seed.
    Corpus,
    /// Writes what people did and who of them is in which segment, for another engine to be asked the same.
    Population {
        /// The folder to write to.
        to: PathBuf,
        /// The definitions, a YAML file each.
        definitions: PathBuf,
        #[arg(long, default_value_t = 600)]
        people: usize,
    },
    /// Does what callgrind measures; the benchmark starts it itself.
    #[command(hide = true)]
    Measured {
        what: Measured,
        #[arg(long, default_value_t = 1)]
        history: usize,
        #[arg(long, default_value_t = 0)]
        profiles: usize,
    },
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            say(&format!("no figures: {}", runtime::failure::chain(failed.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<(), Failed> {
    match &arguments.command {
        Some(Command::Corpus) => {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/events.jsonl");
            Ok(std::fs::write(file, corpus::make::file(corpus::make::SEED)?)?)
        }
        Some(Command::Measured { what, history, profiles }) => what.run(*history, *profiles),
        Some(Command::Population { to, definitions, people }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            segments::population::write(&runtime, to, definitions, *people)
        }
        None => {
            logs::start();
            // One thread: calls then come in the same order in every run.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            if arguments.quick {
                return runtime.block_on(run::quick());
            }
            let asked = segments::shown::ask(&corpus::Corpus::read()?)?;
            let found = runtime.block_on(run::whole(asked))?;
            std::fs::write(&arguments.out, found.document()?)?;
            say(&format!("written: {}", arguments.out.display()));
            Ok(())
        }
    }
}

/// Progress and results go to stdout, a line each.
pub(crate) fn say(line: &str) {
    // Whoever closed our stdout does not want to hear it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
