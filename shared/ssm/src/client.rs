//! A client that gives up before a function's start does.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_types::SdkConfig;

/// All tries with the waits between them: Lambda gives a start ten seconds.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// Builds a client; `endpoint` goes before what the environment says.
pub fn client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut config = Builder::from(&aws::patient(shared, OPERATION_TIMEOUT));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}
