//! Writes the corpus from its seed.

pub(crate) mod sdk;

use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};

use super::{HISTORY_DAYS, PEOPLE, SESSION, Sample, Sdk, TODAY};
use crate::failed::Failed;
use sdk::Device;

/// The seed of the file in the project.
pub(crate) const SEED: u64 = 20_261_102;

const FIRST_NAMES: [&str; 12] = [
    "Emma",
    "Liam",
    "Olivia",
    "Noah",
    "Amelia",
    "Mateo",
    "Sofía",
    "Hannah",
    "Jürgen",
    "Anastasia",
    "Wei",
    "Priya",
];
const LAST_NAMES: [&str; 12] = [
    "Schmidt",
    "Johnson",
    "García",
    "Müller",
    "Nguyen",
    "Petrova",
    "Rossi",
    "Okafor",
    "Andersson",
    "Kim",
    "Dubois",
    "Patel",
];
const CITIES: [(&str, &str, &str); 6] = [
    ("Berlin", "Germany", "10115"),
    ("Austin", "United States", "73301"),
    ("Lyon", "France", "69001"),
    ("Toronto", "Canada", "M5H 2N2"),
    ("Valencia", "Spain", "46001"),
    ("Melbourne", "Australia", "3000"),
];
const PLANS: [&str; 4] = ["free", "starter", "business", "enterprise"];
const TIERS: [&str; 4] = ["bronze", "silver", "gold", "platinum"];
/// Sku, name, category, brand, price in cents.
const PRODUCTS: [(&str, &str, &str, &str, u32); 10] = [
    ("SKU-10021", "Trail Running Shoes 2.0", "Shoes", "Northbound", 12_900),
    ("SKU-10022", "Merino Base Layer", "Clothing", "Northbound", 7_450),
    ("SKU-10407", "Ultralight Tent, two persons", "Tents", "Lumen Outdoor", 38_900),
    ("SKU-10440", "Titanium Mug 450 ml", "Kitchen", "Lumen Outdoor", 2_995),
    ("SKU-11201", "Headlamp 600", "Lighting", "Brightwater", 5_999),
    ("SKU-11202", "Rechargeable Lantern", "Lighting", "Brightwater", 4_499),
    ("SKU-12077", "Down Jacket Women's", "Clothing", "Halcyon", 24_900),
    ("SKU-12078", "Down Jacket Men's", "Clothing", "Halcyon", 24_900),
    ("SKU-13150", "Backpack 38 L", "Packs", "Northbound", 15_900),
    ("SKU-13777", "Trekking Poles, carbon", "Accessories", "Halcyon", 9_990),
];
const PAGES: [(&str, &str); 7] = [
    ("/", "Northbound Outdoor | Gear for every trail"),
    ("/collections/new-arrivals", "New arrivals | Northbound Outdoor"),
    ("/collections/tents", "Tents and shelters | Northbound Outdoor"),
    ("/products/trail-running-shoes-2", "Trail Running Shoes 2.0 | Northbound Outdoor"),
    ("/cart", "Your cart | Northbound Outdoor"),
    ("/account/orders", "Your orders | Northbound Outdoor"),
    ("/journal/how-to-layer-for-winter", "How to layer for winter | Journal | Northbound Outdoor"),
];

/// The whole file.
pub(crate) fn file(seed: u64) -> Result<String, Failed> {
    let mut rng = Rng::with_seed(seed);
    let mut samples: Vec<(Timestamp, Sample)> = Vec::new();
    for number in 0..PEOPLE {
        let mut person = Person::new(number, rng.fork());
        person.history();
        person.today();
        samples.append(&mut person.samples);
    }
    samples.sort_by_key(|(at, sample)| (*at, sample.person));
    let mut file = String::new();
    for (_, sample) in samples {
        file.push_str(&serde_json::to_string(&sample)?);
        file.push('\n');
    }
    Ok(file)
}

