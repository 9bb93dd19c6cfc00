//! A dead letter, as an operator sees it.

use std::collections::BTreeMap;
use std::fmt;

use domain::identity_request::IdentityRequest;
use domain::message::Message;
use domain::time::Timestamp;
use ports::queue::{Fifo, Outgoing};
use runtime::sqs::letter;
use serde_json::{Map, Value, json};

/// Letters whose reason no stage wrote: the function was killed, by its time
/// limit or its memory, or was never called.
const KILLED: &str = "killed";
/// Different reasons that a list has room for.
const REASONS_MAX: usize = 50;

#[derive(Clone)]
pub(crate) struct Letter {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) attributes: Vec<(String, String)>,
    /// How often it was received where it lies now.
    pub(super) receives: u32,
    pub(super) sent: Timestamp,
    /// Its group, if it lies in a FIFO queue.
    pub(super) group: Option<String>,
}

/// A body is personal data and is not shown.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Letter {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Why it ended, if a stage wrote it.
    pub(super) fn reason(&self) -> Option<&str> {
        self.attribute(letter::REASON)
    }

    fn fate(&self) -> &str {
        self.attribute(letter::FATE).unwrap_or(KILLED)
    }

    /// The id that the record had in its queue. What the queue itself moved kept its own.
    pub(super) fn record_id(&self) -> &str {
        self.attribute(letter::MESSAGE_ID).unwrap_or(&self.id)
    }

    /// The body was too large for a letter, or empty: there is nothing to send back.
    pub(super) fn is_without_body(&self) -> bool {
        letter::is_pointer(&self.body)
    }

    /// The record as it was. In a FIFO queue it goes back to its own group; a
    /// stage's letter tells it, what the queue itself moved lies in it still.
    /// It is known by the letter's id: by its own the queue might drop it.
    pub(super) fn record(&self) -> Outgoing {
        let fifo = self.group.as_ref().map(|group| Fifo {
            group: self.attribute(letter::GROUP).unwrap_or(group).to_owned(),
            deduplication: self.id.clone(),
        });
        Outgoing { body: self.body.clone(), attributes: letter::unwrap(self.attributes.clone()), fifo }
    }

    /// What the body holds, without whom it is about.
    fn inside(&self) -> Map<String, Value> {
        let unreadable = match Message::unpack(&self.body) {
            Ok(message) => return of_events(&message),
            Err(unreadable) => unreadable,
        };
        match IdentityRequest::unpack(&self.body) {
            Ok(IdentityRequest { workspace, work }) => {
                members([("workspace", json!(workspace)), ("request", json!(work.name()))])
            }
            Err(_) => members([("unreadable", json!(unreadable.to_string()))]),
        }
    }

    /// What is known of the letter; its body only if it was asked for.
    pub(super) fn shape(&self, queue: &str, with_body: bool) -> Value {
        let receives = self.attribute(letter::RECEIVES).and_then(|count| count.parse().ok());
        let mut shape = json!({
            "id": self.id,
            "queue": queue,
            "at": self.sent.rfc3339(),
            "fate": self.fate(),
            "reason": self.reason(),
            "receives": receives.unwrap_or(self.receives),
            "trace": self.attribute(letter::TRACE),
            "message_id": self.record_id(),
            "bytes": self.body.len(),
        });
        let Some(fields) = shape.as_object_mut() else { return shape };
        fields.extend(self.inside());
        if with_body {
            fields.insert("body".to_owned(), json!(self.body));
        }
        shape
    }
}

/// What a profile message holds.
fn of_events(message: &Message) -> Map<String, Value> {
    let mut sources: Vec<&str> = message.events.iter().map(|event| event.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let (workspace, events) = (&message.workspace, message.events.len());
    members([("workspace", json!(workspace)), ("sources", json!(sources)), ("events", json!(events))])
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Letters by how and why they ended, the most frequent first.
pub(super) fn grouped(letters: &[Letter]) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, Option<&str>), (u64, Timestamp)> = BTreeMap::new();
    for letter in letters {
        let group = groups.entry((letter.fate(), letter.reason())).or_insert((0, letter.sent));
        *group = (group.0 + 1, group.1.min(letter.sent));
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let rest: u64 = groups.iter().skip(REASONS_MAX).map(|(_, (count, _))| count).sum();
    let shown = groups.into_iter().take(REASONS_MAX).map(|((fate, reason), (count, oldest))| {
        json!({ "fate": fate, "reason": reason, "count": count, "oldest": oldest.rfc3339() })
    });
    let rest = (rest > 0).then(|| json!({ "fate": "other", "reason": "other reasons", "count": rest }));
    shown.chain(rest).collect()
}
