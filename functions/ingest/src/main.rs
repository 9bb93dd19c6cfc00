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
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = Settings::read(lookup)?;
    let aws = aws::config(lookup).await;
    let store = dynamodb::client(&aws, None);
    let queue = sqs::SqsQueue::new(sqs::client(&aws, None), settings.profile_queue_url);
    let definitions = dynamodb::Definitions::new(store.clone(), settings.definitions_table, SystemClock);
    Box::pin(aws::warm(async { tokio::join!(definitions.connect(), queue.connect()) })).await;
    let ingest = Ingest::new(
        definitions,
        queue,
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
