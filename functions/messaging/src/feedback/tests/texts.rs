use super::*;

fn bob() -> Identifier {
    Identifier::parse("phone", "+14255550182", None).unwrap()
}

fn text(words: &str, id: &str, at: Timestamp) -> String {
    let message = json!({
        "originationNumber": bob().value(), "destinationNumber": NUMBER, "messageKeyword": "JOIN",
        "messageBody": words, "inboundMessageId": id,
    });
    json!({ "Type": "Notification", "Message": message.to_string(), "Timestamp": at.rfc3339() }).to_string()
}

fn minute(minutes: i64) -> Timestamp {
    NOW.plus(minutes * Timestamp::MINUTE)
}

fn stop(at: i64) -> String {
    text("STOP", &format!("stop-{at}"), minute(at))
}

fn start(at: i64) -> String {
    text("START", &format!("start-{at}"), minute(at))
}

impl World {
    fn say(&self, workspace: &str, about: Option<&str>, said: Said, at: i64) {
        let about = About { channel: Channel::Sms, topic: about.map(topic) };
        let source = SourceId::parse("form").unwrap();
        let name = Record::name(&key(), &source, &bob(), (&about, said, minute(at)));
        let word = Record { about, said, at: minute(at), name, how: How::default() };
        let workspace = WorkspaceId::parse(workspace).unwrap();
        finish(hear(&self.people, (&key(), &workspace), &bob(), &word, NOW)).unwrap();
    }

    fn stands(&self, workspace: &str, id: &str) -> Status {
        let workspace = WorkspaceId::parse(workspace).unwrap();
        let (address, _) = finish(look(&self.people, (&key(), &workspace), &bob())).unwrap();
        address.status(Channel::Sms, &topic(id))
    }

    fn is_in(&self, id: &str) -> bool {
        matches!(self.stands("shop", id), Status::Subscribed { .. })
    }
}

#[test]
fn stop_is_heard_in_every_language_and_about_everything() {
    for words in ["STOP", "стоп!", "Отписаться", "відписатися", " s t o p "] {
        let world = World::new();
        world.say("shop", Some("news"), Said::Subscribed, -9);
        assert_eq!(
            world.hear(&text(words, "in-1", minute(1))),
            Outcome::Stopped { workspaces: 1 },
            "{words}"
        );
        for id in ["news", "never-heard-of"] {
            assert_eq!(world.stands("shop", id), Status::Unsubscribed { since: minute(1) }, "{words}");
        }
        let (_, words) = finish(look(&world.people, (&key(), &shop()), &bob())).unwrap();
        assert_eq!(words.last().unwrap().how.proof.as_deref(), Some("in-1"));
    }
}

#[test]
fn anything_else_says_nothing_and_help_asks_for_an_answer() {
    let world = World::new();
    world.say("shop", Some("news"), Said::Subscribed, -9);
    for file in ["incoming.sns", "incoming.raw", "incoming-unasked.sns"] {
        world.hear(&body(&format!("sms-events/{file}.json")).replace("STOP", "EXAMPLE"));
    }
    assert_eq!(world.hear(&text("When does it start?", "in-1", NOW)), Outcome::Ignored);
    assert_eq!(world.hear(&text("помощь", "in-2", NOW)), Outcome::HelpDue);
    assert!(world.is_in("news"));
}

#[test]
fn start_brings_back_what_stop_took_and_nothing_that_was_left_before() {
    let world = World::new();
    world.say("shop", Some("news"), Said::Subscribed, -9);
    world.say("shop", Some("offers"), Said::Subscribed, -9);
    world.say("shop", Some("offers"), Said::Unsubscribed, -8);
    world.say("shop", Some("tips"), Said::Asked, -8);
    world.hear(&stop(1));
    assert_eq!(world.hear(&start(2)), Outcome::Started { topics: 1 });
    assert_eq!(world.stands("shop", "news"), Status::Subscribed { since: minute(2) });
    assert!(!world.is_in("offers") && !world.is_in("tips"));
    // Stopped again, and told of the first start once more.
    world.hear(&stop(3));
    world.hear(&start(2));
    assert!(!world.is_in("news"));
}