struct Person {
    number: u32,
    rng: Rng,
    sdk: Sdk,
    device: Device,
    user_id: String,
    email: String,
    first_name: &'static str,
    last_name: &'static str,
    city: (&'static str, &'static str, &'static str),
    /// Whether the SDK knows who it is.
    known: bool,
    now: Timestamp,
    samples: Vec<(Timestamp, Sample)>,
}

impl Person {
    fn new(number: u32, mut rng: Rng) -> Self {
        let sdk = match number % 20 {
            0..=11 => Sdk::Web,
            12..=16 => Sdk::Mobile,
            _ => Sdk::Server,
        };
        let (first_name, last_name) = (pick(&mut rng, &FIRST_NAMES), pick(&mut rng, &LAST_NAMES));
        let user_id = if rng.bool() { rng.u32(100_000..9_999_999).to_string() } else { sdk::uuid(&mut rng) };
        Self {
            number,
            sdk,
            device: Device::new(number, sdk, &mut rng),
            user_id,
            email: format!("{}.{}{number}@example.com", ascii(first_name), ascii(last_name)),
            first_name,
            last_name,
            city: pick(&mut rng, &CITIES),
            known: false,
            now: Timestamp::default(),
            samples: Vec::new(),
            rng,
        }
    }

    fn history(&mut self) {
        let begin = Timestamp::parse(TODAY).unwrap_or_default().plus(-HISTORY_DAYS * Timestamp::DAY);
        // Most people come a few times, some every other day.
        let visits = 4 + self.rng.i64(0..6) + if self.rng.u8(0..5) == 0 { self.rng.i64(4..12) } else { 0 };
        for visit in 0..visits {
            let day = visit * HISTORY_DAYS / visits;
            let hour = self.rng.i64(7 * Timestamp::HOUR..22 * Timestamp::HOUR);
            self.now = begin.plus(day * Timestamp::DAY + hour);
            self.visit(visit);
        }
    }

    fn visit(&mut self, visit: i64) {
        if visit == 0 {
            self.landing();
            self.look_around(2);
            self.sign_up();
            self.told_by_crm();
        } else if self.rng.u8(0..10) < 3 {
            self.log_in();
        }
        let events = self.rng.usize(2..7);
        self.look_around(events);
        if self.rng.u8(0..4) == 0 {
            self.order();
        }
    }

    /// Today's session, all from one SDK.
    fn today(&mut self) {
        let hour = 9 * Timestamp::HOUR + i64::from(self.number) * 300;
        self.now = Timestamp::parse(TODAY).unwrap_or_default().plus(hour);
        let before = self.samples.len();
        self.look_around(SESSION / 2);
        self.log_in();
        let left = (before + SESSION).saturating_sub(self.samples.len());
        self.look_around(left);
    }

    /// A campaign brought them, to a site or an app.
    fn landing(&mut self) {
        self.device.campaign = Some(
            json!({ "source": "google", "medium": "cpc", "name": "autumn-trails", "term": "trail shoes" }),
        );
        if self.sdk != Sdk::Server {
            self.page_or_screen();
        }
        self.device.campaign = None;
    }

    fn look_around(&mut self, events: usize) {
        for _ in 0..events {
            match self.sdk {
                Sdk::Server => self.server_event(),
                Sdk::Web | Sdk::Mobile if self.rng.u8(0..20) < 9 => self.page_or_screen(),
                Sdk::Web | Sdk::Mobile => self.product_event(),
            }
        }
    }

    fn page_or_screen(&mut self) {
        let (path, title) = pick(&mut self.rng, &PAGES);
        self.device.open(path, title);
        let page = self.device.page.clone();
        match self.sdk {
            Sdk::Mobile => self.send(
                self.sdk,
                "screen",
                &json!({ "name": title, "category": "Shop", "properties": { "tab": path } }),
            ),
            Sdk::Web | Sdk::Server => self.send(self.sdk, "page", &json!({ "properties": page })),
        }
    }

    fn product_event(&mut self) {
        let name = pick(
            &mut self.rng,
            &[
                "Product Viewed",
                "Product Viewed",
                "Product Added",
                "Product List Viewed",
                "Products Searched",
                "Product Clicked",
            ],
        );
        let properties = match name {
            "Products Searched" => {
                json!({ "query": pick(&mut self.rng, &["merino", "tent 2 person", "headlamp", "down jacket"]) })
            }
            "Product List Viewed" => {
                let products: Vec<Value> = (0..4).map(|_| self.product()).collect();
                json!({ "list_id": "related-products", "category": "Tents", "products": products })
            }
            _ => {
                let mut product = self.product();
                set(&mut product, "currency", json!("EUR"));
                set(&mut product, "quantity", json!(1));
                product
            }
        };
        self.send(self.sdk, "track", &json!({ "event": name, "properties": properties }));
    }

