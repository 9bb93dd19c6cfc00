//! Makes one what the identity queue says is one person.

use aws_lambda_events::event::sqs::SqsEvent;
use domain::time::Timestamp;
use dynamodb::{Definitions, People, Rejections};
use identity::{Stage, batch, settings};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::{SystemClock, SystemEntropy, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "settings are read here, once")]
    let settings = settings::Merge::read(|name| std::env::var(name).ok())?;
    let aws = aws_config::load_from_env().await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let stage = &Stage {
        people: People::new(store.clone(), &settings.people_table, &settings.identities_table),
        definitions: Definitions::new(store.clone(), &settings.definitions_table, SystemClock),
        rejections: Rejections::new(store, &settings.rejections_table, SystemClock),
        clock: SystemClock,
        entropy: SystemEntropy,
        key: domain::key::IdKey::parse(secret.expose())?,
    };
    let dead_letters = &SqsQueue::new(sqs::client(&aws, None), &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline.try_into()?);
        let records = event.payload.records;
        Ok::<_, Error>(batch::merge(stage, dead_letters, &records, deadline, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