#[test]
fn start_brings_nothing_back_that_a_page_or_a_complaint_ended() {
    let world = World::new();
    world.say("shop", Some("news"), Said::Subscribed, -9);
    world.hear(&stop(1));
    world.say("shop", None, Said::Unsubscribed, 2);
    assert_eq!(world.hear(&start(3)), Outcome::Started { topics: 0 });
    assert!(!world.is_in("news"));
}

#[test]
fn rule_18_stop_and_start_twice_and_in_any_order_come_to_one_state() {
    let mut random = fastrand::Rng::with_seed(7);
    for (bodies, is_in) in [
        (vec![stop(1), start(2)], true),
        (vec![stop(1), start(2), stop(3)], false),
        (vec![start(1), stop(2)], false),
        (vec![stop(1), start(2), stop(3), start(4)], true),
    ] {
        for _ in 0..20 {
            let world = World::new();
            world.say("shop", Some("news"), Said::Subscribed, -9);
            let mut twice: Vec<&String> = bodies.iter().chain(&bodies).collect();
            random.shuffle(&mut twice);
            for body in &twice {
                world.hear(body);
            }
            assert_eq!(world.is_in("news"), is_in, "{twice:?}");
        }
    }
}

/// Nobody can tell which of them a word is for: to be left alone, all of them.
#[test]
fn a_number_of_several_workspaces_stops_all_and_starts_none() {
    let world = World::new();
    world.define("other", "+1 212 555-0101");
    world.define("third", "+12125550199");
    for workspace in ["shop", "other", "third"] {
        world.say(workspace, Some("news"), Said::Subscribed, -9);
    }
    assert_eq!(world.hear(&stop(1)), Outcome::Stopped { workspaces: 2 });
    assert_eq!(world.hear(&start(2)), Outcome::Ignored);
    for workspace in ["shop", "other"] {
        assert!(matches!(world.stands(workspace, "news"), Status::Unsubscribed { .. }), "{workspace}");
    }
    assert!(matches!(world.stands("third", "news"), Status::Subscribed { .. }));
    let elsewhere = stop(5).replace(NUMBER, "+12125550000");
    assert_eq!(world.hear(&elsewhere), Outcome::Foreign);
}

#[test]
fn stop_counts_for_the_last_text_that_came_before_it() {
    let world = World::new();
    world.say("shop", Some("news"), Said::Subscribed, -9);
    let phone = key().address(&shop(), &bob());
    let workspace = shop();
    for (number, message, at) in [(1, "sale", -5), (2, "later", 5)] {
        let delivery = Delivery {
            id: DeliveryId::from_bytes([number; 16]),
            at: minute(at),
            message: MessageId::parse(message).unwrap(),
            state: State::Accepted,
            ..delivery(Channel::Sms)
        };
        let claim = store::change_address(&world.people, &workspace, phone, |address| {
            (address.claim(delivery.clone(), NOW) == Claimed::Now, ())
        });
        finish(claim).unwrap();
    }
    world.hear(&stop(1));
    world.hear(&stop(1));
    assert_eq!(world.told(), ["Message Unsubscribed"]);
    let (run, mark) = (key().message_run(&shop(), "sale"), mark::key(DeliveryId::from_bytes([1; 16])));
    let mark = finish(store::item(&world.people, &shop(), run, &mark)).unwrap().unwrap();
    assert!(Mark::read(&mark).unwrap().outcome().is_unsubscribed);
}

/// The events of a provider of texts are taken in like those of letters.
#[test]
fn receipts_of_texts_settle_suppress_and_count() {
    let world = World::new();
    for body in bodies("sms-events").iter().filter(|body| body.contains(DELIVERY)) {
        world.hear(body);
    }
    assert_eq!((world.state(), world.address().suppressed()), (State::Accepted, Some(Reason::Bounced)));
    assert_eq!(world.mark().unwrap().outcome().arrival, Arrival::HardBounce);
}
