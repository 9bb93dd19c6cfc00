//! The shapes of three SDKs: what each puts around an event.

use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{Sdk, pick, set};

const AGENTS: [(&str, &str); 3] = [
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "macOS",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "Windows",
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        "Android",
    ),
];
const HOST: &str = "https://www.northbound.example.com";

/// What a browser, a phone or a server knows of itself.
pub(super) struct Device {
    anonymous_id: String,
    device_id: String,
    agent: (&'static str, &'static str),
    locale: &'static str,
    timezone: &'static str,
    pub(super) page: Value,
    pub(super) campaign: Option<Value>,
}

impl Device {
    pub(super) fn new(number: u32, sdk: Sdk, rng: &mut Rng) -> Self {
        let agents = AGENTS.iter().cycle().nth(number as usize % AGENTS.len());
        let mut device = Self {
            anonymous_id: uuid(rng),
            device_id: uuid(rng).to_uppercase(),
            agent: agents.copied().unwrap_or_default(),
            locale: pick(rng, &["en-US", "de-DE", "fr-FR", "es-ES", "en-AU"]),
            timezone: pick(rng, &["Europe/Berlin", "America/Chicago", "Europe/Paris", "Australia/Melbourne"]),
            page: Value::Null,
            campaign: None,
        };
        if sdk == Sdk::Web {
            device.open("/", "Northbound Outdoor | Gear for every trail");
        }
        device
    }

    pub(super) fn open(&mut self, path: &str, title: &str) {
        let search = if self.campaign.is_some() {
            "?utm_source=google&utm_medium=cpc&utm_campaign=autumn-trails"
        } else {
            ""
        };
        let referrer = if path == "/" { "https://www.google.com/".to_owned() } else { format!("{HOST}/") };
        self.page = json!({
            "path": path, "referrer": referrer, "search": search, "title": title, "url": format!("{HOST}{path}{search}"),
        });
    }

    /// An event in the shape of its SDK, without write key and `sentAt`.
    pub(super) fn event(
        &self,
        sdk: Sdk,
        kind: &str,
        says: &Value,
        user_id: Option<&str>,
        at: Timestamp,
        rng: &mut Rng,
    ) -> Map<String, Value> {
        let mut event = json!({ "timestamp": at.rfc3339(), "type": kind });
        for (name, value) in says.as_object().into_iter().flatten() {
            set(&mut event, name, value.clone());
        }
        set(&mut event, "context", self.context(sdk));
        set(&mut event, "userId", user_id.map_or(Value::Null, Value::from));
        match sdk {
            Sdk::Web => {
                set(&mut event, "integrations", json!({ "Segment.io": true }));
                set(&mut event, "anonymousId", json!(self.anonymous_id));
                set(&mut event, "messageId", json!(format!("ajs-next-{}-{}", at.millis(), uuid(rng))));
                set(
                    &mut event,
                    "_metadata",
                    json!({ "bundled": ["Segment.io"], "unbundled": [], "bundledIds": [] }),
                );
            }
            Sdk::Mobile => {
                set(&mut event, "integrations", json!({}));
                set(&mut event, "anonymousId", json!(self.anonymous_id));
                set(&mut event, "messageId", json!(uuid(rng).to_uppercase()));
            }
            Sdk::Server => {
                set(&mut event, "integrations", json!({}));
                set(&mut event, "messageId", json!(format!("node-next-{}-{}", at.millis(), uuid(rng))));
                set(&mut event, "_metadata", json!({ "nodeVersion": "v22.14.0", "jsRuntime": "node" }));
            }
        }
        match event {
            Value::Object(event) => event,
            _ => Map::new(),
        }
    }

    fn context(&self, sdk: Sdk) -> Value {
        match sdk {
            Sdk::Web => self.browser(),
            Sdk::Mobile => self.phone(),
            Sdk::Server => json!({ "library": { "name": "@segment/analytics-node", "version": "3.1.0" } }),
        }
    }

    fn browser(&self) -> Value {
        let (agent, platform) = self.agent;
        let brands = json!([
            { "brand": "Chromium", "version": "142" }, { "brand": "Google Chrome", "version": "142" },
            { "brand": "Not_A Brand", "version": "99" },
        ]);
        let mut context = json!({
            "page": self.page, "userAgent": agent,
            "userAgentData": { "brands": brands, "mobile": platform == "Android", "platform": platform },
            "locale": self.locale, "library": { "name": "analytics.js", "version": "npm:next-1.84.3" },
            "timezone": self.timezone,
        });
        if let Some(campaign) = &self.campaign {
            set(&mut context, "campaign", campaign.clone());
        }
        context
    }

    fn phone(&self) -> Value {
        json!({
            "app": { "name": "Northbound", "version": "6.12.0", "build": "61204", "namespace": "com.example.northbound" },
            "device": { "id": self.device_id, "manufacturer": "Apple", "model": "iPhone17,3", "name": "iPhone", "type": "ios" },
            "library": { "name": "analytics-swift", "version": "1.9.1" },
            "locale": self.locale, "network": { "bluetooth": false, "cellular": true, "wifi": true },
            "os": { "name": "iOS", "version": "26.1" }, "screen": { "height": 2622, "width": 1206 },
            "timezone": self.timezone, "instanceId": self.device_id.to_lowercase(),
        })
    }
}

/// A version 4 UUID.
pub(crate) fn uuid(rng: &mut Rng) -> String {
    let (front, back) = (rng.u64(..), rng.u64(..));
    let (third, fourth) = (front & 0xfff, (back >> 48) & 0x3fff | 0x8000);
    format!(
        "{:08x}-{:04x}-4{third:03x}-{fourth:04x}-{:012x}",
        front >> 32,
        (front >> 16) & 0xffff,
        back & 0xffff_ffff_ffff
    )
}
