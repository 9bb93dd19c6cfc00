use std::error::Error as _;
use std::time::Duration;

use aws::service::Service;
use aws::service::wire::{self, Act, Wire};
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};

use super::*;
use crate::client::{sending_client, sending_within};

const SOON: Duration = Duration::from_millis(300);
/// Enough for a second try, if there were one.
const PATIENT: Duration = Duration::from_secs(8);

fn letter() -> Letter {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Letter {
        from: "shop@example.com".to_owned(),
        from_name: Some("The Shop".to_owned()),
        to: "ann@example.com".to_owned(),
        reply_to: Some("help@example.com".to_owned()),
        subject: "Ваш заказ".to_owned(),
        html: "<p>Привет</p>".to_owned(),
        text: "Привет".to_owned(),
        headers: vec![
            pair("List-Unsubscribe", "<https://example.com/u/1>"),
            pair("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ],
        configuration_set: Some("tributary".to_owned()),
        tags: vec![pair("t-workspace", "shop"), pair("t-delivery", "0f")],
    }
}

fn email(answers: &[(u16, &str)]) -> (SesEmail, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, (*body).to_owned())));
    (SesEmail::new(sending_client(&service.config(), None)), service)
}

/// Sends one letter to a service that answers so; it is asked once, however it answers.
async fn answered(status: u16, body: &str) -> Result<ProviderId, SendError> {
    let (email, service) = email(&[(status, body), (200, r#"{"MessageId":"second"}"#)]);
    let sent = email.send(&letter()).await;
    assert_eq!(service.asked().len(), 1, "{status} {body}");
    sent
}

fn check(sent: &Result<ProviderId, SendError>, expected: &str) {
    let told = match sent {
        Ok(ProviderId(id)) => format!("sent {id}"),
        Err(SendError::Throttled) => "throttled".to_owned(),
        Err(SendError::DailyQuota) => "quota".to_owned(),
        Err(SendError::Refused { code }) => format!("refused {code}"),
        Err(SendError::Closed { code }) => format!("closed {code}"),
        Err(SendError::NotSent(_)) => "not sent".to_owned(),
        Err(SendError::Unknown(_)) => "unknown".to_owned(),
    };
    assert_eq!(told, expected, "{sent:?}");
}

#[tokio::test]
async fn a_letter_goes_out_whole() {
    let (email, service) = email(&[(200, r#"{"MessageId":"m-1"}"#)]);
    check(&email.send(&letter()).await, "sent m-1");
    let [asked] = &service.asked()[..] else { panic!("one request") };
    assert!(asked.uri.ends_with("/v2/email/outbound-emails"), "{}", asked.uri);
    let part = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
    let expected = json!({
        "FromEmailAddress": "\"The Shop\" <shop@example.com>",
        "Destination": { "ToAddresses": ["ann@example.com"] },
        "ReplyToAddresses": ["help@example.com"],
        "Content": { "Simple": {
            "Subject": part("Ваш заказ"),
            "Body": { "Html": part("<p>Привет</p>"), "Text": part("Привет") },
            "Headers": [
                { "Name": "List-Unsubscribe", "Value": "<https://example.com/u/1>" },
                { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
            ],
        }},
        "EmailTags": [{ "Name": "t-workspace", "Value": "shop" }, { "Name": "t-delivery", "Value": "0f" }],
        "ConfigurationSetName": "tributary",
    });
    assert_eq!(serde_json::from_str::<Value>(&asked.body).unwrap(), expected);
}

#[tokio::test]
async fn a_plain_letter_has_one_part_and_nothing_besides() {
    let (email, service) = email(&[(200, r#"{"MessageId":"m-1"}"#)]);
    let plain = Letter {
        from: "a@b.c".to_owned(),
        to: "d@e.f".to_owned(),
        text: "x".to_owned(),
        ..Letter::default()
    };
    check(&email.send(&plain).await, "sent m-1");
    let body: Value = serde_json::from_str(&service.asked()[0].body).unwrap();
    assert!(body["Content"]["Simple"]["Body"].get("Html").is_none(), "{body}");
    for absent in ["EmailTags", "ReplyToAddresses", "ConfigurationSetName"] {
        assert!(body.get(absent).is_none(), "{body}");
    }
}

#[tokio::test]
async fn a_letter_that_could_be_misread_never_leaves() {
    let (email, service) = email(&[]);
    let letter = Letter { subject: "a\r\nBcc: x@y.z".to_owned(), ..letter() };
    check(&email.send(&letter).await, "refused InvalidSubject");
    assert_eq!(service.asked(), []);
}

#[tokio::test]
async fn every_refusal_of_ses_has_its_meaning() {
    for (status, code, message, expected) in [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", "throttled"),
        (429, "TooManyRequestsException", "", "throttled"),
        (400, "ThrottlingException", "Rate exceeded", "throttled"),
        (429, "TooManyRequestsException", "Daily message quota exceeded.", "quota"),
        (400, "Throttling", "Daily message quota exceeded", "quota"),
        (400, "LimitExceededException", "Daily message quota exceeded.", "quota"),
        (400, "MessageRejected", "Address blacklisted.", "refused MessageRejected"),
        (
            400,
            "MessageRejected",
            "Email address is not verified. The following identities failed the check: ann@example.com",
            "closed EmailAddressNotVerified",
        ),
        (400, "BadRequestException", "Illegal address", "refused BadRequestException"),
        (400, "ValidationException", "", "refused ValidationException"),
        (400, "AccountSuspendedException", "", "closed AccountSuspendedException"),
        (400, "SendingPausedException", "", "closed SendingPausedException"),
        (400, "MailFromDomainNotVerifiedException", "", "closed MailFromDomainNotVerifiedException"),
        (404, "NotFoundException", "Configuration set <x> does not exist.", "closed NotFoundException"),
        (403, "AccessDeniedException", "", "not sent"),
        (403, "ExpiredTokenException", "", "not sent"),
        (413, "", "", "not sent"),
        (408, "RequestTimeoutException", "", "unknown"),
        (500, "InternalServiceErrorException", "", "unknown"),
        (503, "ThrottlingException", "Rate exceeded", "unknown"),
    ] {
        let body = json!({ "__type": code, "message": message }).to_string();
        check(&answered(status, &body).await, expected);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_tells_nothing() {
    check(&answered(200, "{}").await, "unknown");
    check(&answered(200, "<html>").await, "unknown");
    check(&answered(502, "<html>").await, "unknown");
}

#[tokio::test]
async fn an_error_says_nothing_of_the_letter() {
    let said = json!({ "__type": "AccessDeniedException", "message": "ann@example.com" }).to_string();
    let Err(error) = answered(403, &said).await else { panic!("an error") };
    let cause = error.source().and_then(|cause| cause.source()).unwrap().to_string();
    assert_eq!(cause, "the service answered 403 AccessDeniedException");
    assert!(!format!("{error:?}").contains("ann"), "{error:?}");
}

/// Sends one letter over a real connection and counts what came of it.
async fn wired(act: Act, within: Duration, expected: &str) {
    let wire = Wire::new([act.clone(), Act::Answer(200, r#"{"MessageId":"second"}"#.to_owned())]).unwrap();
    let email = SesEmail::new(sending_within(&wire.config(), None, within));
    check(&email.send(&letter()).await, expected);
    assert_eq!(wire.requests(), 1, "{act:?}");
}

#[tokio::test]
async fn a_letter_leaves_once_whatever_becomes_of_it() {
    wired(Act::Answer(200, r#"{"MessageId":"m-1"}"#.to_owned()), PATIENT, "sent m-1").await;
    wired(Act::Answer(503, "{}".to_owned()), PATIENT, "unknown").await;
    wired(Act::HangUp, PATIENT, "unknown").await;
    wired(Act::Half, PATIENT, "unknown").await;
    wired(Act::Hang, SOON, "unknown").await;
}

#[tokio::test]
async fn a_kept_connection_that_ends_does_not_send_twice() {
    let first = Act::Answer(200, r#"{"MessageId":"m-1"}"#.to_owned());
    let wire = Wire::new([first, Act::HangUp]).unwrap();
    let email = SesEmail::new(sending_within(&wire.config(), None, PATIENT));
    check(&email.send(&letter()).await, "sent m-1");
    check(&email.send(&letter()).await, "unknown");
    assert_eq!(wire.requests(), 2);
}

#[tokio::test]
async fn what_never_left_was_not_sent() {
    let sends = async |config: &SdkConfig, why: &str| {
        let sent = SesEmail::new(sending_within(config, None, SOON)).send(&letter()).await;
        assert!(matches!(sent, Err(SendError::NotSent(_))), "{why}: {sent:?}");
    };
    let nobody = wire::nobody().unwrap();
    sends(&nobody, "nobody listens").await;
    let wire = Wire::new([]).unwrap();
    let nowhere = wire.config().to_builder().endpoint_url("http://nowhere.invalid").build();
    sends(&nowhere, "there is no such name").await;
    sends(&wire::without_credentials(&wire.config()), "nobody gives credentials").await;
    let placeless = wire.config().to_builder().endpoint_url("no url").region(Region::new("")).build();
    sends(&placeless, "there is no endpoint").await;
    assert_eq!(wire.requests(), 0);
}
