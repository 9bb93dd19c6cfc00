//! A client for whoever reads long periods at a desk.

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Builder;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

/// One page of a year of hours takes the service some seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// All tries with the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(1);

/// Builds a client; `endpoint` goes before what the environment says.
pub fn client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    let shared = aws::patient(shared, OPERATION_TIMEOUT);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(aws::CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT);
    let mut config = Builder::from(&shared).timeout_config(timeouts.build());
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}
