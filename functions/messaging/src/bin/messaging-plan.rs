//! Hands out who is to be written to next, once a minute.

use domain::messaging::Channel;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use messaging::plan::Planner;
use messaging::settings;
use messaging::texts::Allowance;
use runtime::definitions::Cached;
use runtime::{SystemClock, telemetry};
use serde::de::IgnoredAny;
use ses::SesAccount;
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Plan::read(lookup)?;
    let aws = aws::config(lookup).await;
    let [secret] = ssm::Parameters::new(ssm::client(&aws, None)).read([&settings.id_key_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let planner = &Planner {
        people: People::without_identities(store.clone(), &settings.tables.people),
        definitions: Cached::new(Definitions::new(store, &settings.tables.definitions, SystemClock)),
        queue: SqsQueue::new(sqs::client(&aws, None), &settings.queue_url),
        quotas: vec![
            (Channel::Email, Allowance::Asked(SesAccount::new(ses::client(&aws, None)))),
            (Channel::Sms, Allowance::of(settings.sms_per_second)),
        ],
        clock: SystemClock,
        key: domain::key::IdKey::parse(secret.expose())?,
    };
    // Whatever the schedule sends says no more than that a minute is over.
    let handle = service_fn(move |_: LambdaEvent<IgnoredAny>| async move {
        let planned = planner.plan().await?;
        let (open, handed, failed) = (planned.open, planned.handed, planned.failed);
        // A line a minute of nothing would cost as much as all the looking.
        if handed > 0 || failed > 0 {
            tracing::info!(open, handed, failed, "Handed out {handed} people");
        }
        Ok::<_, Error>(())
    });
    Box::pin(lambda_runtime::run(handle)).await
}
