//! Folds what the profile queue brings into profiles.

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use dynamodb::{Definitions, People, Rejections};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::{Proper, Stage, settings};
use runtime::{SystemClock, SystemEntropy, sqs::settle, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "settings are read here, once")]
    let settings = settings::Upsert::read(|name| std::env::var(name).ok())?;
    let aws = aws_config::load_from_env().await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let stage: &Stage<_, _, _, _, _, Proper> = &Stage::new(
        People::new(store.clone(), &settings.tables.people, &settings.tables.identities),
        Definitions::new(store.clone(), &settings.tables.definitions, SystemClock),
        Rejections::new(store, &settings.rejections_table, SystemClock),
        SystemClock,
        SystemEntropy,
        settings::id_key(secret.expose())?,
    );
    let dead_letters = &SqsQueue::new(sqs::client(&aws, None), &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let records = event.payload.records;
        let bodies: Vec<&str> = records.iter().map(body).collect();
        let verdicts = stage.upsert(&bodies).await;
        Ok::<_, Error>(settle(dead_letters, &records, verdicts, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}

/// A record without a body is one that cannot be read.
fn body(record: &SqsMessage) -> &str {
    record.body.as_deref().unwrap_or_default()
}
