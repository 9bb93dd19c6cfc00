use aws::service::{Asked, Service};
use domain::rejection::Reason;
use serde_json::{Value, json};
use testkit::{TestClock, contract};

use super::*;
use crate::local;

const TABLE: &str = "rejections";
/// 2026-11-22T10:30:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

#[tokio::test]
async fn rejections_in_dynamodb_keep_the_promises_of_rejections() {
    let store = local::store().await;
    store.table(TABLE).await;
    let clock = TestClock::default();
    contract::rejections::check(&Rejections::new(store.client, TABLE, clock.clone()), &clock).await;
}

/// A store behind a service that answers by this.
struct Flooded {
    service: Service,
    rejections: Rejections<TestClock>,
    clock: TestClock,
}

impl Flooded {
    fn new(answer: impl Fn(&Update) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let service = Service::new(move |asked| {
            let (status, body) = match Update::of(asked) {
                Some(update) => answer(&update),
                None => (200, json!({})),
            };
            (status, body.to_string())
        });
        let clock = TestClock::at(NOW);
        let client = crate::client(&service.config(), None);
        Self { rejections: Rejections::new(client, TABLE, clock.clone()), service, clock }
    }

    async fn record(&self) -> Result<(), Unavailable> {
        self.clock.advance(1);
        let refused = Rejection {
            at: self.clock.now(),
            reason: Reason::Malformed,
            detail: String::new(),
            message_id: None,
            sample: String::new(),
        };
        let (workspace, source) = (WorkspaceId::parse("shop").unwrap(), SourceId::parse("web").unwrap());
        ports::Rejections::record(&self.rejections, &workspace, &source, &[refused]).await
    }

    fn updates(&self) -> Vec<Update> {
        self.service.asked().iter().filter_map(Update::of).collect()
    }

    /// What was asked to be counted of the rest.
    fn rest(&self) -> u64 {
        self.updates().iter().filter(|update| !update.of_minute).map(|update| update.malformed).sum()
    }
}

/// An `UpdateItem` of a count.
struct Update {
    of_minute: bool,
    pk: String,
    malformed: u64,
}

impl Update {
    fn of(asked: &Asked) -> Option<Self> {
        let body: Value = serde_json::from_str(&asked.body).ok()?;
        let key = asked.target.ends_with("UpdateItem").then(|| body.get("Key"))??;
        let text = |name: &str| key[name]["S"].as_str().unwrap().to_owned();
        let malformed = body["ExpressionAttributeValues"][":malformed"]["N"].as_str().unwrap();
        let (of_minute, malformed) = (text("sk").starts_with(MINUTE), malformed.parse().unwrap());
        Some(Self { of_minute, pk: text("pk"), malformed })
    }
}

fn asked(number: u64) -> (u16, Value) {
    (200, json!({ "Attributes": { "asked": { "N": number.to_string() } } }))
}

fn failed(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}") }))
}

#[tokio::test(start_paused = true)]
async fn the_item_of_a_full_minute_is_left_alone() {
    let flooded = Flooded::new(|update| if update.of_minute { asked(5_000) } else { asked(0) });
    for _ in 0..100 {
        flooded.record().await.unwrap();
    }
    let updates = flooded.updates();
    assert_eq!(updates.iter().filter(|update| update.of_minute).count(), 1, "it is known to be full");
    assert_eq!(flooded.rest(), 99);
    let partitions: std::collections::BTreeSet<_> = updates.iter().map(|update| &update.pk).collect();
    assert_eq!(partitions.len(), 1 + 8, "the rest is spread");

    flooded.clock.advance(Timestamp::MINUTE);
    flooded.record().await.unwrap();
    assert!(flooded.updates().last().unwrap().of_minute, "the next minute is asked again");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_minute_costs_no_good_event_and_loses_no_count() {
    let flooded = Flooded::new(|update| {
        if update.of_minute { failed(400, "ProvisionedThroughputExceededException") } else { asked(0) }
    });
    for _ in 0..3 {
        flooded.record().await.unwrap();
    }
    assert_eq!(flooded.rest(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_fails_is_made_up_for_by_the_next() {
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = broken.clone();
    let flooded = Flooded::new(move |update| match update.of_minute {
        true => asked(5_000),
        false if is_broken.load(std::sync::atomic::Ordering::SeqCst) => failed(500, "InternalServerError"),
        false => asked(0),
    });
    for _ in 0..4 {
        flooded.record().await.unwrap();
    }
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    flooded.record().await.unwrap();
    assert_eq!(flooded.updates().last().unwrap().malformed, 4, "three that failed, and the last");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_to_be_kept_and_is_not_is_an_error() {
    let flooded = Flooded::new(|_| failed(500, "InternalServerError"));
    assert!(flooded.record().await.is_err());
}
