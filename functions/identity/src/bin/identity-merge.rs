//! Makes one what the identity queue says is one person.

use aws_lambda_events::event::sqs::SqsEvent;
use domain::time::Timestamp;
use dynamodb::{Definitions, People, Rejections};
use identity::{Stage, batch, settings};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::definitions::Kept;
use runtime::{SystemClock, SystemEntropy, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Merge::read(lookup)?;
    let aws = aws::config(lookup).await;
    let store = dynamodb::client(&aws, None);
    let definitions = Definitions::new(store.clone(), &settings.definitions_table, SystemClock);
    let parameters = ssm::Parameters::new(ssm::client(&aws, None));
    let (secret, ()) =
        tokio::join!(parameters.read([&settings.id_key_parameter]), aws::warm(definitions.connect()));
    let [secret] = secret?;
    let stage = &Stage {
        people: People::new(store.clone(), &settings.people_table, &settings.identities_table),
        definitions: Kept::new(definitions, SystemClock),
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
