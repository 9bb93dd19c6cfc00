use std::time::Duration;

use aws::service::Service;
use aws::service::wire::{self, Act, Wire};

use super::*;
use crate::client::{sns_client, sns_within};

const SOON: Duration = Duration::from_millis(300);
/// Enough for a second try, if there were one.
const PATIENT: Duration = Duration::from_secs(8);
const SENT: &str =
    "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>";

fn text() -> Text {
    Text {
        to: "+4915100000000".to_owned(),
        origination: Some("Shop".to_owned()),
        body: "Hi".to_owned(),
        is_promotional: true,
        max_price: Some("0.25".to_owned()),
        ..Text::default()
    }
}

fn sms(answers: &[(u16, &str)]) -> (SnsSms, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, (*body).to_owned())));
    (SnsSms::new(sns_client(&service.config(), None)), service)
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

/// The form that the only request was, its parts in order.
fn asked(service: &Service) -> Vec<String> {
    let [asked] = &service.asked()[..] else { panic!("one request") };
    asked.body.split('&').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_text_goes_out_with_its_kind_its_sender_and_its_price() {
    let (sms, service) = sms(&[(200, SENT)]);
    check(&sms.send(&text()).await, "sent m-1");
    let asked = asked(&service);
    for part in ["Action=Publish", "PhoneNumber=%2B4915100000000", "Message=Hi"] {
        assert!(asked.iter().any(|asked| asked == part), "{part}: {asked:?}");
    }
    for (name, kind, value) in [
        ("AWS.SNS.SMS.SMSType", "String", "Promotional"),
        ("AWS.SNS.SMS.SenderID", "String", "Shop"),
        ("AWS.SNS.SMS.MaxPrice", "Number", "0.25"),
    ] {
        let entry = asked.iter().find_map(|asked| asked.strip_suffix(&format!(".Name={name}"))).unwrap();
        assert!(asked.contains(&format!("{entry}.Value.DataType={kind}")), "{asked:?}");
        assert!(asked.contains(&format!("{entry}.Value.StringValue={value}")), "{asked:?}");
    }
}

#[test]
fn a_number_is_not_the_name_of_a_sender() {
    for (origination, expected) in [
        ("+4915100000000", "AWS.MM.SMS.OriginationNumber"),
        ("12345", "AWS.MM.SMS.OriginationNumber"),
        ("Shop24", "AWS.SNS.SMS.SenderID"),
    ] {
        assert_eq!(means(origination), expected, "{origination}");
    }
}

#[tokio::test]
async fn every_refusal_has_its_meaning() {
    for (status, code, expected) in [
        (400, "Throttling", "throttled"),
        (429, "ThrottledException", "throttled"),
        (400, "InvalidParameter", "refused InvalidParameter"),
        (400, "ParameterValueInvalid", "refused InvalidParameter"),
        (400, "ValidationException", "refused ValidationException"),
        (400, "OptedOut", "refused OptedOut"),
        (403, "AuthorizationError", "not sent"),
        (403, "InvalidSecurity", "not sent"),
        (408, "RequestTimeout", "unknown"),
        (500, "InternalError", "unknown"),
        (503, "Throttling", "unknown"),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>+4915100000000</Message></Error></ErrorResponse>"
        );
        let (sms, service) = sms(&[(status, &body), (200, SENT)]);
        let sent = sms.send(&text()).await;
        check(&sent, expected);
        assert_eq!(service.asked().len(), 1, "{body}");
        assert!(!format!("{sent:?}").contains("4915"), "{sent:?}");
    }
}

#[tokio::test]
async fn a_text_leaves_once_whatever_becomes_of_it() {
    for act in
        [Act::Answer(503, String::new()), Act::Answer(200, String::new()), Act::HangUp, Act::Half, Act::Hang]
    {
        let within = if act == Act::Hang { SOON } else { PATIENT };
        let wire = Wire::new([act.clone(), Act::Answer(200, SENT.to_owned())]).unwrap();
        check(&SnsSms::new(sns_within(&wire.config(), None, within)).send(&text()).await, "unknown");
        assert_eq!(wire.requests(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn what_never_left_was_not_sent() {
    let nobody = wire::nobody().unwrap();
    for config in [wire::without_credentials(&nobody), nobody] {
        check(&SnsSms::new(sns_within(&config, None, SOON)).send(&text()).await, "not sent");
    }
}

#[tokio::test]
async fn the_environment_names_the_endpoint() {
    let service = Service::new(|_| (200, SENT.to_owned()));
    let config = service.config_with_endpoint("SNS", "https://topics.example");
    check(&SnsSms::new(sns_client(&config, None)).send(&text()).await, "sent m-1");
    assert_eq!(service.asked()[0].uri, "https://topics.example/");
}
