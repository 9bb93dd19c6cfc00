//! What the deployment tells each function of the stage, read once at the start.

use domain::cursor::{InvalidSigningKeys, SigningKeys};
use domain::key::{IdKey, InvalidIdKey};
use runtime::settings::{Invalid, count, required};

/// Settings of `profile-upsert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsert {
    pub tables: Tables,
    pub rejections_table: String,
    pub dlq_url: String,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
    pub id_key_parameter: String,
    /// The identity stage's queue.
    pub identity_queue_url: String,
    /// The messaging stage's, where there is one.
    pub messaging_queue_url: Option<String>,
}

/// Settings of `profile-sweep`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub tables: Tables,
    pub id_key_parameter: String,
    /// The identity stage's queue.
    pub identity_queue_url: String,
    /// The segments stage's queue.
    pub segments_queue_url: String,
    /// The messaging stage's, where there is one.
    pub messaging_queue_url: Option<String>,
}

/// Settings of `profile-api`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    pub tables: Tables,
    pub rejections_table: String,
    pub queue_url: String,
    /// The identity stage's queue.
    pub identity_queue_url: String,
    pub id_key_parameter: String,
    pub signing_keys_parameter: String,
}

/// The tables of people, and what is defined about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    pub people: String,
    pub identities: String,
    pub definitions: String,
}

/// A secret is not one that `tributary init` made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    #[error(transparent)]
    IdKey(#[from] InvalidIdKey),
    #[error("the signing keys cannot be read")]
    SigningKeys(#[source] InvalidSigningKeys),
}

impl Upsert {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            rejections_table: required("REJECTIONS_TABLE")?,
            dlq_url: required("PROFILE_DLQ_URL")?,
            max_receives: count(&required, "PROFILE_MAX_RECEIVES")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            identity_queue_url: required("IDENTITY_QUEUE_URL")?,
            messaging_queue_url: required("MESSAGING_QUEUE_URL").ok(),
        })
    }
}

impl Sweep {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            identity_queue_url: required("IDENTITY_QUEUE_URL")?,
            segments_queue_url: required("SEGMENTS_QUEUE_URL")?,
            messaging_queue_url: required("MESSAGING_QUEUE_URL").ok(),
        })
    }
}

impl Api {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            rejections_table: required("REJECTIONS_TABLE")?,
            queue_url: required("PROFILE_QUEUE_URL")?,
            identity_queue_url: required("IDENTITY_QUEUE_URL")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            signing_keys_parameter: required("SIGNING_KEYS_PARAMETER")?,
        })
    }
}

impl Tables {
    fn read(required: &impl Fn(&'static str) -> Result<String, Invalid>) -> Result<Self, Invalid> {
        Ok(Self {
            people: required("PEOPLE_TABLE")?,
            identities: required("IDENTITIES_TABLE")?,
            definitions: required("DEFINITIONS_TABLE")?,
        })
    }
}

/// Reads the deployment's id key.
pub fn id_key(secret: &str) -> Result<IdKey, InvalidSecret> {
    IdKey::parse(secret).map_err(InvalidSecret::IdKey)
}

/// Reads the deployment's signing keys.
pub fn signing_keys(secret: &str) -> Result<SigningKeys, InvalidSecret> {
    SigningKeys::parse(secret.trim()).map_err(InvalidSecret::SigningKeys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 11] = [
        ("IDENTITY_QUEUE_URL", "merges"),
        ("SEGMENTS_QUEUE_URL", "segments"),
        ("PEOPLE_TABLE", "people"),
        ("IDENTITIES_TABLE", "identities"),
        ("DEFINITIONS_TABLE", "definitions"),
        ("REJECTIONS_TABLE", "rejections"),
        ("PROFILE_DLQ_URL", "dlq"),
        ("PROFILE_MAX_RECEIVES", "5"),
        ("PROFILE_QUEUE_URL", "queue"),
        ("ID_KEY_PARAMETER", "/id-key"),
        ("SIGNING_KEYS_PARAMETER", "/signing-keys"),
    ];

    fn without(name: &str, instead: &str) -> impl Fn(&str) -> Option<String> {
        move |asked: &str| {
            let (_, value) = ALL.iter().find(|(known, _)| *known == asked)?;
            Some(if asked == name { instead } else { value }.to_owned())
        }
    }

    #[test]
    fn all_functions_read_what_the_template_gives() {
        assert_eq!(Upsert::read(without("", "")).unwrap().max_receives, 5);
        assert_eq!(Sweep::read(without("", "")).unwrap().tables.identities, "identities");
        assert_eq!(Api::read(without("", "")).unwrap().queue_url, "queue");
    }

    #[test]
    fn what_is_missing_or_no_number_is_named() {
        assert_eq!(Api::read(without("PEOPLE_TABLE", "")).unwrap_err(), Invalid::Missing("PEOPLE_TABLE"));
        assert_eq!(Sweep::read(|_| None).unwrap_err(), Invalid::Missing("PEOPLE_TABLE"));
        for text in ["five", "0", "-1"] {
            let read = Upsert::read(without("PROFILE_MAX_RECEIVES", text));
            assert_eq!(read.unwrap_err(), Invalid::NoNumber("PROFILE_MAX_RECEIVES"), "{text}");
        }
    }

    #[test]
    fn an_id_key_is_32_bytes_in_hexadecimal() {
        let right = "0f".repeat(IdKey::LENGTH);
        assert!(id_key(&right).is_ok() && id_key(&format!("{right}\n")).is_ok());
        for wrong in ["", "0f", &"0f".repeat(33), &"+f".repeat(32), &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(id_key(wrong).unwrap_err(), InvalidSecret::IdKey(InvalidIdKey), "{wrong}");
        }
    }
}
