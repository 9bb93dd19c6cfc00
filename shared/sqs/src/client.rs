//! A client that gives up before the function that waits for it does.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_types::SdkConfig;

/// All tries with the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds a client; `endpoint` goes before what the environment says.
pub fn client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut config = Builder::from(&aws::patient(shared, OPERATION_TIMEOUT));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_environment_names_the_endpoint() {
        let service = aws::service::Service::replay([]);
        let config = service.config_with_endpoint("SQS", "https://queues.example");
        let _ = client(&config, None).list_queues().send().await;
        let asked: Vec<_> = service.asked().into_iter().map(|asked| asked.uri).collect();
        assert_eq!(asked, ["https://queues.example/"]);
    }
}
