//! The sender's own file: a line for each event that was answered with 200.
//!
//! The check reads nothing else of what the sender knows.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::plan::{Planned, What};
use crate::problem::Problem;

pub(crate) struct Record {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
}

/// What the acknowledged events of one person add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) identifies: u64,
    pub(crate) names: BTreeMap<String, u64>,
    pub(crate) cents: BTreeMap<String, u64>,
}

impl Record {
    pub(crate) fn create(path: &Path) -> Result<Self, Problem> {
        let created = File::options().write(true).create_new(true).open(path);
        let file = created.map_err(|cause| file("create", path, cause))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(BufWriter::new(file)) })
    }

    /// Writes down what one answer acknowledged.
    pub(crate) fn acknowledge(&self, events: &[Planned]) -> Result<(), Problem> {
        let lines: String = events.iter().map(line).collect();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.flush());
        written.map_err(|cause| self::file("write to", &self.path, cause))
    }
}

fn line(event: &Planned) -> String {
    let Planned { message_id, user_id, what, .. } = event;
    match what {
        What::Identify => format!("{message_id}\t{user_id}\tidentify\n"),
        What::Track { name, currency, cents } => {
            format!("{message_id}\t{user_id}\ttrack\t{name}\t{currency}\t{cents}\n")
        }
    }
}

/// Reads the file: each person with what is to be expected of them, and how
/// many distinct events were acknowledged.
pub(crate) fn read(path: &Path) -> Result<(BTreeMap<String, Expected>, u64), Problem> {
    let text = std::fs::read_to_string(path).map_err(|cause| file("read", path, cause))?;
    let mut people: BTreeMap<String, Expected> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        let broken = || Problem::Record { path: path.to_owned(), line: number + 1 };
        let fields: Vec<&str> = line.split('\t').collect();
        let [message_id, user_id, rest @ ..] = fields.as_slice() else { return Err(broken()) };
        // A repeated event is acknowledged again and still is one event.
        if seen.insert(*message_id) {
            people.entry((*user_id).to_owned()).or_default().add(rest).ok_or_else(broken)?;
        }
    }
    Ok((people, seen.len() as u64))
}

impl Expected {
    fn add(&mut self, what: &[&str]) -> Option<()> {
        match what {
            ["identify"] => self.identifies += 1,
            ["track", name, currency, cents] => {
                *self.names.entry((*name).to_owned()).or_default() += 1;
                *self.cents.entry((*currency).to_owned()).or_default() += cents.parse::<u64>().ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn file(what: &'static str, path: &Path, cause: std::io::Error) -> Problem {
    Problem::File { what, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;
    use crate::plan::Plan;

    #[test]
    fn what_is_acknowledged_twice_is_expected_once() {
        let folder = std::env::temp_dir().join(format!("load-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("acknowledged.tsv");
        let plan = Plan::new(1, 100, 3, Timestamp::from_millis(0));
        let events: Vec<Planned> = (0..100).map(|number| plan.event(number)).collect();
        let record = Record::create(&path).expect("a new file");
        record.acknowledge(&events).expect("written");
        record.acknowledge(&events[20..40]).expect("written");
        let (people, acknowledged) = read(&path).expect("readable");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(acknowledged, 100);
        let counted = |expected: &Expected| expected.identifies + expected.names.values().sum::<u64>();
        assert_eq!(people.values().map(counted).sum::<u64>(), 100);
    }
}
