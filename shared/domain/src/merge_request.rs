//! What the identity stage is asked to do: make the profiles of two
//! identifiers one.
//!
//! A request names identifiers and never profiles: by the time it is read the
//! profiles may have been merged, taken apart or erased.

use serde::{Deserialize, Serialize};

use crate::key::IdKey;
use crate::message::Unreadable;
use crate::profile::outbox::Tie;
use crate::workspace::WorkspaceId;

/// The format that this build writes.
pub const VERSION: u32 = 1;

/// A request as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRequest {
    pub workspace: WorkspaceId,
    pub tie: Tie,
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    v: u32,
    request: R,
}

impl MergeRequest {
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

    /// Requests of one home follow one another; others do not wait for them.
    pub fn group(&self, key: &IdKey) -> String {
        let [home, _] = &self.tie.identifiers;
        key.identifier(&self.workspace, home).to_string()
    }

    /// Equal only for copies of one outbox entry: a tie that comes again after
    /// its profiles were taken apart is another request.
    pub fn deduplication(&self) -> String {
        format!("{:032x}", self.tie.id())
    }
}
