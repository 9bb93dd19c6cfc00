//! Traits: last writer wins by event time, path by path.
//!
//! A trait's value may be an object; objects merge by path down to
//! [`DEPTH_MAX`], arrays and deeper objects are replaced whole. Each path is a
//! register. A write at a path also clears what was older above and below it,
//! so a change of type wins like any write, in whatever order writes arrive.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value};

use super::stamp::Stamp;
use crate::workspace::SourceId;

/// Objects merge by path to this depth; below it they are replaced whole.
pub const DEPTH_MAX: usize = 4;
/// Paths that one profile holds.
pub const COUNT_MAX: usize = 500;
/// Bytes of paths and values that one profile holds.
pub const BYTES_MAX: usize = 64 * 1024;

/// Separates the steps of a path; JSON text cannot hold it unescaped, and a
/// key that does is refused as overflow.
pub const STEP: char = '\u{1f}';

/// The traits of one profile, with their provenance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traits {
    registers: BTreeMap<String, Written>,
}

/// The last write of a path.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    pub value: Setting,
    pub at: Stamp,
    pub source: SourceId,
}

/// What a path was last set to.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// The value, as JSON text.
    Json(String),
    /// Removed by a `null`; the time stays, or an older value would come back.
    Removed,
    /// Something newer stands below; the time stays for what is older there.
    Covered,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "Json(***)",
            Self::Removed => "Removed",
            Self::Covered => "Covered",
        })
    }
}

/// A trait value is personal data and never printed.
impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A trait that was left out because the profile holds its fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    pub path: String,
}

impl Traits {
    /// Takes in the traits of one event; says what did not fit.
    pub fn observe(&mut self, traits: &Map<String, Value>, at: Stamp, source: &SourceId) -> Vec<Overflow> {
        let mut leaves = Vec::new();
        collect(traits, "", 1, &mut leaves);
        let fits = |(path, value): (String, Setting)| {
            let written = Written { value, at, source: source.clone() };
            (!self.write(&path, written)).then(|| Overflow { path: shown(&path) })
        };
        leaves.into_iter().filter_map(fits).collect()
    }

    /// Takes in all that another holds: what a merge of two profiles does.
    pub fn absorb(&mut self, other: Self) {
        for (path, written) in other.registers {
            self.write(&path, written);
        }
    }

    /// Every register with its path; for storing.
    pub fn registers(&self) -> impl Iterator<Item = (&str, &Written)> {
        self.registers.iter().map(|(path, written)| (path.as_str(), written))
    }

    /// Puts back what [`Self::registers`] gave.
    pub fn from_registers(registers: impl IntoIterator<Item = (String, Written)>) -> Self {
        Self { registers: registers.into_iter().collect() }
    }

    /// The traits as a person would write them: nested, removed ones left out.
    pub fn value(&self) -> Map<String, Value> {
        let mut root = Map::new();
        for (path, written) in &self.registers {
            if let Setting::Json(json) = &written.value {
                let value = serde_json::from_str(json).unwrap_or(Value::Null);
                insert(&mut root, path.split(STEP), value);
            }
        }
        root
    }

    /// The value at a path: a register's own, or an object of all that stand below it.
    pub fn get(&self, steps: &[String]) -> Option<Value> {
        let path = steps.join("\u{1f}");
        match self.registers.get(&path).map(|written| &written.value) {
            Some(Setting::Json(json)) => return serde_json::from_str(json).ok(),
            Some(Setting::Removed) => return None,
            Some(Setting::Covered) | None => (),
        }
        let prefix = format!("{path}{STEP}");
        let from = (Bound::Excluded(prefix.clone()), Bound::Unbounded);
        let mut object = Map::new();
        for (below, written) in self.registers.range(from).take_while(|(path, _)| path.starts_with(&prefix)) {
            if let (Some(rest), Setting::Json(json)) = (below.get(prefix.len()..), &written.value) {
                insert(&mut object, rest.split(STEP), serde_json::from_str(json).unwrap_or(Value::Null));
            }
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }

    /// A register is written unless something newer stands at or above it.
    /// `false` if there is no room for it.
    fn write(&mut self, path: &str, mut written: Written) -> bool {
        let at = written.at;
        let newer_above = ancestors(path).any(|above| self.at(above).is_some_and(|known| known > at));
        if newer_above || self.at(path).is_some_and(|known| known >= at) {
            return true;
        }
        if !self.registers.contains_key(path) && !self.has_room(path, &written) {
            return false;
        }
        let below = self.below(path);
        for (older, _) in below.iter().filter(|(_, known)| *known < at) {
            self.registers.remove(older);
        }
        if below.iter().any(|(_, known)| *known > at) {
            written.value = Setting::Covered;
        }
        for above in ancestors(path) {
            if let Some(covered) = self.registers.get_mut(above) {
                covered.value = Setting::Covered;
            }
        }
        self.registers.insert(path.to_owned(), written);
        true
    }

    fn at(&self, path: &str) -> Option<Stamp> {
        self.registers.get(path).map(|written| written.at)
    }

    fn below(&self, path: &str) -> Vec<(String, Stamp)> {
        let prefix = format!("{path}{STEP}");
        let from = (Bound::Excluded(prefix.clone()), Bound::Unbounded);
        let under = self.registers.range(from).take_while(|(path, _)| path.starts_with(&prefix));
        under.map(|(path, written)| (path.clone(), written.at)).collect()
    }

    fn has_room(&self, path: &str, written: &Written) -> bool {
        let size = |path: &str, written: &Written| {
            let value = if let Setting::Json(json) = &written.value { json.len() } else { 0 };
            path.len() + value
        };
        if self.registers.len() >= COUNT_MAX {
            return false;
        }
        let held: usize = self.registers.iter().map(|(path, written)| size(path, written)).sum();
        held + size(path, written) <= BYTES_MAX
    }
}

/// `address\u{1f}city` has the ancestor `address`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices(STEP).filter_map(|(end, _)| path.get(..end))
}

/// A path as people write it.
pub fn shown(path: &str) -> String {
    path.replace(STEP, ".")
}

fn collect(object: &Map<String, Value>, above: &str, depth: usize, leaves: &mut Vec<(String, Setting)>) {
    for (key, value) in object {
        let key = key.replace(STEP, " ");
        let path = if above.is_empty() { key } else { format!("{above}{STEP}{key}") };
        match value {
            Value::Null => leaves.push((path, Setting::Removed)),
            Value::Object(inner) if inner.is_empty() => (), // It says nothing about any path.
            Value::Object(inner) if depth < DEPTH_MAX => collect(inner, &path, depth + 1, leaves),
            value => leaves.push((path, Setting::Json(value.to_string()))),
        }
    }
}

fn insert<'a>(object: &mut Map<String, Value>, mut steps: impl Iterator<Item = &'a str>, value: Value) {
    let Some(first) = steps.next() else { return };
    let rest: Vec<&str> = steps.collect();
    if rest.is_empty() {
        object.insert(first.to_owned(), value);
        return;
    }
    let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        insert(inner, rest.into_iter(), value);
    }
}
