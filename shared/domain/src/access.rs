//! Access keys: what a source posts with, and what an operator asks with.
//!
//! A key is written `wk_<workspace>_<key id>_<secret>` (write) or
//! `ak_<workspace>_<key id>_<secret>` (admin). All but the secret is public: it
//! says where the stored hash stands. A name has no `_`, so that the parts
//! cannot run into each other.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::workspace::WorkspaceId;

/// Shorter secrets were not made by this program.
const SECRET_LENGTH_MIN: usize = 32;
/// Longer ones would only cost time to hash.
const SECRET_LENGTH_MAX: usize = 128;
const KEY_ID_LENGTH: usize = 8;
const KEY_ID_LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// What a key opens, as its first letters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Can only post events, as one source.
    Write,
    /// Reads and writes by its scopes.
    Admin,
}

impl KeyKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Write => "wk",
            Self::Admin => "ak",
        }
    }
}

/// A whole key, its secret included.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    kind: KeyKind,
    workspace: WorkspaceId,
    id: String,
    secret: String,
}

/// What is wrong with a key's form; it says nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("a key is wk_<workspace>_<key id>_<secret>, or ak_… for an admin key: copy it whole")]
    Form,
    #[error("a key begins with `wk_` or `ak_`")]
    Kind,
    #[error("the key names no workspace: copy it whole")]
    Workspace,
    #[error("the key's id has {KEY_ID_LENGTH} of a-z and 0-9: copy the key whole")]
    Id,
    #[error(
        "the key's secret has {SECRET_LENGTH_MIN} to {SECRET_LENGTH_MAX} letters and digits: copy the key whole"
    )]
    Secret,
}

impl AccessKey {
    /// Makes a new key from chance: 16 bytes choose its id, 32 its secret.
    pub fn make(kind: KeyKind, workspace: WorkspaceId, id: [u8; 16], secret: [[u8; 16]; 2]) -> Self {
        let [front, back] = secret.map(u128::from_be_bytes);
        Self { kind, workspace, id: key_id(id), secret: format!("{front:032x}{back:032x}") }
    }

    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut parts = text.split('_');
        let (Some(kind), Some(workspace), Some(id), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidKey::Form);
        };
        let kind = match kind {
            "wk" => KeyKind::Write,
            "ak" => KeyKind::Admin,
            _ => return Err(InvalidKey::Kind),
        };
        let workspace = WorkspaceId::parse(workspace).map_err(|_| InvalidKey::Workspace)?;
        if !is_key_id(id) {
            return Err(InvalidKey::Id);
        }
        let length_fits = (SECRET_LENGTH_MIN..=SECRET_LENGTH_MAX).contains(&secret.len());
        if !length_fits || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidKey::Secret);
        }
        Ok(Self { kind, workspace, id: id.to_owned(), secret: secret.to_owned() })
    }

    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    pub const fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// The public part by which the stored key is found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole key, secret and all: for its owner, once, and for nobody else.
    pub fn reveal(&self) -> String {
        format!("{}_{}_{}_{}", self.kind.prefix(), self.workspace, self.id, self.secret)
    }

    /// What is stored in place of the key. A plain hash serves, because a
    /// secret of 256 random bits cannot be guessed back.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.reveal()).into()
    }

    /// Whether this is the key whose hash is stored; the time that it takes
    /// says nothing of where they differ.
    pub fn matches(&self, stored_sha256: &[u8; 32]) -> bool {
        self.sha256().ct_eq(stored_sha256).into()
    }
}

/// The workspace and the public id are enough to find a key in a log.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({}_{}_{}_***)", self.kind.prefix(), self.workspace, self.id)
    }
}

/// Whether a text can be the public id of a key.
pub fn is_key_id(text: &str) -> bool {
    text.len() == KEY_ID_LENGTH && text.bytes().all(|byte| KEY_ID_LETTERS.contains(&byte))
}

fn key_id(chance: [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(chance);
    let mut letters = String::with_capacity(KEY_ID_LENGTH);
    for _ in 0..KEY_ID_LENGTH {
        let letter = usize::try_from(number % 36).ok().and_then(|at| KEY_ID_LETTERS.get(at));
        letters.push(letter.map_or('0', |letter| char::from(*letter)));
        number /= 36;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn check(text: &str, expected: Result<(KeyKind, &str, &str), InvalidKey>) {
        let parsed = AccessKey::parse(text);
        let seen = parsed.as_ref().map(|key| (key.kind(), key.workspace().as_str(), key.id()));
        assert_eq!(seen.map_err(|error| *error), expected, "{text}");
    }

    #[test]
    fn a_key_is_read_part_by_part() {
        check(&format!("wk_shop_ab12cd34_{SECRET}"), Ok((KeyKind::Write, "shop", "ab12cd34")));
        check(&format!("ak_my-shop-2_ab12cd34_{SECRET}Z"), Ok((KeyKind::Admin, "my-shop-2", "ab12cd34")));
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        check("", Err(InvalidKey::Form));
        check("wk_test_123", Err(InvalidKey::Form));
        check(&format!("wk_shop_ab12cd34_{SECRET}_more"), Err(InvalidKey::Form));
        check(&format!("sk_shop_ab12cd34_{SECRET}"), Err(InvalidKey::Kind));
        check(&format!("wk_Shop_ab12cd34_{SECRET}"), Err(InvalidKey::Workspace));
        check(&format!("wk__ab12cd34_{SECRET}"), Err(InvalidKey::Workspace));
        check(&format!("wk_shop_ab12cd3_{SECRET}"), Err(InvalidKey::Id));
        check(&format!("wk_shop_AB12CD34_{SECRET}"), Err(InvalidKey::Id));
        check("wk_shop_ab12cd34_short", Err(InvalidKey::Secret));
        check(&format!("wk_shop_ab12cd34_{}", "a".repeat(129)), Err(InvalidKey::Secret));
        check(&format!("wk_shop_ab12cd34_{SECRET}\u{e9}"), Err(InvalidKey::Secret));
    }

    fn made(chance: u8) -> AccessKey {
        let workspace = WorkspaceId::parse("shop").unwrap();
        AccessKey::make(KeyKind::Write, workspace, [chance; 16], [[chance; 16]; 2])
    }

    #[test]
    fn a_made_key_reads_back_and_matches_only_its_own_hash() {
        let key = made(7);
        let read = AccessKey::parse(&key.reveal()).unwrap();
        assert_eq!(read, key);
        assert!(read.matches(&key.sha256()));
        assert!(!read.matches(&made(8).sha256()));
    }

    #[test]
    fn the_hash_covers_the_kind_so_that_a_write_key_never_passes_for_an_admin_key() {
        let write = made(7);
        let admin = AccessKey::parse(&write.reveal().replacen("wk", "ak", 1)).unwrap();
        assert!(!admin.matches(&write.sha256()));
    }

    #[test]
    fn a_key_in_a_log_shows_no_secret() {
        let key = made(7);
        assert_eq!(format!("{key:?}"), format!("AccessKey(wk_shop_{}_***)", key.id()));
    }
}
