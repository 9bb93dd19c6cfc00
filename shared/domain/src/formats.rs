//! What earlier builds wrote is still read. If a test here fails, a format
//! has changed: raise its version, keep its file, and add one of the new.

use serde_json::json;

use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::{DeliveryId, EventName, IdKey};
use crate::message::{Message, Unreadable};
use crate::messaging::address::{Address, Delivery, Reason, State};
use crate::messaging::consent::{About, Said, TopicId};
use crate::messaging::hits::{Hit, Language, Method, What};
use crate::messaging::mark::{Fact, Mark};
use crate::messaging::outreach::MessageId;
use crate::messaging::record::{How, Record};
use crate::messaging::{Channel, Kind};
use crate::profile::group::Group;
use crate::profile::ledger::Entry;
use crate::profile::outbox::{Tie, TieReason};
use crate::profile::packed::Corrupt;
use crate::profile::page;
use crate::profile::stored::Item;
use crate::time::Timestamp;
use crate::workspace::{SourceId, WorkspaceId};

fn user(value: &str) -> Identifier {
    Identifier::parse("user_id", value, None).unwrap()
}

/// An event whose every field says something.
fn event() -> Event {
    Event {
        source: SourceId::parse("web").unwrap(),
        message_id: "m-1".to_owned(),
        kind: EventKind::Group,
        identifiers: vec![user("u-1"), Identifier::parse("email", "ann@example.com", None).unwrap()],
        blocked: Vec::new(),
        rules: 3,
        client_time: ClientTime::Sent(Timestamp::from_millis(1_700_000_000_000)),
        event_time: Timestamp::from_millis(1_700_000_000_001),
        received_at: Timestamp::from_millis(1_700_000_000_002),
        payload: json!({"type": "group", "groupId": "g-1", "traits": {"name": "Дом", "size": 7}}).to_string(),
        as_sent: "u-1|Ann@example.com".to_owned(),
    }
}

/// The same event as the two other kinds of clients send it.
fn events() -> Vec<Event> {
    let at = Timestamp::from_millis(1_700_000_000_003);
    let absent = Event { message_id: "m-2".to_owned(), client_time: ClientTime::Absent(at), ..event() };
    let ours = Event { message_id: "m-3".to_owned(), client_time: ClientTime::Ours(at), ..event() };
    vec![event(), absent, ours]
}

fn message() -> Message {
    let trace = "0123456789abcdef0123456789abcdef".to_owned();
    Message { workspace: WorkspaceId::parse("main").unwrap(), trace, events: events() }
}

#[test]
fn a_message_of_format_1_is_still_read() {
    let kept = include_str!("../../../events/profile/message-v1.json");
    assert_eq!(Message::unpack(kept).unwrap(), message());
}

#[test]
fn a_packed_message_of_format_1_is_still_read() {
    let kept = include_str!("../../../events/profile/message-packed-v1.json");
    assert_eq!(Message::unpack(kept).unwrap(), message());
}

#[test]
fn a_timeline_page_of_format_1_is_still_read() {
    let kept = include_bytes!("../../../events/profile/timeline-page-v1.bin");
    assert_eq!(page::read_timeline(kept).unwrap(), events());
}

/// Events whose payloads repeat what a page of format 2 writes once: their
/// times and ids, a UUID of the person and one in capitals.
fn repeating() -> Vec<Event> {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let person = "0e7a9e3c-0000-4000-8000-00000000000a";
    let message_id = format!("ajs-next-{}-{person}", at.millis());
    let payload = json!({"type": "track", "timestamp": at.rfc3339(), "messageId": message_id,
        "anonymousId": person, "context": {"device": {"id": person.to_uppercase()}}, "sign": "\u{4}"})
    .to_string();
    let anonymous = Identifier::parse("anonymous_id", person, None).unwrap();
    let blocked = vec![user("anonymous"), user(person)];
    let repeating = Event { message_id, payload, identifiers: vec![anonymous], blocked, ..event() };
    let kept = Event { message_id: "\u{4}".to_owned(), payload: "{\u{1}}".to_owned(), ..event() };
    [events(), vec![repeating, kept]].concat()
}

#[test]
fn a_timeline_page_of_format_2_is_still_read() {
    let kept = include_bytes!("../../../events/profile/timeline-page-v2.bin");
    let mut expected = repeating();
    expected.sort_by(|a, b| (a.event_time, &a.message_id).cmp(&(b.event_time, &b.message_id)));
    assert_eq!(page::read_timeline(kept).unwrap(), expected);
}

#[test]
fn a_ledger_page_of_format_1_is_still_read() {
    let kept = include_bytes!("../../../events/profile/ledger-page-v1.bin");
    let entry = |at, name| Entry { at: Timestamp::from_millis(at), name: EventName(name) };
    assert_eq!(page::read_ledger_entries(kept).unwrap(), [entry(1, 7), entry(1_700_000_000_000, u64::MAX)]);
}

#[test]
fn a_tie_of_format_1_is_still_read() {
    let kept = include_bytes!("../../../events/profile/tie-v1.bin");
    let tie = Tie {
        identifiers: [user("u-1"), user("u-2")],
        reason: TieReason::Alias,
        source: "web".to_owned(),
        message_id: "m-1".to_owned(),
        at: Timestamp::from_millis(1_700_000_000_000),
    };
    assert_eq!(page::read_tie(kept).unwrap(), tie);
}

#[test]
fn a_group_of_format_1_is_still_read() {
    let kept = include_bytes!("../../../events/profile/group-v1.bin");
    let mut group = Group::default();
    group.observe(&event(), event().name(&IdKey::new([7; IdKey::LENGTH])));
    assert_eq!(Group::decode(kept).unwrap(), group);
}

