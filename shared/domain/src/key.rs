//! Keyed hashes: names that say nothing about what they name.
//!
//! A plain hash of an e-mail address can be guessed back; a keyed one cannot.
//! The key is made once per deployment and never changes: every profile id and
//! identifier key hangs on it.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

use crate::identifier::Identifier;
use crate::messaging::Channel;
use crate::workspace::{SourceId, WorkspaceId};

/// The deployment's id key. Its backup is the operator's most precious file.
#[derive(Clone)]
pub struct IdKey {
    secret: [u8; Self::LENGTH],
    names: (u64, u64),
}

impl IdKey {
    pub const LENGTH: usize = 32;

    /// Reads the deployment's key, 32 bytes in hexadecimal.
    pub fn parse(secret: &str) -> Result<Self, InvalidIdKey> {
        let (pairs, []) = secret.trim().as_bytes().as_chunks::<2>() else { return Err(InvalidIdKey) };
        let byte = |pair: &[u8; 2]| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidIdKey)?;
        Ok(Self::new(bytes))
    }

    pub fn new(secret: [u8; Self::LENGTH]) -> Self {
        let derived = mac(&secret, &[b"event names"]);
        let [low, high] = halves(derived).map(u64::from_le_bytes);
        Self { secret, names: (low, high) }
    }

    /// The key of an identifier's row. It outlives the identifier's owner.
    pub fn identifier(&self, workspace: &WorkspaceId, identifier: &Identifier) -> IdentifierKey {
        let (kind, value) = (identifier.kind().as_bytes(), identifier.value().as_bytes());
        IdentifierKey(mac(&self.secret, &[b"identifier", workspace.as_str().as_bytes(), kind, value]))
    }

    /// The id of the profile that an identifier's first event creates.
    ///
    /// Two racing creators make the same profile; a person who returns after an
    /// erasure (a higher generation) is a new one.
    pub fn profile(&self, first: IdentifierKey, generation: u32) -> ProfileId {
        ProfileId(mac(&self.secret, &[b"profile", &first.0, &generation.to_be_bytes()]))
    }

    /// The id of a group's collection, which stands among the profiles'.
    pub fn group(&self, workspace: &WorkspaceId, group: &str) -> ProfileId {
        ProfileId(mac(&self.secret, &[b"group", workspace.as_str().as_bytes(), group.as_bytes()]))
    }

    /// The id of a part of a segment's list, which stands among the profiles', too.
    pub fn list(&self, workspace: &WorkspaceId, segment: &str, version: u32, shard: u8) -> ProfileId {
        let number = &version.to_be_bytes();
        let parts: [&[u8]; 5] =
            [b"list", workspace.as_str().as_bytes(), segment.as_bytes(), number, &[shard]];
        ProfileId(mac(&self.secret, &parts))
    }

    /// The id of an address's collection, which stands among the profiles', too:
    /// consent, suppression and deliveries belong to the address, not to who holds it.
    pub fn address(&self, workspace: &WorkspaceId, address: &Identifier) -> ProfileId {
        let (kind, value) = (address.kind().as_bytes(), address.value().as_bytes());
        ProfileId(mac(&self.secret, &[b"address", workspace.as_str().as_bytes(), kind, value]))
    }

    /// The id of what one occasion sends to one address over one channel: two
    /// profiles that hold the address get it once.
    pub fn delivery(
        &self,
        workspace: &WorkspaceId,
        occasion: &str,
        channel: Channel,
        address: &Identifier,
    ) -> DeliveryId {
        let parts = [workspace.as_str(), occasion, channel.name(), address.kind(), address.value()];
        let [workspace, occasion, channel, kind, value] = parts.map(str::as_bytes);
        DeliveryId(mac(&self.secret, &[b"delivery", workspace, occasion, channel, kind, value]))
    }

    /// The id of the collection of one message: how far it came, and what
    /// became of it for each person.
    pub fn message_run(&self, workspace: &WorkspaceId, message: &str) -> ProfileId {
        ProfileId(mac(&self.secret, &[b"message run", workspace.as_str().as_bytes(), message.as_bytes()]))
    }

    /// The id of the collection of one channel's pace, which all workspaces share.
    pub fn pace(&self, channel: Channel) -> ProfileId {
        ProfileId(mac(&self.secret, &[b"pace", channel.name().as_bytes()]))
    }

    /// The name by which the ledger knows an event.
    ///
    /// The identifiers as sent belong to it: a browser and a server that send
    /// one message id for two people have sent two events.
    pub fn event(&self, source: &SourceId, message_id: &str, as_sent: &str) -> EventName {
        let mut hasher = SipHasher24::new_with_keys(self.names.0, self.names.1);
        for part in [source.as_str(), message_id, as_sent] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        EventName(hasher.finish())
    }

    /// Stands for a message id where it may not be said itself, as in a log
    /// line: it is the sender's text.
    pub fn message(&self, message_id: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.names.0, self.names.1);
        hasher.write(b"message");
        hasher.write(message_id.as_bytes());
        hasher.finish()
    }
}

/// The secret is not one that `tributary init` made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id key has {} hexadecimal digits; put it back from its backup", 2 * IdKey::LENGTH)]
pub struct InvalidIdKey;

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(***)")
    }
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    let digest = mac.finalize().into_bytes();
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    short
}

/// The two halves of 16 bytes, where eight are enough.
pub fn halves(bytes: [u8; 16]) -> [[u8; 8]; 2] {
    let whole = u128::from_be_bytes(bytes);
    [whole >> 64, whole & u128::from(u64::MAX)].map(|half| {
        #[expect(clippy::cast_possible_truncation, reason = "half of 128 bits fits")]
        let half = half as u64;
        half.to_be_bytes()
    })
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $type([u8; 16]);

        impl $type {
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            pub fn parse(hex: &str) -> Option<Self> {
                if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                u128::from_str_radix(hex, 16).ok().map(|number| Self(number.to_be_bytes()))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }
    };
}

hex_id!(
    /// A profile's lasting id.
    ProfileId
);
hex_id!(
    /// One message to one address over one channel.
    DeliveryId
);
hex_id!(
    /// Where an identifier's row stands.
    IdentifierKey
);

/// An event's name in ledgers: equal for all copies of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(pub u64);
