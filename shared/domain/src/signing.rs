//! The deployment's signing keys, and what is signed with them.
//!
//! Cursors and links in letters are both signed: each kind has a form of its
//! own, which goes into its signature, so that none passes for the other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

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
    /// Bytes of a whole signature.
    pub(crate) const SIGNATURE_LENGTH: usize = 32;

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

    /// Whether the key that a signed text names is among these: if not, it may
    /// have been signed after a rotation that its reader has not heard of.
    pub fn know(&self, signed: &str) -> bool {
        signed.split('.').nth(1).is_some_and(|id| self.find(id).is_some())
    }

    /// Signs parts with the current key; says which that is.
    pub(crate) fn sign(&self, form: &str, parts: &[&[u8]]) -> (&str, [u8; Self::SIGNATURE_LENGTH]) {
        let signature = self.current.mac(form, parts).finalize().into_bytes();
        (&self.current.id, signature.into())
    }

    /// Whether a signature, or its first half at least, was made over these parts.
    pub(crate) fn verify(&self, form: &str, id: &str, parts: &[&[u8]], signature: &[u8]) -> bool {
        let is_long_enough = signature.len() >= Self::SIGNATURE_LENGTH / 2;
        let key = self.find(id).filter(|_| is_long_enough);
        key.is_some_and(|key| key.mac(form, parts).verify_truncated_left(signature).is_ok())
    }

    fn find(&self, id: &str) -> Option<&SigningKey> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|key| key.id == id)
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
    fn mac(&self, form: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length");
        for part in [form.as_bytes(), self.id.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
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

    fn keys(chance: u8) -> SigningKeys {
        SigningKeys::make("k1", [[chance; 16]; 2]).unwrap()
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

    #[test]
    fn half_a_signature_is_believed_and_less_is_not() {
        let keys = keys(1);
        let (id, signature) = keys.sign("x1", &[b"part"]);
        for length in 0..=SigningKeys::SIGNATURE_LENGTH {
            let expected = length >= 16;
            assert_eq!(keys.verify("x1", id, &[b"part"], &signature[..length]), expected, "{length}");
        }
        assert!(!keys.verify("x2", id, &[b"part"], &signature));
        assert!(!keys.verify("x1", "k2", &[b"part"], &signature));
        assert!(!keys.verify("x1", id, &[b"pa", b"rt"], &signature));
        assert!(!keys.verify("x1", id, &[b"part"], &[signature.as_slice(), &[0]].concat()));
    }
}
