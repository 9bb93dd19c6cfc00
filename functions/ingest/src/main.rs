//! The function `ingest-http`: settings, clients, run.

// The SDK's futures nest deeper than the compiler looks by default.
#![recursion_limit = "256"]

use std::convert::Infallible;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use ingest::{Ingest, Settings};
use lambda_runtime::{LambdaEvent, service_fn};
use runtime::{SystemClock, SystemEntropy, telemetry};

/// SDKs give up after ten seconds, and so does the function.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "the settings type asks through here, once")]
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let aws = aws_config::load_from_env().await;
    let store = dynamodb::client(&aws, settings.dynamodb_endpoint.as_deref());
    let queues = sqs::client(&aws, settings.sqs_endpoint.as_deref());
    let ingest = Ingest::new(
        dynamodb::Definitions::new(store.clone(), settings.definitions_table, SystemClock),
        sqs::SqsQueue::new(queues, settings.profile_queue_url),
        dynamodb::Rejections::new(store, settings.rejections_table, SystemClock),
        SystemClock,
        SystemEntropy,
    );
    let ingest = &ingest;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let answer = tokio::time::timeout(ANSWER_WITHIN, ingest.handle(event.payload)).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(|_| ingest::overdue()))
    }))
    .await
}
