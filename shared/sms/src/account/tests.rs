use aws::service::Service;
use serde_json::{Value, json};

use super::*;

fn account(answers: &[(u16, Value)]) -> (SmsAccount, Service) {
    let service = Service::replay(answers.iter().map(|(status, body)| (*status, body.to_string())));
    (SmsAccount::new(crate::client(&service.config(), None)), service)
}

fn phone(number: &str, two_way: bool) -> Value {
    json!({
        "PhoneNumberArn": "arn:1", "PhoneNumberId": "phone-1", "PhoneNumber": number, "Status": "ACTIVE",
        "IsoCountryCode": "DE", "MessageType": "TRANSACTIONAL", "NumberCapabilities": ["SMS"],
        "NumberType": "LONG_CODE", "MonthlyLeasingPrice": "1.00", "TwoWayEnabled": two_way,
        "TwoWayChannelArn": "arn:topic", "SelfManagedOptOutsEnabled": true, "OptOutListName": "Default",
        "InternationalSendingEnabled": false, "DeletionProtectionEnabled": false, "PoolId": "pool-1",
        "RegistrationId": "registration-1", "CreatedTimestamp": 1.0,
    })
}

#[tokio::test]
async fn numbers_come_from_all_pages() {
    let first = json!({ "PhoneNumbers": [phone("+491", true)], "NextToken": "more" });
    let (account, service) =
        account(&[(200, first), (200, json!({ "PhoneNumbers": [phone("+492", false)] }))]);
    let [first, second] = account.numbers().await.unwrap().try_into().unwrap();
    assert_eq!((first.number.as_str(), second.number.as_str()), ("+491", "+492"));
    assert_eq!((first.two_way.as_deref(), second.two_way), (Some("arn:topic"), None));
    assert_eq!((first.status.as_str(), first.country.as_str()), ("ACTIVE", "DE"));
    assert_eq!((first.is_self_managed, first.opt_out_list.as_str()), (true, "Default"));
    let asked: Vec<_> = service.asked().into_iter().map(|asked| asked.target).collect();
    assert!(
        asked.len() == 2 && asked.iter().all(|target| target.ends_with(".DescribePhoneNumbers")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn senders_registrations_and_limits_are_told_as_they_are() {
    let (account, _) = account(&[
        (
            200,
            json!({ "SenderIds": [{
                "SenderIdArn": "arn:2", "SenderId": "SHOP", "IsoCountryCode": "GB",
                "MessageTypes": ["PROMOTIONAL"], "MonthlyLeasingPrice": "0", "Registered": true,
            }]}),
        ),
        (
            200,
            json!({ "Registrations": [{
                "RegistrationArn": "arn:3", "RegistrationId": "r-1", "RegistrationType": "US_TEN_DLC",
                "RegistrationStatus": "REQUIRES_UPDATES", "CurrentVersionNumber": 1, "CreatedTimestamp": 1.0,
            }]}),
        ),
        (
            200,
            json!({ "SpendLimits": [{
                "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 50, "Overridden": true,
            }]}),
        ),
    ]);
    let message_types = vec!["PROMOTIONAL".to_owned()];
    let sender =
        Sender { id: "SHOP".to_owned(), country: "GB".to_owned(), message_types, is_registered: true };
    assert_eq!(account.senders().await.unwrap(), [sender]);
    let [registration] = account.registrations().await.unwrap().try_into().unwrap();
    assert_eq!((registration.id.as_str(), registration.status.as_str()), ("r-1", "REQUIRES_UPDATES"));
    let spend = Spend { name: "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT".to_owned(), enforced: 1, most: 50 };
    assert_eq!(account.spend().await.unwrap(), [spend]);
}

#[tokio::test]
async fn only_an_account_that_is_said_to_be_is_out_of_the_sandbox() {
    let tier =
        |tier: &str| (200, json!({ "AccountAttributes": [{ "Name": "ACCOUNT_TIER", "Value": tier }] }));
    let (account, _) = account(&[tier("PRODUCTION"), tier("SANDBOX"), (200, json!({}))]);
    for expected in [true, false, false] {
        assert_eq!(account.is_production().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_configuration_set_says_where_it_publishes_to() {
    let found = json!({ "ConfigurationSets": [{
        "ConfigurationSetArn": "arn:4", "ConfigurationSetName": "tributary", "CreatedTimestamp": 1.0,
        "EventDestinations": [{
            "EventDestinationName": "receipts", "Enabled": true, "MatchingEventTypes": ["TEXT_ALL"],
            "SnsDestination": { "TopicArn": "arn:topic" },
        }],
    }]});
    let missing = json!({ "__type": "ResourceNotFoundException" });
    let (account, _) = account(&[(200, found), (400, missing)]);
    let [publishing] = account.publishing("tributary").await.unwrap().unwrap().try_into().unwrap();
    assert_eq!((publishing.is_enabled, publishing.topic.as_deref()), (true, Some("arn:topic")));
    assert_eq!(publishing.events, ["TEXT_ALL"]);
    assert_eq!(account.publishing("absent").await.unwrap(), None);
}

#[tokio::test]
async fn a_right_that_is_missing_is_an_error_and_not_an_empty_list() {
    let (account, _) = account(&[(400, json!({ "__type": "AccessDeniedException" }))]);
    assert!(account.numbers().await.is_err());
}
