//! What an error of the SDK may say.

use std::error::Error;

use aws::Cause;
use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use ports::Unavailable;

/// Names the parameter; what it holds is in no [`Cause`].
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("parameter `{name}` is not there or not to be read; `tributary init` makes it")]
    Refused {
        name: String,
        #[source]
        cause: Cause,
    },
    #[error("parameter `{name}` could not be asked for")]
    Unasked {
        name: String,
        #[source]
        cause: Cause,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("parameter `{name}` was not written")]
struct Unwritten {
    name: String,
    #[source]
    cause: Cause,
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
    let unread = match Cause::of(error) {
        cause @ Cause::Refused { .. } => Unread::Refused { name, cause },
        cause => Unread::Unasked { name, cause },
    };
    Unavailable::new(operation, unread)
}

/// The same for what was to be written.
pub(crate) fn unwritten<E>(
    operation: &'static str,
    name: &str,
    error: SdkError<E, HttpResponse>,
) -> Unavailable
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    Unavailable::new(operation, Unwritten { name: name.to_owned(), cause: Cause::of(error) })
}
