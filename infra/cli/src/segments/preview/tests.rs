//! A preview of some people tells of all.

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::message::Message;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use fastrand::Rng;
use ports::definitions::{Source, Workspace};
use profile::Stage;
use testkit::{MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const PEOPLE: u32 = 3_000;

type Shop = Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy>;

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

/// A shop in which one in ten has the plan `pro`, and one in three of these is in `loyal`.
async fn shop() -> Shop {
    let (people, definitions) = (MemoryPeople::default(), MemoryDefinitions::default());
    let web = SourceId::parse("web").unwrap();
    let source = Source { id: web.clone(), region: None, origins: Vec::new(), rate: 1_000 };
    let rules = Rules::default();
    definitions.define(Workspace { id: workspace(), rules, sources: vec![source], segments: 0, outreach: 0 });
    let set = SegmentSet::default();
    let loyal = json!({"name": "Loyal", "when": {"trait": "loyal", "is_true": true}}).to_string();
    let loyal = set.publish(&SegmentId::parse("loyal").unwrap(), &loyal, NOW).unwrap();
    definitions.publish(&workspace(), loyal, NOW);
    let clock = TestClock::at(NOW);
    let writer = Writer {
        people,
        merges: MemoryQueue::default(),
        messages: None,
        clock: clock.clone(),
        entropy: SeededEntropy::seeded(1),
        key: IdKey::new([3; IdKey::LENGTH]),
    };
    let shop = Stage::new(writer, definitions, MemoryRejections::new(clock));
    let event = |number: u32| {
        Event {
        source: web.clone(),
        message_id: format!("m-{number}"),
        kind: EventKind::Identify,
        identifiers: vec![Identifier::parse("user_id", &format!("u-{number}"), None).unwrap()],
        blocked: Vec::new(),
        rules: 0,
        client_time: ClientTime::Sent(NOW),
        event_time: NOW,
        received_at: NOW,
        payload: json!({"traits": {"plan": if number.is_multiple_of(10) { "pro" } else { "free" }, "loyal": number.is_multiple_of(30)}})
            .to_string(),
        as_sent: format!("u-{number}"),
    }
    };
    for some in (0..PEOPLE).collect::<Vec<_>>().chunks(100) {
        let events = some.iter().copied().map(event).collect();
        let bodies = Message { workspace: workspace(), trace: "0".repeat(32), events }.pack();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let verdicts = shop.upsert(&bodies, Timestamp::from_millis(i64::MAX)).await;
        assert!(verdicts.iter().all(Result::is_ok));
    }
    shop
}

async fn previewed(shop: &Shop, when: &Value, sample: u32) -> Result<Value, Failed> {
    let document = json!({"name": "Tried", "when": when}).to_string();
    let asked = Asked { workspace: None, segment: None, document, sample };
    preview(&shop.writer, shop.definitions.store(), &workspace(), &asked).await
}

#[tokio::test]
async fn everybody_is_counted_and_some_tell_of_all_within_bounds() {
    let shop = shop().await;
    let pro = json!({"trait": "plan", "is": "pro"});
    let all = previewed(&shop, &pro, PEOPLE).await.unwrap();
    assert_eq!(all["members"], json!({"estimate": 300, "at_least": 300, "at_most": 300}));
    assert_eq!((&all["asked"], &all["of"]), (&json!(PEOPLE), &json!(PEOPLE)));
    assert_eq!(all["overlap"], json!([{"segment": "loyal", "share_of_these": 0.333, "share_of_it": 1.0}]));
    assert_eq!(all["examples"].as_array().unwrap().len(), EXAMPLES);
    let text = lines(&all).join("\n");
    assert!(
        text.starts_with("300 of 3000 people: all of them were asked.\n33.3 % of them are in `loyal`"),
        "{text}"
    );

    let some = previewed(&shop, &pro, 200).await.unwrap();
    let number = |path: &str| some.pointer(path).and_then(Value::as_u64).unwrap();
    assert!((200..1_000).contains(&number("/asked")), "{some}");
    assert!(number("/members/at_least") < 300 && number("/members/at_most") > 300, "{some}");
    // Nothing of it is kept.
    let kept = shop.writer.people.tables().profiles.values().filter(|stored| stored.body.len() > 400).count();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_cannot_be_previewed_says_why() {
    let shop = shop().await;
    let wrong = previewed(&shop, &json!({"trait": "plan", "iss": "pro"}), 10).await.unwrap_err().to_string();
    assert!(wrong.contains("`when.iss`"), "{wrong}");
    let document = json!({"value": {"event": "Seen"}}).to_string();
    let asked = Asked { workspace: None, segment: None, document, sample: 10 };
    let wrong = preview(&shop.writer, shop.definitions.store(), &workspace(), &asked).await.unwrap_err();
    assert!(wrong.to_string().contains("computed trait"), "{wrong}");
}

#[test]
fn bounds_hold_in_95_of_100_samples() {
    assert_eq!(estimate(100, 1), [100, 100, 100]);
    assert_eq!(estimate(0, 1), [0, 0, 0]);
    assert!(estimate(0, 512)[2] > 1_000, "nobody found in a small sample does not mean nobody");
    let (members, parts, samples) = (2_000_u64, 64_u32, 1_000);
    let mut rng = Rng::with_seed(3);
    let is_within = |_: &i32| {
        let found = (0..members).filter(|_| rng.u32(..parts) == 0).count();
        let [_, least, most] = estimate(u64::try_from(found).unwrap(), parts);
        (least..=most).contains(&members)
    };
    let within = (0..samples).filter(is_within).count();
    assert!((930..=985).contains(&within), "{within} of {samples}");
}
