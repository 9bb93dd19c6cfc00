use domain::messaging::receipt::{Receipt as Read, Told, What, read};
use domain::time::Timestamp;

use super::super::tests::{letter, sms};
use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn receipt(content: Content) -> Receipt {
    Receipt::of(1, &Message { id: ProviderId("local-1".to_owned()), at: NOON, content })
}

fn told(content: Content) -> Read {
    match read(&receipt(content).body, Timestamp::default()) {
        Ok(Told::Receipt(read)) => read,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_address_says_what_becomes_of_a_letter() {
    let check = |to: &str, expected: What| {
        let read = told(Content::Letter(letter(to)));
        assert_eq!((read.what, read.at, read.provider_id.as_str()), (expected, NOON, "local-1"), "{to}");
        assert_eq!(read.ids.workspace.unwrap().to_string(), "shop");
        assert_eq!(read.ids.occasion.as_deref(), Some("welcome"));
    };
    check("ann@example.com", What::Delivered);
    check("bounce@simulator.amazonses.com", What::Bounced { permanent: true });
    check("Bounce+1@example.com", What::Bounced { permanent: true });
    check("complaint@simulator.amazonses.com", What::Complained);
    check("no-bounce@example.com", What::Delivered);
    check("ann@bounce.example.com", What::Delivered);
    check("ж", What::Delivered);
}

#[test]
fn a_text_arrives() {
    let read = told(Content::Text(sms("+14255550156", "Sale")));
    assert_eq!((read.what, read.at, read.provider_id.as_str()), (What::Delivered, NOON, "local-1"));
    assert_eq!(read.ids.occasion.as_deref(), Some("sale"));
    let bare = told(Content::Text(Text::default()));
    assert_eq!(bare.ids, domain::messaging::receipt::Ids::default());
}

#[test]
fn a_letter_of_nobody_has_a_receipt_too() {
    let read = told(Content::Letter(Letter::default()));
    assert_eq!((read.what, read.ids.workspace), (What::Delivered, None));
}

/// Each place in a document, without the numbers of lists.
fn places(value: &Value, at: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, &format!("{at}[]"), found)),
        _ => drop(found.insert(at.to_owned())),
    }
}

/// What stands in AWS's event and not in ours.
fn missing(published: &str, content: Content) -> Vec<String> {
    let all = |body: &str| {
        let envelope: Value = serde_json::from_str(body).unwrap();
        let event: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
        let mut found = std::collections::BTreeSet::new();
        places(&envelope, "", &mut found);
        places(&event, "event", &mut found);
        found
    };
    let (theirs, ours) = (all(published), all(&receipt(content).body));
    let ids = [".t-delivery", ".t-address"]; // The letters of these tests have only the two others.
    theirs.difference(&ours).filter(|place| !ids.iter().any(|id| place.contains(id))).cloned().collect()
}

/// Nobody signs what stays on this machine.
const UNSIGNED: [&str; 4] = [".Signature", ".SignatureVersion", ".SigningCertURL", ".UnsubscribeURL"];

#[test]
fn a_letters_receipt_has_the_shape_of_those_of_ses() {
    let check = |to: &str, published: &str| {
        let caller = ["event.mail.tags.ses:caller-identity[]", "event.mail.tags.ses:source-ip[]"];
        let expected: Vec<&str> = UNSIGNED.into_iter().chain(caller).collect();
        assert_eq!(missing(published, Content::Letter(letter(to))), expected, "{to}");
    };
    check("a@b.c", include_str!("../../../../../events/messaging/ses-events/delivery.sns.json"));
    check("bounce@b.c", include_str!("../../../../../events/messaging/ses-events/bounce-permanent.sns.json"));
    check("complaint@b.c", include_str!("../../../../../events/messaging/ses-events/complaint.sns.json"));
}

#[test]
fn a_texts_receipt_has_the_shape_of_those_of_end_user_messaging() {
    let published = include_str!("../../../../../events/messaging/sms-events/delivered.sns.json");
    let network = ["event.mcc", "event.mnc"];
    let expected: Vec<&str> = UNSIGNED.into_iter().chain(network).collect();
    assert_eq!(missing(published, Content::Text(sms("+14255550156", "Sale"))), expected);
}
