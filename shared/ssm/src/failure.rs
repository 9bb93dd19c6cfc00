//! What an error of the SDK may say.

use std::error::Error;

use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use ports::Unavailable;

/// Unread answers are left out: they may hold a secret.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the service answered {status} {code} on parameter `{name}`; `tributary init` makes it")]
    Refused { name: String, status: u16, code: String },
    #[error("the service gave no answer in time on parameter `{0}`")]
    Late(String),
    #[error("the answer on parameter `{0}` could not be read")]
    Unreadable(String),
    #[error("the request for parameter `{name}` could not be sent")]
    Unsent {
        name: String,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

/// Keeps of an SDK's error what an operator needs, and no secret.
pub(crate) fn unavailable<E>(
    operation: &'static str,
    name: &str,
    error: SdkError<E, HttpResponse>,
) -> Unavailable
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let name = name.to_owned();
    let cause = match error {
        SdkError::ServiceError(refused) => Cause::Refused {
            name,
            status: refused.raw().status().as_u16(),
            code: refused.err().code().unwrap_or("without a code").to_owned(),
        },
        SdkError::TimeoutError(_) => Cause::Late(name),
        SdkError::ResponseError(_) => Cause::Unreadable(name),
        unsent => match unsent.into_source() {
            Ok(cause) => Cause::Unsent { name, cause },
            Err(_) => Cause::Unreadable(name),
        },
    };
    Unavailable::new(operation, cause)
}
