//! A client that gives up before the function that waits for it does.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_types::SdkConfig;

pub use aws::unavailable;

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
    use std::error::Error as _;

    use super::*;
    use crate::local;

    #[tokio::test]
    async fn an_error_names_its_code_and_none_of_the_services_words() {
        let store = local::store().await;
        let asked =
            store.client.get_item().table_name("alice").key("pk", crate::item::s("alice")).send().await;
        let told = unavailable("GetItem", asked.unwrap_err());
        let cause = told.source().unwrap().to_string();
        assert_eq!(cause, "the service answered 400 ResourceNotFoundException");
        assert!(!format!("{told:?}").contains("alice"), "{told:?}");
    }

    #[tokio::test]
    async fn a_service_out_of_reach_is_named_as_such() {
        let nobody = local::connect("http://127.0.0.1:1");
        let told = unavailable("ListTables", nobody.list_tables().send().await.unwrap_err());
        assert_eq!(told.source().unwrap().to_string(), "the request could not be sent");
    }

    #[tokio::test]
    async fn the_environment_names_the_endpoint_unless_the_caller_does() {
        let service = aws::service::Service::replay([]);
        let config = service.config_with_endpoint("DynamoDB", "https://store.example");
        for endpoint in [None, Some("https://mine.example")] {
            let _ = client(&config, endpoint).list_tables().send().await;
        }
        let asked: Vec<_> = service.asked().into_iter().map(|asked| asked.uri).collect();
        assert_eq!(asked, ["https://store.example/", "https://mine.example/"]);
    }
}
