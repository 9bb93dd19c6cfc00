//! Whose data it is: every key of every table begins with a workspace.

use serde::{Deserialize, Serialize};

/// A tenant of the deployment. No query can cross from one to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceId(String);

/// Something that sends events: a site, an app, a shop, a CRM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceId(String);

/// The name would not be safe in a key, a URL or a write key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {} of a-z, 0-9 and -", NAME_LENGTH_MAX)]
pub struct InvalidName;

/// Names stand in every key; a short one keeps items small.
pub const NAME_LENGTH_MAX: usize = 32;

pub(crate) fn checked(name: String) -> Result<String, InvalidName> {
    let safe = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let right = (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(safe);
    right.then_some(name).ok_or(InvalidName)
}

macro_rules! name {
    ($type:ident) => {
        impl $type {
            pub fn parse(name: &str) -> Result<Self, $crate::workspace::InvalidName> {
                $crate::workspace::checked(name.to_owned()).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::workspace::InvalidName;
            fn try_from(name: String) -> Result<Self, $crate::workspace::InvalidName> {
                $crate::workspace::checked(name).map(Self)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use name;

name!(WorkspaceId);
name!(SourceId);

impl WorkspaceId {
    /// No tenant, but what all of a deployment share: the pace at which its
    /// account may send. No name of a workspace has a `$`.
    pub fn account() -> Self {
        Self("$account".to_owned())
    }
}

impl SourceId {
    /// What the deployment itself reports of its messages.
    pub fn messaging() -> Self {
        Self("messaging".to_owned())
    }
}
