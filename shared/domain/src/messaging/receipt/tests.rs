use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

const RECEIVED: Timestamp = Timestamp::from_millis(1);

/// What each file under `events/messaging` says.
const LETTERS: [(&str, Option<What>); 29] = [
    ("bounce-of-an-identity.sns", Some(What::Bounced { permanent: true })),
    ("bounce-permanent.eventbridge", Some(What::Bounced { permanent: true })),
    ("bounce-permanent.sns", Some(What::Bounced { permanent: true })),
    ("bounce-transient.sns", Some(What::Bounced { permanent: false })),
    ("bounce-undetermined.sns", Some(What::Bounced { permanent: false })),
    ("click.eventbridge", None),
    ("click.sns", None),
    ("complaint-not-spam.sns", None),
    ("complaint.eventbridge", Some(What::Complained)),
    ("complaint.sns", Some(What::Complained)),
    ("delivery-delay.eventbridge", Some(What::Delayed)),
    ("delivery-delay.sns", Some(What::Delayed)),
    ("delivery-without-our-tags.sns", Some(What::Delivered)),
    ("delivery.eventbridge", Some(What::Delivered)),
    ("delivery.raw", Some(What::Delivered)),
    ("delivery.sns", Some(What::Delivered)),
    ("open.eventbridge", None),
    ("open.sns", None),
    ("reject.eventbridge", Some(What::Rejected)),
    ("reject.sns", Some(What::Rejected)),
    ("rendering-failure.eventbridge", Some(What::Rejected)),
    ("rendering-failure.sns", Some(What::Rejected)),
    ("send.eventbridge", Some(What::Accepted)),
    ("send.sns", Some(What::Accepted)),
    ("sending-disabled.eventbridge", None),
    ("subscription-confirmation.sns", None),
    ("subscription.eventbridge", None),
    ("subscription.sns", None),
    ("topic-validated.sns", None),
];
const TEXTS: [(&str, Option<What>); 22] = [
    ("blocked.sns", Some(What::Bounced { permanent: false })),
    ("carrier-blocked.sns", Some(What::Rejected)),
    ("carrier-unreachable-so-far.sns", Some(What::Delayed)),
    ("carrier-unreachable.sns", Some(What::Bounced { permanent: false })),
    ("delivered-without-context.sns", Some(What::Delivered)),
    ("delivered.eventbridge", Some(What::Delivered)),
    ("delivered.raw", Some(What::Delivered)),
    ("delivered.sns", Some(What::Delivered)),
    ("invalid-message.sns", Some(What::Rejected)),
    ("invalid.sns", Some(What::Bounced { permanent: true })),
    ("pending.sns", Some(What::Accepted)),
    ("protect-blocked.sns", Some(What::Rejected)),
    ("queued.sns", Some(What::Accepted)),
    ("registration-status.eventbridge", None),
    ("sent.sns", Some(What::Accepted)),
    ("spam.sns", Some(What::Rejected)),
    ("successful-so-far.sns", Some(What::Accepted)),
    ("successful.sns", Some(What::Delivered)),
    ("ttl-expired.sns", Some(What::Bounced { permanent: false })),
    ("unknown.sns", Some(What::Bounced { permanent: false })),
    ("unreachable.sns", Some(What::Bounced { permanent: false })),
    ("voice-completed.sns", None),
];
const INCOMING: [&str; 3] = ["incoming-unasked.sns", "incoming.raw", "incoming.sns"];
/// Sent by somebody else, or told of in a way that has no tags.
const NOT_OURS: [&str; 3] =
    ["bounce-of-an-identity.sns", "delivery-without-our-tags.sns", "delivered-without-context.sns"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events/messaging").join(name)
}

fn body(of: &str, name: &str) -> String {
    std::fs::read_to_string(folder(of).join(format!("{name}.json"))).unwrap()
}

/// The names of all files of a folder.
fn files(of: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(of)).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| name(entry.unwrap().path())).collect()
}

fn ids() -> Ids {
    Ids {
        workspace: WorkspaceId::parse("shop").ok(),
        occasion: Some("welcome_2026-08".to_owned()),
        delivery: DeliveryId::parse("0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        address: ProfileId::parse("00112233445566778899aabbccddeeff"),
    }
}

/// No address of the examples, nor the names and words in them.
fn is_private(shown: &str) -> bool {
    !["example.com", "+1425", "+1212", "STOP", "Sender"].iter().any(|personal| shown.contains(personal))
}

fn check(of: &str, name: &str, expected: Option<What>) {
    let told = read(&body(of, name), RECEIVED).unwrap_or_else(|error| panic!("{of}/{name}: {error}"));
    assert!(is_private(&format!("{told:?}")), "{told:?}");
    let Some(what) = expected else { return assert_eq!(told, Told::Ignored, "{name}") };
    let Told::Receipt(receipt) = told else { panic!("{name}: {told:?}") };
    assert_eq!(receipt.what, what, "{name}");
    assert!(receipt.at > RECEIVED, "{name} tells its own time");
    let provider_id = if of == "ses-events" { "EXAMPLE7c191be45-" } else { "862a8790-" };
    assert!(receipt.provider_id.starts_with(provider_id), "{name}: {receipt:?}");
    let expected = if NOT_OURS.contains(&name) { Ids::default() } else { ids() };
    assert_eq!(receipt.ids, expected, "{name}");
}

#[test]
fn every_letters_event_reaches_its_handler() {
    let known: BTreeSet<_> = LETTERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files("ses-events"), known);
    for (name, expected) in LETTERS {
        check("ses-events", name, expected);
    }
}

