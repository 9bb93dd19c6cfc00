//! What conditions compare: values of traits and of events' properties.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use crate::profile::counters::Money;
use crate::time::Timestamp;

/// Bytes of a text that a feature keeps of an event; a longer one is left out.
pub const TEXT_MAX: usize = 256;
/// Steps of a path.
pub const STEPS_MAX: usize = 8;

/// The way to a value: `address.city`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path as people write it.
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        let right = steps.len() <= STEPS_MAX && steps.iter().all(|step| !step.is_empty());
        right.then_some(Self(steps))
    }

    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// The value at the path, if the object has one.
    pub fn find<'a>(&self, object: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let value = rest.iter().try_fold(object.get(first)?, |value, step| value.as_object()?.get(step))?;
        (!value.is_null()).then_some(value)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// An exact number, in billionths: what sums of any order agree on.
pub type Number = i128;

/// One billion: what makes a count a [`Number`].
pub const ONE: Number = 1_000_000_000;

/// A value that can be counted, kept and compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scalar {
    Bool(bool),
    Number(Number),
    Text(String),
}

impl Scalar {
    /// What of a JSON value can be kept; an object or array cannot.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Money::parse(&number.to_string())?),
            Value::String(text) if text.len() <= TEXT_MAX => Self::Text(text.clone()),
            _ => return None,
        })
    }

    /// As a number; a text that reads as one counts, for many senders quote theirs.
    pub fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => Money::parse(text),
            Self::Bool(_) => None,
        }
    }

    /// As JSON, for showing.
    pub fn json(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Text(text) => Value::String(text.clone()),
            Self::Number(number) => {
                let text = Money { billionths: *number, count: 0 }.decimal();
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
        }
    }

    /// Equal as people mean it: texts without case, numbers as numbers.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b || fold(a) == fold(b),
            (Self::Number(_), _) | (_, Self::Number(_)) => {
                matches!((self.number(), other.number()), (Some(a), Some(b)) if a == b)
            }
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Bool(known), Self::Text(text)) | (Self::Text(text), Self::Bool(known)) => {
                text.parse().is_ok_and(|said: bool| said == *known)
            }
        }
    }

    /// As numbers only: a text is never before or behind another.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.number()?.cmp(&other.number()?))
    }
}

/// A text without its case, as Unicode folds it, in one form.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(text).nfc().collect()
}

/// Reads a moment: RFC 3339, a date (its beginning in UTC), or seconds or
/// milliseconds since 1970, as SDKs send all of these.
pub fn moment(value: &Value) -> Option<Timestamp> {
    /// From here on a number counts milliseconds: as seconds it would be the year 5138.
    const MILLIS_FROM: u64 = 100_000_000_000;
    match value {
        Value::String(text) => Timestamp::parse(text).or_else(|| {
            let date: jiff::civil::Date = text.trim().parse().ok()?;
            let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
        }),
        Value::Number(number) => {
            let number = number.as_i64()?;
            let millis = if number.unsigned_abs() < MILLIS_FROM { number.checked_mul(1000)? } else { number };
            Some(Timestamp::from_millis(millis))
        }
        _ => None,
    }
}