/// An address of which everything is known, and the record of one word about it.
fn address() -> (Address, Record) {
    let at = |millis| Timestamp::from_millis(1_700_000_000_000 + millis);
    let news = About { channel: Channel::Email, topic: Some(TopicId::parse("news").unwrap()) };
    let message = || MessageId::parse("win-back").unwrap();
    let mut address = Address::default();
    address.name(&Identifier::parse("email", "ann@example.com", None).unwrap());
    address.hear(news.clone(), Said::Subscribed, at(1), EventName(7));
    address.hear(news.clone(), Said::Asked, at(2), EventName(8));
    address.hear(About { channel: Channel::Sms, topic: None }, Said::Unsubscribed, at(3), EventName(9));
    address.suppress(Some(Reason::Complained), at(4), EventName(10));
    for number in 0..=100 {
        let (channel, kind, topic) = match number % 2 {
            0 => (Channel::Email, Kind::Promotional, news.topic.clone()),
            _ => (Channel::Sms, Kind::Transactional, None),
        };
        let (id, state, message) = (DeliveryId::from_bytes([number; 16]), State::Accepted, message());
        address.page();
        let at_then = at(i64::from(number));
        address
            .claim(Delivery { id, at: at_then, channel, kind, topic, message, variant: 1, state }, at(200));
    }
    let calling = State::Calling { until: at(300), attempt: u64::MAX };
    for (number, state) in [(201, State::Unknown), (202, calling), (203, State::Refused)] {
        let id = DeliveryId::from_bytes([number; 16]);
        let (channel, kind) = (Channel::Email, Kind::Promotional);
        let message = message();
        address.claim(
            Delivery { id, at: at(200), channel, kind, topic: None, message, variant: 0, state },
            at(200),
        );
    }
    let text = |text: &str| Some(text.to_owned());
    let (method, proof) = (text("checkbox"), text("form 7"));
    let how =
        How { source: "import".to_owned(), method, text: text("Так"), origin: text("192.0.2.1"), proof };
    (address, Record { about: news, said: Said::Subscribed, at: at(1), name: EventName(7), how })
}

#[test]
fn an_address_and_a_word_about_it_of_format_1_are_still_read() {
    let (address, record) = address();
    let [kept, word] = [
        &include_bytes!("../../../events/messaging/address-v1.bin")[..],
        include_bytes!("../../../events/messaging/consent-v1.bin"),
    ];
    assert_eq!(Address::read(Some(&Item { body: kept.to_vec(), ..address.item() })), Ok(address));
    assert_eq!(Record::read(&Item { body: word.to_vec(), ..record.item() }), Ok(record));
}

/// A mark of which everything is known.
fn mark() -> Mark {
    let at = |seconds| Timestamp::from_millis(1_700_000_000_000 + seconds * Timestamp::SECOND);
    let delivery = Delivery {
        id: DeliveryId::from_bytes([5; 16]),
        at: at(0),
        channel: Channel::Email,
        kind: Kind::Promotional,
        topic: None,
        message: MessageId::parse("win-back").unwrap(),
        variant: 1,
        state: State::Accepted,
    };
    let hit = |name, what, method, seconds| {
        let (user_agent, language) = ("Mozilla/5.0 Firefox/126.0".to_owned(), Language::Said);
        let address = std::net::IpAddr::from([203, 0, 113, 9]);
        Fact::Hit {
            name: [name; 8],
            hit: Hit { at: at(seconds), what, method, user_agent, address, language },
        }
    };
    let told = [
        Fact::Delivered { at: at(3) },
        Fact::Bounced { at: at(90), is_permanent: false },
        Fact::Bounced { at: at(95), is_permanent: true },
        Fact::Complained { at: at(100) },
        Fact::Unsubscribed { at: at(120) },
        Fact::Read { opened: at(60), seconds: 20 },
        hit(200, What::Trap, Method::Other, 9_000),
    ];
    let opens = (0..40).map(|name| hit(name, What::Open, Method::Get, 600 + 60 * i64::from(name)));
    let clicks = (40..43).map(|name| hit(name, What::Click { index: 7 }, Method::Get, 60 * i64::from(name)));
    let mut mark = Mark::of(&delivery);
    for fact in opens.chain(clicks).chain(told) {
        mark.hear(&fact);
    }
    mark
}

#[test]
fn a_mark_of_format_1_is_still_read() {
    let (kept, mark) = (include_bytes!("../../../events/messaging/mark-v1.bin"), mark());
    let item = mark.item(DeliveryId::from_bytes([5; 16]));
    assert_eq!(Mark::read(&Item { body: kept.to_vec(), ..item }), Ok(mark));
}

#[test]
fn what_a_newer_build_wrote_waits_for_one_that_knows_it() {
    let newer = include_str!("../../../events/profile/message-v1.json").replacen("\"v\":1", "\"v\":2", 1);
    assert_eq!(Message::unpack(&newer).unwrap_err(), Unreadable::Newer(2));
    for kept in [
        &include_bytes!("../../../events/profile/ledger-page-v1.bin")[..],
        include_bytes!("../../../events/profile/tie-v1.bin"),
    ] {
        let mut newer = kept.to_vec();
        newer[0] = 2;
        assert!(matches!(page::read_tie(&newer), Err(Corrupt::Newer(2))));
    }
}

#[test]
fn a_page_that_a_newer_build_wrote_waits_for_one_that_knows_it() {
    let mut newer = include_bytes!("../../../events/profile/timeline-page-v2.bin").to_vec();
    newer[0] = 3;
    assert_eq!(page::read_timeline(&newer), Err(Corrupt::Newer(3)));
    assert_eq!(page::read_timeline(&[1]), Err(Corrupt::Bytes));
}