#[test]
fn every_texts_event_reaches_its_handler() {
    let receipts = TEXTS.iter().map(|(name, _)| *name);
    let known: BTreeSet<_> = receipts.chain(INCOMING).map(str::to_owned).collect();
    assert_eq!(files("sms-events"), known);
    for (name, expected) in TEXTS {
        check("sms-events", name, expected);
    }
}

#[test]
fn a_text_that_comes_in_is_read_with_its_time_where_there_is_one() {
    for name in INCOMING {
        let told = read(&body("sms-events", name), RECEIVED).unwrap();
        assert!(is_private(&format!("{told:?}")), "{told:?}");
        let Told::Incoming(incoming) = told else { panic!("{name}: {told:?}") };
        assert_eq!((incoming.from.as_str(), incoming.to.as_str()), ("+14255550182", "+12125550101"));
        assert_eq!(incoming.id, "cae173d2-66b9-564c-8309-21f858e9fb84");
        let is_asked = name != "incoming-unasked.sns";
        assert_eq!(incoming.text, if is_asked { "EXAMPLE" } else { "STOP" });
        assert_eq!(incoming.answers.is_some(), is_asked, "{name}");
        let is_bare = name == "incoming.raw";
        let published = Timestamp::parse("2023-06-17T04:12:00.250Z").unwrap();
        assert_eq!(incoming.at, if is_bare { RECEIVED } else { published }, "{name}");
    }
}

#[test]
fn each_event_has_the_time_at_which_it_happened() {
    let at = |of: &str, name: &str| match read(&body(of, name), RECEIVED) {
        Ok(Told::Receipt(receipt)) => receipt.at.rfc3339(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(at("ses-events", "bounce-permanent.sns"), "2017-08-05T00:41:02.669Z");
    assert_eq!(at("ses-events", "complaint.eventbridge"), "2017-08-05T00:41:02.669Z");
    assert_eq!(at("ses-events", "delivery.sns"), "2016-10-19T23:21:04.133Z");
    assert_eq!(at("ses-events", "delivery-delay.sns"), "2020-06-16T00:25:40.095Z");
    assert_eq!(at("ses-events", "send.sns"), "2016-10-14T05:02:16.645Z");
    assert_eq!(at("sms-events", "delivered.sns"), "2023-06-17T04:11:43.470Z");
}

#[test]
fn ids_come_back_as_they_went() {
    let tags = ids().tags();
    let find = |name: &str| tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(Ids::read("mail.tags", find).unwrap(), ids());
    assert_eq!(tags.len(), 4);
    assert_eq!(Ids::default().tags(), []);
}

/// A delivery with one thing changed.
fn changed(pointer: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(&body("ses-events", "delivery.raw")).unwrap();
    *event.pointer_mut(pointer).unwrap() = value;
    event.to_string()
}

#[test]
fn an_error_names_the_place_and_nothing_else() {
    let check = |body: &str, expected: &str| {
        let error = read(body, RECEIVED).unwrap_err();
        assert_eq!(error.to_string(), expected, "{body}");
    };
    let at = |place: &str| format!("`{place}` is missing, or is not what stands there");
    let kind = |place: &str| format!("`{place}` names a kind of event that this build does not know");
    for body in ["", "ann@example.com", "{", "{}{}", "[]", "null", "\"{}\""] {
        check(body, "the body is no JSON object");
    }
    check("{}", &at("eventType"));
    check(r#"{"Type":"Notification"}"#, &at("Message"));
    check(r#"{"Type":"Notification","Message":"ann@example.com"}"#, "the body is no JSON object");
    check(r#"{"Type":"Notification","Message":"{\"mail\":\"ann@example.com\"}"}"#, &at("Message.mail"));
    check(r#"{"Type":"Other","Message":"{}"}"#, &kind("Type"));
    check(r#"{"detail-type":"Email Sent","source":"aws.ses"}"#, &at("detail"));
    check(r#"{"detail-type":"Email Sent","source":"aws.ses","detail":{"mail":1}}"#, &at("detail.mail"));
    check(&changed("/eventType", json!("Rebound")), &kind("eventType"));
    check(&changed("/eventType", json!("Bounce")), &at("bounce"));
    check(&changed("/eventType", json!("TEXT_REBOUNDED")), &kind("eventType"));
    check(&changed("/mail", json!("ann@example.com")), &at("mail"));
    check(&changed("/mail/messageId", Value::Null), &at("mail.messageId"));
    check(&changed("/delivery/timestamp", json!("ann@example.com")), &at("delivery.timestamp"));
    check(&changed("/mail/tags/t-workspace", json!(["Ann"])), &at("mail.tags.t-workspace"));
    check(&changed("/mail/tags/t-delivery", json!(["0f"])), &at("mail.tags.t-delivery"));
    check(&changed("/mail/tags/t-occasion", json!([""])), &at("mail.tags.t-occasion"));
    check(&changed("/mail/tags/t-address", json!(["ann@example.com"])), &at("mail.tags.t-address"));
    check(r#"{"originationNumber":"+14255550182","destinationNumber":"+1"}"#, &at("messageBody"));
}

#[test]
fn a_topic_that_was_tried_out_says_so_in_plain_words() {
    let words = "Successfully validated SNS topic for Amazon SES event publishing.";
    assert_eq!(read(words, RECEIVED), Ok(Told::Ignored));
}

#[test]
fn a_bus_names_the_event_where_the_event_does_not() {
    let mut event: Value = serde_json::from_str(&body("ses-events", "delivery.eventbridge")).unwrap();
    event["detail"].as_object_mut().unwrap().remove("eventType");
    let told = read(&event.to_string(), RECEIVED).unwrap();
    assert!(matches!(told, Told::Receipt(Receipt { what: What::Delivered, .. })), "{told:?}");
}
