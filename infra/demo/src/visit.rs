//! A visit from one device: events one after another, with common fields.

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::catalogue::Basket;
use crate::chance::Chance;
use crate::made::Made;
use crate::person::Person;

pub(crate) struct Visit<'a> {
    pub(crate) person: &'a Person,
    pub(crate) chance: &'a mut Chance,
    pub(crate) now: Timestamp,
    /// The device's id.
    pub(crate) anonymous_id: String,
    /// Whether the device knows who uses it.
    pub(crate) known: bool,
    pub(crate) context: Value,
    /// What the SDK puts before its message ids.
    pub(crate) id_prefix: &'static str,
    pub(crate) events: Vec<Made>,
}

impl Visit<'_> {
    /// Sends an event after some seconds.
    pub(crate) fn send(&mut self, kind: EventKind, fields: Value) {
        let event = self.event(kind.name(), fields);
        self.events.push(Made::new(&event, kind, self.now, self.person.number));
    }

    pub(crate) fn track(&mut self, name: &str, properties: &Value) {
        self.send(EventKind::Track, json!({ "event": name, "properties": properties }));
    }

    /// Sends an event that has to be refused.
    pub(crate) fn send_refused(&mut self, kind: &str, fields: Value, reason: Reason) {
        let event = self.event(kind, fields);
        self.events.push(Made::refused(&event, reason, self.now));
    }

    pub(crate) fn order(&mut self, basket: &Basket) {
        let order_id = format!("W-{}-{}", self.now.millis() / 1000, self.person.number);
        self.track("Order Completed", &basket.order(&order_id, self.person.currency));
        if let Some(order) = self.events.last_mut() {
            order.revenue = Some((self.person.currency, basket.revenue_cents()));
        }
    }

    /// What someone who logs in is known by.
    pub(crate) fn log_in(&mut self) {
        self.known = true;
        let person = self.person;
        let traits = json!({
            "email": person.email,
            "firstName": person.first.written,
            "lastName": person.last.written,
            "language": person.locale,
        });
        self.send(EventKind::Identify, json!({ "traits": traits }));
    }

    fn event(&mut self, kind: &str, fields: Value) -> Value {
        self.now = self.now.plus(self.chance.between(900, 48_000));
        let user_id = if self.known { json!(self.person.user_id) } else { Value::Null };
        let mut event = json!({
            "type": kind,
            "messageId": format!("{}{}-{}", self.id_prefix, self.now.millis(), self.chance.uuid()),
            "timestamp": self.now.rfc3339(),
            "anonymousId": self.anonymous_id,
            "userId": user_id,
            "integrations": {},
            "context": self.context,
        });
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        event
    }
}
