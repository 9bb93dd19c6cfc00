//! A service for tests: the real client against answers that a test gives.
//!
//! Tests read and write JSON, whatever form the client speaks.

mod cbor;
pub mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// A request as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub uri: String,
    /// The operation, as `X-Amz-Target` names it, or the path.
    pub target: String,
    /// JSON; of a client that speaks CBOR, what would be the same in JSON.
    pub body: String,
}

/// A status and the JSON of an answer.
pub type Answer = (u16, String);

/// A service in memory; clones are the same service.
#[derive(Clone)]
pub struct Service {
    answer: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    /// Answers every request by what this function says.
    pub fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    /// Gives these answers, one a request, and 400 when there are none left.
    pub fn replay(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::new(move |_| lock(&answers).pop_front().unwrap_or_else(|| (400, "{}".to_owned())))
    }

    /// What it was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// A configuration by which every client speaks to this service.
    pub fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(
                "local", "local", None,
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    /// The same, in an environment that names an endpoint for a service, such as `SQS`.
    pub fn config_with_endpoint(&self, service: &str, url: &str) -> SdkConfig {
        let endpoints = Endpoints(vec![(service.to_owned(), url.to_owned())]);
        self.config().to_builder().service_config(endpoints).build()
    }
}

/// Endpoints by the name of their service, as the environment gives them in
/// `AWS_ENDPOINT_URL_<SERVICE>`.
#[derive(Debug)]
struct Endpoints(Vec<(String, String)>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let asked = |service: &str| key.env() == "AWS_ENDPOINT_URL" && key.service_id() == service;
        self.0.iter().find(|(service, _)| asked(service)).map(|(_, url)| url.clone())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers();
        let speaks_cbor = headers.get("content-type") == Some(cbor::CONTENT_TYPE);
        let target = headers.get("x-amz-target").or_else(|| request.uri().rsplit('/').next());
        let sent = request.body().bytes().unwrap_or_default();
        let body = if speaks_cbor { cbor::as_json(sent) } else { Ok(String::from_utf8_lossy(sent).into()) };
        let asked = body.map(|body| Asked {
            uri: request.uri().to_owned(),
            target: target.unwrap_or_default().to_owned(),
            body,
        });
        HttpConnectorFuture::ready(
            asked
                .and_then(|asked| {
                    let (status, answer) = (self.answer)(&asked);
                    lock(&self.asked).push(asked);
                    let answer = if speaks_cbor { cbor::of_json(&answer)? } else { answer.into_bytes() };
                    Ok(HttpResponse::new(status.try_into()?, SdkBody::from(answer)))
                })
                .map_err(|wrong: BoxError| ConnectorError::other(wrong, None)),
        )
    }
}

/// A test that panics must not make every later look at its service panic too.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
