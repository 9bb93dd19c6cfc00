//! The traits of a group (a company, a family): one item a group.

use super::packed::{self, Corrupt};
use super::stamp::Stamp;
use super::stored::ItemKey;
use super::traits::Traits;
use super::{fold, traits};
use crate::event::{Event, EventKind};
use crate::key::EventName;

/// A group's traits, by the same rules as a person's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    pub traits: Traits,
}

/// The group's item in its own collection.
pub fn item_key() -> ItemKey {
    ItemKey("group".to_owned())
}

/// The group that an event describes, if it says anything about it.
pub fn described(event: &Event) -> Option<String> {
    if event.kind != EventKind::Group {
        return None;
    }
    let payload: serde_json::Map<_, _> = serde_json::from_str(&event.payload).ok()?;
    let says =
        payload.get("traits").and_then(serde_json::Value::as_object).is_some_and(|map| !map.is_empty());
    fold::group_id(&payload).filter(|_| says)
}

impl Group {
    /// Takes in a `group` event's traits; repeating it changes nothing.
    pub fn observe(&mut self, event: &Event, name: EventName) -> Vec<traits::Overflow> {
        let payload: serde_json::Map<_, _> = serde_json::from_str(&event.payload).unwrap_or_default();
        let Some(serde_json::Value::Object(traits)) = payload.get("traits") else { return Vec::new() };
        self.traits.observe(traits, Stamp { at: event.event_time, event: name }, &event.source)
    }

    pub fn encode(&self) -> Vec<u8> {
        packed::encode_traits(&self.traits)
    }

    pub fn decode(body: &[u8]) -> Result<Self, Corrupt> {
        packed::decode_traits(body).map(|traits| Self { traits })
    }
}
