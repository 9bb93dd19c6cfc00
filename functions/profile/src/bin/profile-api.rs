//! Answers operators and their systems about profiles.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use dynamodb::{Definitions, Idempotency, People, Rejections};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use ports::Clock as _;
use profile::api::{Api, Ports};
use profile::settings;
use profile::signing::Renewed;
use runtime::{SystemClock, SystemEntropy, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Api::read(lookup)?;
    let aws = aws::config(lookup).await;
    let store = dynamodb::client(&aws, None);
    let definitions = Definitions::new(store.clone(), &settings.tables.definitions, SystemClock);
    let parameters = ssm::Parameters::new(ssm::client(&aws, None));
    let names = [settings.id_key_parameter.as_str(), &settings.signing_keys_parameter];
    let (secrets, ()) = tokio::join!(parameters.read(names), aws::warm(definitions.connect()));
    let [id_key, signing] = secrets?;
    let queues = sqs::client(&aws, None);
    let ports = Ports {
        people: People::new(store.clone(), &settings.tables.people, &settings.tables.identities),
        definitions,
        rejections: Rejections::new(store.clone(), &settings.rejections_table, SystemClock),
        queue: SqsQueue::new(queues.clone(), &settings.queue_url),
        merges: SqsQueue::new(queues, &settings.identity_queue_url),
        idempotency: Idempotency::new(store, &settings.tables.definitions),
        clock: SystemClock,
        entropy: SystemEntropy,
    };
    let signing = Renewed::new(
        ssm::Parameter::new(parameters, &settings.signing_keys_parameter),
        settings::signing_keys(signing.expose())?,
        SystemClock.now(),
    );
    let api = &Api::new(ports, settings::id_key(id_key.expose())?, signing);
    let handle = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        Ok::<_, Error>(api.handle(event.payload).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
