//! Clients: one that asks, and one a service that sends.

use std::time::Duration;

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::config::Builder;
use aws_types::SdkConfig;

/// All tries with the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The one try of a send. Giving up early would leave texts of which nobody
/// knows whether they were sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds a client that asks; `endpoint` goes before what the environment says.
pub fn client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    built(&aws::patient(shared, OPERATION_TIMEOUT), endpoint)
}

/// Builds a client that sends by End User Messaging, and never tries again.
pub fn sending_client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    sending_within(shared, endpoint, SEND_TIMEOUT)
}

/// Builds a client that sends by SNS, and never tries again.
pub fn sns_client(shared: &SdkConfig, endpoint: Option<&str>) -> aws_sdk_sns::Client {
    sns_within(shared, endpoint, SEND_TIMEOUT)
}

pub(crate) fn sending_within(shared: &SdkConfig, endpoint: Option<&str>, within: Duration) -> Client {
    built(&aws::once(shared, within), endpoint)
}

pub(crate) fn sns_within(
    shared: &SdkConfig,
    endpoint: Option<&str>,
    within: Duration,
) -> aws_sdk_sns::Client {
    let mut config = aws_sdk_sns::config::Builder::from(&aws::once(shared, within));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    aws_sdk_sns::Client::from_conf(config.build())
}

fn built(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut config = Builder::from(shared);
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}
