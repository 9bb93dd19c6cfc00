//! The port of text messages, by End User Messaging (`sms-voice`).

use aws::{Departure, Failed};
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::error::ProvideErrorMetadata as _;
use aws_sdk_pinpointsmsvoicev2::operation::send_text_message::SendTextMessageError as Refusal;
use aws_sdk_pinpointsmsvoicev2::types::{
    AccessDeniedExceptionReason as Denied, ConflictExceptionReason as Conflict, MessageType,
    ServiceQuotaExceededExceptionReason as Exceeded, ValidationExceptionReason as Invalid,
};
use ports::Unavailable;
use ports::channel::{ProviderId, SendError, Sms, Text};

use crate::Nameless;

const OPERATION: &str = "SendTextMessage";
/// What the service takes of a context.
const CONTEXT_MAX: usize = 5;
const CONTEXT_NAME_MAX: usize = 100;
const CONTEXT_VALUE_MAX: usize = 800;
/// For how long the service may be told to try, in seconds.
const TTL_S: std::ops::RangeInclusive<u32> = 5..=259_200;

/// Reasons that lie in this message or in whom it goes to.
const REFUSED: [&str; 20] = [
    "COUNTRY_CODE_MISMATCH",
    "COUNTRY_NOT_ENABLED",
    "DESTINATION_COUNTRY_BLOCKED",
    "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
    "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
    "DESTINATION_PHONE_NUMBER_OPTED_OUT",
    "FIELD_VALIDATION_FAILED",
    "INTERNATIONAL_SENDING_NOT_SUPPORTED",
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
    "INVALID_PARAMETER",
    "INVALID_REQUEST",
    "MAXIMUM_SIZE_EXCEEDED",
    "MISSING_PARAMETER",
    // None of ours reaches the country that the number is in.
    "NO_ORIGINATION_IDENTITIES_FOUND",
    "NUMBER_CAPABILITIES_MISMATCH",
    "PARAMETERS_CANNOT_BE_USED_TOGETHER",
    "PRICE_OVER_THRESHOLD",
    "SENDER_ID_NOT_SUPPORTED",
    "SENDER_ID_REQUIRES_REGISTRATION",
    "UNSPECIFIED_PARAMETER_NOT_SUPPORTED",
];

/// Reasons that lie in the account or in what it sends from.
const CLOSED: [&str; 14] = [
    "ACCOUNT_DISABLED",
    "CHANNEL_NOT_ENABLED",
    // In the sandbox only verified numbers are written to.
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
    "INSUFFICIENT_ACCOUNT_REPUTATION",
    "INVALID_ARN",
    "KEYWORD_MISMATCH",
    "MESSAGE_TYPE_MISMATCH",
    "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
    "PROTECT_CONFIGURATION_NOT_ASSOCIATED_WITH_CONFIGURATION_SET",
    "REGISTRATION_NOT_COMPLETE",
    "RESOURCE_NOT_ACCESSIBLE",
    "RESOURCE_NOT_ACTIVE",
    "RESOURCE_NOT_FOUND",
    "SENDER_ID_NOT_REGISTERED",
];

/// Sends texts by End User Messaging; clones share the client.
#[derive(Debug, Clone)]
pub struct VoiceSms {
    client: Client,
}

impl VoiceSms {
    /// The client is one that never tries again: [`crate::sending_client`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Sms for VoiceSms {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        check(text)?;
        let kind = if text.is_promotional { MessageType::Promotional } else { MessageType::Transactional };
        let mut request = self
            .client
            .send_text_message()
            .destination_phone_number(&text.to)
            .set_origination_identity(text.origination.clone())
            .message_body(&text.body)
            .message_type(kind)
            .set_configuration_set_name(text.configuration_set.clone())
            .set_max_price(text.max_price.clone())
            .set_time_to_live(
                text.ttl_s.and_then(|ttl| ttl.clamp(*TTL_S.start(), *TTL_S.end()).try_into().ok()),
            );
        for (name, value) in &text.context {
            request = request.context(name, value);
        }
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

/// Refuses what the service would refuse; it counts the context by entries.
fn check(text: &Text) -> Result<(), SendError> {
    let fits = |(name, value): &(String, String)| {
        (1..=CONTEXT_NAME_MAX).contains(&name.len()) && (1..=CONTEXT_VALUE_MAX).contains(&value.len())
    };
    if text.context.len() > CONTEXT_MAX || !text.context.iter().all(fits) {
        return Err(SendError::Refused { code: "InvalidContext" });
    }
    Ok(())
}

/// What the service says of a text that it did not take.
fn unsent(failed: Failed<Refusal>) -> SendError {
    let (error, unavailable) = match failed {
        Failed::NotSent(unavailable) => return SendError::NotSent(unavailable),
        Failed::Unknown(unavailable) => return SendError::Unknown(unavailable),
        Failed::Refused { error, unavailable } => (error, unavailable),
    };
    let named = reason(&error).and_then(|reason| {
        let refused = REFUSED.into_iter().find(|code| *code == reason);
        let closed = CLOSED.into_iter().find(|code| *code == reason);
        let refused = refused.map(|code| SendError::Refused { code });
        refused.or_else(|| closed.map(|code| SendError::Closed { code }))
    });
    if let Some(named) = named {
        return named;
    }
    match &error {
        Refusal::ThrottlingException(_) => SendError::Throttled,
        Refusal::ValidationException(_) => SendError::Refused { code: "ValidationException" },
        Refusal::ResourceNotFoundException(_) => SendError::Closed { code: "ResourceNotFoundException" },
        Refusal::ServiceQuotaExceededException(_) => {
            SendError::Closed { code: "ServiceQuotaExceededException" }
        }
        _ if error.code() == Some("TooManyRequestsException") => SendError::Throttled,
        // Credentials and rights, mostly, and reasons that are not known here: this
        // message waits, and nobody else's.
        _ => SendError::NotSent(unavailable),
    }
}

fn reason(error: &Refusal) -> Option<&str> {
    match error {
        Refusal::AccessDeniedException(denied) => denied.reason.as_ref().map(Denied::as_str),
        Refusal::ConflictException(conflict) => conflict.reason.as_ref().map(Conflict::as_str),
        Refusal::ServiceQuotaExceededException(exceeded) => exceeded.reason.as_ref().map(Exceeded::as_str),
        Refusal::ValidationException(invalid) => invalid.reason.as_ref().map(Invalid::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
