//! A definition as the evaluator needs it: conditions on one person.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use regex_lite::Regex;

use super::span::{Span, Unit};
use super::stored::SegmentId;
use super::value::{Number, Path, Scalar};
use crate::event::EventKind;
use crate::time::Timestamp;

/// What a person has to be, to be in; and how its author said it.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The condition as JSON.
    pub said: String,
    pub is: Is,
}

#[derive(Debug, Clone)]
pub enum Is {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Trait {
        path: Path,
        test: Test,
    },
    /// A trait has passed the test without a break for so long.
    HeldFor {
        path: Path,
        test: Test,
        span: Span,
    },
    Events(Events),
    Sequence(Sequence),
    Absence(Absence),
    Regular(Regular),
    Returned(Returned),
    Segment {
        id: SegmentId,
        reading: Reading,
    },
    Identifier {
        kind: String,
    },
    Group {
        id: String,
    },
    Fact {
        fact: Fact,
        test: Test,
    },
    Score {
        parts: Vec<(Condition, Number)>,
        test: Test,
    },
    Bucket {
        salt: String,
        from: Number,
        to: Number,
    },
}

/// Which of another segment's answers counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Now,
    Ever,
    EnteredWithin(Span),
}

/// What a profile knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    FirstSeen,
    LastSeen,
}

/// What a value is compared with.
#[derive(Debug, Clone)]
pub enum Operand {
    Value(Scalar),
    /// The person's own trait, as it is at that moment.
    Trait(Path),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Is,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Is => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// What a value has to pass. What is missing passes `IsNot`, `NotIn`,
/// `NotContains` and `Exists(false)` alone: each is the opposite of another.
#[derive(Debug, Clone)]
pub enum Test {
    Is(Operand),
    IsNot(Operand),
    Order(Compare, Operand),
    /// Both ends included.
    Between(Operand, Operand),
    In(Vec<Scalar>),
    NotIn(Vec<Scalar>),
    /// A part of a text, or an element of an array; folded.
    Contains(String),
    NotContains(String),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
    Exists(bool),
    Before(Moment),
    After(Moment),
    /// It was, and less than so long ago.
    WithinLast(Span),
    /// It is to be, in at most so long.
    WithinNext(Span),
    /// It was so long ago or longer.
    OlderThan(Span),
    /// The day and month of it return in at most so many days.
    AnniversaryWithin(u16),
    Elements(Quantifier, Box<Filter>),
    Version(Compare, String),
    Near {
        latitude: f64,
        longitude: f64,
        kilometres: f64,
    },
}

#[derive(Debug, Clone)]
pub enum Moment {
    At(Timestamp),
    Trait(Path),
}

/// How many elements of an array have to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    Every,
    None,
}

/// What an event's properties, or an array's element, have to pass.
#[derive(Debug, Clone)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Property {
        path: Path,
        test: Test,
    },
    /// The element itself.
    Element(Test),
}

/// Events that are alike.
#[derive(Debug, Clone)]
pub struct Select {
    pub what: What,
    pub filter: Option<Filter>,
    pub hours: Option<Hours>,
    /// The selection without its hours as its author wrote it: the same words
    /// are the same feature.
    pub text: String,
}

/// A kind of event, and its names; none means any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct What {
    pub kind: EventKind,
    pub names: BTreeSet<String>,
}

/// When in the person's own week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// None means any.
    pub days: Vec<Weekday>,
    /// Minutes of the day; `to` is excluded, and may lie behind midnight.
    pub from: u16,
    pub to: u16,
}

/// A measure over the selected events of a window passes a test.
#[derive(Debug, Clone)]
pub struct Events {
    pub select: Select,
    pub window: Window,
    pub measure: Measure,
    pub test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Lifetime,
    /// An event is in it until so long after it happened.
    Rolling(Span),
    /// A period of the calendar that lies so many periods back.
    Calendar {
        unit: Unit,
        back: u16,
    },
    /// From the first on, up to the second.
    Between(Timestamp, Timestamp),
    /// The person's last run of events without a longer gap, if `current` while it goes on.
    Session {
        gap: i64,
        current: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    Count,
    Sum(Path),
    Avg(Path),
    Min(Path),
    Max(Path),
    Distinct(Path),
    First(Path),
    Last(Path),
    MostFrequent(Path),
    /// Each value once; only a computed trait is that.
    List(Path),
}

impl Measure {
    pub const fn path(&self) -> Option<&Path> {
        match self {
            Self::Count => None,
            Self::Sum(path)
            | Self::Avg(path)
            | Self::Min(path)
            | Self::Max(path)
            | Self::Distinct(path)
            | Self::First(path)
            | Self::Last(path)
            | Self::MostFrequent(path)
            | Self::List(path) => Some(path),
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Avg(_) => "avg",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Distinct(_) => "distinct",
            Self::First(_) => "first",
            Self::Last(_) => "last",
            Self::MostFrequent(_) => "most_frequent",
            Self::List(_) => "list",
        }
    }
}

/// One event of each step, in this order, the last at most `within` after the
/// first; completed less than `during` ago.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub steps: Vec<Select>,
    pub within: Span,
    pub same: Option<Path>,
    pub during: Option<Span>,
}

/// After an event none of another selection followed within `span`; that
/// became sure less than `during` ago.
#[derive(Debug, Clone)]
pub struct Absence {
    pub after: Select,
    pub of: Select,
    pub span: Span,
    pub same: Option<Path>,
    pub during: Option<Span>,
}

/// An event in at least so many of the last periods, the current one included.
#[derive(Debug, Clone)]
pub struct Regular {
    pub select: Select,
    pub at_least: u16,
    pub of_last: u16,
    pub unit: Unit,
}

/// An event less than `within` ago that was the first in `gap`, and not the
/// first at all.
#[derive(Debug, Clone)]
pub struct Returned {
    pub select: Select,
    pub gap: Span,
    pub within: Span,
}
