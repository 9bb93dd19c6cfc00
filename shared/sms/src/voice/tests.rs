use std::time::Duration;

use aws::service::Service;
use aws::service::wire::{self, Act, Wire};
use serde_json::{Value, json};

use super::*;
use crate::client::{sending_client, sending_within};

const SOON: Duration = Duration::from_millis(300);
/// Enough for a second try, if there were one.
const PATIENT: Duration = Duration::from_secs(8);

fn text() -> Text {
    Text {
        to: "+4915100000000".to_owned(),
        origination: Some("pool-1".to_owned()),
        body: "Привет".to_owned(),
        is_promotional: true,
        ttl_s: Some(1),
        max_price: Some("0.25".to_owned()),
        context: vec![("t-delivery".to_owned(), "0f".to_owned())],
        configuration_set: Some("tributary".to_owned()),
    }
}

fn sms(answers: &[(u16, &str)]) -> (VoiceSms, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, (*body).to_owned())));
    (VoiceSms::new(sending_client(&service.config(), None)), service)
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
async fn a_text_goes_out_whole() {
    let (sms, service) = sms(&[(200, r#"{"MessageId":"m-1"}"#)]);
    check(&sms.send(&text()).await, "sent m-1");
    let [asked] = &service.asked()[..] else { panic!("one request") };
    assert!(asked.target.ends_with(".SendTextMessage"), "{}", asked.target);
    let expected = json!({
        "DestinationPhoneNumber": "+4915100000000",
        "OriginationIdentity": "pool-1",
        "MessageBody": "Привет",
        "MessageType": "PROMOTIONAL",
        "ConfigurationSetName": "tributary",
        "MaxPrice": "0.25",
        "TimeToLive": 5, // The service takes no less.
        "Context": { "t-delivery": "0f" },
    });
    assert_eq!(serde_json::from_str::<Value>(&asked.body).unwrap(), expected);
}

#[tokio::test]
async fn a_plain_text_says_no_more_than_it_has_to() {
    let (sms, service) = sms(&[(200, r#"{"MessageId":"m-1"}"#)]);
    let plain = Text { to: "+1".to_owned(), body: "x".to_owned(), ..Text::default() };
    check(&sms.send(&plain).await, "sent m-1");
    let expected =
        json!({ "DestinationPhoneNumber": "+1", "MessageBody": "x", "MessageType": "TRANSACTIONAL" });
    assert_eq!(serde_json::from_str::<Value>(&service.asked()[0].body).unwrap(), expected);
}

#[tokio::test]
async fn a_context_that_would_be_refused_never_leaves() {
    let (sms, service) = sms(&[]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for context in
        [vec![pair("a", "b"); 6], vec![pair("", "b")], vec![pair("a", "")], vec![pair("a", &"b".repeat(801))]]
    {
        check(&sms.send(&Text { context, ..text() }).await, "refused InvalidContext");
    }
    assert_eq!(service.asked(), []);
}

#[tokio::test]
async fn every_refusal_has_its_meaning() {
    for (status, code, reason, expected) in [
        (429, "ThrottlingException", "", "throttled"),
        (400, "ThrottlingException", "", "throttled"),
        (
            402,
            "ServiceQuotaExceededException",
            "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
            "closed MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        ),
        (402, "ServiceQuotaExceededException", "A_NEW_ONE", "closed ServiceQuotaExceededException"),
        (
            409,
            "ConflictException",
            "DESTINATION_PHONE_NUMBER_OPTED_OUT",
            "refused DESTINATION_PHONE_NUMBER_OPTED_OUT",
        ),
        (
            409,
            "ConflictException",
            "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
            "closed DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        ),
        (
            409,
            "ConflictException",
            "NO_ORIGINATION_IDENTITIES_FOUND",
            "refused NO_ORIGINATION_IDENTITIES_FOUND",
        ),
        (409, "ConflictException", "RESOURCE_NOT_ACTIVE", "closed RESOURCE_NOT_ACTIVE"),
        (409, "ConflictException", "A_NEW_ONE", "not sent"),
        (400, "ValidationException", "PRICE_OVER_THRESHOLD", "refused PRICE_OVER_THRESHOLD"),
        (400, "ValidationException", "SENDER_ID_NOT_REGISTERED", "closed SENDER_ID_NOT_REGISTERED"),
        (400, "ValidationException", "A_NEW_ONE", "refused ValidationException"),
        (404, "ResourceNotFoundException", "", "closed ResourceNotFoundException"),
        (403, "AccessDeniedException", "ACCOUNT_DISABLED", "closed ACCOUNT_DISABLED"),
        (403, "AccessDeniedException", "", "not sent"),
        (403, "UnrecognizedClientException", "", "not sent"),
        (408, "RequestTimeout", "", "unknown"),
        (500, "InternalServerException", "", "unknown"),
        (503, "ThrottlingException", "", "unknown"),
    ] {
        let body = match reason {
            "" => json!({ "__type": code, "message": "+4915100000000" }),
            reason => json!({ "__type": code, "message": "+4915100000000", "Reason": reason }),
        };
        let (sms, service) = sms(&[(status, &body.to_string()), (200, r#"{"MessageId":"second"}"#)]);
        let sent = sms.send(&text()).await;
        check(&sent, expected);
        assert_eq!(service.asked().len(), 1, "{body}");
        assert!(!format!("{sent:?}").contains("4915"), "{sent:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_tells_nothing() {
    for body in ["{}", "<html>"] {
        let (sms, _) = sms(&[(200, body)]);
        check(&sms.send(&text()).await, "unknown");
    }
}

#[tokio::test]
async fn a_text_leaves_once_whatever_becomes_of_it() {
    for act in [Act::Answer(503, "{}".to_owned()), Act::HangUp, Act::Half, Act::Hang] {
        let within = if act == Act::Hang { SOON } else { PATIENT };
        let wire =
            Wire::new([act.clone(), Act::Answer(200, r#"{"MessageId":"second"}"#.to_owned())]).unwrap();
        let sms = VoiceSms::new(sending_within(&wire.config(), None, within));
        check(&sms.send(&text()).await, "unknown");
        assert_eq!(wire.requests(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn what_never_left_was_not_sent() {
    let nobody = wire::nobody().unwrap();
    for config in [wire::without_credentials(&nobody), nobody] {
        check(&VoiceSms::new(sending_within(&config, None, SOON)).send(&text()).await, "not sent");
    }
}

#[tokio::test]
async fn the_environment_names_the_endpoint() {
    let service = Service::replay([]);
    let config = service.config_with_endpoint("Pinpoint SMS Voice V2", "https://texts.example");
    check(&VoiceSms::new(sending_client(&config, None)).send(&text()).await, "not sent");
    assert_eq!(service.asked()[0].uri, "https://texts.example/");
}
