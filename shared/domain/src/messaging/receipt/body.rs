//! Envelopes, events and messages as AWS writes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ids, Incoming, Receipt, Told, Unreadable, What};
use crate::time::Timestamp;

/// What SES says to a topic, in plain words, when it becomes a destination.
const TRIED_OUT: &str = "Successfully validated SNS topic";
/// The sources on an event bus that are read.
const LETTERS: &str = "aws.ses";
const TEXTS: &str = "aws.sms-voice";
const TEXT_STATUS: &str = "Text Message Delivery Status Updated";
/// Events on an event bus by their names there, and as a topic names them.
const ON_BUS: [(&str, &str); 10] = [
    ("Email Sent", "Send"),
    ("Email Delivered", "Delivery"),
    ("Email Bounced", "Bounce"),
    ("Email Complaint Received", "Complaint"),
    ("Email Rejected", "Reject"),
    ("Email Delivery Delayed", "DeliveryDelay"),
    ("Email Rendering Failed", "Rendering Failure"),
    ("Email Opened", "Open"),
    ("Email Clicked", "Click"),
    ("Email Subscribed", "Subscription"),
];

/// How the names of events begin that nothing of ours causes: calls, pictures.
const OTHERS: [&str; 4] = ["VOICE_", "MEDIA_", "RCS_", "REGISTRATION_"];

/// A topic's envelope, an event bus's, or neither.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "Timestamp")]
    published: Option<String>,
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    time: Option<String>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

/// An event of either provider, or a text that came in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    // An identity's own notifications have the other name, and no tags.
    #[serde(alias = "notificationType")]
    event_type: Option<String>,
    mail: Option<Mail>,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Moment>,
    delivery_delay: Option<Moment>,

    event_timestamp: Option<i64>,
    is_final: Option<bool>,
    message_id: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,

    origination_number: Option<String>,
    destination_number: Option<String>,
    message_body: Option<String>,
    inbound_message_id: Option<String>,
    previous_published_message_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    timestamp: Option<String>,
    message_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Moment {
    timestamp: Option<String>,
}

pub(super) fn read(body: &str, received: Timestamp) -> Result<Told, Unreadable> {
    if body.starts_with(TRIED_OUT) {
        return Ok(Told::Ignored);
    }
    let envelope: Envelope = parsed(body, "")?;
    match envelope {
        Envelope { kind: Some(kind), message, published, .. } => match kind.as_str() {
            "Notification" => {
                let message = message.ok_or_else(|| missing("Message"))?;
                let published = moment(published.as_deref(), "Timestamp")?.unwrap_or(received);
                if message.starts_with(TRIED_OUT) {
                    return Ok(Told::Ignored);
                }
                told(parsed(&message, "Message.")?, published)
            }
            // The template subscribes; nothing is confirmed here.
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => Ok(Told::Ignored),
            _ => Err(Unreadable::Kind("Type")),
        },
        Envelope { detail_type: Some(name), source, time, detail, .. } => {
            let known = ON_BUS.iter().find(|(on_bus, _)| *on_bus == name).map(|(_, kind)| *kind);
            let is_ours = match source.as_deref() {
                Some(LETTERS) => known.is_some(),
                Some(TEXTS) => name == TEXT_STATUS,
                _ => false,
            };
            if !is_ours {
                return Ok(Told::Ignored); // Such as a registration that went on.
            }
            let detail = detail.ok_or_else(|| missing("detail"))?;
            let mut event: Event = parsed(detail.get(), "detail.")?;
            event.event_type = event.event_type.or(known.map(str::to_owned));
            told(event, moment(time.as_deref(), "time")?.unwrap_or(received))
        }
        Envelope { .. } => told(parsed(body, "")?, received),
    }
}

fn told(event: Event, published: Timestamp) -> Result<Told, Unreadable> {
    match event.event_type.as_deref() {
        Some(kind) if kind.starts_with("TEXT_") => text(kind, &event, published),
        Some(kind) if OTHERS.iter().any(|other| kind.starts_with(other)) => Ok(Told::Ignored),
        Some(kind) => letter(kind, &event, published),
        None if event.origination_number.is_some() => incoming(event, published),
        None => Err(missing("eventType")),
    }
}

