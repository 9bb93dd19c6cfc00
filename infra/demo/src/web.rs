//! The site, as analytics-next reports it.

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::catalogue::{Basket, PRODUCTS, Product, shown};
use crate::chance::Chance;
use crate::made::{HALF_AN_EMOJI, Made, set};
use crate::person::Person;
use crate::visit::Visit;

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
];

/// Source, medium and name of the shop's campaigns.
const CAMPAIGNS: [(&str, &str, &str); 6] = [
    ("google", "cpc", "green-tea"),
    ("newsletter", "email", "new-harvest"),
    ("instagram", "social", "four-teas"),
    ("vk", "social", "новый урожай"),
    ("facebook", "paid-social", "gift-box"),
    ("partner", "referral", "tea-blog"),
];

const SEARCHES: [&str; 7] =
    ["sencha", "пуэр", "gift for mother", "самовар", "oolong 100g", "Иван-чай", "teapot cast iron"];

const HOST: &str = "https://tea.example.com";

/// One visit to the site.
pub(crate) fn visit(person: &Person, day: i64, start: Timestamp, chance: &mut Chance) -> Vec<Made> {
    let device = device(person, chance);
    // A browser remembers who logged in; a shared tablet is logged out by the next who takes it.
    let known = !device.shared && person.joined_before(day) && chance.percent(70);
    let context = context(person, chance);
    let mut visit = Visit {
        person,
        chance,
        now: start,
        anonymous_id: device.id,
        known,
        context,
        id_prefix: "ajs-next-",
        events: Vec::new(),
    };
    arrive(&mut visit);
    sign_in(&mut visit, day);
    look_around(&mut visit);
    shop(&mut visit);
    oddities(&mut visit);
    visit.events
}

struct Device {
    id: String,
    shared: bool,
}

fn device(person: &Person, chance: &mut Chance) -> Device {
    let roll = chance.under(10);
    match (&person.tablet, &person.second_browser) {
        (Some(tablet), _) if roll < 6 => Device { id: tablet.clone(), shared: true },
        (_, Some(second)) if roll > 7 => Device { id: second.clone(), shared: false },
        _ => Device { id: person.browser.clone(), shared: false },
    }
}

fn context(person: &Person, chance: &mut Chance) -> Value {
    let mut context = json!({
        "library": { "name": "analytics.js", "version": "npm:next-1.84.3" },
        "userAgent": chance.pick(&AGENTS),
        "locale": person.locale,
        "timezone": chance.pick(&["Europe/Berlin", "America/New_York", "Europe/Belgrade", "Asia/Almaty"]),
    });
    if chance.percent(35) {
        let (source, medium, name) = chance.pick(&CAMPAIGNS);
        set(&mut context, "campaign", json!({ "source": source, "medium": medium, "name": name }));
    }
    context
}

/// Loads a page; what follows happens on it.
fn open(visit: &mut Visit, path: &str, title: &str) {
    let search =
        visit.context.get("campaign").and_then(|campaign| campaign.get("source")).and_then(Value::as_str);
    let search = search.map_or_else(String::new, |source| format!("?utm_source={source}"));
    let page = json!({
        "path": path,
        "title": title,
        "url": format!("{HOST}{path}{search}"),
        "search": search,
        "referrer": if path == "/" { "https://www.example.net/" } else { HOST },
    });
    set(&mut visit.context, "page", page.clone());
    visit.send(EventKind::Page, json!({ "name": title, "properties": page }));
    // Only the address at which one lands carries the campaign.
    if let Some(context) = visit.context.as_object_mut() {
        context.remove("campaign");
    }
}

fn arrive(visit: &mut Visit) {
    if visit.chance.percent(60) { open(visit, "/", "Tea & Co") } else { open(visit, "/new", "New harvest") }
}

fn sign_in(visit: &mut Visit, day: i64) {
    let joins_now = visit.person.joins == Some(day);
    let returns = visit.person.joined_before(day) && !visit.known && visit.chance.percent(75);
    if joins_now {
        let method = visit.chance.pick(&["email", "google", "apple"]);
        visit.track("Signed Up", &json!({ "method": method }));
    }
    if joins_now || returns {
        visit.log_in();
        company(visit);
    }
}

fn company(visit: &mut Visit) {
    let Some(company) = visit.person.company else { return };
    let traits = json!({ "name": format!("Tea House {company}"), "industry": "Hospitality", "employees": 3 + company % 40 });
    visit.send(EventKind::Group, json!({ "groupId": format!("company-{company}"), "traits": traits }));
}

fn look_around(visit: &mut Visit) {
    if visit.chance.percent(25) {
        let cut = if visit.chance.percent(3) { HALF_AN_EMOJI } else { "" };
        let query = format!("{}{cut}", visit.chance.pick(&SEARCHES));
        visit.track("Products Searched", &json!({ "query": query }));
    }
    for _ in 0..visit.chance.between(0, 3) {
        let product = visit.chance.pick(&PRODUCTS);
        look_at(visit, product);
    }
}

fn look_at(visit: &mut Visit, product: Product) {
    if visit.chance.percent(40) {
        open(visit, &format!("/p/{}", product.sku.to_lowercase()), product.name);
    }
    visit.track("Product Viewed", &shown(product));
}

fn shop(visit: &mut Visit) {
    if !visit.chance.percent(30) {
        return;
    }
    let basket = Basket::fill(visit.chance);
    for product in basket.products() {
        visit.track("Product Added", &shown(product));
    }
    if visit.known && visit.chance.percent(65) {
        open(visit, "/checkout", "Checkout");
        visit.track("Checkout Started", &json!({ "currency": visit.person.currency }));
        visit.order(&basket);
    }
}

/// A review into which somebody pasted a book: over the limit of 32 KB an event.
fn oddities(visit: &mut Visit) {
    if visit.chance.permille(1) {
        let text = "Чай — это не только напиток. ".repeat(800);
        let review = json!({ "event": "Review Submitted", "properties": { "rating": 5, "text": text } });
        visit.send_refused("track", review, Reason::TooLarge);
    }
}