    fn server_event(&mut self) {
        let name = pick(
            &mut self.rng,
            &["Invoice Paid", "Subscription Renewed", "Report Exported", "Seat Added", "API Key Created"],
        );
        let properties = json!({
            "account_id": format!("acc_{}", 4_000 + self.number),
            "plan": pick(&mut self.rng, &PLANS),
            "amount": f64::from(self.rng.u32(900..90_000)) / 100.0,
            "currency": "USD",
            "request_id": sdk::uuid(&mut self.rng),
        });
        self.send(Sdk::Server, "track", &json!({ "event": name, "properties": properties }));
    }

    fn product(&mut self) -> Value {
        let (sku, name, category, brand, cents) = pick(&mut self.rng, &PRODUCTS);
        let slug = name.to_lowercase().replace([' ', ',', '\''], "-");
        json!({
            "product_id": sdk::uuid(&mut self.rng), "sku": sku, "name": name, "category": category, "brand": brand,
            "price": f64::from(cents) / 100.0, "position": self.rng.u8(1..24),
            "url": format!("https://www.northbound.example.com/products/{slug}"),
        })
    }

    fn sign_up(&mut self) {
        let method = pick(&mut self.rng, &["email", "google", "apple"]);
        self.send(self.sdk, "track", &json!({ "event": "Signed Up", "properties": { "method": method } }));
        self.known = true;
        let (city, country, postal_code) = self.city;
        let mut traits = json!({
            "email": self.email, "firstName": self.first_name, "lastName": self.last_name,
            "createdAt": self.now.rfc3339(), "language": pick(&mut self.rng, &["en", "de", "fr", "es"]),
            "newsletter": self.rng.bool(), "plan": pick(&mut self.rng, &PLANS),
            "address": { "city": city, "country": country, "postalCode": postal_code },
        });
        if self.sdk == Sdk::Server || self.rng.u8(0..4) == 0 {
            set(&mut traits, "phone", json!(format!("+4915112345{:03}", self.number)));
        }
        self.send(self.sdk, "identify", &json!({ "traits": traits }));
    }

    /// What only the company's own systems know.
    fn told_by_crm(&mut self) {
        self.now = self.now.plus(self.rng.i64(Timestamp::HOUR..Timestamp::DAY));
        let mut traits = json!({
            "loyaltyTier": pick(&mut self.rng, &TIERS), "loyaltyPoints": self.rng.u32(0..5_000),
            "lifetimeValue": f64::from(self.rng.u32(0..200_000)) / 100.0, "accountManager": "j.lindqvist",
            "birthday": format!("19{:02}-{:02}-{:02}", self.rng.u8(50..99), self.rng.u8(1..13), self.rng.u8(1..29)),
        });
        for name in ["churnRisk", "preferredStore", "gender", "companySize", "nps"] {
            if self.rng.bool() {
                set(
                    &mut traits,
                    name,
                    json!(pick(&mut self.rng, &["low", "2", "berlin-mitte", "f", "11-50", "9"])),
                );
            }
        }
        self.send(Sdk::Server, "identify", &json!({ "traits": traits }));
    }

    /// Apps call `identify` again at each log-in, with what they have at hand.
    fn log_in(&mut self) {
        let traits = json!({ "email": self.email, "firstName": self.first_name, "lastName": self.last_name });
        self.send(self.sdk, "identify", &json!({ "traits": traits }));
    }

    fn order(&mut self) {
        let products: Vec<Value> = (0..self.rng.usize(1..4)).map(|_| self.product()).collect();
        let revenue = f64::from(self.rng.u32(2_000..40_000)) / 100.0;
        let properties = json!({
            "order_id": format!("NB-{}", self.rng.u32(100_000..999_999)), "revenue": revenue, "tax": 19.0,
            "shipping": 4.9, "discount": 0, "coupon": "WELCOME10", "currency": "EUR", "products": products,
        });
        self.send(Sdk::Server, "track", &json!({ "event": "Order Completed", "properties": properties }));
    }

    fn send(&mut self, sdk: Sdk, kind: &str, says: &Value) {
        self.now = self.now.plus(self.rng.i64(2 * Timestamp::SECOND..40 * Timestamp::SECOND));
        let user_id =
            self.known.then_some(self.user_id.as_str()).or((sdk == Sdk::Server).then_some(&self.user_id));
        let event = self.device.event(sdk, kind, says, user_id, self.now, &mut self.rng);
        self.samples.push((self.now, Sample { person: self.number, sdk, event }));
    }
}

fn ascii(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

fn pick<T: Copy + Default>(rng: &mut Rng, options: &[T]) -> T {
    rng.choice(options).copied().unwrap_or_default()
}

fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), to);
    }
}