/// An event of SES.
fn letter(kind: &str, event: &Event, published: Timestamp) -> Result<Told, Unreadable> {
    let mail = event.mail.as_ref().ok_or_else(|| missing("mail"))?;
    let sent = mail.timestamp.as_deref();
    let (what, at, place) = match kind {
        "Send" => (What::Accepted, sent, "mail.timestamp"),
        "Reject" | "Rendering Failure" | "RenderingFailure" => (What::Rejected, sent, "mail.timestamp"),
        "Delivery" => (What::Delivered, at(event.delivery.as_ref()), "delivery.timestamp"),
        "DeliveryDelay" => (What::Delayed, at(event.delivery_delay.as_ref()), "deliveryDelay.timestamp"),
        "Bounce" => {
            let bounce = event.bounce.as_ref().ok_or_else(|| missing("bounce"))?;
            (bounced(bounce)?, bounce.timestamp.as_deref(), "bounce.timestamp")
        }
        "Complaint" => {
            let complaint = event.complaint.as_ref().ok_or_else(|| missing("complaint"))?;
            // Somebody took it out of the spam.
            if complaint.complaint_feedback_type.as_deref() == Some("not-spam") {
                return Ok(Told::Ignored);
            }
            (What::Complained, complaint.timestamp.as_deref(), "complaint.timestamp")
        }
        "Open" | "Click" | "Subscription" => return Ok(Told::Ignored),
        _ => return Err(Unreadable::Kind("eventType")),
    };
    Ok(Told::Receipt(Receipt {
        at: moment(at, place)?.unwrap_or(published),
        what,
        ids: Ids::read("mail.tags", |name| mail.tags.get(name)?.first().map(String::as_str))?,
        provider_id: mail.message_id.clone().ok_or_else(|| missing("mail.messageId"))?,
    }))
}

fn at(of: Option<&Moment>) -> Option<&str> {
    of.and_then(|of| of.timestamp.as_deref())
}

fn bounced(bounce: &Bounce) -> Result<What, Unreadable> {
    match bounce.bounce_type.as_deref() {
        Some("Permanent") => Ok(What::Bounced { permanent: true }),
        Some("Transient" | "Undetermined") => Ok(What::Bounced { permanent: false }),
        Some(_) => Err(Unreadable::Kind("bounce.bounceType")),
        None => Err(missing("bounce.bounceType")),
    }
}

/// An event of End User Messaging.
fn text(kind: &str, event: &Event, published: Timestamp) -> Result<Told, Unreadable> {
    let is_final = event.is_final.unwrap_or(true);
    let what = match kind {
        // The carrier took it. In some countries nobody ever says more.
        "TEXT_SUCCESSFUL" if is_final => What::Delivered,
        "TEXT_QUEUED" | "TEXT_PENDING" | "TEXT_SENT" | "TEXT_SUCCESSFUL" => What::Accepted,
        "TEXT_DELIVERED" => What::Delivered,
        "TEXT_INVALID" => What::Bounced { permanent: true },
        "TEXT_UNREACHABLE" | "TEXT_CARRIER_UNREACHABLE" | "TEXT_UNKNOWN" if !is_final => What::Delayed,
        // A phone that blocks a sender exists; who wants no more says so in words.
        "TEXT_BLOCKED"
        | "TEXT_TTL_EXPIRED"
        | "TEXT_UNREACHABLE"
        | "TEXT_CARRIER_UNREACHABLE"
        | "TEXT_UNKNOWN" => What::Bounced { permanent: false },
        "TEXT_CARRIER_BLOCKED" | "TEXT_SPAM" | "TEXT_INVALID_MESSAGE" | "TEXT_PROTECT_BLOCKED" => {
            What::Rejected
        }
        _ => return Err(Unreadable::Kind("eventType")),
    };
    Ok(Told::Receipt(Receipt {
        at: event.event_timestamp.map_or(published, Timestamp::from_millis),
        what,
        ids: Ids::read("context", |name| event.context.get(name).map(String::as_str))?,
        provider_id: event.message_id.clone().ok_or_else(|| missing("messageId"))?,
    }))
}

/// A text that a person sent to a number of ours; it does not tell its time.
fn incoming(event: Event, published: Timestamp) -> Result<Told, Unreadable> {
    Ok(Told::Incoming(Incoming {
        from: event.origination_number.ok_or_else(|| missing("originationNumber"))?,
        to: event.destination_number.ok_or_else(|| missing("destinationNumber"))?,
        text: event.message_body.ok_or_else(|| missing("messageBody"))?,
        at: published,
        id: event.inbound_message_id.ok_or_else(|| missing("inboundMessageId"))?,
        answers: event.previous_published_message_id,
    }))
}

fn missing(place: &str) -> Unreadable {
    Unreadable::At(place.to_owned())
}

fn moment(text: Option<&str>, place: &str) -> Result<Option<Timestamp>, Unreadable> {
    text.map(|text| Timestamp::parse(text).ok_or_else(|| missing(place))).transpose()
}

/// Reads JSON; of what is wrong in it the place is told, and not what stands there.
fn parsed<'a, T: Deserialize<'a>>(json: &'a str, within: &str) -> Result<T, Unreadable> {
    if !json.trim_ascii_start().starts_with('{') {
        return Err(Unreadable::Json); // A list would be read by the order of the fields.
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        if error.inner().is_data() { Unreadable::At(format!("{within}{place}")) } else { Unreadable::Json }
    })?;
    reader.end().map_err(|_| Unreadable::Json)?;
    Ok(read)
}
