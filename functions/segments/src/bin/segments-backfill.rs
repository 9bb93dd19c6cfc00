//! Asks everybody of a part about new segments.

use aws_lambda_events::event::sqs::SqsEvent;
use domain::time::Timestamp;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::Writer;
use runtime::definitions::Cached;
use runtime::{SystemClock, SystemEntropy, telemetry};
use segments::{Stage, batch, settings};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Backfill::read(lookup)?;
    let aws = aws::config(lookup).await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let queues = sqs::client(&aws, None);
    let definitions = Definitions::new(store.clone(), &settings.definitions_table, SystemClock);
    let stage = &Stage {
        writer: Writer {
            people: People::new(store, &settings.people_table, &settings.identities_table),
            merges: SqsQueue::new(queues.clone(), &settings.identity_queue_url),
            messages: settings.messaging_queue_url.as_ref().map(|url| SqsQueue::new(queues.clone(), url)),
            clock: SystemClock,
            entropy: SystemEntropy,
            key: domain::key::IdKey::parse(secret.expose())?,
        },
        definitions: Cached::new(definitions),
    };
    let dead_letters = &SqsQueue::new(queues, &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline.try_into()?);
        let records = event.payload.records;
        Ok::<_, Error>(batch::walk(stage, dead_letters, &records, deadline, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
