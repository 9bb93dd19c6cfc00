//! Takes in what providers say became of messages, and what people answer.

use aws_lambda_events::event::sqs::SqsEvent;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use messaging::feedback::Feedback;
use messaging::{batch, settings};
use runtime::definitions::Cached;
use runtime::{SystemClock, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Feedback::read(lookup)?;
    let aws = aws::config(lookup).await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let queues = sqs::client(&aws, None);
    let stage = &Feedback {
        people: People::without_identities(store.clone(), &settings.tables.people),
        definitions: Cached::new(Definitions::new(store, &settings.tables.definitions, SystemClock)),
        queue: SqsQueue::new(queues.clone(), &settings.events_url),
        clock: SystemClock,
        key: domain::key::IdKey::parse(secret.expose())?,
    };
    let dead_letters = &SqsQueue::new(queues, &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let records = event.payload.records;
        Ok::<_, Error>(batch::feedback(stage, dead_letters, &records, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
