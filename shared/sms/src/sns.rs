//! The port of text messages, by SNS: it needs nothing but the right to publish.
//!
//! It keeps no context and writes its receipts to a log only. So what is not
//! known of a text stays unknown, and is listed.

use aws::{Departure, Failed};
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{BuildError, ProvideErrorMetadata as _};
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use ports::Unavailable;
use ports::channel::{ProviderId, SendError, Sms, Text};

use crate::Nameless;

const OPERATION: &str = "Publish";
const STRING: &str = "String";
const NUMBER: &str = "Number";

/// Sends texts by SNS; clones share the client.
#[derive(Debug, Clone)]
pub struct SnsSms {
    client: Client,
}

impl SnsSms {
    /// The client is one that never tries again: [`crate::sns_client`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn request(&self, text: &Text) -> Result<PublishFluentBuilder, BuildError> {
        let kind = if text.is_promotional { "Promotional" } else { "Transactional" };
        let mut request = self
            .client
            .publish()
            .phone_number(&text.to)
            .message(&text.body)
            .message_attributes("AWS.SNS.SMS.SMSType", attribute(STRING, kind)?);
        if let Some(origination) = &text.origination {
            request = request.message_attributes(means(origination), attribute(STRING, origination)?);
        }
        if let Some(price) = &text.max_price {
            request = request.message_attributes("AWS.SNS.SMS.MaxPrice", attribute(NUMBER, price)?);
        }
        Ok(request)
    }
}

impl Sms for SnsSms {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let request = self.request(text);
        let request = request.map_err(|why| SendError::NotSent(Unavailable::new(OPERATION, why)))?;
        let departure = Departure::default();
        match request.customize().interceptor(departure.clone()).send().await {
            Ok(answer) => answer
                .message_id
                .map(ProviderId)
                .ok_or_else(|| SendError::Unknown(Unavailable::new(OPERATION, Nameless))),
            Err(error) => Err(unsent(departure.failed(OPERATION, error))),
        }
    }
}

fn attribute(data_type: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build()
}

/// A number is named as one; everything else is what a phone shows as the sender.
fn means(origination: &str) -> &'static str {
    let is_number = origination.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit());
    if is_number { "AWS.MM.SMS.OriginationNumber" } else { "AWS.SNS.SMS.SenderID" }
}

/// What SNS says of a text that it did not take.
fn unsent(failed: Failed<PublishError>) -> SendError {
    let (error, unavailable) = match failed {
        Failed::NotSent(unavailable) => return SendError::NotSent(unavailable),
        Failed::Unknown(unavailable) => return SendError::Unknown(unavailable),
        Failed::Refused { error, unavailable } => (error, unavailable),
    };
    match error.code().unwrap_or_default() {
        "Throttling"
        | "ThrottlingException"
        | "Throttled"
        | "ThrottledException"
        | "RequestLimitExceeded" => SendError::Throttled,
        "InvalidParameter"
        | "InvalidParameterException"
        | "ParameterValueInvalid"
        | "InvalidParameterValue" => SendError::Refused { code: "InvalidParameter" },
        "ValidationException" | "ValidationError" => SendError::Refused { code: "ValidationException" },
        "OptedOut" | "OptedOutException" => SendError::Refused { code: "OptedOut" },
        // Credentials and rights, mostly.
        _ => SendError::NotSent(unavailable),
    }
}

#[cfg(test)]
mod tests;
