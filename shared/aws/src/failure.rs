//! What an error of the SDK may say.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ports::Unavailable;

/// The service's own words and unread answers are left out: they can quote the
/// request, which is personal data.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("the service answered {status} {code}")]
    Refused { status: u16, code: String },
    #[error("the service gave no answer in time")]
    Late,
    #[error("the answer could not be read")]
    Unreadable,
    #[error("the request could not be sent")]
    Unsent(#[source] Box<dyn Error + Send + Sync>),
}

impl Cause {
    /// Keeps of an SDK's error what an operator needs, and nothing personal.
    pub fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => Self::Refused {
                status: refused.raw().status().as_u16(),
                code: refused.err().code().unwrap_or("without a code").to_owned(),
            },
            SdkError::TimeoutError(_) => Self::Late,
            SdkError::ResponseError(_) => Self::Unreadable,
            // The network's words, or those of whoever should have given credentials.
            unsent => unsent.into_source().map_or(Self::Unreadable, Self::Unsent),
        }
    }
}

/// The error of an operation, with no more than its [`Cause`].
pub fn unavailable<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Unavailable
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    Unavailable::new(operation, Cause::of(error))
}
