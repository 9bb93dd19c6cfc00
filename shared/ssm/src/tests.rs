use std::error::Error as _;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ssm::config::{BehaviorVersion, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;

use super::*;

/// A store that gives these answers, one a request.
fn parameters(answers: &[(u16, &str)]) -> (Parameters, StaticReplayClient) {
    let events = answers.iter().map(|(status, body)| {
        let request = http::Request::builder().uri("https://ssm/").body(SdkBody::empty()).unwrap();
        let answer = http::Response::builder().status(*status).body(SdkBody::from(*body)).unwrap();
        ReplayEvent::new(request, answer)
    });
    let service = StaticReplayClient::new(events.collect());
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .http_client(service.clone())
        .build();
    (Parameters::new(client(&shared, None)), service)
}

fn told(error: &Unavailable) -> String {
    format!("{error}: {}", error.source().unwrap())
}

#[tokio::test]
async fn secrets_come_decrypted_each_in_its_place() {
    let answer = |value: &str| format!(r#"{{"Parameter":{{"Value":"{value}"}}}}"#);
    let (parameters, service) = parameters(&[(200, &answer("one")), (200, &answer("two"))]);
    let [one, two] = parameters.read(["/a", "/b"]).await.unwrap();
    assert_eq!([one.expose(), two.expose()], ["one", "two"]);
    assert_eq!(format!("{one:?}"), "Secret(***)");
    for request in service.actual_requests() {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        assert!(body.contains(r#""WithDecryption":true"#), "{body}");
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_named_with_the_remedy() {
    let missing = r#"{"__type":"ParameterNotFound"}"#;
    let (parameters, _) = parameters(&[(400, missing)]);
    let error = parameters.read(["/tributary/x/id-key"]).await.unwrap_err();
    let expected = "GetParameter failed: the service answered 400 ParameterNotFound on parameter \
                    `/tributary/x/id-key`; `tributary init` makes it";
    assert_eq!(told(&error), expected);
}

#[tokio::test]
async fn an_answer_without_a_value_is_no_secret() {
    let (parameters, _) = parameters(&[(200, r#"{"Parameter":{"Value":""}}"#)]);
    let error = parameters.read(["/a"]).await.unwrap_err();
    assert!(told(&error).contains("`/a` holds no value"), "{}", told(&error));
}
