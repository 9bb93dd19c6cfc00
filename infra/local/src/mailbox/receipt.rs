//! What became of a message, in the words in which AWS publishes it to a topic.

use std::fmt;

use domain::messaging::sms::{Alphabet, Measure};
use ports::channel::{Letter, ProviderId, Text};
use serde_json::{Map, Value, json};

use super::{Content, Message};

const ACCOUNT: &str = "000000000000";
const TOPIC: &str = "arn:aws:sns:local:000000000000:receipts";
/// What providers' simulators know by the beginning of an address.
const BOUNCE: &str = "bounce";
const COMPLAINT: &str = "complaint";

/// What becomes of a message; its address says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// There is no such address.
    Bounced,
    /// It was called spam.
    Complained,
}

impl Outcome {
    /// As at SES's simulator, `bounce@…` and `complaint@…`; a text arrives.
    pub fn of(content: &Content) -> Self {
        let Content::Letter(Letter { to, .. }) = content else { return Self::Delivered };
        let begins = |with: &str| to.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        if begins(BOUNCE) {
            Self::Bounced
        } else if begins(COMPLAINT) {
            Self::Complained
        } else {
            Self::Delivered
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }
}

/// A receipt on its way to the queue that feedback comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(super) seq: i64,
    /// The name of the message.
    pub id: ProviderId,
    pub outcome: Outcome,
    /// The notification of a topic, as JSON.
    pub body: String,
}

/// Only what no person can be told by.
impl fmt::Debug for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, outcome, body, .. } = self;
        let mut out = out.debug_struct("Receipt");
        out.field("id", id).field("outcome", outcome).field("bytes", &body.len()).finish_non_exhaustive()
    }
}

impl Receipt {
    pub(super) fn of(seq: i64, message: &Message) -> Self {
        let outcome = Outcome::of(&message.content);
        let (subject, event) = match &message.content {
            Content::Letter(letter) => {
                (Some("Amazon SES Email Event Notification"), of_letter(message, letter, outcome))
            }
            Content::Text(text) => (None, of_text(message, text)),
        };
        let body = notification(message, subject, &event);
        Self { seq, id: message.id.clone(), outcome, body }
    }
}

/// A topic's envelope; nobody signs it here.
fn notification(message: &Message, subject: Option<&str>, event: &Value) -> String {
    let mut envelope = json!({
        "Type": "Notification",
        "MessageId": message.id.0,
        "TopicArn": TOPIC,
        "Message": event.to_string(),
        "Timestamp": message.at.rfc3339(),
    });
    if let (Some(subject), Some(envelope)) = (subject, envelope.as_object_mut()) {
        envelope.insert("Subject".to_owned(), subject.into());
    }
    envelope.to_string()
}

fn of_letter(message: &Message, letter: &Letter, outcome: Outcome) -> Value {
    let (id, at, to) = (&message.id.0, message.at.rfc3339(), &letter.to);
    let mail = mail(message, letter);
    match outcome {
        Outcome::Delivered => json!({
            "eventType": "Delivery",
            "mail": mail,
            "delivery": {
                "timestamp": at, "processingTimeMillis": 0, "recipients": [to],
                "smtpResponse": "250 2.0.0 OK", "reportingMTA": "localhost",
            },
        }),
        Outcome::Bounced => json!({
            "eventType": "Bounce",
            "bounce": {
                "bounceType": "Permanent", "bounceSubType": "General",
                "bouncedRecipients": [{
                    "emailAddress": to, "action": "failed", "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }],
                "timestamp": at, "feedbackId": format!("{id}-bounce"), "reportingMTA": "dsn; localhost",
            },
            "mail": mail,
        }),
        Outcome::Complained => json!({
            "eventType": "Complaint",
            "complaint": {
                "complainedRecipients": [{"emailAddress": to}],
                "timestamp": at, "feedbackId": format!("{id}-complaint"), "userAgent": "local",
                "complaintFeedbackType": "abuse", "arrivalDate": at,
            },
            "mail": mail,
        }),
    }
}

/// What every event of SES says of the letter that it is about.
fn mail(message: &Message, letter: &Letter) -> Value {
    let Letter { from, to, subject, .. } = letter;
    let sender = sender(letter);
    let mut headers = vec![("From", sender.as_str()), ("To", to), ("Subject", subject)];
    headers.extend(letter.reply_to.iter().map(|address| ("Reply-To", address.as_str())));
    headers.extend(letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let headers: Vec<Value> =
        headers.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "timestamp": message.at.rfc3339(),
        "source": sender,
        "sourceArn": format!("arn:aws:ses:local:{ACCOUNT}:identity/{from}"),
        "sendingAccountId": ACCOUNT,
        "messageId": message.id.0,
        "destination": [to],
        "headersTruncated": false,
        "headers": headers,
        "commonHeaders": {"from": [sender], "to": [to], "messageId": message.id.0, "subject": subject},
        "tags": tags(letter),
    })
}

/// A sender as a mail program shows it.
pub(super) fn sender(letter: &Letter) -> String {
    match letter.from_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{name} <{}>", letter.from),
        None => letter.from.clone(),
    }
}

/// A name may have several values; SES adds some of its own.
fn tags(letter: &Letter) -> Map<String, Value> {
    let domain = letter.from.rsplit_once('@').map(|(_, domain)| ("ses:from-domain", domain));
    let set = letter.configuration_set.as_deref().map(|set| ("ses:configuration-set", set));
    let own = letter.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut tags = Map::new();
    for (name, value) in set.into_iter().chain(domain).chain(own) {
        let values = tags.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(value.into());
        }
    }
    tags
}

/// End User Messaging's event of a text that arrived.
fn of_text(message: &Message, text: &Text) -> Value {
    let measure = Measure::of(&text.body);
    let context: Map<String, Value> =
        text.context.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut event = json!({
        "eventType": "TEXT_DELIVERED",
        "eventVersion": "1.0",
        "eventTimestamp": message.at.millis(),
        "isFinal": true,
        "destinationPhoneNumber": text.to,
        "isInternationalSend": false,
        "messageId": message.id.0,
        "messageRequestTimestamp": message.at.millis(),
        "messageEncoding": encoding(measure.alphabet),
        "messageType": if text.is_promotional { "PROMOTIONAL" } else { "TRANSACTIONAL" },
        "messageStatus": "DELIVERED",
        "messageStatusDescription": "Message has been accepted by phone",
        "context": context,
        "totalMessageParts": measure.segments,
        "totalMessagePrice": 0.0,
        "totalCarrierFee": 0.0,
    });
    if let (Some(from), Some(event)) = (&text.origination, event.as_object_mut()) {
        event.insert("originationPhoneNumber".to_owned(), from.clone().into());
    }
    event
}

/// An alphabet by the name that providers give it.
pub(super) const fn encoding(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "GSM",
        Alphabet::Ucs2 => "Unicode",
    }
}

#[cfg(test)]
mod tests;
