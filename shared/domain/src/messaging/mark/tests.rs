use super::*;
use crate::identifier::Identifier;
use crate::messaging::Kind;
use crate::messaging::address::State;
use crate::messaging::consent::TopicId;
use crate::messaging::news::Of;
use crate::messaging::outreach::MessageId;

const SENT: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

fn letter() -> Delivery {
    Delivery {
        id: DeliveryId::from_bytes([5; 16]),
        at: SENT,
        channel: Channel::Email,
        kind: Kind::Promotional,
        topic: TopicId::parse("news").ok(),
        message: MessageId::parse("sale").unwrap(),
        variant: 1,
        state: State::Accepted,
    }
}

const fn at(seconds: i64) -> Timestamp {
    SENT.plus(seconds * Timestamp::SECOND)
}

fn hit(name: u8, what: What, seconds: i64, method: Method) -> Fact {
    let hit = Hit {
        at: at(seconds),
        what,
        method,
        user_agent: CHROME.to_owned(),
        address: IpAddr::from([203, 0, 113, 9]),
        language: Language::Said,
    };
    Fact::Hit { name: [name; 8], hit }
}

fn facts() -> Vec<Fact> {
    vec![
        Fact::Delivered { at: at(3) },
        Fact::Bounced { at: at(90), is_permanent: false },
        Fact::Bounced { at: at(95), is_permanent: true },
        Fact::Complained { at: at(100) },
        Fact::Unsubscribed { at: at(120) },
        hit(1, What::Open, 60, Method::Get),
        hit(2, What::Open, 61, Method::Other),
        hit(3, What::Click { index: 4 }, 200, Method::Get),
        hit(4, What::Click { index: 4 }, 300, Method::Get),
        hit(5, What::Trap, 9_000, Method::Get),
        Fact::Read { opened: at(60), seconds: 20 },
    ]
}

fn heard<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> (Mark, Vec<News>) {
    let mut mark = Mark::of(&letter());
    let news = facts.into_iter().filter_map(|fact| mark.hear(fact).news).collect();
    (mark, news)
}

#[test]
fn what_was_heard_in_any_order_and_twice_comes_to_one_mark() {
    let mut random = fastrand::Rng::with_seed(7);
    let (expected, mut news) = heard(&facts());
    news.sort_unstable();
    assert_eq!(news.len(), 7, "{news:?}");
    for _ in 0..200 {
        let mut facts: Vec<Fact> = facts().into_iter().chain(facts()).collect();
        random.shuffle(&mut facts);
        let (mark, mut told) = heard(&facts);
        told.sort_unstable();
        assert_eq!((&mark, &told), (&expected, &news));
        assert_eq!(Mark::read(&mark.item(letter().id)), Ok(mark));
    }
    let mut again = expected.clone();
    assert!(facts().iter().all(|fact| again.hear(fact) == Heard::default()));
}

#[test]
fn a_mark_tells_what_a_delivery_came_to() {
    let (mark, _) = heard(&facts());
    let outcome = mark.outcome();
    assert_eq!(outcome.arrival, Arrival::HardBounce);
    assert!(outcome.is_complained && outcome.is_unsubscribed);
    assert_eq!(outcome.opens, Hits { all: 2, by_person: 1 });
    assert_eq!(outcome.clicks, Hits { all: 2, by_person: 2 });
    assert_eq!(outcome.read_seconds, 20);
    let Tallies { opens, clicks } = mark.tallies();
    assert_eq!((opens.first, opens.first_by_person), (Some(at(60)), Some(at(60))));
    assert_eq!(clicks[&4].first, Some(at(200)));
    let (quiet, _) = heard(&[]);
    assert_eq!(quiet.outcome(), Outcome::default());
}

/// A machine that shows itself by what it does next was one before, too.
#[test]
fn who_a_hit_was_is_asked_again_when_more_is_known() {
    let clicks: Vec<Fact> =
        (0..5).map(|link| hit(link, What::Click { index: link.into() }, 600, Method::Get)).collect();
    let people = |mark: &Mark| mark.outcome().clicks.by_person;
    assert_eq!(people(&heard(&clicks[..4]).0), 4);
    assert_eq!(people(&heard(&clicks).0), 0);
}

#[test]
fn of_very_many_hits_each_is_counted_and_the_item_stays_small() {
    let hits: Vec<Fact> =
        (0..200).map(|name| hit(name, What::Open, 600 + 60 * i64::from(name), Method::Get)).collect();
    let (mark, news) = heard(&hits);
    assert_eq!(mark.outcome().opens, Hits { all: 200, by_person: 200 });
    assert_eq!(news, [News::Opened { is_machine: false }]);
    assert_eq!(mark.tallies().opens.first, Some(at(600)));
    let size = mark.item(letter().id).body.len();
    assert!(size < 1_300, "{size} bytes");
    let usual = heard(&facts()).0.item(letter().id).body.len();
    assert!(usual < 400, "{usual} bytes");
}

#[test]
fn the_marks_of_a_message_stand_together() {
    let (id, (from, to)) = (letter().id, all());
    let key = key(id);
    assert!(from <= key && key < to);
    assert_eq!(delivery(&key), Some(id));
    assert_eq!(delivery(&ItemKey("run".to_owned())), None);
}

#[test]
fn an_event_of_a_delivery_is_named_by_what_it_says_and_not_by_when() {
    let ann = Identifier::parse("email", "ann@example.com", None).unwrap();
    let letter = letter();
    let event = |news: News, at: Timestamp| {
        news.event(&Of { address: &ann, delivery: &letter, at, rules: 3, received: at })
    };
    let clicked = News::Clicked { index: 4, is_machine: true };
    let first = event(clicked, at(1));
    let payload: serde_json::Value = serde_json::from_str(&first.payload).unwrap();
    assert_eq!(payload["event"], "Message Clicked");
    let properties =
        serde_json::json!({"message": "sale", "variant": 1, "channel": "email", "link": 4, "machine": true});
    assert_eq!(payload["properties"], properties);
    assert_eq!((first.source.as_str(), first.rules, first.home()), ("messaging", 3, Some(&ann)));
    let key = crate::key::IdKey::new([7; 32]);
    assert_eq!(first.name(&key), event(clicked, at(9)).name(&key));
    let all = [
        clicked,
        News::Clicked { index: 4, is_machine: false },
        News::Clicked { index: 5, is_machine: true },
        News::Opened { is_machine: true },
        News::Opened { is_machine: false },
        News::Bounced { is_permanent: true },
        News::Bounced { is_permanent: false },
        News::Complained,
        News::Unsubscribed,
    ];
    let names: BTreeSet<_> = all.iter().map(|news| event(*news, at(1)).name(&key)).collect();
    assert_eq!(names.len(), all.len());
}
