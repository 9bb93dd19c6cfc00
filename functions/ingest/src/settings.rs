//! What the deployment tells the function.

/// Read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub profile_queue_url: String,
    pub definitions_table: String,
    pub rejections_table: String,
    /// Set where another service speaks `DynamoDB`'s API.
    pub dynamodb_endpoint: Option<String>,
    /// Set where another service speaks the API of SQS.
    pub sqs_endpoint: Option<String>,
}

/// A variable without which the function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set; the template sets it for the function ingest-http")]
pub struct Missing(pub &'static str);

impl Settings {
    /// Reads the variables; an empty one counts as not set.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        let optional = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| optional(name).ok_or(Missing(name));
        Ok(Self {
            profile_queue_url: required("PROFILE_QUEUE_URL")?,
            definitions_table: required("DEFINITIONS_TABLE")?,
            rejections_table: required("REJECTIONS_TABLE")?,
            dynamodb_endpoint: optional("DYNAMODB_ENDPOINT"),
            sqs_endpoint: optional("SQS_ENDPOINT"),
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
    fn endpoints_may_be_left_out() {
        let settings = read(&ALL).unwrap();
        assert_eq!(settings.profile_queue_url, "queue");
        assert_eq!((settings.dynamodb_endpoint, settings.sqs_endpoint), (None, None));
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        assert_eq!(read(&ALL[1..]), Err(Missing("PROFILE_QUEUE_URL")));
        assert_eq!(read(&[ALL[0], ("DEFINITIONS_TABLE", ""), ALL[2]]), Err(Missing("DEFINITIONS_TABLE")));
    }
}
