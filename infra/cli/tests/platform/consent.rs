//! Consents beside a running platform, as an operator takes them over.

use serde_json::json;

use crate::operator::World;

#[test]
fn consents_are_taken_over_once_and_stand_with_their_addresses() {
    let world = World::new();
    let file = world.file(
        "consents.csv",
        "email,phone,topic,status,at,text,proof\n\
         Ann@Example.com,+4721212121,news,subscribed,2026-03-01T09:00:00Z,\"Yes, write to me\",form 7\n\
         ann@example.com,,news,unsubscribed,2026-02-01T09:00:00Z,,\n\
         bob@example.com,,*,unsubscribed,2026-04-01T09:00:00Z,,call 12\n",
    );
    assert_eq!(world.json(&format!("consent import {file}")), json!({"kept": 4, "new": 3}));
    // The word that is older than what stands changes nothing, nor does a file that is read again.
    assert_eq!(world.json(&format!("consent import {file}")), json!({"kept": 4, "new": 0}));

    let ann = world.json("consent show ann@example.com");
    let news = json!({"channel": "email", "topic": "news", "status": "subscribed", "since": "2026-03-01T09:00:00.000Z"});
    assert_eq!((&ann["consents"], &ann["suppressed"]), (&json!([news]), &json!(null)));
    assert_eq!(ann["words"].as_array().map(Vec::len), Some(2));
    let told = world.done("consent show phone:+4721212121");
    assert!(told.starts_with("sms news: subscribed since 2026-03-01"), "{told}");
    assert!(told.contains("source import, text Yes, write to me, proof form 7"), "{told}");
    let told = world.done("consent show bob@example.com");
    assert!(told.starts_with("email *: unsubscribed since 2026-04-01"), "{told}");
    let told = world.done("consent show eve@example.com");
    assert!(told.starts_with("Nobody said anything"), "{told}");

    let bad = world.file("bad.csv", "email,topic,status,at\nann,news,subscribed,2026-03-01T09:00:00Z\n");
    let refused = world.try_to(&format!("consent import {bad}")).unwrap_err();
    assert!(refused.contains("line 2: `email`: this is not an e-mail address"), "{refused}");
    let refused = world.try_to("consent show user_id:u-1").unwrap_err();
    assert!(refused.contains("`user_id` are not written to"), "{refused}");
}
