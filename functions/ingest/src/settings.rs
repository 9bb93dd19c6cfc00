//! What the deployment tells the function.

use runtime::settings::{Invalid, required};

/// Read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub profile_queue_url: String,
    pub definitions_table: String,
    pub rejections_table: String,
}

impl Settings {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            profile_queue_url: required("PROFILE_QUEUE_URL")?,
            definitions_table: required("DEFINITIONS_TABLE")?,
            rejections_table: required("REJECTIONS_TABLE")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Invalid> {
        Settings::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const ALL: [(&str, &str); 3] = [
        ("PROFILE_QUEUE_URL", "queue"),
        ("DEFINITIONS_TABLE", "definitions"),
        ("REJECTIONS_TABLE", "rejections"),
    ];

    #[test]
    fn each_variable_has_its_place() {
        let Settings { profile_queue_url, definitions_table, rejections_table } = read(&ALL).unwrap();
        assert_eq!([profile_queue_url, definitions_table, rejections_table], ALL.map(|(_, value)| value));
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        assert_eq!(read(&ALL[1..]), Err(Invalid::Missing("PROFILE_QUEUE_URL")));
        assert_eq!(
            read(&[ALL[0], ("DEFINITIONS_TABLE", ""), ALL[2]]),
            Err(Invalid::Missing("DEFINITIONS_TABLE"))
        );
    }
}
