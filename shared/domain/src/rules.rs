//! Which identifiers may name a person, in which order, and how many of each.

use serde::{Deserialize, Serialize};

use crate::identifier::{EMAIL, Identifier, USER_ID};

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
        }
    }
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

/// Letter by letter, so that a word is blocked in any script and position.
fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests;
