//! What the deployment tells the stage, read once at the start.

use runtime::settings::{Invalid, count, required};

/// Settings of `segments-backfill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    pub people_table: String,
    pub identities_table: String,
    pub definitions_table: String,
    /// The identity stage's queue.
    pub identity_queue_url: String,
    /// The messaging stage's, where there is one.
    pub messaging_queue_url: Option<String>,
    pub dlq_url: String,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
    pub id_key_parameter: String,
}

impl Backfill {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            people_table: required("PEOPLE_TABLE")?,
            identities_table: required("IDENTITIES_TABLE")?,
            definitions_table: required("DEFINITIONS_TABLE")?,
            identity_queue_url: required("IDENTITY_QUEUE_URL")?,
            messaging_queue_url: required("MESSAGING_QUEUE_URL").ok(),
            dlq_url: required("SEGMENTS_DLQ_URL")?,
            max_receives: count(&required, "SEGMENTS_MAX_RECEIVES")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_variable_that_is_missing_or_no_number() {
        let with = |wrong: &str, value: Option<&str>| {
            Backfill::read(|name| if name == wrong { value.map(str::to_owned) } else { Some("5".to_owned()) })
        };
        assert_eq!(with("", None).map(|settings| settings.max_receives), Ok(5));
        for name in ["PEOPLE_TABLE", "SEGMENTS_DLQ_URL", "SEGMENTS_MAX_RECEIVES", "ID_KEY_PARAMETER"] {
            assert_eq!(with(name, None), Err(Invalid::Missing(name)));
            assert_eq!(with(name, Some("")), Err(Invalid::Missing(name)));
        }
        for value in ["0", "-1", "five"] {
            let no_number = Err(Invalid::NoNumber("SEGMENTS_MAX_RECEIVES"));
            assert_eq!(with("SEGMENTS_MAX_RECEIVES", Some(value)), no_number, "{value}");
        }
    }
}
