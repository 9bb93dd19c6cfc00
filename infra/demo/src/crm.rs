//! The CRM: clerks' records, sent each night by a job in Python.

use domain::event::EventKind;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::made::{Made, NOT_A_NUMBER, set};
use crate::person::Person;

/// The record of a person, made at a moment that may be years ago.
pub(crate) fn record(person: &Person, made_at: Timestamp, chance: &mut Chance) -> Made {
    let mut traits = json!({
        "email": typed_email(person, chance),
        "firstName": person.first.written,
        "lastName": person.last.written,
        "createdAt": made_at.rfc3339(),
        "customerTier": chance.pick(&["bronze", "silver", "gold"]),
        "newsletter": chance.percent(55),
        "address": { "city": chance.pick(&["Novi Sad", "Berlin", "Алматы", "New York", "Köln"]) },
    });
    if let Some(phone) = person.phone {
        set(&mut traits, "phone", phone.typed(chance));
    }
    if chance.percent(2) {
        set(&mut traits, "satisfaction", NOT_A_NUMBER);
    }
    identify(person, &traits, made_at, chance)
}

/// A change by a clerk: a field corrected, another emptied.
pub(crate) fn change(person: &Person, at: Timestamp, chance: &mut Chance) -> Made {
    let traits = match chance.under(3) {
        0 => json!({ "customerTier": chance.pick(&["silver", "gold", "platinum"]), "middleName": null }),
        1 => json!({ "email": person.email, "emailChecked": true }),
        _ => json!({ "address": { "city": chance.pick(&["Wien", "Beograd", "Boston"]), "line2": null } }),
    };
    identify(person, &traits, at, chance)
}

fn identify(person: &Person, traits: &Value, at: Timestamp, chance: &mut Chance) -> Made {
    let mut context = json!({ "library": { "name": "analytics-python", "version": "2.4.0" } });
    if let Some(card) = &person.card {
        let id = json!({ "id": card, "type": "loyalty_card", "collection": "users", "encoding": "none" });
        set(&mut context, "externalIds", json!([id]));
    }
    let event = json!({
        "type": "identify",
        "messageId": chance.uuid(),
        "timestamp": at.rfc3339(),
        "userId": person.user_id,
        "anonymousId": null,
        "integrations": {},
        "traits": traits,
        "context": context,
    });
    Made::new(&event, EventKind::Identify, at, person.number)
}

/// The address as it was heard on the telephone.
fn typed_email(person: &Person, chance: &mut Chance) -> String {
    let email = &person.email;
    match chance.under(20) {
        0 => swapped(email),
        1 => format!("{email} "),
        2..=4 => email.to_uppercase(),
        5..=8 => capitalised(email),
        _ => email.clone(),
    }
}

/// The first two letters in the wrong order: a typo that makes another valid
/// address. The number in it stays, so that it is nobody else's.
fn swapped(email: &str) -> String {
    let mut letters: Vec<char> = email.chars().collect();
    if letters.len() > 1 {
        letters.swap(0, 1);
    }
    letters.into_iter().collect()
}

fn capitalised(email: &str) -> String {
    let mut letters = email.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
