//! Kills `tributary local` at random moments and counts what is left.
//!
//! Sends events as SDKs do, each until it is answered 200, some of them again
//! later, and writes down what was answered. Meanwhile the process that takes
//! them is killed with -9 and started again, over and over. When its queues
//! and outboxes are empty, each person is looked up through the public API:
//! whatever was answered must be counted, and counted once.

mod plan;
mod record;
mod http;
mod stack;
mod send;
mod kill;
mod drain;
mod check;
mod problem;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use domain::time::Timestamp;

use check::Findings;
use http::Http;
use plan::Plan;
use problem::Problem;
use record::Record;
use send::Sending;
use stack::Launcher;

/// Kills a running `tributary local` and checks that no event is lost or counted twice.
#[derive(Debug, Parser)]
struct Arguments {
    /// Distinct events; a tenth of them is sent again on top.
    #[arg(long, default_value_t = 200_000)]
    events: u32,
    /// How often the process is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// The seed of what is sent, in which order, and of the moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program to start, as `BINARY local --data … --port 0 --json`.
    #[arg(long, default_value = "target/debug/tributary")]
    binary: PathBuf,
    /// A folder that is empty or does not exist yet.
    #[arg(long)]
    data: PathBuf,
    /// The people to whom the events belong.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    people: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed;
    match run(&arguments).await {
        Ok(findings) => {
            say(&format!("seed {seed}: {findings}"));
            if findings.hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            say(&format!("seed {seed}: no result: {}", problem.with_causes()));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Findings, Problem> {
    stack::refuse_used(&arguments.data)?;
    let plan = Plan::new(arguments.seed, arguments.events, arguments.people, now());
    say(&format!(
        "seed {}: {} events of {} people, {} of them sent again, {} kills",
        arguments.seed,
        plan.events(),
        arguments.people,
        plan.sends().len() - plan.events() as usize,
        arguments.kills,
    ));
    let record = arguments.data.join("acknowledged.tsv");
    let launcher = Launcher::new(&arguments.binary, &arguments.data);
    let mut running = launcher.start().await?;
    let sending = Arc::new(Sending::new(plan, Http::new(), Record::create(&record)?, running.address()));

    let moments = kill::Moments::random(arguments.seed, arguments.kills, sending.total());
    tokio::try_join!(
        send::all(&sending, arguments.seed),
        kill::while_sending(&mut running, &launcher, &sending, &moments),
    )?;
    say(&format!("all {} sends are acknowledged; the queues drain", sending.total()));
    kill::while_draining(&mut running, &launcher, &sending, &moments).await?;

    let http = Http::new();
    drain::wait(&http, &mut running).await?;
    say("queues and outboxes are empty; looking at each person");
    let findings = check::all(&http, &running.address(), &record).await;
    running.kill().await?;
    findings
}

/// Progress and results go to stdout, a line each.
fn say(line: &str) {
    // Whoever closed our stdout does not want to hear it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The clock of the sender: `sentAt` must be true, or event times are corrected.
fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is a client of the platform, with a clock of its own"
    )]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_millis(
        since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default(),
    )
}
