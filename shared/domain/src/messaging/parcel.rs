//! What the messaging stage is asked to send: one message to some people.

use serde::{Deserialize, Serialize};

use super::outreach::MessageId;
use crate::key::ProfileId;
use crate::message::Unreadable;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// The format of the queue's messages.
pub const VERSION: u32 = 1;
/// People of one parcel: their letters go out within a function's time.
pub const PEOPLE_MAX: usize = 100;

/// One message to some people of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub workspace: WorkspaceId,
    pub message: MessageId,
    /// The version of the workspace's messages under which it was packed.
    pub version: u64,
    pub to: Vec<Recipient>,
}

/// Somebody who is to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipient {
    pub profile: ProfileId,
    /// Which of the person's entries it is for; a broadcast has one, 0.
    pub turn: u32,
    /// When it was due: from then on counts how long it is of use.
    pub due: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    workspace: WorkspaceId,
    message: MessageId,
    version: u64,
    /// Profile, turn, when it was due.
    to: Vec<(String, u32, Timestamp)>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl Parcel {
    pub fn pack(&self) -> String {
        let Self { workspace, message, version, to } = self.clone();
        let to = to.iter().map(|to| (to.profile.to_string(), to.turn, to.due)).collect();
        let envelope = Envelope { v: VERSION, workspace, message, version, to };
        #[expect(clippy::expect_used, reason = "plain data, without a map of ours")]
        let body = serde_json::to_string(&envelope).expect("plain data");
        body
    }

    pub fn unpack(body: &str) -> Result<Self, Unreadable> {
        let Version { v } = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        match v {
            VERSION => (),
            newer if newer > VERSION => return Err(Unreadable::Newer(newer)),
            older => return Err(Unreadable::Older(older)),
        }
        let envelope: Envelope = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        let Envelope { workspace, message, version, to, .. } = envelope;
        let recipient = |(profile, turn, due): (String, u32, Timestamp)| {
            ProfileId::parse(&profile).map(|profile| Recipient { profile, turn, due })
        };
        let to = to.into_iter().map(recipient).collect::<Option<_>>().ok_or(Unreadable::Json)?;
        Ok(Self { workspace, message, version, to })
    }
}

impl Recipient {
    /// What a delivery's id is made of beside its channel and address: a
    /// broadcast has one occasion, a trigger one each time that somebody enters.
    pub fn occasion(&self, message: &MessageId) -> String {
        format!("{message}#{}", self.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_read_as_it_was_packed_and_a_newer_one_waits() {
        let to = (0..3).map(|number| Recipient {
            profile: ProfileId::from_bytes([number; 16]),
            turn: u32::from(number),
            due: Timestamp::from_millis(i64::from(number)),
        });
        let parcel = Parcel {
            workspace: WorkspaceId::parse("shop").unwrap(),
            message: MessageId::parse("welcome").unwrap(),
            version: 7,
            to: to.collect(),
        };
        let body = parcel.pack();
        assert_eq!(Parcel::unpack(&body), Ok(parcel));
        assert_eq!(Parcel::unpack(&body.replacen("\"v\":1", "\"v\":2", 1)), Err(Unreadable::Newer(2)));
        assert_eq!(Parcel::unpack(&body.replacen("\"v\":1", "\"v\":0", 1)), Err(Unreadable::Older(0)));
        assert_eq!(Parcel::unpack("{}"), Err(Unreadable::Json));
    }
}
