//! What the identity stage is asked to do.
//!
//! A request to merge names identifiers and never profiles: by the time it is
//! read the profiles may have been merged, taken apart or erased.

use serde::{Deserialize, Serialize};

use crate::identifier::Identifier;
use crate::key::{IdKey, ProfileId};
use crate::message::Unreadable;
use crate::profile::outbox::Tie;
use crate::workspace::WorkspaceId;

/// The format that this build writes.
pub const VERSION: u32 = 1;

/// A request as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRequest {
    pub workspace: WorkspaceId,
    pub work: Work,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Make the profiles of the tie's identifiers one.
    Merge(Tie),
    /// Make a part of a person a person of its own.
    TakeOut { part: Part, order: Order },
    /// Let two that were taken apart be made one again.
    Allow { profiles: [ProfileId; 2], order: Order },
}

/// What is to be a person of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A profile that was taken in, with all that it had taken in before.
    Absorbed(ProfileId),
    /// An identifier, with the events whose home it is.
    Identifier(Identifier),
}

/// Who asked for something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The operator's request, by its trace: copies of it are one.
    pub id: String,
    /// The public part of the admin key.
    pub by: String,
    pub why: String,
}

impl Work {
    /// What is asked, in words that tell of nobody.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Merge(_) => "merge",
            Self::TakeOut { .. } => "take out",
            Self::Allow { .. } => "allow",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    v: u32,
    request: R,
}

impl IdentityRequest {
    pub fn pack(&self) -> String {
        #[expect(clippy::expect_used, reason = "plain data, without a map of ours")]
        let body = serde_json::to_string(&Envelope { v: VERSION, request: self }).expect("plain data");
        body
    }

    pub fn unpack(body: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        match v {
            VERSION => (),
            newer if newer > VERSION => return Err(Unreadable::Newer(newer)),
            older => return Err(Unreadable::Older(older)),
        }
        let envelope: Envelope<Self> = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        Ok(envelope.request)
    }

    /// Requests of one group follow one another; others do not wait for them.
    pub fn group(&self, key: &IdKey) -> String {
        let of = |identifier| key.identifier(&self.workspace, identifier).to_string();
        match &self.work {
            Work::Merge(tie) => of(&tie.identifiers[0]),
            Work::TakeOut { part: Part::Identifier(identifier), .. } => of(identifier),
            Work::TakeOut { part: Part::Absorbed(id), .. } => id.to_string(),
            Work::Allow { profiles: [first, _], .. } => first.to_string(),
        }
    }

    /// Equal only for copies of one outbox entry or one order: a tie that comes
    /// again after its profiles were taken apart is another request.
    pub fn deduplication(&self) -> String {
        match &self.work {
            Work::Merge(tie) => format!("{:032x}", tie.id()),
            Work::TakeOut { order, .. } | Work::Allow { order, .. } => order.id.clone(),
        }
    }
}
