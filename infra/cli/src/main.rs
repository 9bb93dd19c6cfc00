//! `tributary`: what an operator runs.

mod arguments;
mod boot;
mod client;
mod clock;
mod cost;
mod data;
mod deployed;
mod dlq;
mod entry;
mod identity;
mod init;
mod messages;
mod segments;
mod consent;
mod shop;
mod operate;
mod output;
mod platform;
mod profile_show;
mod stack;
mod summary;
mod tables;
mod tail;
mod tools;
mod trace;
mod trail;

use std::process::ExitCode;

use arguments::{Arguments, Command, ProfileCommand};
use clap::Parser as _;
use operate::Order;
use operate::arguments::Place;
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
        Command::Identity(command) => identity::run(command).await,
        Command::Segments(command) => segments::run(command).await,
        Command::Consent(command) => consent::run(command).await,
        Command::Messages(command) => messages::run(command).await,
        Command::Tail(tail) => tail::run(tail).await,
        Command::Trace(trace) => trace::run(trace).await,
        Command::Init(options) => init::run(options).await,
        Command::Workspace(command) => operate(command.order()).await,
        Command::Source(command) => operate(command.order()).await,
        Command::Rules(command) => operate(command.order()?).await,
        Command::Key(command) => operate(command.order()).await,
        Command::Dlq(command) => {
            let (place, order) = command.order();
            dlq::run(&place, order).await
        }
        Command::Cost(options) => cost::run(options).await,
    }
}

async fn operate((place, order): (Place, Order)) -> Result<(), Failed> {
    operate::run(&place, order).await
}
