use std::error::Error as _;

use aws::service::Service;

use super::*;

/// A store that gives these answers, one a request.
fn parameters(answers: &[(u16, &str)]) -> (Parameters, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, (*body).to_owned())));
    (Parameters::new(client(&service.config(), None)), service)
}

/// An error with its causes.
fn told(error: &Unavailable) -> String {
    let (mut told, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        told = format!("{told}: {cause}");
        next = cause.source();
    }
    told
}

#[tokio::test]
async fn secrets_come_decrypted_each_in_its_place() {
    let answer = |value: &str| format!(r#"{{"Parameter":{{"Value":"{value}"}}}}"#);
    let (parameters, service) = parameters(&[(200, &answer("one")), (200, &answer("two"))]);
    let [one, two] = parameters.read(["/a", "/b"]).await.unwrap();
    assert_eq!([one.expose(), two.expose()], ["one", "two"]);
    assert_eq!(format!("{one:?}"), "Secret(***)");
    for asked in service.asked() {
        assert!(asked.body.contains(r#""WithDecryption":true"#), "{}", asked.body);
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_named_with_the_remedy() {
    let missing = r#"{"__type":"ParameterNotFound"}"#;
    let (parameters, _) = parameters(&[(400, missing)]);
    let error = parameters.read(["/tributary/x/id-key"]).await.unwrap_err();
    let expected = "GetParameter failed: parameter `/tributary/x/id-key` is not there or not to be read; \
                    `tributary init` makes it: the service answered 400 ParameterNotFound";
    assert_eq!(told(&error), expected);
}

#[tokio::test]
async fn an_answer_without_a_value_is_no_secret() {
    let (parameters, _) = parameters(&[(200, r#"{"Parameter":{"Value":""}}"#)]);
    let error = parameters.read(["/a"]).await.unwrap_err();
    assert!(told(&error).contains("`/a` holds no value"), "{}", told(&error));
}

#[tokio::test]
async fn the_environment_names_the_endpoint() {
    let service = Service::replay([]);
    let config = service.config_with_endpoint("SSM", "https://secrets.example");
    assert!(Parameters::new(client(&config, None)).read(["/a"]).await.is_err());
    assert_eq!(service.asked()[0].uri, "https://secrets.example/");
}

#[tokio::test]
async fn what_may_be_missing_is_none_and_what_may_not_be_read_is_an_error() {
    let found = r#"{"Parameter":{"Value":"one"}}"#;
    let answers = [
        (200, found),
        (400, r#"{"__type":"ParameterNotFound"}"#),
        (400, r#"{"__type":"AccessDeniedException"}"#),
    ];
    let (parameters, _) = parameters(&answers);
    assert_eq!(parameters.find("/a").await.unwrap().unwrap().expose(), "one");
    assert_eq!(parameters.find("/a").await.unwrap(), None);
    assert!(parameters.find("/a").await.is_err());
}

/// The body of the only request.
fn put(service: &Service) -> String {
    let [asked] = &service.asked()[..] else { panic!("one request") };
    assert_eq!(asked.target, "AmazonSSM.PutParameter");
    asked.body.clone()
}

#[tokio::test]
async fn a_secret_is_made_encrypted_and_never_over_another() {
    let (parameters, service) = parameters(&[(200, r#"{"Version":1}"#)]);
    assert!(parameters.create("/a", "secret", Some("key-1")).await.unwrap());
    let body = put(&service);
    for part in
        [r#""Overwrite":false"#, r#""Type":"SecureString""#, r#""KeyId":"key-1""#, r#""Value":"secret""#]
    {
        assert!(body.contains(part), "{body}");
    }
}

#[tokio::test]
async fn a_secret_that_somebody_else_made_stays() {
    let (parameters, _) = parameters(&[(400, r#"{"__type":"ParameterAlreadyExists"}"#)]);
    assert!(!parameters.create("/a", "secret", None).await.unwrap());
}

#[tokio::test]
async fn a_secret_is_replaced_on_purpose_only() {
    let (parameters, service) = parameters(&[(200, r#"{"Version":2}"#)]);
    parameters.replace("/a", "secret", None).await.unwrap();
    assert!(put(&service).contains(r#""Overwrite":true"#));
}

#[tokio::test]
async fn what_was_not_written_is_named_and_not_shown() {
    let denied = r#"{"__type":"AccessDeniedException","message":"secret"}"#;
    let (parameters, _) = parameters(&[(400, denied), (400, denied)]);
    let created = parameters.create("/a", "secret", None).await.unwrap_err();
    let replaced = parameters.replace("/a", "secret", None).await.unwrap_err();
    for error in [created, replaced] {
        let expected = "PutParameter failed: parameter `/a` was not written: \
                        the service answered 400 AccessDeniedException";
        assert_eq!(told(&error), expected);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
