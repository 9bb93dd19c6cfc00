//! Counts instructions by starting this program again under callgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum as _;

use crate::failed::{Failed, Wrong, ensure};
use crate::measured::Measured;
use crate::usage::real;

/// Whose own instructions are told apart: hashing, which signing a request needs.
const HASHING: [&str; 3] = ["sha2::", "sha256", "Sha256"];
/// The store of the measurement, which is no part of what is measured.
const STORE: &str = "testkit::";

/// Instructions of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Instructions {
    /// All that was collected, the store left out.
    pub(crate) total: u64,
    /// Those that hashed.
    pub(crate) hashing: u64,
}

impl Instructions {
    pub(crate) fn per(self, number: usize) -> f64 {
        real(self.total) / real(crate::rules::count(number).max(1))
    }

    pub(crate) fn per_without_hashing(self, number: usize) -> f64 {
        real(self.total - self.hashing) / real(crate::rules::count(number).max(1))
    }
}

/// The version of valgrind, if there is one.
pub(crate) fn version() -> Option<String> {
    let told = Command::new("valgrind").arg("--version").output().ok()?;
    told.status.success().then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// Runs a measurement under callgrind.
pub(crate) fn count(measured: Measured, history: usize, profiles: usize) -> Result<Instructions, Failed> {
    let name = measured.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let out = std::env::temp_dir()
        .join(format!("bench-{}-{name}-{history}-{profiles}.callgrind", std::process::id()));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--dump-line=no"])
        .arg(format!("--toggle-collect=*{}*", measured.marker()))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["measured", &name, "--history", &history.to_string(), "--profiles", &profiles.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let complaint = || last_lines(&run.stderr);
    ensure(run.status.success(), || format!("callgrind could not run {name}: {}", complaint()))?;
    let counted = read(&out, &name);
    // What cannot be removed only takes up room.
    drop(std::fs::remove_file(&out));
    counted
}

fn read(out: &Path, name: &str) -> Result<Instructions, Failed> {
    let text = std::fs::read_to_string(out)?;
    let counted = parse(&text);
    let nothing =
        || Wrong(format!("callgrind collected nothing of {name}: was the marked function inlined?"));
    if counted.total == 0 { Err(nothing().into()) } else { Ok(counted) }
}

/// Sums up the functions' own costs: a line of a call's costs is what it
/// called, which is counted where it stands itself.
fn parse(text: &str) -> Instructions {
    let mut counted = Instructions::default();
    let (mut hashes, mut stores, mut of_call) = (false, false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            hashes = HASHING.iter().any(|part| name.contains(part));
            // Generic code of ours names the store too, but does not begin with it.
            stores = name.trim_start_matches('<').starts_with(STORE);
        } else if line.starts_with("calls=") {
            of_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or_default();
            if !of_call && !stores {
                counted.total += cost;
                counted.hashing += if hashes { cost } else { 0 };
            }
            of_call = false;
        }
    }
    counted
}

fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_costs_are_summed_and_calls_are_not() {
        let text = "\
# callgrind format
events: Ir

fn=bench::measured::measured_ingest
0 10
cfn=sha2::sha256::compress256
calls=2 0
0 500

fn=sha2::sha256::compress256
0 500

fn=<testkit::people::MemoryPeople as ports::people::People>::save
0 70

fn=profile::write::<impl profile::stage::Stage<testkit::people::MemoryPeople>>::write
0 5

totals: 585
";
        assert_eq!(parse(text), Instructions { total: 515, hashing: 500 });
    }
}
