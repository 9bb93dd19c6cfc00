//! Cursors: where a listing goes on, signed so that nobody can forge one.
//!
//! A cursor is bound to what was asked (workspace, profile, filter): one that
//! was made for another question does not open. It is signed, not encrypted:
//! nothing personal belongs into its position.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The form of cursors that this build writes and reads.
const FORM: &str = "c1";
/// A cursor travels in a URL; what is longer was not made here.
pub const LENGTH_MAX: usize = 1024;
/// Keys that are valid at once: the current one and the one before.
pub const KEYS_MAX: usize = 2;
const KEY_ID_LENGTH_MAX: usize = 16;

/// The deployment's signing keys. The first one signs, all of them are believed.
#[derive(Clone)]
pub struct SigningKeys {
    current: SigningKey,
    previous: Option<SigningKey>,
}

#[derive(Clone)]
struct SigningKey {
    id: String,
    secret: [u8; SigningKeys::SECRET_LENGTH],
}

/// The text of signing keys is not one that this program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKeys {
    #[error(r#"signing keys are JSON: {{"keys":[{{"id":…,"secret":…}}]}}, the current one first"#)]
    Form,
    #[error("there are 1 to {KEYS_MAX} signing keys, each with an id of its own")]
    Count,
    #[error("the id of a signing key has 1 to {KEY_ID_LENGTH_MAX} of a-z and 0-9")]
    Id,
    #[error("the secret of a signing key is the base64 of {} bytes", SigningKeys::SECRET_LENGTH)]
    Secret,
}

/// The cursor is damaged, forged, too old, or was made for another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor was not made for this question; ask again without one")]
pub struct BadCursor;

#[derive(Serialize, Deserialize)]
struct Text {
    keys: Vec<KeyText>,
}

#[derive(Serialize, Deserialize)]
struct KeyText {
    id: String,
    secret: String,
}

impl SigningKeys {
    pub const SECRET_LENGTH: usize = 32;

    /// The first keys of a deployment; 2 × 16 bytes of chance are the secret.
    pub fn make(id: &str, chance: [[u8; 16]; 2]) -> Result<Self, InvalidSigningKeys> {
        Ok(Self { current: SigningKey::new(id, secret(chance))?, previous: None })
    }

    /// A new current key; the one before goes on being believed, an older one
    /// no longer.
    pub fn rotate(self, id: &str, chance: [[u8; 16]; 2]) -> Result<Self, InvalidSigningKeys> {
        let current = SigningKey::new(id, secret(chance))?;
        if current.id == self.current.id {
            return Err(InvalidSigningKeys::Count);
        }
        Ok(Self { current, previous: Some(self.current) })
    }

    /// Reads what [`Self::reveal`] wrote.
    pub fn parse(text: &str) -> Result<Self, InvalidSigningKeys> {
        let Text { keys } = serde_json::from_str(text).map_err(|_| InvalidSigningKeys::Form)?;
        let mut keys = keys.iter().map(SigningKey::read);
        let current = keys.next().ok_or(InvalidSigningKeys::Count)??;
        let previous = keys.next().transpose()?;
        let one_id = previous.as_ref().is_some_and(|previous| previous.id == current.id);
        if one_id || keys.next().is_some() {
            return Err(InvalidSigningKeys::Count);
        }
        Ok(Self { current, previous })
    }

    /// The keys with their secrets, as they are kept: for the store of secrets
    /// and for nothing else.
    pub fn reveal(&self) -> String {
        let text = |key: &SigningKey| {
            let (id, secret) = (key.id.as_str(), URL_SAFE_NO_PAD.encode(key.secret));
            format!(r#"{{"id":"{id}","secret":"{secret}"}}"#)
        };
        let keys: Vec<String> =
            [Some(&self.current), self.previous.as_ref()].into_iter().flatten().map(text).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Whether the key that a cursor names is among these: if not, it may have
    /// been sealed after a rotation that its reader has not heard of.
    pub fn know(&self, cursor: &str) -> bool {
        let named = cursor.split('.').nth(1);
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .any(|key| named == Some(key.id.as_str()))
    }

    /// Signs a position for whoever asks the same again.
    pub fn seal(&self, bound: &[&str], position: &str) -> String {
        let signature = self.current.mac(bound, position).finalize().into_bytes();
        let (position, signature) = (URL_SAFE_NO_PAD.encode(position), URL_SAFE_NO_PAD.encode(signature));
        format!("{FORM}.{}.{position}.{signature}", self.current.id)
    }

    /// The position in a cursor that was sealed for the same question.
    pub fn open(&self, bound: &[&str], cursor: &str) -> Result<String, BadCursor> {
        if cursor.len() > LENGTH_MAX {
            return Err(BadCursor);
        }
        let mut parts = cursor.split('.');
        let (Some(FORM), Some(id), Some(position), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadCursor);
        };
        let key =
            [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|key| key.id == id);
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadCursor);
        let position = String::from_utf8(decoded(position)?).map_err(|_| BadCursor)?;
        let mac = key.ok_or(BadCursor)?.mac(bound, &position);
        mac.verify_slice(&decoded(signature)?).map_err(|_| BadCursor)?;
        Ok(position)
    }
}

