//! What the clients of all services share: for how long they wait, and what
//! their errors may say.
//!
//! **Invariant:** an error never repeats what a request or an answer said: it
//! can be personal data.

mod failure;
mod once;
mod start;
#[cfg(feature = "test-util")]
pub mod service;

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

pub use failure::{Cause, unavailable};
pub use once::{Departure, Failed, once};
pub use start::{config, warm};

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One try; our services answer in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPTS_MAX: u32 = 3;

/// The configuration of a client that gives up before the function that waits
/// for it does: `operation` is for all tries with the waits between them.
///
/// Endpoints stay what the environment says in `AWS_ENDPOINT_URL` and
/// `AWS_ENDPOINT_URL_<SERVICE>`.
pub fn patient(shared: &SdkConfig, operation: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(operation);
    shared
        .to_builder()
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .build()
}
