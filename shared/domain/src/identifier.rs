//! What names a person, normalised once at the edge.

pub mod email;
pub mod phone;

use serde::{Deserialize, Serialize};

/// A `{kind, value}` pair that names a person; the value is normalised.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Identifier {
    kind: String,
    value: String,
}

/// An identifier as it was written down. What is read back keeps the value that
/// it had: newer rules of normalisation must not move an event to another home.
#[derive(Deserialize)]
struct Written {
    kind: String,
    value: String,
}

pub const USER_ID: &str = "user_id";
pub const ANONYMOUS_ID: &str = "anonymous_id";
pub const EMAIL: &str = "email";
pub const PHONE: &str = "phone";

/// Longer values are no names; the limit keeps a profile item small.
pub const VALUE_LENGTH_MAX: usize = 256;
pub const KIND_LENGTH_MAX: usize = 64;

/// Why a value cannot name a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("the kind has 1 to {KIND_LENGTH_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`")]
    Kind,
    #[error("the value is empty")]
    Empty,
    #[error("the value is over {VALUE_LENGTH_MAX} bytes")]
    TooLong,
    #[error("this is not an e-mail address")]
    Email,
    #[error("this is not a phone number; write it as +<country><number>, or set the source's region")]
    Phone,
}

/// Whether a text may be the name of a kind.
pub fn is_kind(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= KIND_LENGTH_MAX && text.bytes().all(safe)
}

impl Identifier {
    /// Normalises a raw value: e-mails and phones by their rules, others trimmed.
    ///
    /// `region` reads national phone numbers (`RU`, `DE`); without one only
    /// international numbers are read.
    pub fn parse(kind: &str, raw: &str, region: Option<&str>) -> Result<Self, InvalidIdentifier> {
        let raw = raw.trim();
        let value = match kind {
            _ if raw.is_empty() => String::new(),
            EMAIL => email::normalise(raw).ok_or(InvalidIdentifier::Email)?,
            PHONE => phone::normalise(raw, region).ok_or(InvalidIdentifier::Phone)?,
            _ => raw.to_owned(),
        };
        Self::checked(kind.to_owned(), value)
    }

    /// An identifier that was normalised when it was written down.
    pub(crate) fn checked(kind: String, value: String) -> Result<Self, InvalidIdentifier> {
        if !is_kind(&kind) {
            return Err(InvalidIdentifier::Kind);
        }
        match value.len() {
            0 => Err(InvalidIdentifier::Empty),
            1..=VALUE_LENGTH_MAX => Ok(Self { kind, value }),
            _ => Err(InvalidIdentifier::TooLong),
        }
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

/// An identifier is personal data: its value is never printed.
impl std::fmt::Debug for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({}: ***)", self.kind)
    }
}

impl TryFrom<Written> for Identifier {
    type Error = InvalidIdentifier;

    fn try_from(Written { kind, value }: Written) -> Result<Self, InvalidIdentifier> {
        Self::checked(kind, value)
    }
}

#[cfg(test)]
mod tests;
