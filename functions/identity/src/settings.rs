//! What the deployment tells the stage, read once at the start.

use runtime::settings::{Invalid, count, required};

/// Settings of `identity-merge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    pub people_table: String,
    pub identities_table: String,
    pub definitions_table: String,
    pub rejections_table: String,
    pub dlq_url: String,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
    pub id_key_parameter: String,
}

impl Merge {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            people_table: required("PEOPLE_TABLE")?,
            identities_table: required("IDENTITIES_TABLE")?,
            definitions_table: required("DEFINITIONS_TABLE")?,
            rejections_table: required("REJECTIONS_TABLE")?,
            dlq_url: required("IDENTITY_DLQ_URL")?,
            max_receives: count(&required, "IDENTITY_MAX_RECEIVES")?,
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
            Merge::read(|name| if name == wrong { value.map(str::to_owned) } else { Some("5".to_owned()) })
        };
        assert_eq!(with("", None).map(|settings| settings.max_receives), Ok(5));
        for name in ["PEOPLE_TABLE", "IDENTITY_DLQ_URL", "IDENTITY_MAX_RECEIVES", "ID_KEY_PARAMETER"] {
            assert_eq!(with(name, None), Err(Invalid::Missing(name)));
            assert_eq!(with(name, Some("")), Err(Invalid::Missing(name)));
        }
        for value in ["0", "-1", "five"] {
            let no_number = Err(Invalid::NoNumber("IDENTITY_MAX_RECEIVES"));
            assert_eq!(with("IDENTITY_MAX_RECEIVES", Some(value)), no_number, "{value}");
        }
    }
}
