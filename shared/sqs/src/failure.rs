//! What an error of the SDK may say.

use std::error::Error;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use ports::Unavailable;

/// The service's own words and unread answers are left out: they can quote the
/// request, which is personal data.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the service answered {status} {code}")]
    Refused { status: u16, code: String },
    #[error("the service gave no answer in time")]
    Late,
    #[error("the answer could not be read")]
    Unreadable,
    #[error("the request could not be sent")]
    Unsent(#[source] Box<dyn Error + Send + Sync>),
}

/// Keeps of an SDK's error what an operator needs, and nothing personal.
pub fn unavailable<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Unavailable
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let cause = match error {
        SdkError::ServiceError(refused) => Cause::Refused {
            status: refused.raw().status().as_u16(),
            code: refused.err().code().unwrap_or("without a code").to_owned(),
        },
        SdkError::TimeoutError(_) => Cause::Late,
        SdkError::ResponseError(_) => Cause::Unreadable,
        // The network's words, or those of whoever should have given credentials.
        unsent => unsent.into_source().map_or(Cause::Unreadable, Cause::Unsent),
    };
    Unavailable::new(operation, cause)
}
