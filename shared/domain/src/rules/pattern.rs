//! Patterns of values that name nobody.

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Longer patterns are refused.
const LENGTH_MAX: usize = 256;
/// Bytes that a compiled pattern may take.
const SIZE_MAX: usize = 64 * 1024;

/// A regular expression that a whole value has to match, whatever its case.
/// Its time grows with the value's length alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blocked {
    text: String,
    regex: Regex,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    #[error("a pattern has at most {LENGTH_MAX} bytes")]
    TooLong,
    #[error("`{0}` is no regular expression")]
    Unreadable(String),
}

impl Blocked {
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

impl TryFrom<String> for Blocked {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        if text.len() > LENGTH_MAX {
            return Err(BadPattern::TooLong);
        }
        // Alone first: a lone bracket must not close the group around it.
        let unreadable = |_| BadPattern::Unreadable(text.clone());
        Regex::new(&text).map_err(unreadable)?;
        let mut whole = RegexBuilder::new(&format!("^(?:{text})$"));
        let regex = whole.case_insensitive(true).size_limit(SIZE_MAX).build().map_err(unreadable)?;
        Ok(Self { text, regex })
    }
}

impl From<Blocked> for String {
    fn from(pattern: Blocked) -> Self {
        pattern.text
    }
}

impl PartialEq for Blocked {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Blocked {}
