//! How a person is named on the command line.

use std::fmt;
use std::str::FromStr;

use domain::identifier::{EMAIL, is_kind};
use domain::key::ProfileId;
use serde_json::{Value, json};

use crate::client::{Client, Unanswered};

/// An e-mail address, `KIND:VALUE`, or the id of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Profile(ProfileId),
    Identifier { kind: String, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "names nobody: write an e-mail address, an identifier as KIND:VALUE (`user_id:u-17`, `phone:+4712345678`) or a profile's id"
)]
pub(crate) struct Nobody;

/// An identifier alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    kind: String,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no identifier: write an e-mail address, or KIND:VALUE as in `user_id:u-17`")]
pub(crate) struct Unnamed;

impl FromStr for Named {
    type Err = Unnamed;

    fn from_str(text: &str) -> Result<Self, Unnamed> {
        let (kind, value) = match text.split_once(':') {
            Some((kind, value)) if is_kind(kind) => (kind, value),
            _ if text.contains('@') => (EMAIL, text),
            _ => return Err(Unnamed),
        };
        let (kind, value) = (kind.to_owned(), value.to_owned());
        if value.trim().is_empty() { Err(Unnamed) } else { Ok(Self { kind, value }) }
    }
}

impl Named {
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.kind, &self.value)
    }

    /// As the API takes it.
    pub(crate) fn identifier(&self) -> Value {
        json!({ "kind": self.kind, "value": self.value })
    }
}

impl FromStr for Who {
    type Err = Nobody;

    fn from_str(text: &str) -> Result<Self, Nobody> {
        if let Some(id) = ProfileId::parse(text) {
            return Ok(Self::Profile(id));
        }
        let Named { kind, value } = text.parse().map_err(|Unnamed| Nobody)?;
        Ok(Self::Identifier { kind, value })
    }
}

impl Who {
    /// The person's profile.
    pub(crate) async fn find(&self, client: &Client) -> Result<Value, Unanswered> {
        match self {
            Self::Profile(id) => client.get(&format!("/v1/profiles/{id}")).await,
            Self::Identifier { kind, value } => {
                let wanted = json!({ "identifier": { "kind": kind, "value": value } });
                client.post("/v1/profiles/lookup", &wanted).await
            }
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(id) => write!(f, "{id}"),
            Self::Identifier { kind, value } if kind == EMAIL && value.contains('@') => f.write_str(value),
            Self::Identifier { kind, value } => write!(f, "{kind}:{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_in_three_ways() {
        let identifier =
            |kind: &str, value: &str| Ok(Who::Identifier { kind: kind.to_owned(), value: value.to_owned() });
        for (text, expected) in [
            ("ann@example.com", identifier("email", "ann@example.com")),
            ("user_id:u-17", identifier("user_id", "u-17")),
            ("email:ann@example.com", identifier("email", "ann@example.com")),
            ("crm:a:b@c", identifier("crm", "a:b@c")),
            ("no kind:a@example.com", identifier("email", "no kind:a@example.com")),
            ("ann", Err(Nobody)),
            ("user_id:", Err(Nobody)),
            ("user_id: ", Err(Nobody)),
            ("", Err(Nobody)),
        ] {
            assert_eq!(text.parse::<Who>(), expected, "{text}");
        }
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(id.parse::<Who>(), Ok(Who::Profile(ProfileId::parse(id).unwrap())));
        for text in ["ann@example.com", "user_id:u-17", id] {
            assert_eq!(text.parse::<Who>().unwrap().to_string(), text, "what is printed can be given again");
        }
    }
}
