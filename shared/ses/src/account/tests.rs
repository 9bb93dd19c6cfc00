use aws::service::Service;
use serde_json::{Value, json};

use super::*;

fn account(answers: &[(u16, Value)]) -> (SesAccount, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, body.to_string())));
    (SesAccount::new(crate::client(&service.config(), None)), service)
}

async fn check_quota(max: f64, rate: f64, expected: (Option<u64>, u64)) {
    let answer = json!({
        "SendQuota": { "Max24HourSend": max, "MaxSendRate": rate, "SentLast24Hours": 7.0 },
        "ProductionAccessEnabled": true, "SendingEnabled": false,
    });
    let (account, _) = account(&[(200, answer)]);
    let quota = account.quota().await.unwrap();
    assert_eq!((quota.max_24_hours, quota.max_send_rate_milli), expected);
    assert_eq!((quota.sent_24_hours, quota.is_production, quota.is_enabled), (7, true, false));
}

#[tokio::test]
async fn a_quota_is_exact_in_thousandths() {
    check_quota(50_000.0, 14.0, (Some(50_000), 14_000)).await;
    check_quota(200.0, 0.1, (Some(200), 100)).await;
    check_quota(-1.0, 1e30, (None, u64::MAX)).await;
}

#[tokio::test]
async fn an_answer_without_a_quota_is_an_error() {
    let (account, _) = account(&[(200, json!({})), (403, json!({ "__type": "AccessDeniedException" }))]);
    assert!(account.quota().await.is_err());
    assert!(account.quota().await.is_err());
}

#[tokio::test]
async fn an_identity_says_whether_its_letters_are_believed() {
    let answer = json!({
        "VerifiedForSendingStatus": true,
        "DkimAttributes": { "SigningEnabled": true, "Status": "SUCCESS", "Tokens": ["a", "b"] },
        "MailFromAttributes": {
            "MailFromDomain": "bounce.example.com", "MailFromDomainStatus": "PENDING",
            "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
        },
        "ConfigurationSetName": "tributary",
    });
    let (account, service) = account(&[(200, answer), (404, json!({ "__type": "NotFoundException" }))]);
    let identity = account.identity("example.com").await.unwrap().unwrap();
    let mail_from = MailFrom { domain: "bounce.example.com".to_owned(), status: "PENDING".to_owned() };
    assert_eq!(identity.mail_from, Some(mail_from));
    assert_eq!((identity.is_verified, identity.is_signing, identity.dkim.as_str()), (true, true, "SUCCESS"));
    assert_eq!((identity.dkim_tokens.len(), identity.configuration_set.as_deref()), (2, Some("tributary")));
    assert_eq!(account.identity("example.org").await.unwrap(), None);
    assert!(service.asked()[0].uri.ends_with("/v2/email/identities/example.com"));
}

#[tokio::test]
async fn an_identity_without_a_domain_of_its_own_bounces_to_ses() {
    let answer = json!({ "MailFromAttributes": { "BehaviorOnMxFailure": "USE_DEFAULT_VALUE" } });
    let (account, _) = account(&[(200, answer)]);
    let identity = account.identity("example.com").await.unwrap().unwrap();
    assert_eq!((identity.is_verified, identity.mail_from), (false, None));
}

#[tokio::test]
async fn a_configuration_set_says_where_it_publishes_to() {
    let answer = json!({ "EventDestinations": [
        { "Name": "receipts", "Enabled": true, "MatchingEventTypes": ["BOUNCE", "DELIVERY"],
          "SnsDestination": { "TopicArn": "arn:topic" } },
        { "Name": "bus", "Enabled": false, "MatchingEventTypes": ["SEND"],
          "EventBridgeDestination": { "EventBusArn": "arn:bus" } },
        { "Name": "numbers", "MatchingEventTypes": ["SEND"],
          "CloudWatchDestination": { "DimensionConfigurations": [] } },
    ]});
    let missing = json!({ "__type": "NotFoundException" });
    let (account, service) = account(&[(200, answer), (200, json!({})), (404, missing)]);
    let found = account.destinations("tributary").await.unwrap().unwrap();
    let targets: Vec<_> = found.iter().map(|found| found.target.clone()).collect();
    let expected =
        [Target::Sns("arn:topic".to_owned()), Target::EventBridge("arn:bus".to_owned()), Target::Other];
    assert_eq!(targets, expected);
    assert_eq!((found[0].name.as_str(), found[0].is_enabled), ("receipts", true));
    assert_eq!(found[0].events, ["BOUNCE", "DELIVERY"]);
    assert_eq!(account.destinations("silent").await.unwrap(), Some(Vec::new()));
    assert_eq!(account.destinations("absent").await.unwrap(), None);
    assert!(service.asked()[0].uri.ends_with("/configuration-sets/tributary/event-destinations"));
}

#[tokio::test]
async fn the_environment_names_the_endpoint() {
    let service = Service::replay([]);
    let config = service.config_with_endpoint("SESv2", "https://mail.example");
    assert!(SesAccount::new(crate::client(&config, None)).quota().await.is_err());
    assert_eq!(service.asked()[0].uri, "https://mail.example/v2/email/account");
}
