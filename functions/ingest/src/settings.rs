//! What the deployment tells the function.

/// Read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub profile_queue_url: String,
    pub definitions_table: String,
    pub rejections_table: String,
}

/// A variable without which the function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set; the template sets it for the function ingest-http")]
pub struct Missing(pub &'static str);

impl Settings {
    /// Reads the variables; an empty one counts as not set.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        let required =
            |name: &'static str| lookup(name).filter(|value| !value.is_empty()).ok_or(Missing(name));
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

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Missing> {
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
        assert_eq!(read(&ALL[1..]), Err(Missing("PROFILE_QUEUE_URL")));
        assert_eq!(read(&[ALL[0], ("DEFINITIONS_TABLE", ""), ALL[2]]), Err(Missing("DEFINITIONS_TABLE")));
    }
}
