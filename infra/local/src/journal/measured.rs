//! What the stages measured, added up: the lines that in a function would be
//! its metrics.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use serde_json::Value;

use super::line::{JOURNAL, LOST, MEASURED, Raw, STAGE, TIME};

/// Sums by stage, of the lines from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// When the oldest line that is kept was written, whatever it says.
    pub oldest: Option<Timestamp>,
    /// Lines for which there was no room: what they measured is not in the sums.
    pub lost: u64,
    stages: BTreeMap<String, Sums>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Sums {
    lines: u64,
    numbers: BTreeMap<String, u64>,
}

impl Measured {
    /// How often a stage told what it measured: once a request, or a batch.
    pub fn lines(&self, stage: &str) -> u64 {
        self.stages.get(stage).map_or(0, |sums| sums.lines)
    }

    /// The sum of what a stage told under a name.
    pub fn sum(&self, stage: &str, name: &str) -> u64 {
        self.stages.get(stage).and_then(|sums| sums.numbers.get(name)).copied().unwrap_or_default()
    }

    /// Takes a line, if it is of `from` or later; moments are compared as text.
    pub(super) fn take(&mut self, line: Raw<'_>, from: &str) {
        let Some(time) = line.text(TIME) else { return };
        if self.oldest.is_none() {
            self.oldest = Timestamp::parse(time);
        }
        if time < from {
            return;
        }
        if let Some(stage) = line.text(MEASURED) {
            self.stages.entry(stage.to_owned()).or_default().add(&line.parsed());
        } else if line.text(STAGE) == Some(JOURNAL) {
            self.lost += line.parsed().get(LOST).and_then(Value::as_u64).unwrap_or_default();
        }
    }
}

impl Sums {
    fn add(&mut self, line: &Value) {
        self.lines += 1;
        for (name, value) in line.as_object().into_iter().flatten() {
            if let Some(number) = value.as_u64() {
                *self.numbers.entry(name.clone()).or_default() += number;
            }
        }
    }
}
