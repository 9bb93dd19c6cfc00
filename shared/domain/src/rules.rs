//! Which identifiers may name a person, in which order, and how many of each.

mod pattern;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identifier::{EMAIL, Identifier, USER_ID};
use crate::profile::IDENTIFIERS_MAX;
use crate::time::Timestamp;
pub use pattern::{BadPattern, Blocked};

/// The rules of identity resolution; the defaults are those of Segment Unify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Raised with every change; travels with each event that was read under it.
    pub version: u32,
    /// Kinds from the strongest; a kind that is not named stands behind, by its name.
    pub priority: Vec<String>,
    /// How many values of a kind one profile may hold.
    pub limits: Vec<(String, usize)>,
    pub limit_default: usize,
    /// Values that name nobody, whatever their kind; compared without case.
    pub blocked: Vec<String>,
    /// Patterns of values that name nobody.
    #[serde(default)]
    pub blocked_patterns: Vec<Blocked>,
    /// How many *new* values of a kind one profile may take in a period.
    #[serde(default)]
    pub frequencies: Vec<Frequency>,
    /// Who may hold how many of what: one card has one user.
    #[serde(default)]
    pub cardinalities: Vec<Cardinality>,
    /// Kinds that never make two known users one, such as a shared device.
    #[serde(default)]
    pub shared: Vec<String>,
    /// Identifiers of all kinds on one profile.
    #[serde(default = "identifiers_max")]
    pub identifiers_max: usize,
    /// Profiles that one profile may take in.
    #[serde(default = "merges_max")]
    pub merges_max: usize,
}

/// At most so many new values of a kind in any period of this length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequency {
    pub kind: String,
    pub limit: usize,
    pub period: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Week,
    Month,
    Year,
}

/// A profile that holds anything of the kind `of` holds at most so many of `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cardinality {
    pub of: String,
    pub kind: String,
    pub limit: usize,
}

/// What identifiers on one profile would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken<'a> {
    Limit { kind: &'a str, limit: usize },
    Frequency(&'a Frequency),
    Cardinality(&'a Cardinality),
    Identifiers { limit: usize },
}

impl Period {
    /// Months have 30 days here and years 365: a period is a length, not a page
    /// of a calendar.
    pub const fn millis(self) -> i64 {
        Timestamp::DAY
            * match self {
                Self::Day => 1,
                Self::Week => 7,
                Self::Month => 30,
                Self::Year => 365,
            }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            version: 1,
            priority: [USER_ID, EMAIL].map(String::from).to_vec(),
            limits: vec![(USER_ID.to_owned(), 1)],
            limit_default: 5,
            blocked: ["-1", "null", "undefined", "anonymous", "none", "nan", "[object object]"]
                .map(String::from)
                .to_vec(),
            blocked_patterns: Vec::new(),
            frequencies: Vec::new(),
            cardinalities: Vec::new(),
            shared: Vec::new(),
            identifiers_max: identifiers_max(),
            merges_max: merges_max(),
        }
    }
}

const fn identifiers_max() -> usize {
    IDENTIFIERS_MAX
}

/// Enough for every person; what takes in more is a shared identifier at work.
const fn merges_max() -> usize {
    64
}

impl Rules {
    /// How many of a kind a profile may hold.
    pub fn limit(&self, kind: &str) -> usize {
        let named = self.limits.iter().find(|(limited, _)| limited == kind);
        named.map_or(self.limit_default, |(_, limit)| *limit)
    }

    /// `anonymous`, `null`, `-1`, nothing but zeros and dashes: no person at all.
    pub fn blocks(&self, identifier: &Identifier) -> bool {
        let value = identifier.value();
        value.bytes().all(|byte| matches!(byte, b'0' | b'-'))
            || self.blocked.iter().any(|blocked| lower(blocked).eq(lower(value)))
            || self.blocked_patterns.iter().any(|pattern| pattern.matches(value))
    }

    /// Whether one profile may hold all these, each with the time of its claim;
    /// if not, what is in the way.
    pub fn broken<'a>(&'a self, held: &[(&'a Identifier, Timestamp)]) -> Option<Broken<'a>> {
        if held.len() > self.identifiers_max.min(IDENTIFIERS_MAX) {
            return Some(Broken::Identifiers { limit: self.identifiers_max });
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (identifier, _) in held {
            *counts.entry(identifier.kind()).or_default() += 1;
        }
        let over = counts.iter().find(|(kind, count)| **count > self.limit(kind));
        if let Some((kind, _)) = over {
            return Some(Broken::Limit { kind, limit: self.limit(kind) });
        }
        let breaks = |rule: &&Cardinality| {
            counts.contains_key(rule.of.as_str())
                && counts.get(rule.kind.as_str()).is_some_and(|count| *count > rule.limit)
        };
        if let Some(rule) = self.cardinalities.iter().find(breaks) {
            return Some(Broken::Cardinality(rule));
        }
        self.frequencies.iter().find(|rule| rule.is_broken(held)).map(Broken::Frequency)
    }

    /// Strongest first.
    pub fn sort(&self, identifiers: &mut [Identifier]) {
        let rank = |kind: &str| {
            let named = self.priority.iter().position(|named| named == kind);
            named.unwrap_or(self.priority.len())
        };
        identifiers.sort_by(|a, b| rank(a.kind()).cmp(&rank(b.kind())).then_with(|| a.cmp(b)));
    }
}

impl Frequency {
    /// Whether some period holds one more than the limit.
    fn is_broken(&self, held: &[(&Identifier, Timestamp)]) -> bool {
        let of_kind = held.iter().filter(|(identifier, _)| identifier.kind() == self.kind);
        let mut since: Vec<Timestamp> = of_kind.map(|(_, since)| *since).collect();
        since.sort_unstable();
        since.windows(self.limit + 1).any(|window| match (window.first(), window.last()) {
            (Some(first), Some(last)) => last.since(*first) < self.period.millis(),
            _ => false,
        })
    }
}

/// Letter by letter, so that a word is blocked in any script and position.
fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests;
