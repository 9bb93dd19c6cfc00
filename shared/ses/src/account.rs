//! What SES says of the account, its identities and its configuration sets.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::types::{DkimAttributes, EventDestination, MailFromAttributes};
use ports::Unavailable;
use ports::channel::{AccountQuota, Quota};

const ACCOUNT: &str = "GetAccount";
const IDENTITY: &str = "GetEmailIdentity";
const DESTINATIONS: &str = "GetConfigurationSetEventDestinations";
const NOT_FOUND: &str = "NotFoundException";

/// Asks SES; clones share the client.
#[derive(Debug, Clone)]
pub struct SesAccount {
    client: Client,
}

/// A domain or an address that letters may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub is_verified: bool,
    /// Whether letters are signed, and how far the proof of the keys is, in the
    /// words of SES: `SUCCESS`, `PENDING` …
    pub is_signing: bool,
    pub dkim: String,
    /// The names of the records that prove the keys.
    pub dkim_tokens: Vec<String>,
    /// `None` is SES's own domain.
    pub mail_from: Option<MailFrom>,
    /// The configuration set of letters that name none.
    pub configuration_set: Option<String>,
}

/// The domain that bounces go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    pub domain: String,
    pub status: String,
}

/// Where a configuration set says what became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub name: String,
    pub is_enabled: bool,
    /// In the words of SES: `BOUNCE`, `DELIVERY` …
    pub events: Vec<String>,
    pub target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The ARN of a topic.
    Sns(String),
    /// The ARN of an event bus.
    EventBridge(String),
    /// Nothing that receipts are read from.
    Other,
}

/// An answer without what SES always gives.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no quota")]
struct NoQuota;

impl SesAccount {
    /// The client is one that asks: [`crate::client`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// An identity by its name; one that nobody made is `None`.
    pub async fn identity(&self, name: &str) -> Result<Option<Identity>, Unavailable> {
        let answer = match self.client.get_email_identity().email_identity(name).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(aws::unavailable(IDENTITY, error)),
        };
        let dkim = answer.dkim_attributes;
        Ok(Some(Identity {
            is_verified: answer.verified_for_sending_status,
            is_signing: dkim.as_ref().is_some_and(DkimAttributes::signing_enabled),
            dkim: dkim
                .as_ref()
                .and_then(DkimAttributes::status)
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default(),
            dkim_tokens: dkim.and_then(|dkim| dkim.tokens).unwrap_or_default(),
            mail_from: answer.mail_from_attributes.and_then(mail_from),
            configuration_set: answer.configuration_set_name,
        }))
    }

    /// Where a configuration set publishes to; of one that nobody made, `None`.
    pub async fn destinations(&self, set: &str) -> Result<Option<Vec<Destination>>, Unavailable> {
        let get = self.client.get_configuration_set_event_destinations().configuration_set_name(set);
        match get.send().await {
            Ok(answer) => {
                Ok(Some(answer.event_destinations.unwrap_or_default().into_iter().map(destination).collect()))
            }
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(aws::unavailable(DESTINATIONS, error)),
        }
    }
}

impl Quota for SesAccount {
    async fn quota(&self) -> Result<AccountQuota, Unavailable> {
        let answer = self.client.get_account().send().await;
        let answer = answer.map_err(|error| aws::unavailable(ACCOUNT, error))?;
        let quota = answer.send_quota.ok_or_else(|| Unavailable::new(ACCOUNT, NoQuota))?;
        Ok(AccountQuota {
            max_send_rate_milli: whole(quota.max_send_rate * 1_000.0),
            // SES says -1 where there is no limit.
            max_24_hours: (quota.max24_hour_send >= 0.0).then(|| whole(quota.max24_hour_send)),
            sent_24_hours: whole(quota.sent_last24_hours),
            is_production: answer.production_access_enabled,
            is_enabled: answer.sending_enabled,
        })
    }
}

fn mail_from(attributes: MailFromAttributes) -> Option<MailFrom> {
    let status = attributes.mail_from_domain_status.as_str().to_owned();
    let domain = attributes.mail_from_domain;
    (!domain.is_empty()).then_some(MailFrom { domain, status })
}

fn destination(destination: EventDestination) -> Destination {
    let topic = destination.sns_destination.map(|sns| Target::Sns(sns.topic_arn));
    let bus = destination.event_bridge_destination.map(|bus| Target::EventBridge(bus.event_bus_arn));
    Destination {
        name: destination.name,
        is_enabled: destination.enabled,
        events: destination.matching_event_types.iter().map(|event| event.as_str().to_owned()).collect(),
        target: topic.or(bus).unwrap_or(Target::Other),
    }
}

/// SES gives numbers with a point; they are counts.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is out of range becomes its end, and what is no number 0"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests;
