//! How one event changes a profile.

use serde_json::{Map, Value};

use super::counters::{Money, spread};
use super::stamp::Stamp;
use super::traits::Overflow;
use super::{Campaign, GROUPS_MAX, Profile, TIE_MARKS_MAX};
use crate::event::{Event, EventKind};
use crate::key::EventName;
use crate::segment::compiled::Compiled;
use crate::segment::settle::Changed;

impl Profile {
    /// Takes one event in; says which traits did not fit.
    ///
    /// The caller has asked the ledger: an event is folded once.
    pub fn fold(&mut self, event: &Event, name: EventName) -> Vec<Overflow> {
        self.fold_under(&Compiled::default(), event, name, &mut Changed::default())
    }

    /// Takes one event in, and into the features of segments; notes what that
    /// changed.
    pub fn fold_under(
        &mut self,
        compiled: &Compiled,
        event: &Event,
        name: EventName,
        changed: &mut Changed,
    ) -> Vec<Overflow> {
        let stamp = Stamp { at: event.event_time, event: name };
        // Ingest let only JSON objects through; what is none says nothing.
        let payload: Map<String, Value> = serde_json::from_str(&event.payload).unwrap_or_default();
        self.observe(compiled, event, &payload, stamp, changed);
        self.sources.insert(event.source.to_string());
        self.counters.event(event.kind, event.event_time);
        for blocked in &event.blocked {
            self.counters.blocked(blocked.kind(), event.event_time);
        }
        match event.kind {
            EventKind::Identify => self.traits.observe(traits(&payload), stamp, &event.source),
            EventKind::Track => {
                self.track(&payload, stamp);
                Vec::new()
            }
            EventKind::Page | EventKind::Screen => {
                self.visit(&payload, stamp);
                Vec::new()
            }
            EventKind::Group => {
                if let Some(group) = group_id(&payload) {
                    self.join(group);
                }
                Vec::new()
            }
            EventKind::Alias => Vec::new(), // Its tie is all that it says.
        }
    }

    /// The union of two folds: what a merge makes of two profiles.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        for (identifier, held) in other.identifiers {
            self.identifiers.entry(identifier).or_insert(held);
        }
        self.traits.absorb(other.traits);
        for group in other.groups {
            self.join(group);
        }
        self.counters.absorb(other.counters);
        self.campaigns.first = earlier(self.campaigns.first, other.campaigns.first);
        self.campaigns.last = later(self.campaigns.last, other.campaigns.last);
        self.sources.extend(other.sources);
        self.seed = self.seed.into_iter().chain(other.seed).min();
        for mark in other.ties {
            self.mark_tie(mark);
        }
        self.ledger.absorb(other.ledger);
        for tie in other.outbox.ties() {
            self.outbox.push(tie.clone());
        }
        self.family.absorbed.extend(other.family.absorbed);
        self.family.apart.extend(other.family.apart);
        self.segments.absorb(other.segments);
        for change in other.outbox.changes() {
            self.outbox.change(change.clone());
        }
        self
    }

    /// Remembers that a tie was recorded; `false` if it had been before.
    pub fn mark_tie(&mut self, mark: u64) -> bool {
        let new = self.ties.insert(mark);
        while self.ties.len() > TIE_MARKS_MAX {
            self.ties.pop_last();
        }
        new
    }

    fn track(&mut self, payload: &Map<String, Value>, stamp: Stamp) {
        if let Some(Value::String(name)) = payload.get("event") {
            self.counters.name(name, stamp.at);
        }
        let properties = payload.get("properties").and_then(Value::as_object);
        let revenue = properties.and_then(|properties| properties.get("revenue")).and_then(amount);
        if let Some(billionths) = revenue {
            let currency = properties.and_then(|properties| properties.get("currency"));
            self.counters.revenue(&code(currency), billionths);
        }
    }

    fn visit(&mut self, payload: &Map<String, Value>, stamp: Stamp) {
        let context = payload.get("context").and_then(Value::as_object);
        let campaign = context.and_then(|context| context.get("campaign")).and_then(Value::as_object);
        let texts = campaign.into_iter().flatten().filter_map(|(name, value)| match value {
            Value::String(text) if !text.is_empty() => Some((name.clone(), text.clone())),
            _ => None,
        });
        let campaign: Campaign = texts.collect();
        if !campaign.is_empty() {
            let touch = Some((stamp, campaign));
            self.campaigns.first = earlier(self.campaigns.first.take(), touch.clone());
            self.campaigns.last = later(self.campaigns.last.take(), touch);
        }
    }

    fn join(&mut self, group: String) {
        self.groups.insert(group);
        while self.groups.len() > GROUPS_MAX {
            let Some(last) = self.groups.iter().max_by_key(|group| spread(group)).cloned() else { return };
            self.groups.remove(&last);
        }
    }
}

/// The traits of an `identify`: at the root, else in the context, where
/// Rudder's SDKs put them.
pub fn traits(payload: &Map<String, Value>) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let object = |value: Option<&Value>| value.and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let context = payload.get("context").and_then(Value::as_object);
    let root = payload.get("traits");
    let chosen = if object(root) { root } else { context.and_then(|context| context.get("traits")) };
    chosen.and_then(Value::as_object).unwrap_or(&NONE)
}

/// The `groupId`, which some SDKs send as a number.
pub fn group_id(payload: &Map<String, Value>) -> Option<String> {
    match payload.get("groupId")? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => Money::parse(&number.to_string()),
        Value::String(text) => Money::parse(text),
        _ => None,
    }
}

/// A currency as ISO 4217 writes it. Segment's spec assumes dollars where none
/// is said; what is no code at all is `XXX`, the standard's "no currency".
fn code(currency: Option<&Value>) -> String {
    match currency {
        None | Some(Value::Null) => "USD".to_owned(),
        Some(Value::String(code))
            if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) =>
        {
            code.to_ascii_uppercase()
        }
        Some(_) => "XXX".to_owned(),
    }
}

type Touch = Option<(Stamp, Campaign)>;

fn earlier(a: Touch, b: Touch) -> Touch {
    a.into_iter().chain(b).min_by_key(|(stamp, _)| *stamp)
}

fn later(a: Touch, b: Touch) -> Touch {
    a.into_iter().chain(b).max_by_key(|(stamp, _)| *stamp)
}
