//! Folds what the profile queue brings into profiles.

use aws_lambda_events::event::sqs::SqsEvent;
use domain::time::Timestamp;
use dynamodb::{Definitions, People, Rejections};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::{Proper, Stage, Writer, batch, settings};
use runtime::{SystemClock, SystemEntropy, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Upsert::read(lookup)?;
    let aws = aws::config(lookup).await;
    let store = dynamodb::client(&aws, None);
    let definitions = Definitions::new(store.clone(), &settings.tables.definitions, SystemClock);
    let parameters = ssm::Parameters::new(ssm::client(&aws, None));
    let (secret, ()) =
        tokio::join!(parameters.read([&settings.id_key_parameter]), aws::warm(definitions.connect()));
    let [secret] = secret?;
    let queues = sqs::client(&aws, None);
    let writer = Writer {
        people: People::new(store.clone(), &settings.tables.people, &settings.tables.identities),
        merges: SqsQueue::new(queues.clone(), &settings.identity_queue_url),
        messages: settings.messaging_queue_url.as_ref().map(|url| SqsQueue::new(queues.clone(), url)),
        clock: SystemClock,
        entropy: SystemEntropy,
        key: settings::id_key(secret.expose())?,
    };
    let stage: &Stage<_, _, _, _, _, _, Proper> =
        &Stage::new(writer, definitions, Rejections::new(store, &settings.rejections_table, SystemClock));
    let dead_letters = &SqsQueue::new(queues, &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline.try_into()?);
        let records = event.payload.records;
        Ok::<_, Error>(batch::fold(stage, dead_letters, records, deadline, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
