//! The app, as Segment's mobile SDKs report it.

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::catalogue::{Basket, PRODUCTS, shown};
use crate::chance::Chance;
use crate::made::Made;
use crate::person::Person;
use crate::visit::Visit;

/// Manufacturer, model, system and its version.
const PHONES: [(&str, &str, &str, &str); 4] = [
    ("Apple", "iPhone17,3", "iOS", "18.6"),
    ("Samsung", "SM-S921B", "Android", "15"),
    ("Google", "Pixel 9", "Android", "16"),
    ("Xiaomi", "24069PC21G", "Android", "14"),
];

/// One use of the app on `install`, the device with that id.
pub(crate) fn visit(
    person: &Person,
    install: &str,
    day: i64,
    start: Timestamp,
    chance: &mut Chance,
) -> Vec<Made> {
    let context = context(person, install);
    let mut visit = Visit {
        person,
        chance,
        now: start,
        anonymous_id: install.to_owned(),
        known: person.joined_before(day),
        context,
        id_prefix: "",
        events: Vec::new(),
    };
    let resumed = visit.chance.percent(60);
    visit.track("Application Opened", &json!({ "from_background": resumed }));
    screen(&mut visit, "Home");
    sign_in(&mut visit, day);
    browse(&mut visit);
    if visit.chance.permille(8) {
        // An old version of the app reports what the specification does not know.
        visit.send_refused("heartbeat", json!({ "properties": { "battery": 0.4 } }), Reason::UnknownType);
    }
    visit.events
}

fn context(person: &Person, install: &str) -> Value {
    let phones = PHONES.iter().cycle().nth(person.number as usize % PHONES.len());
    let (manufacturer, model, system, version) = phones.copied().unwrap_or_default();
    json!({
        "app": { "name": "Tea & Co", "version": "4.2.1", "build": "4210", "namespace": "com.example.tea" },
        "device": { "id": install, "manufacturer": manufacturer, "model": model, "type": system.to_lowercase() },
        "os": { "name": system, "version": version },
        "library": { "name": "analytics-react-native", "version": "2.24.1" },
        "locale": person.locale,
        "network": { "wifi": person.number.is_multiple_of(2), "cellular": true },
        "screen": { "width": 1080, "height": 2340, "density": 3 },
        "timezone": "Europe/Berlin",
    })
}

fn screen(visit: &mut Visit, name: &str) {
    visit.send(EventKind::Screen, json!({ "name": name, "properties": { "tab": name.to_lowercase() } }));
}

fn sign_in(visit: &mut Visit, day: i64) {
    if visit.person.joins == Some(day) {
        visit.track("Signed Up", &json!({ "method": "app" }));
        visit.log_in();
        let previous = visit.anonymous_id.clone();
        visit.send(EventKind::Alias, json!({ "previousId": previous }));
    } else if visit.known && visit.chance.percent(10) {
        visit.log_in();
    }
}

fn browse(visit: &mut Visit) {
    for _ in 0..visit.chance.between(1, 4) {
        let product = visit.chance.pick(&PRODUCTS);
        screen(visit, "Product");
        visit.track("Product Viewed", &shown(product));
    }
    if visit.known && visit.chance.percent(15) {
        let basket = Basket::fill(visit.chance);
        screen(visit, "Cart");
        visit.order(&basket);
    }
}
