//! A client that gives up before the function that waits for it does, and what
//! its errors may say.

use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use ports::Unavailable;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One try; `DynamoDB` answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// All tries with the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 3;

/// Builds a client; `endpoint` is for clouds that speak this API elsewhere.
pub fn client(shared: &SdkConfig, endpoint: Option<&str>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT);
    let mut config = Builder::from(shared)
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// The service's own words and unread answers are left out: they can quote the
/// request, which is personal data.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the service answered {status} {code}")]
    Refused { status: u16, code: String },
    #[error("the service gave no answer in time")]
    Late,
    #[error("the answer could not be read")]
    Unreadable,
    #[error("the request could not be sent")]
    Unsent(#[source] Box<dyn Error + Send + Sync>),
}

/// Keeps of an SDK's error what an operator needs, and nothing personal.
pub fn unavailable<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Unavailable
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let cause = match error {
        SdkError::ServiceError(refused) => Cause::Refused {
            status: refused.raw().status().as_u16(),
            code: refused.err().code().unwrap_or("without a code").to_owned(),
        },
        SdkError::TimeoutError(_) => Cause::Late,
        SdkError::ResponseError(_) => Cause::Unreadable,
        // The network's words, or those of whoever should have given credentials.
        unsent => unsent.into_source().map_or(Cause::Unreadable, Cause::Unsent),
    };
    Unavailable::new(operation, cause)
}

#[cfg(test)]
mod tests {
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
}
