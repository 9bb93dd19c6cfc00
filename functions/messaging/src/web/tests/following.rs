use domain::message::Message;
use domain::messaging::link::Target;
use domain::messaging::mark::{self, Mark};

use super::*;

const CHROME: (&str, &str) = (
    "user-agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
);
const READS: (&str, &str) = ("accept-language", "en");

fn click(index: u16) -> String {
    path(Link::Click { index, target: Target::parse("https://shop.example/sale?a=1").unwrap() })
}

fn mark(world: &World) -> Option<Mark> {
    let collection = key().message_run(&shop(), "sale");
    let item = finish(store::item(&world.people, &shop(), collection, &mark::key(delivery().id))).unwrap();
    item.map(|item| Mark::read(&item).unwrap())
}

/// Names of the events that were sent, and whether each was a machine's.
fn told(world: &World) -> Vec<(String, serde_json::Value)> {
    let messages = world.queue.sent().into_iter().map(|sent| Message::unpack(&sent.body).unwrap());
    let events = messages.flat_map(|message| {
        assert_eq!((message.workspace, message.trace), (shop(), delivery().id.to_string()));
        message.events
    });
    let said = events.map(|event| {
        assert_eq!(event.identifiers, [ann()]);
        let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
        (payload["event"].as_str().unwrap().to_owned(), payload["properties"]["machine"].clone())
    });
    said.collect()
}

#[test]
fn a_click_leads_where_the_letter_said_and_is_counted() {
    let world = World::new();
    for _ in 0..3 {
        let response = finish(world.web().handle(request("GET", &click(2), &[CHROME, READS], None)));
        assert_eq!(response.status_code, 302);
        assert_eq!(response.headers.get("location").unwrap(), "https://shop.example/sale?a=1");
    }
    let clicks = mark(&world).unwrap().tallies().clicks;
    assert_eq!((clicks[&2].all, clicks[&2].by_person, clicks[&2].first), (3, 3, Some(NOW)));
    assert_eq!(told(&world), [("Message Clicked".to_owned(), json!(false))]);
}

#[test]
fn a_machine_is_led_there_too_and_told_apart() {
    let world = World::new();
    let head = finish(world.web().handle(request("HEAD", &click(2), &[CHROME, READS], None)));
    assert_eq!((head.status_code, head.headers.contains_key("location")), (302, true));
    finish(world.web().handle(request("GET", &click(2), &[("user-agent", "curl/8.0")], None)));
    finish(world.web().handle(request("GET", &click(3), &[CHROME, READS], None)));
    let tallies = mark(&world).unwrap().tallies();
    assert_eq!((tallies.clicks[&2].all, tallies.clicks[&2].by_person), (2, 0));
    let clicked = "Message Clicked".to_owned();
    assert_eq!(told(&world), [(clicked.clone(), json!(true)), (clicked, json!(false))]);
}

#[test]
fn a_letter_that_is_opened_often_is_told_once_and_counted_each_time() {
    let world = World::new();
    for _ in 0..50 {
        let response = finish(world.web().handle(request("GET", &path(Link::Open), &[CHROME, READS], None)));
        assert_eq!(response.status_code, 200);
        assert_eq!(response.headers.get("content-type").unwrap(), "image/gif");
        assert!(response.headers["cache-control"].to_str().unwrap().contains("no-store"));
        assert!(response.is_base64_encoded);
        world.clock.advance(Timestamp::MINUTE);
    }
    assert_eq!(mark(&world).unwrap().tallies().opens.by_person, 50);
    assert_eq!(told(&world), [("Message Opened".to_owned(), json!(false))]);
}

#[test]
fn links_that_are_not_ours_lead_nowhere_and_show_the_same_picture() {
    let world = World::new();
    let web = world.web();
    let picture = ask(&web, "GET", &path(Link::Open), None);
    assert_eq!(ask(&web, "GET", "/o/made-up", None), picture);
    let noted = mark(&world);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let mut bytes = click(1).into_bytes();
        let place = random.usize("/c/".len()..bytes.len());
        bytes[place] = *random.choice(b"ABCabc019-_").unwrap();
        let made_up = String::from_utf8(bytes).unwrap();
        if made_up != click(1) {
            assert_eq!(ask(&web, "GET", &made_up, None).0, 404, "{made_up}");
        }
    }
    assert_eq!(ask(&web, "GET", &click(1).replacen("/c/", "/o/", 1), None), picture);
    assert_eq!(ask(&web, "GET", &path(Link::Open).replacen("/o/", "/c/", 1), None).0, 404);
    assert_eq!(ask(&web, "POST", &click(1), None).0, 405);
    assert_eq!(mark(&world), noted);
}

#[test]
fn whatever_fails_of_counting_keeps_nobody_from_the_page() {
    for fault in [Fault::Refused, Fault::AnswerLost, Fault::Conflict] {
        for broken in 0..4 {
            let world = World::new();
            let mut calls = 0;
            let faulty = Faulty::new(world.people.clone(), move |_| {
                calls += 1;
                if calls > broken { fault } else { Fault::None }
            });
            let web = world.over(faulty);
            assert_eq!(answered(&web, request("GET", &click(1), &[CHROME], None)).0, 302);
            assert_eq!(answered(&web, request("GET", &path(Link::Open), &[CHROME], None)).0, 200);
        }
    }
    let world = World::new();
    world.queue.fail_next(9);
    assert_eq!(ask(&world.web(), "GET", &click(1), None).0, 302);
}

/// The item of the address has room for a few letters; older ones stand on pages.
#[test]
fn a_letter_of_long_ago_is_counted_too() {
    let world = World::new();
    for number in 10..40 {
        let page = std::cell::RefCell::new(None);
        world.change(|address| *page.borrow_mut() = address.page());
        if let Some(page) = page.into_inner() {
            finish(world.people.put(&shop(), collection(), &[page])).unwrap();
        }
        world.claim(&Delivery { id: DeliveryId::from_bytes([number; 16]), at: NOW, ..delivery() });
    }
    assert_eq!(world.look().0.delivery(delivery().id), None);
    ask(&world.web(), "GET", &click(1), None);
    assert!(mark(&world).is_some());
}

#[test]
fn leaving_is_told_once_and_counts_for_the_letter_that_it_came_from() {
    let world = World::new();
    for _ in 0..3 {
        ask(&world.web(), "POST", &unsubscribe(Some("news")), None);
        ask(&world.web(), "POST", &path(Link::Preferences), Some("do=nothing"));
    }
    assert!(mark(&world).unwrap().outcome().is_unsubscribed);
    assert_eq!(told(&world), [("Message Unsubscribed".to_owned(), serde_json::Value::Null)]);
}
