//! Which identifiers may name a person, in which order, and how many of each.

pub mod document;
mod pattern;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::identifier::{EMAIL, Identifier, USER_ID};
use crate::profile::IDENTIFIERS_MAX;
use crate::time::Timestamp;
pub use pattern::{BadPattern, Blocked};

/// For so long copies of an event can come.
pub const COPIES_MAX: i64 = 30 * Timestamp::DAY;
/// So long after a change it is known everywhere: a stage keeps definitions
/// for a minute, and may then be at work for one.
pub const ROLLOUT: i64 = 3 * Timestamp::MINUTE;

/// The rules of identity resolution; the defaults are those of Segment Unify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Raised with every change; travels with each event that was read under it.
    pub version: u32,
    #[serde(flatten)]
    pub homing: Homing,
    /// How many values of a kind one profile may hold.
    pub limits: Vec<(String, usize)>,
    pub limit_default: usize,
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
    /// How events got their homes before the rules were changed; the last is
    /// the one that still gives them until `homes_from`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    #[serde(default)]
    pub homes_from: Timestamp,
}

/// What gave an event its home until the rules were changed: a copy of it that
/// comes later must still be known for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Copies that arrive from now on are taken for new events.
    pub until: Timestamp,
    #[serde(flatten)]
    pub homing: Homing,
}

/// What decides which identifier is an event's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Homing {
    /// Kinds from the strongest; a kind that is not named stands behind, by its name.
    pub priority: Vec<String>,
    /// Values that name nobody, whatever their kind; compared without case.
    pub blocked: Vec<String>,
    /// Patterns of values that name nobody.
    #[serde(default)]
    pub blocked_patterns: Vec<Blocked>,
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
            homing: Homing::default(),
            limits: vec![(USER_ID.to_owned(), 1)],
            limit_default: 5,
            frequencies: Vec::new(),
            cardinalities: Vec::new(),
            shared: Vec::new(),
            identifiers_max: identifiers_max(),
            merges_max: merges_max(),
            former: Vec::new(),
            homes_from: Timestamp::default(),
        }
    }
}

impl Default for Homing {
    fn default() -> Self {
        Self {
            priority: [USER_ID, EMAIL].map(String::from).to_vec(),
            blocked: ["-1", "null", "undefined", "anonymous", "none", "nan", "[object object]"]
                .map(String::from)
                .to_vec(),
            blocked_patterns: Vec::new(),
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

    /// These rules in the place of those that stand. If they give events other
    /// homes, they begin to do so when every stage knows of it, and what gave
    /// homes until then is remembered for as long as copies of an event come.
    #[must_use]
    pub fn after(self, known: &Self, now: Timestamp) -> Self {
        let mut former: Vec<Former> =
            known.former.iter().filter(|former| former.until > now).cloned().collect();
        if self.homing == known.homing {
            return Self { former, homes_from: known.homes_from, ..self };
        }
        let homes_from = now.plus(ROLLOUT);
        let until = homes_from.plus(COPIES_MAX);
        // The one that gives homes now is the last. The one that stands is
        // another if it has not begun yet: who does not know of this change
        // lets it begin.
        for homing in [&known.homing, known.homing(now)] {
            former.retain(|former| former.homing != *homing);
            former.push(Former { until, homing: homing.clone() });
        }
        Self { former, homes_from, ..self }
    }

    /// What gives events their homes at a moment.
    pub fn homing(&self, now: Timestamp) -> &Homing {
        let former = self.former.last().filter(|_| now < self.homes_from);
        former.map_or(&self.homing, |former| &former.homing)
    }

    /// The homes that an event has under other rules than those under which it
    /// was read: under these, and under those that were changed lately. There
    /// copies of it may have been folded.
    pub fn other_homes<'a>(&self, event: &'a Event) -> Vec<&'a Identifier> {
        let home = event.home();
        let former = self.former.iter().filter(|former| former.until > event.received_at);
        let former: Vec<&Homing> = former.map(|former| &former.homing).collect();
        let mut homes = Vec::new();
        if former.is_empty() && event.rules == self.version {
            return homes;
        }
        for homing in former.into_iter().chain([&self.homing]) {
            let other = homing.home(event.named()).filter(|other| Some(*other) != home);
            homes.extend(other.filter(|other| !homes.contains(other)));
        }
        homes
    }
}

impl Homing {
    /// `anonymous`, `null`, `-1`, nothing but zeros and dashes: no person at all.
    pub fn blocks(&self, identifier: &Identifier) -> bool {
        let value = identifier.value();
        value.bytes().all(|byte| matches!(byte, b'0' | b'-'))
            || self.blocked.iter().any(|blocked| lower(blocked).eq(lower(value)))
            || self.blocked_patterns.iter().any(|pattern| pattern.matches(value))
    }

    /// Strongest first.
    pub fn sort(&self, identifiers: &mut [Identifier]) {
        identifiers.sort_by(|a, b| self.order(a, b));
    }

    /// The strongest that is not blocked.
    fn home<'a>(&self, named: impl Iterator<Item = &'a Identifier>) -> Option<&'a Identifier> {
        named.filter(|one| !self.blocks(one)).min_by(|a, b| self.order(a, b))
    }

    fn order(&self, a: &Identifier, b: &Identifier) -> Ordering {
        let rank = |kind: &str| {
            let named = self.priority.iter().position(|named| named == kind);
            named.unwrap_or(self.priority.len())
        };
        rank(a.kind()).cmp(&rank(b.kind())).then_with(|| a.cmp(b))
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
