//! `tributary`: what an operator runs.

mod arguments;
mod boot;
mod client;
mod clock;
mod data;
mod shop;
mod output;
mod platform;
mod profile_show;
mod stack;
mod summary;
mod tables;
mod tools;

use std::process::ExitCode;

use arguments::{Arguments, Command, ProfileCommand};
use clap::Parser as _;
use output::Failed;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            output::error(&failed);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), Failed> {
    match arguments.command {
        Command::Local(local) => platform::run(local).await,
        Command::Demo(demo) => shop::run(demo).await,
        Command::Profile(ProfileCommand::Show(show)) => profile_show::run(show).await,
    }
}
