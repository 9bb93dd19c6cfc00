//! Links in messages: tokens that say whose message it was and what a click
//! on it means, signed so that nobody can make one up.
//!
//! A token is all there is to a link. Where a click leads stands under the
//! signature, so that the address that counts clicks redirects to nowhere else.
//! What is signed is not secret: of the person it names only keyed hashes.
//!
//! A token lives as long as its key is believed: keys that sign links are not
//! rotated twice within [`LIVES_FOR`].

mod target;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::consent::About;
use crate::key::{DeliveryId, ProfileId};
use crate::signing::SigningKeys;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;
pub use target::{InvalidTarget, Target};

/// The form of tokens that this build writes and reads.
const FORM: &str = "m1";
/// Bytes of a signature that travel: 128 bits are not guessed.
const SIGNATURE_LENGTH: usize = 16;
/// A token travels in a URL; what is longer was not made here.
pub const LENGTH_MAX: usize = 4096;
/// The least time for which a link in a letter has to work.
pub const LIVES_FOR: i64 = 60 * Timestamp::DAY;
/// A wish that nobody confirmed in this time was not meant.
pub const CONFIRM_WITHIN: i64 = 72 * Timestamp::HOUR;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// The picture that tells that a letter was opened.
    Open,
    /// A link of the letter, by its place.
    Click { index: u16, target: Target },
    /// To be written to no more, about a topic or on the channel at all.
    Unsubscribe { about: About },
    /// The page on which a person says what to be written about.
    Preferences,
    /// To confirm a wish to be written to.
    Confirm { about: About },
}

/// A link's kind; where one is expected, no other opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Open,
    Click,
    Unsubscribe,
    Preferences,
    Confirm,
}

/// A link of one message to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub workspace: WorkspaceId,
    /// The collection of the address that the message went to.
    pub address: ProfileId,
    pub delivery: DeliveryId,
    pub issued: Timestamp,
    pub link: Link,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is damaged, made up, of another kind, or of a key that is not believed any more.
    #[error("this link is not one of ours")]
    Unknown,
    /// It was ours, and said so too long ago.
    #[error("this link has expired")]
    Expired,
}

impl Purpose {
    /// For how long such a link works; `None` is for ever.
    pub const fn lives_for(self) -> Option<i64> {
        match self {
            // Somebody who keeps a letter for years may still follow and leave it.
            Self::Open | Self::Click | Self::Unsubscribe => None,
            Self::Preferences => Some(LIVES_FOR),
            Self::Confirm => Some(CONFIRM_WITHIN),
        }
    }
}

impl Link {
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Open => Purpose::Open,
            Self::Click { .. } => Purpose::Click,
            Self::Unsubscribe { .. } => Purpose::Unsubscribe,
            Self::Preferences => Purpose::Preferences,
            Self::Confirm { .. } => Purpose::Confirm,
        }
    }
}

impl Token {
    /// The token as it stands in a URL.
    pub fn seal(&self, keys: &SigningKeys) -> String {
        #[expect(clippy::expect_used, reason = "plain types are serialised into memory; it cannot fail")]
        let mut bytes = postcard::to_stdvec(self).expect("plain data");
        let (id, signature) = keys.sign(FORM, &[&bytes]);
        bytes.extend(signature.iter().take(SIGNATURE_LENGTH));
        format!("{FORM}.{id}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token of a URL that is for this purpose; of any other nothing is told.
    pub fn open(keys: &SigningKeys, purpose: Purpose, text: &str, now: Timestamp) -> Result<Self, BadToken> {
        let token = Self::verified(keys, text).filter(|token| token.link.purpose() == purpose);
        let token = token.ok_or(BadToken::Unknown)?;
        let age = now.since(token.issued);
        let is_over = purpose.lives_for().is_some_and(|lives_for| age >= lives_for);
        if is_over { Err(BadToken::Expired) } else { Ok(token) }
    }

    /// Nothing of a token is read before its signature was.
    fn verified(keys: &SigningKeys, text: &str) -> Option<Self> {
        let (form, rest) = text.split_once('.').filter(|_| text.len() <= LENGTH_MAX)?;
        let (id, body) = rest.split_once('.').filter(|_| form == FORM)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (token, signature) = bytes.split_last_chunk::<SIGNATURE_LENGTH>()?;
        let is_ours = keys.verify(FORM, id, &[token], signature);
        match postcard::take_from_bytes(is_ours.then_some(token)?) {
            Ok((token, [])) => Some(token),
            Ok(_) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
