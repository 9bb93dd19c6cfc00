//! The tills: they know a customer by the loyalty card, or not at all.

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::catalogue::Basket;
use crate::chance::Chance;
use crate::made::{Made, set};
use crate::person::Person;

/// The shops; each uploads what its till sold when it closes.
pub(crate) const STORES: [&str; 3] = ["Novi Sad", "Berlin Mitte", "Алматы"];

/// A sale to someone who shows a card.
pub(crate) fn sale(person: &Person, card: &str, store: &str, at: Timestamp, chance: &mut Chance) -> Made {
    let basket = Basket::fill(chance);
    let id = json!({ "id": card, "type": "loyalty_card", "collection": "users", "encoding": "none" });
    let event = event(&basket, person.currency, store, &json!([id]), at, chance);
    let mut made = Made::new(&event, EventKind::Track, at, person.number);
    made.names_them = true;
    made.revenue = Some((person.currency, basket.revenue_cents()));
    made
}

/// A sale to someone who shows none: there is nobody to whom it could belong.
pub(crate) fn walk_in(store: &str, at: Timestamp, chance: &mut Chance) -> Made {
    let basket = Basket::fill(chance);
    let event = event(&basket, "EUR", store, &json!([]), at, chance);
    Made::refused(&event, Reason::NoIdentifier, at)
}

fn event(
    basket: &Basket,
    currency: &str,
    store: &str,
    cards: &Value,
    at: Timestamp,
    chance: &mut Chance,
) -> Value {
    let order_id = format!("P-{}", chance.uuid());
    let mut properties = basket.order(&order_id, currency);
    set(&mut properties, "store", store);
    set(&mut properties, "payment_method", chance.pick(&["card", "cash", "phone"]));
    json!({
        "type": "track",
        "event": "Order Completed",
        "messageId": order_id,
        "timestamp": at.rfc3339(),
        "properties": properties,
        "context": { "library": { "name": "analytics-python", "version": "2.4.0" }, "externalIds": cards },
    })
}
