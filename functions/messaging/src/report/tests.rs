use domain::key::ProfileId;
use domain::messaging::address::{Delivery, State};
use domain::messaging::gate::Why;
use domain::messaging::mark::Fact;
use domain::messaging::outreach::MessageDocument;
use domain::messaging::run::Row;
use domain::messaging::{Channel, Kind};
use domain::time::Timestamp;
use testkit::MemoryPeople;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn message() -> Message {
    let json = r#"{"name": "Sale", "to": "all", "channels": ["email"],
        "variants": [{"template": "plain", "share": 50}, {"template": "bold", "share": 50}]}"#;
    MessageDocument::read(json).unwrap().message().unwrap()
}

fn id(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

fn row(number: u8, variant: u8, outcome: run::Outcome) -> Row {
    Row { profile: ProfileId::from_bytes([number; 16]), turn: 0, variant, outcome }
}

fn mark(number: u8, facts: &[Fact]) -> Item {
    let delivery = Delivery {
        id: id(number),
        at: NOW,
        channel: Channel::Email,
        kind: Kind::Promotional,
        topic: None,
        message: MessageId::parse("sale").unwrap(),
        variant: 0,
        state: State::Accepted,
    };
    let mut mark = Mark::of(&delivery);
    for fact in facts {
        mark.hear(fact);
    }
    mark.item(id(number))
}

#[test]
fn each_delivery_counts_once_for_its_variant_whoever_it_was_for() {
    use run::Outcome::{HeldOut, Refused, Sent, Skipped, Unknown, Waits};
    let people = MemoryPeople::default();
    let (key, shop) = (IdKey::new([7; IdKey::LENGTH]), WorkspaceId::parse("shop").unwrap());
    let email = Channel::Email;
    let sent = |number| Sent(email, id(number));
    let pages = [
        Page {
            at: NOW,
            rows: vec![row(1, 0, sent(1)), row(2, 1, sent(2)), row(3, 1, Unknown(email, id(3)))],
        },
        Page { at: NOW, rows: vec![row(4, 0, Unknown(email, id(4))), row(5, 0, Refused(email, id(5)))] },
        // Two people who share an address got one letter.
        Page { at: NOW, rows: vec![row(6, 0, sent(1)), row(7, 0, HeldOut), row(8, 1, Skipped(Why::Quiet))] },
        Page { at: NOW, rows: vec![row(9, 0, Waits { until: NOW, why: Why::Quiet })] },
        Page { at: NOW.plus(1), rows: vec![row(9, 0, sent(9))] },
    ];
    let delivered = Fact::Delivered { at: NOW };
    let items = pages.iter().filter_map(Page::item).chain([
        mark(1, &[delivered.clone(), Fact::Unsubscribed { at: NOW }]),
        mark(2, &[Fact::Bounced { at: NOW, is_permanent: true }]),
        mark(3, std::slice::from_ref(&delivered)),
        mark(9, &[delivered, Fact::Complained { at: NOW }]),
    ]);
    let sale = MessageId::parse("sale").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let items: Vec<Item> = items.collect();
    runtime.block_on(people.put(&shop, key.message_run(&shop, "sale"), &items)).unwrap();
    let report = runtime.block_on(report(&people, (&key, &shop), (&sale, &message()))).unwrap();
    let sums = |variant: &str| report.variants.get(variant).cloned().unwrap_or_default();
    let (plain, bold) = (sums("plain"), sums("bold"));
    assert_eq!((plain.sent, plain.delivered, plain.unsubscribed, plain.complained), (2, 2, 1, 1));
    assert_eq!((bold.sent, bold.delivered, bold.bounced.hard), (2, 1, 1));
    assert_eq!(report.total().sent, 4);
}
