//! Answers the links of letters: leaving, choosing, confirming, opening, following.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use dynamodb::{Definitions, People};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use messaging::settings;
use messaging::web::Web;
use runtime::definitions::Cached;
use runtime::{SystemClock, SystemEntropy, SystemTimer, telemetry};
use sqs::SqsQueue;

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    #[expect(clippy::disallowed_methods, reason = "what is asked through here is asked once")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = settings::Web::read(lookup)?;
    let aws = aws::config(lookup).await;
    let parameters = [settings.id_key_parameter.as_str(), settings.signing_keys_parameter.as_str()];
    let [secret, signing] = ssm::Parameters::new(ssm::client(&aws, None)).read(parameters).await?;
    let store = dynamodb::client(&aws, None);
    let web = &Web {
        people: People::without_identities(store.clone(), &settings.tables.people),
        definitions: Cached::new(Definitions::new(store, &settings.tables.definitions, SystemClock)),
        queue: SqsQueue::new(sqs::client(&aws, None), &settings.events_url),
        clock: SystemClock,
        entropy: SystemEntropy,
        timer: SystemTimer(SystemClock),
        key: domain::key::IdKey::parse(secret.expose())?,
        keys: settings::signing_keys(signing.expose())?,
    };
    let handle = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        Ok::<_, Error>(web.handle(event.payload).await)
    });
    Box::pin(lambda_runtime::run(handle)).await
}
