//! Looks at every profile that is due, once a minute.

use dynamodb::People;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::{Writer, settings};
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
    let writer = &Writer {
        people: People::new(dynamodb::client(&aws, None), &settings.people_table, &settings.identities_table),
        merges: SqsQueue::new(sqs::client(&aws, None), &settings.identity_queue_url),
        clock: SystemClock,
        entropy: SystemEntropy,
        key: settings::id_key(secret.expose())?,
    };
    // Whatever the schedule sends says no more than that a minute is over.
    let handle = service_fn(move |_: LambdaEvent<IgnoredAny>| async move {
        let swept = writer.sweep().await?;
        let (due, resent, unsent) = (swept.due, swept.resent, swept.failed);
        tracing::info!(name: metrics::EVENT, due, resent, unsent, "Looked at {due} profiles that were due");
        Ok::<_, Error>(())
    });
    Box::pin(lambda_runtime::run(handle)).await
}
