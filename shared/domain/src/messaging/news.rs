//! What became of messages, as events of the people who got them: segments ask
//! of opens and bounces as of everything else.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::address::Delivery;
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::time::Timestamp;
use crate::workspace::SourceId;

/// Something that a person's profile is told once a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum News {
    /// Whoever is not surely a person counts as a machine here.
    Opened {
        is_machine: bool,
    },
    Clicked {
        index: u16,
        is_machine: bool,
    },
    Bounced {
        is_permanent: bool,
    },
    Complained,
    Unsubscribed,
}

/// What an event says beside its news.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Whom it went to.
    pub address: &'a Identifier,
    pub delivery: &'a Delivery,
    pub at: Timestamp,
    /// The version of the rules under which the address names somebody.
    pub rules: u32,
    pub received: Timestamp,
}

impl News {
    /// The name of the event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened { .. } => "Message Opened",
            Self::Clicked { .. } => "Message Clicked",
            Self::Bounced { .. } => "Message Bounced",
            Self::Complained => "Message Complained",
            Self::Unsubscribed => "Message Unsubscribed",
        }
    }

    /// What tells it from other news of the same delivery.
    fn word(self) -> String {
        let who = |is_machine| if is_machine { "machine" } else { "person" };
        match self {
            Self::Opened { is_machine } => format!("open-{}", who(is_machine)),
            Self::Clicked { index, is_machine } => format!("click-{index}-{}", who(is_machine)),
            Self::Bounced { is_permanent: true } => "bounce".to_owned(),
            Self::Bounced { is_permanent: false } => "soft-bounce".to_owned(),
            Self::Complained => "complaint".to_owned(),
            Self::Unsubscribed => "unsubscribe".to_owned(),
        }
    }

    /// The event. Told twice it has one name, so that it counts once, whatever
    /// the time that was told.
    pub fn event(self, of: &Of<'_>) -> Event {
        let Of { address, delivery, at, rules, received } = *of;
        let message_id = format!("messaging-{}-{}", delivery.id, self.word());
        let payload = json!({
            "type": EventKind::Track.name(),
            "event": self.name(),
            "messageId": message_id,
            "timestamp": at.rfc3339(),
            "channel": "messaging",
            "properties": self.properties(delivery),
        });
        Event {
            source: SourceId::messaging(),
            message_id,
            kind: EventKind::Track,
            identifiers: vec![address.clone()],
            blocked: Vec::new(),
            rules,
            client_time: ClientTime::Absent(received),
            event_time: Event::when(Some(at), None, received),
            received_at: received,
            payload: payload.to_string(),
            as_sent: [address.kind(), "\u{1e}", address.value(), "\u{1f}"].concat(),
        }
    }

    fn properties(self, delivery: &Delivery) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut say = |name: &str, value: Value| drop(properties.insert(name.to_owned(), value));
        say("message", json!(delivery.message));
        say("variant", json!(delivery.variant));
        say("channel", json!(delivery.channel));
        match self {
            Self::Opened { is_machine } => say("machine", json!(is_machine)),
            Self::Clicked { index, is_machine } => {
                say("link", json!(index));
                say("machine", json!(is_machine));
            }
            Self::Bounced { is_permanent } => say("permanent", json!(is_permanent)),
            Self::Complained | Self::Unsubscribed => (),
        }
        properties
    }
}
