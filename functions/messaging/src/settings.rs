//! What the deployment tells the stage, read once at the start.

use domain::signing::{InvalidSigningKeys, SigningKeys};
use runtime::settings::{Invalid, count, required};

/// Settings of `messaging-send`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    pub tables: Tables,
    pub dlq_url: String,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
    pub id_key_parameter: String,
    pub signing_keys_parameter: String,
    /// Where the links of letters lead.
    pub links_url: String,
    /// The providers' sets of settings, by which receipts come back.
    pub mail_configuration_set: Option<String>,
    pub sms_configuration_set: Option<String>,
    pub sms_by: SmsBy,
}

/// Settings of `messaging-plan`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub tables: Tables,
    pub queue_url: String,
    pub id_key_parameter: String,
    /// SMS a second that what they come from may send.
    pub sms_per_second: u32,
}

/// Settings of `messaging-web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    pub tables: Tables,
    /// The profile stage's queue.
    pub events_url: String,
    pub id_key_parameter: String,
    pub signing_keys_parameter: String,
}

/// Settings of `messaging-feedback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    pub tables: Tables,
    /// The profile stage's queue.
    pub events_url: String,
    pub dlq_url: String,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
    pub id_key_parameter: String,
}

/// The tables of people, and what is defined about them. Nobody is asked for by
/// an identifier here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    pub people: String,
    pub definitions: String,
}

/// The service that carries SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsBy {
    EndUserMessaging,
    Sns,
}

/// The store of secrets holds something else than it should.
#[derive(Debug, thiserror::Error)]
#[error("the signing keys cannot be read: put them back from their backup")]
pub struct InvalidSecret(#[source] InvalidSigningKeys);

impl Tables {
    fn read(required: &impl Fn(&'static str) -> Result<String, Invalid>) -> Result<Self, Invalid> {
        Ok(Self { people: required("PEOPLE_TABLE")?, definitions: required("DEFINITIONS_TABLE")? })
    }
}

impl Send {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        let sms_by = match required("SMS_BY")?.as_str() {
            "sns" => SmsBy::Sns,
            _ => SmsBy::EndUserMessaging,
        };
        Ok(Self {
            tables: Tables::read(&required)?,
            dlq_url: required("MESSAGING_DLQ_URL")?,
            max_receives: count(&required, "MESSAGING_MAX_RECEIVES")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            signing_keys_parameter: required("SIGNING_KEYS_PARAMETER")?,
            links_url: required("LINKS_URL")?,
            mail_configuration_set: required("MAIL_CONFIGURATION_SET").ok(),
            sms_configuration_set: required("SMS_CONFIGURATION_SET").ok(),
            sms_by,
        })
    }
}

impl Plan {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            queue_url: required("MESSAGING_QUEUE_URL")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            sms_per_second: count(&required, "SMS_PER_SECOND")?,
        })
    }
}

impl Web {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            events_url: required("PROFILE_QUEUE_URL")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
            signing_keys_parameter: required("SIGNING_KEYS_PARAMETER")?,
        })
    }
}

impl Feedback {
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let required = required(lookup);
        Ok(Self {
            tables: Tables::read(&required)?,
            events_url: required("PROFILE_QUEUE_URL")?,
            dlq_url: required("RECEIPTS_DLQ_URL")?,
            max_receives: count(&required, "MESSAGING_MAX_RECEIVES")?,
            id_key_parameter: required("ID_KEY_PARAMETER")?,
        })
    }
}

/// Reads the deployment's signing keys.
pub fn signing_keys(secret: &str) -> Result<SigningKeys, InvalidSecret> {
    SigningKeys::parse(secret.trim()).map_err(InvalidSecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_variable_that_is_missing_or_no_number() {
        let with = |wrong: &str, value: Option<&str>| {
            Send::read(|name| if name == wrong { value.map(str::to_owned) } else { Some("5".to_owned()) })
        };
        assert_eq!(with("", None).map(|settings| settings.max_receives), Ok(5));
        for name in ["PEOPLE_TABLE", "MESSAGING_DLQ_URL", "SIGNING_KEYS_PARAMETER", "LINKS_URL", "SMS_BY"] {
            assert_eq!(with(name, None), Err(Invalid::Missing(name)));
            assert_eq!(with(name, Some("")), Err(Invalid::Missing(name)));
        }
        let no_number = Err(Invalid::NoNumber("MESSAGING_MAX_RECEIVES"));
        assert_eq!(with("MESSAGING_MAX_RECEIVES", Some("0")), no_number);
        let without =
            with("MAIL_CONFIGURATION_SET", Some("")).map(|settings| settings.mail_configuration_set);
        assert_eq!(without, Ok(None));
        assert_eq!(with("SMS_BY", Some("sns")).map(|settings| settings.sms_by), Ok(SmsBy::Sns));
        let plan = Plan::read(|name| (name != "MESSAGING_QUEUE_URL").then(|| "x".to_owned()));
        assert_eq!(plan, Err(Invalid::Missing("MESSAGING_QUEUE_URL")));
    }
}
