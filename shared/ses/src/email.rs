//! The port of e-mail.

use aws::{Departure, Failed};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::operation::send_email::builders::SendEmailFluentBuilder;
use ports::Unavailable;
use ports::channel::{Email, Letter, ProviderId, SendError};

use crate::letter;

const OPERATION: &str = "SendEmail";

/// Sends letters by SES; clones share the client.
#[derive(Debug, Clone)]
pub struct SesEmail {
    client: Client,
}

/// It was accepted, and by which name nobody says.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no message id")]
struct Nameless;

impl SesEmail {
    /// The client is one that never tries again: [`crate::sending_client`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn request(&self, letter: &Letter) -> Result<SendEmailFluentBuilder, BuildError> {
        let request = self
            .client
            .send_email()
            .from_email_address(letter::sender(letter))
            .destination(letter::destination(letter))
            .set_reply_to_addresses(letter.reply_to.clone().map(|address| vec![address]))
            .content(letter::content(letter)?)
            .set_configuration_set_name(letter.configuration_set.clone());
        Ok(request.set_email_tags(Some(letter::tags(letter)?).filter(|tags| !tags.is_empty())))
    }
}

impl Email for SesEmail {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        letter::check(letter)?;
        let request = self.request(letter);
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

/// What SES says of a letter that it did not take. Its message is only looked
/// at: it can name the address.
fn unsent(failed: Failed<SendEmailError>) -> SendError {
    let (error, unavailable) = match failed {
        Failed::NotSent(unavailable) => return SendError::NotSent(unavailable),
        Failed::Unknown(unavailable) => return SendError::Unknown(unavailable),
        Failed::Refused { error, unavailable } => (error, unavailable),
    };
    let message = error.message().unwrap_or_default().to_ascii_lowercase();
    match error.code().unwrap_or_default() {
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" if message.contains("daily") => {
            SendError::DailyQuota
        }
        "LimitExceededException" => SendError::DailyQuota,
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" => SendError::Throttled,
        // The sender is not, or in the sandbox the recipient.
        "MessageRejected" if message.contains("not verified") => {
            SendError::Closed { code: "EmailAddressNotVerified" }
        }
        "MessageRejected" => SendError::Refused { code: "MessageRejected" },
        "BadRequestException" => SendError::Refused { code: "BadRequestException" },
        "ValidationException" => SendError::Refused { code: "ValidationException" },
        "AccountSuspendedException" => SendError::Closed { code: "AccountSuspendedException" },
        "SendingPausedException" => SendError::Closed { code: "SendingPausedException" },
        "MailFromDomainNotVerifiedException" => {
            SendError::Closed { code: "MailFromDomainNotVerifiedException" }
        }
        // The configuration set.
        "NotFoundException" => SendError::Closed { code: "NotFoundException" },
        // Credentials and rights, mostly.
        _ => SendError::NotSent(unavailable),
    }
}

#[cfg(test)]
mod tests;
