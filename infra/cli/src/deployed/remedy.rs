//! What an operator can do about a service's refusal.

use std::error::Error;

use aws::Cause;

use crate::output::Failed;

/// A failure with its remedy before it.
#[derive(Debug, thiserror::Error)]
#[error("{remedy}")]
struct Explained {
    remedy: String,
    #[source]
    cause: Failed,
}

/// Puts the remedy before a failure that a service caused; any other is left as it is.
pub(super) fn explained(stack: &str, failed: Failed) -> Failed {
    match cause(failed.as_ref()).and_then(|cause| remedy(stack, cause)) {
        Some(remedy) => Explained { remedy, cause: failed }.into(),
        None => failed,
    }
}

fn cause<'a>(failed: &'a (dyn Error + 'static)) -> Option<&'a Cause> {
    let mut next = Some(failed);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref() {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

fn remedy(stack: &str, cause: &Cause) -> Option<String> {
    let Cause::Refused { code, .. } = cause else {
        return Some(
            "the service did not answer: look at the network, the region and, if they are set, AWS_ENDPOINT_URL \
             and AWS_ENDPOINT_URL_<SERVICE>"
                .to_owned(),
        );
    };
    Some(match code.as_str() {
        "AccessDenied"
        | "AccessDeniedException"
        | "KMSAccessDeniedException"
        | "KmsAccessDenied"
        | "KMS.AccessDeniedException" => format!(
            "these credentials may not do this with stack `{stack}`: use those of whoever deployed it, or have \
             the rights granted that docs/deploy.md lists"
        ),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch" => {
            "AWS does not take these credentials, or no longer: sign in again".to_owned()
        }
        "ResourceNotFoundException" => {
            format!(
                "a table of stack `{stack}` is not there: was it deleted by hand? Restore it, or deploy the stack anew"
            )
        }
        "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" => {
            format!("a queue of stack `{stack}` is not there: was it deleted by hand? Deploy the stack anew")
        }
        _ => return None,
    })
}
