//! Sends parcels: gate, claim, call, settle.

use aws_lambda_events::event::sqs::SqsEvent;
use domain::time::Timestamp;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use messaging::settings::{self, SmsBy};
use messaging::texts::Texts;
use messaging::{Press, Stage, batch};
use runtime::definitions::Cached;
use runtime::{SystemClock, SystemEntropy, SystemTimer, telemetry};
use ses::SesEmail;
use sms::{SnsSms, VoiceSms};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Send::read(lookup)?;
    let aws = aws::config(lookup).await;
    let parameters = [settings.id_key_parameter.as_str(), settings.signing_keys_parameter.as_str()];
    let [secret, signing] = ssm::Parameters::new(ssm::client(&aws, None)).read(parameters).await?;
    let store = dynamodb::client(&aws, None);
    let sets = [settings.mail_configuration_set, settings.sms_configuration_set];
    let stage = &Stage {
        people: People::without_identities(store.clone(), &settings.tables.people),
        definitions: Cached::new(Definitions::new(store, &settings.tables.definitions, SystemClock)),
        email: SesEmail::new(ses::sending_client(&aws, None)),
        sms: match settings.sms_by {
            SmsBy::EndUserMessaging => Texts::Voice(VoiceSms::new(sms::sending_client(&aws, None))),
            SmsBy::Sns => Texts::Sns(SnsSms::new(sms::sns_client(&aws, None))),
        },
        clock: SystemClock,
        entropy: SystemEntropy,
        timer: SystemTimer(SystemClock),
        key: domain::key::IdKey::parse(secret.expose())?,
        press: Press::new(settings::signing_keys(signing.expose())?, &settings.links_url, sets),
    };
    let dead_letters = &SqsQueue::new(sqs::client(&aws, None), &settings.dlq_url);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline.try_into()?);
        let records = event.payload.records;
        Ok::<_, Error>(batch::send(stage, dead_letters, &records, deadline, settings.max_receives).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