impl SigningKey {
    fn new(id: &str, secret: [u8; SigningKeys::SECRET_LENGTH]) -> Result<Self, InvalidSigningKeys> {
        let safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let right = (1..=KEY_ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(safe);
        if right { Ok(Self { id: id.to_owned(), secret }) } else { Err(InvalidSigningKeys::Id) }
    }

    fn read(text: &KeyText) -> Result<Self, InvalidSigningKeys> {
        let secret = URL_SAFE_NO_PAD.decode(&text.secret).map_err(|_| InvalidSigningKeys::Secret)?;
        Self::new(&text.id, secret.try_into().map_err(|_| InvalidSigningKeys::Secret)?)
    }

    /// Each part goes in with its length, so that no two questions are one.
    fn mac(&self, bound: &[&str], position: &str) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length");
        for part in [FORM, self.id.as_str()].iter().chain(bound).chain([&position]) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys(***)")
    }
}

fn secret(chance: [[u8; 16]; 2]) -> [u8; SigningKeys::SECRET_LENGTH] {
    let mut secret = [0; SigningKeys::SECRET_LENGTH];
    for (to, from) in secret.iter_mut().zip(chance.as_flattened()) {
        *to = *from;
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: [&str; 3] = ["shop", "profile-1", "type=track"];

    fn keys(chance: u8) -> SigningKeys {
        SigningKeys::make("k1", [[chance; 16]; 2]).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_the_question_it_was_made_for() {
        let cursor = keys(1).seal(&BOUND, "1700000000000 abc é");
        assert_eq!(keys(1).open(&BOUND, &cursor).unwrap(), "1700000000000 abc é");
        assert!(
            cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{cursor}"
        );
    }

    #[test]
    fn a_cursor_of_another_question_does_not_open() {
        let cursor = keys(1).seal(&BOUND, "7");
        let others: [&[&str]; 5] = [
            &["other", "profile-1", "type=track"],
            &["shop", "profile-2", "type=track"],
            &["shop", "profile-1", "type=page"],
            &["shop", "profile-1"],
            &["shopprofile-1", "", "type=track"],
        ];
        for other in others {
            assert_eq!(keys(1).open(other, &cursor), Err(BadCursor), "{other:?}");
        }
    }

    #[test]
    fn no_changed_character_goes_unnoticed() {
        let cursor = keys(1).seal(&BOUND, "1700000000000");
        for place in 0..cursor.len() {
            for letter in ["A", "z", "0", "."] {
                let mut forged = cursor.clone();
                forged.replace_range(place..=place, letter);
                assert!(forged == cursor || keys(1).open(&BOUND, &forged) == Err(BadCursor), "{forged}");
            }
            assert_eq!(keys(1).open(&BOUND, &cursor[..place]), Err(BadCursor));
        }
        assert_eq!(keys(1).open(&BOUND, &"c1.k1.".repeat(500)), Err(BadCursor));
    }

    #[test]
    fn a_cursor_of_another_deployment_does_not_open() {
        assert_eq!(keys(2).open(&BOUND, &keys(1).seal(&BOUND, "7")), Err(BadCursor));
    }

    #[test]
    fn the_current_and_the_previous_key_are_believed_and_no_older_one() {
        let first = keys(1);
        let second = first.clone().rotate("k2", [[2; 16]; 2]).unwrap();
        let third = second.clone().rotate("k3", [[3; 16]; 2]).unwrap();
        let [of_first, of_second] = [&first, &second].map(|keys| keys.seal(&BOUND, "7"));
        assert_eq!(second.open(&BOUND, &of_first).as_deref(), Ok("7"));
        assert_eq!(third.open(&BOUND, &of_second).as_deref(), Ok("7"));
        assert_eq!(third.open(&BOUND, &of_first), Err(BadCursor));
        assert_eq!([&first, &second, &third].map(|keys| keys.know(&of_second)), [false, true, true]);
        assert!(!third.know(&of_first) && !third.know("") && !third.know("k3"));
        assert_eq!(first.rotate("k1", [[2; 16]; 2]).unwrap_err(), InvalidSigningKeys::Count);
    }

    #[test]
    fn keys_read_back_and_show_no_secret() {
        let keys = keys(1).rotate("k2", [[2; 16]; 2]).unwrap();
        let read = SigningKeys::parse(&keys.reveal()).unwrap();
        assert_eq!(read.reveal(), keys.reveal());
        assert_eq!(format!("{read:?}"), "SigningKeys(***)");
    }

    #[test]
    fn keys_in_another_form_are_refused_with_the_reason() {
        let check = |text: &str, expected: InvalidSigningKeys| {
            assert_eq!(SigningKeys::parse(text).unwrap_err(), expected, "{text}");
        };
        let secret = URL_SAFE_NO_PAD.encode([1; 32]);
        check("secret", InvalidSigningKeys::Form);
        check(r#"{"keys":[]}"#, InvalidSigningKeys::Count);
        check(&format!(r#"{{"keys":[{{"id":"K 1","secret":"{secret}"}}]}}"#), InvalidSigningKeys::Id);
        check(r#"{"keys":[{"id":"k1","secret":"c2hvcnQ"}]}"#, InvalidSigningKeys::Secret);
        let one = format!(r#"{{"id":"k1","secret":"{secret}"}}"#);
        check(&format!(r#"{{"keys":[{one},{one}]}}"#), InvalidSigningKeys::Count);
    }
}
