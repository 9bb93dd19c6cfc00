//! Answers operators and their systems about profiles.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use dynamodb::{Definitions, Idempotency, People, Rejections};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use profile::api::{Api, Ports};
use profile::settings;
use runtime::{SystemClock, SystemEntropy, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "settings are read here, once")]
    let settings = settings::Api::read(|name| std::env::var(name).ok())?;
    let aws = aws_config::load_from_env().await;
    let parameters = ssm::Parameters::new(ssm::client(&aws, None));
    let [id_key, signing] =
        parameters.read([&settings.id_key_parameter, &settings.signing_keys_parameter]).await?;
    let store = dynamodb::client(&aws, None);
    let queues = sqs::client(&aws, None);
    let ports = Ports {
        people: People::new(store.clone(), &settings.tables.people, &settings.tables.identities),
        definitions: Definitions::new(store.clone(), &settings.tables.definitions, SystemClock),
        rejections: Rejections::new(store.clone(), &settings.rejections_table, SystemClock),
        queue: SqsQueue::new(queues.clone(), &settings.queue_url),
        merges: SqsQueue::new(queues, &settings.identity_queue_url),
        idempotency: Idempotency::new(store, &settings.tables.definitions),
        clock: SystemClock,
        entropy: SystemEntropy,
    };
    let api = &Api::new(ports, settings::id_key(id_key.expose())?, settings::signing_keys(signing.expose())?);
    let handle = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        Ok::<_, Error>(api.handle(event.payload).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
