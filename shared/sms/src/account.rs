//! What End User Messaging says of the account and of what it sends from.

use std::error::Error;

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::config::http::HttpResponse;
use aws_sdk_pinpointsmsvoicev2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_pinpointsmsvoicev2::types::{
    AccountAttributeName, ConfigurationSetInformation, PhoneNumberInformation, RegistrationInformation,
    SenderIdInformation, SpendLimit,
};
use ports::Unavailable;

const NOT_FOUND: &str = "ResourceNotFoundException";

/// Asks End User Messaging; clones share the client.
#[derive(Debug, Clone)]
pub struct SmsAccount {
    client: Client,
}

/// A number that texts come from. Words in capitals are the service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub arn: String,
    pub number: String,
    pub country: String,
    /// `ACTIVE`, `PENDING` …
    pub status: String,
    /// `TRANSACTIONAL` or `PROMOTIONAL`.
    pub message_type: String,
    /// The topic that answers go to, if it takes any.
    pub two_way: Option<String>,
    /// Whether `STOP` is ours to heed; else the service heeds it, and says nothing.
    pub is_self_managed: bool,
    pub opt_out_list: String,
    pub pool: Option<String>,
    pub registration: Option<String>,
}

/// A name that a phone shows in place of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    pub id: String,
    pub country: String,
    pub message_types: Vec<String>,
    pub is_registered: bool,
}

/// What a country wants to know before a number or a name may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub id: String,
    pub kind: String,
    /// `COMPLETE`, `REQUIRES_UPDATES` …
    pub status: String,
}

/// US dollars a month, of one kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// `TEXT_MESSAGE_MONTHLY_SPEND_LIMIT` …
    pub name: String,
    /// What is in force, and the most that the account may set.
    pub enforced: i64,
    pub most: i64,
}

/// Where a configuration set says what became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publishing {
    pub name: String,
    pub is_enabled: bool,
    /// `TEXT_ALL`, `TEXT_DELIVERED` …
    pub events: Vec<String>,
    /// The topic, if it is one.
    pub topic: Option<String>,
}

impl SmsAccount {
    /// The client is one that asks: [`crate::client`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub async fn numbers(&self) -> Result<Vec<Number>, Unavailable> {
        let pages = self.client.describe_phone_numbers().into_paginator().items().send();
        Ok(all("DescribePhoneNumbers", pages.collect().await)?.into_iter().map(number).collect())
    }

    pub async fn senders(&self) -> Result<Vec<Sender>, Unavailable> {
        let pages = self.client.describe_sender_ids().into_paginator().items().send();
        Ok(all("DescribeSenderIds", pages.collect().await)?.into_iter().map(sender).collect())
    }

    pub async fn registrations(&self) -> Result<Vec<Registration>, Unavailable> {
        let pages = self.client.describe_registrations().into_paginator().items().send();
        Ok(all("DescribeRegistrations", pages.collect().await)?.into_iter().map(registration).collect())
    }

    pub async fn spend(&self) -> Result<Vec<Spend>, Unavailable> {
        let pages = self.client.describe_spend_limits().into_paginator().items().send();
        Ok(all("DescribeSpendLimits", pages.collect().await)?.iter().map(spend).collect())
    }

    /// Whether the account is out of the sandbox.
    pub async fn is_production(&self) -> Result<bool, Unavailable> {
        let pages = self.client.describe_account_attributes().into_paginator().items().send();
        let found = all("DescribeAccountAttributes", pages.collect().await)?;
        Ok(found.iter().any(|of| of.name == AccountAttributeName::AccountTier && of.value == "PRODUCTION"))
    }

    /// Where a configuration set publishes to; of one that nobody made, `None`.
    pub async fn publishing(&self, set: &str) -> Result<Option<Vec<Publishing>>, Unavailable> {
        let describe = self.client.describe_configuration_sets().configuration_set_names(set);
        match describe.send().await {
            Ok(answer) => {
                let found = answer.configuration_sets.unwrap_or_default().into_iter();
                Ok(Some(found.flat_map(publishing).collect()))
            }
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(aws::unavailable("DescribeConfigurationSets", error)),
        }
    }
}

fn all<T, E>(
    operation: &'static str,
    found: Result<Vec<T>, SdkError<E, HttpResponse>>,
) -> Result<Vec<T>, Unavailable>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    found.map_err(|error| aws::unavailable(operation, error))
}

fn number(of: PhoneNumberInformation) -> Number {
    Number {
        arn: of.phone_number_arn,
        number: of.phone_number,
        country: of.iso_country_code,
        status: of.status.as_str().to_owned(),
        message_type: of.message_type.as_str().to_owned(),
        two_way: of.two_way_channel_arn.filter(|_| of.two_way_enabled),
        is_self_managed: of.self_managed_opt_outs_enabled,
        opt_out_list: of.opt_out_list_name,
        pool: of.pool_id,
        registration: of.registration_id,
    }
}

fn sender(of: SenderIdInformation) -> Sender {
    Sender {
        id: of.sender_id,
        country: of.iso_country_code,
        message_types: of.message_types.iter().map(|kind| kind.as_str().to_owned()).collect(),
        is_registered: of.registered,
    }
}

fn registration(of: RegistrationInformation) -> Registration {
    let status = of.registration_status.as_str().to_owned();
    Registration { id: of.registration_id, kind: of.registration_type, status }
}

fn spend(of: &SpendLimit) -> Spend {
    Spend { name: of.name.as_str().to_owned(), enforced: of.enforced_limit, most: of.max_limit }
}

fn publishing(of: ConfigurationSetInformation) -> impl Iterator<Item = Publishing> {
    of.event_destinations.into_iter().map(|of| Publishing {
        name: of.event_destination_name,
        is_enabled: of.enabled,
        events: of.matching_event_types.iter().map(|event| event.as_str().to_owned()).collect(),
        topic: of.sns_destination.map(|sns| sns.topic_arn),
    })
}

#[cfg(test)]
mod tests;
