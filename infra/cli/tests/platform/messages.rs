//! Messages beside a running platform, as a marketer sends them and people get them.

use serde_json::{Value, json};

use crate::child::PAUSE;
use crate::http::Request;
use crate::operator::World;

/// Looks at what was sent: so often, with a pause between.
const LOOKS_MAX: usize = 600;

const HTML: &str = "<html><body><p>Hello {{ profile.name | default: \"friend\" }}</p>\
    <p><a href=\"https://shop.example/new\">New</a> {{ sender.postal_address }} \
    <a href=\"{{ links.unsubscribe }}\">Leave</a></p></body></html>";

impl World {
    fn publish(&self, words: &str, document: &Value) -> String {
        let file = self.file("document.json", &document.to_string());
        self.done(&format!("{words} {file}"))
    }

    /// All letters and texts that were sent, once there are so many.
    fn sent(&self, least: usize) -> Vec<Value> {
        for _ in 0..LOOKS_MAX {
            // Only programs and pages of this machine may look.
            let asked = Request::get("/_local/sent.json?limit=1000").header("host", "localhost");
            let answer = self.platform.ask(&asked).json();
            let sent = answer["messages"].as_array().unwrap();
            if sent.len() >= least {
                return sent.clone();
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{least} messages are not sent: {}", self.done("messages list"));
    }

    /// Minutes go by until the report says this.
    fn is_reported(&self, message: &str, expected: &str) {
        let mut report = String::new();
        for _ in 0..LOOKS_MAX {
            report = self.done(&format!("messages report {message}"));
            if report.contains(expected) {
                return;
            }
            self.wait_a_minute();
            // A letter waits for its slot by this very clock: it gets the time to be sent.
            std::thread::sleep(PAUSE);
            self.platform.settle();
        }
        panic!("`{expected}` is not reported: {report}");
    }

    fn event(&self, user: &str, event: &str) {
        let posted = self.platform.post("/v1/track", &json!({ "userId": user, "event": event }));
        assert_eq!(posted.status, 200);
    }
}

fn letters_to<'a>(sent: &'a [Value], address: &str) -> Vec<&'a Value> {
    sent.iter().filter(|letter| letter["to"] == address).collect()
}

#[test]
fn who_agreed_gets_each_message_once_and_leaves_by_one_click() {
    let world = World::new();
    let settings = json!({
        "sender": { "name": "Shop", "email": "news@shop.example", "postal_address": "Storgata 1" },
        "topics": { "news": { "name": { "en": "News" } } },
    });
    world.publish("messages settings", &settings);
    let email = json!({ "subject": "Hello", "html": HTML });
    let template = json!({
        "kind": "promotional", "topic": "news", "default_language": "en", "languages": { "en": { "email": email } },
    });
    world.publish("messages template letter", &template);
    for (segment, event) in [("newcomers", "Signed Up"), ("buyers", "Ordered")] {
        world.publish(
            &format!("segments set {segment}"),
            &json!({ "name": segment, "when": { "event": event } }),
        );
    }
    let welcome =
        json!({ "name": "W", "entering": "newcomers", "template": "letter", "channels": ["email"] });
    world.publish("messages set welcome", &welcome);
    let offer = json!({ "name": "O", "to": "buyers", "template": "letter", "channels": ["email"] });
    world.publish("messages set offer", &offer);
    let said = "2026-11-01T10:00:00Z";
    let agreed = world.file(
        "consents.csv",
        &format!(
            "email,topic,status,at\nann@example.com,news,subscribed,{said}\n\
             bounce@example.com,news,subscribed,{said}\nbob@example.com,news,unsubscribed,{said}\n"
        ),
    );
    world.done(&format!("consent import {agreed}"));
    // Functions that run read definitions anew within a minute or two.
    world.wait_a_minute();
    world.wait_a_minute();

    for (user, address) in [("ann", "ann"), ("bob", "bob"), ("gone", "bounce"), ("eve", "eve")] {
        let traits = json!({ "userId": user, "traits": { "email": format!("{address}@example.com") } });
        assert_eq!(world.platform.post("/v1/identify", &traits).status, 200);
        world.platform.settle();
        world.event(user, "Signed Up");
        world.event(user, "Ordered");
    }
    let sent = world.sent(2);
    let [letter] = letters_to(&sent, "ann@example.com")[..] else { panic!("{sent:?}") };
    assert_eq!((&letter["subject"], sent.len()), (&json!("Hello"), 2));
    world.is_reported("welcome", "1  bounced for good");
    for reason in ["1  not sent: unsubscribed", "1  not sent: no_consent", "2  sent by email"] {
        world.is_reported("welcome", reason);
    }

    // Started twice it goes out once, and to nobody whose address does not exist.
    assert!(world.done("messages start offer").contains("is started"));
    assert!(world.done("messages start offer").contains("was started before"));
    world.is_reported("offer", "1  sent by email");
    world.is_reported("offer", "1  not sent: suppressed (bounced)");
    assert_eq!(letters_to(&world.sent(3), "ann@example.com").len(), 2);

    // Looking changes nothing; one click leaves, and is heard at the next gate.
    let link = letter["headers"].as_array().unwrap().iter().find(|header| header[0] == "List-Unsubscribe");
    let link = link.unwrap()[1].as_str().unwrap().trim_matches(['<', '>']).to_owned();
    let path = &link[link.find("/u/").unwrap()..];
    assert_eq!(world.platform.ask(&Request::get(path)).status, 200);
    assert!(world.done("consent show ann@example.com").contains("news: subscribed"));
    let click = Request::post(path, "List-Unsubscribe=One-Click");
    let click = click.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(world.platform.ask(&click).status, 200);
    assert!(world.done("consent show ann@example.com").contains("news: unsubscribed"));
    world.is_reported("welcome", "1  unsubscribed");
    let forged = format!("{}x{}", &path[..20], &path[21..]);
    assert_eq!(world.platform.ask(&Request::post(&forged, "List-Unsubscribe=One-Click")).status, 404);

    let why = world.done("messages why offer bob@example.com");
    assert!(why.contains("not sent: unsubscribed"), "{why}");
    let refused = world.try_to("messages start welcome").unwrap_err();
    assert!(refused.contains("is not started"), "{refused}");
    let wrong =
        world.file("wrong.json", &json!({ "name": "X", "to": "nobody", "template": "none" }).to_string());
    let refused = world.try_to(&format!("messages set x {wrong}")).unwrap_err();
    assert!(refused.contains("channels"), "{refused}");
}
