//! Looks at every profile that is due, once a minute.

use domain::time::Timestamp;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::{Writer, fill, settings};
use runtime::definitions::Cached;
use runtime::sqs::until;
use runtime::{SystemClock, SystemEntropy, metrics, telemetry};
use serde::de::IgnoredAny;
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Sweep::read(lookup)?;
    let aws = aws::config(lookup).await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let definitions = Definitions::new(store.clone(), &settings.tables.definitions, SystemClock);
    let definitions = &Cached::new(definitions);
    let queues = sqs::client(&aws, None);
    let parts = &SqsQueue::new(queues.clone(), &settings.segments_queue_url);
    let writer = &Writer {
        people: People::new(store.clone(), &settings.tables.people, &settings.tables.identities),
        merges: SqsQueue::new(queues.clone(), &settings.identity_queue_url),
        messages: settings.messaging_queue_url.as_ref().map(|url| SqsQueue::new(queues.clone(), url)),
        clock: SystemClock,
        entropy: SystemEntropy,
        key: settings::id_key(secret.expose())?,
    };
    // Whatever the schedule sends says no more than that a minute is over.
    let handle = service_fn(move |event: LambdaEvent<IgnoredAny>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline.try_into()?);
        // First, for looking at many may take all the time; and neither keeps the other from being done.
        let parts = fill::send(definitions, parts, &SystemClock).await;
        let swept = writer.sweep(definitions, until(deadline)).await?;
        let parts = parts?;
        let (due, resent, unsent) = (swept.due, swept.resent, swept.failed);
        // A line a minute of nothing would cost as much as all the looking.
        if due == 0 && parts == 0 {
            return Ok::<_, Error>(());
        }
        tracing::info!(name: metrics::EVENT, due, resent, unsent, parts, "Looked at {due} profiles that were due");
        Ok(())
    });
    Box::pin(lambda_runtime::run(handle)).await
}
