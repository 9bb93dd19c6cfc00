//! Prints what the functions' bootstraps cost beside a hello function.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lambda::{Failed, Function, Measured, Plan, measure};

/// Starts the functions' real bootstraps and measures them beside a hello function.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of `<bin>/bootstrap`.
    #[arg(long, default_value = "target/lambda")]
    bootstraps: PathBuf,
    /// Starts of which the median is taken.
    #[arg(long, default_value_t = 11)]
    starts: usize,
    /// Invocations of one environment, more than a hundred.
    #[arg(long, default_value_t = 1_000)]
    invocations: usize,
    /// A PEM file of roots that functions load beside the measuring one.
    #[arg(long)]
    roots: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(table) => {
            let _ = write!(std::io::stdout(), "{table}");
            ExitCode::SUCCESS
        }
        Err(failed) => {
            let _ = writeln!(std::io::stderr(), "no result: {failed}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<String, Failed> {
    let roots = arguments.roots.map_or_else(|| Ok(String::new()), std::fs::read_to_string)?;
    let Arguments { bootstraps, starts, invocations, .. } = arguments;
    table(&measure(&Plan { bootstraps, starts, invocations, roots }).await?)
}

fn table(all: &[Measured]) -> Result<String, Failed> {
    let hello = all.iter().find(|one| one.function == Function::Hello).ok_or("hello was not measured")?;
    let mut table = "| function | compressed | ÷ hello | init ms | ÷ hello | init TLS ms | first ms | first TLS ms | warm ms | KiB after 100 | after all |\n|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for one in all {
        let Measured { compressed, resident: [settled, last], .. } = *one;
        writeln!(
            table,
            "| {} | {compressed} | {:.2} | {} | {:.2} | {} | {} | {} | {} | {settled} | {last} |",
            one.function.bin(),
            ratio(compressed, hello.compressed),
            ms(one.init),
            one.init.div_duration_f64(hello.init),
            ms(one.init_tls),
            ms(one.first),
            ms(one.first_tls),
            ms(one.warm),
        )?;
    }
    Ok(table)
}

#[expect(clippy::cast_precision_loss, reason = "two decimals of sizes in megabytes")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
