//! Where in a template something is.

use serde::Serialize;

/// A line and a column of a part, from one on; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Spot {
    pub(crate) const START: Spot = Spot { line: 1, column: 1 };

    /// Where one is after `text`.
    pub(crate) fn after(self, text: &str) -> Spot {
        text.chars().fold(self, |spot, char| match char {
            '\n' => Spot { line: spot.line + 1, column: 1 },
            _ => Spot { line: spot.line, column: spot.column + 1 },
        })
    }

    pub(crate) fn of(self, part: &str) -> Place {
        Place { part: part.to_owned(), line: self.line, column: self.column }
    }
}

/// A place in a part of a template, such as `en.email.subject:1:9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub part: String,
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.part, self.line, self.column)
    }
}

/// What keeps a template from being saved, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{place}: {reason}; {remedy}")]
pub struct Mistake {
    pub place: Place,
    pub reason: String,
    pub remedy: String,
}

/// A mistake whose part is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slip {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

impl Slip {
    pub(crate) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }

    pub(crate) fn at(self, spot: Spot, part: &str) -> Mistake {
        Mistake { place: spot.of(part), reason: self.reason, remedy: self.remedy }
    }
}
