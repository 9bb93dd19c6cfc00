use domain::messaging::link::CONFIRM_WITHIN;

use super::*;
use crate::web::confirm::{ASKED_MAX, ASKED_WITHIN};

fn asked(world: &World, id: Option<&str>) -> Asked {
    let (about, source) = (of(id), SourceId::parse("form").unwrap());
    let how = How { source: "form".to_owned(), ..How::default() };
    let (of, now) = (ann(), world.clock.now());
    let wish = Wish { of: &of, about: &about, source: &source, how };
    finish(super::super::wish(&world.people, (&key(), &keys()), &shop(), wish, now)).unwrap()
}

fn link(world: &World, id: &str) -> String {
    let Asked::Token(token) = asked(world, Some(id)) else { panic!("{id} was asked before") };
    format!("/confirm/{token}")
}

#[test]
fn a_wish_counts_once_the_button_is_pressed_and_not_before() {
    let world = World::new();
    let path = link(&world, "tips");
    for method in ["GET", "HEAD"].iter().cycle().take(100) {
        assert_eq!(ask(&world.web(), method, &path, None).0, 200);
    }
    assert!(matches!(world.status("tips"), Status::Pending { .. }));
    world.clock.advance(Timestamp::MINUTE);
    for _ in 0..2 {
        let (status, page) = ask(&world.web(), "POST", &path, None);
        assert_eq!(status, 200);
        assert!(page.contains("From now on you will receive “tips”."), "{page}");
    }
    assert_eq!(world.status("tips"), Status::Subscribed { since: NOW.plus(Timestamp::MINUTE) });
    let word = world.look().1.pop().unwrap();
    assert_eq!(word.how.method.as_deref(), Some("double-opt-in"));
    assert_eq!(word.how.origin.as_deref(), Some("203.0.113.9"));
    assert!(word.how.text.unwrap().starts_with("Confirm your subscription"));
    assert_eq!(asked(&world, Some("tips")), Asked::Already);
}

#[test]
fn who_has_left_does_not_come_back_by_an_old_link() {
    let world = World::new();
    let path = link(&world, "tips");
    world.clock.advance(Timestamp::MINUTE);
    ask(&world.web(), "POST", &path, None);
    world.clock.advance(Timestamp::MINUTE);
    ask(&world.web(), "POST", &unsubscribe(Some("tips")), None);
    world.clock.advance(Timestamp::MINUTE);
    assert_eq!(ask(&world.web(), "POST", &path, None).0, 404);
    assert!(matches!(world.status("tips"), Status::Unsubscribed { .. }));
    world.clock.set(NOW.plus(CONFIRM_WITHIN));
    let late = link(&world, "offers-too");
    world.clock.advance(CONFIRM_WITHIN);
    assert_eq!(ask(&world.web(), "POST", &late, None).0, 404, "it was not meant");
}

#[test]
fn an_address_is_asked_three_times_a_day_about_whatever_it_is() {
    let world = World::new();
    for turn in 0..ASKED_MAX {
        link(&world, &format!("tips-{turn}"));
        world.clock.advance(Timestamp::MINUTE);
    }
    let until = NOW.plus(ASKED_WITHIN);
    for _ in 0..5 {
        assert_eq!(asked(&world, Some("tips-0")), Asked::TooOften { until });
    }
    let asked_for = |world: &World| world.look().1.iter().filter(|word| word.said == Said::Asked).count();
    assert_eq!(asked_for(&world), ASKED_MAX);
    world.clock.set(until);
    link(&world, "tips-0");
    assert_eq!(asked(&world, None), Asked::Nothing);
}

/// All look before any of them writes.
#[test]
fn of_many_who_ask_at_once_three_are_served() {
    let world = World::new();
    let (source, of_ann) = (SourceId::parse("form").unwrap(), ann());
    let abouts: Vec<About> = (0..10).map(|turn| of(Some(&format!("tips-{turn}")))).collect();
    let people = Faulty::new(world.people.clone(), |_| Fault::None);
    let (key, keys, shop) = (key(), keys(), shop());
    let wishes = abouts.iter().map(|about| {
        let wish = Wish { of: &of_ann, about, source: &source, how: How::default() };
        Box::pin(super::super::wish(&people, (&key, &keys), &shop, wish, NOW))
    });
    let asked = finish(futures_util::future::join_all(wishes));
    let served = asked.iter().filter(|asked| matches!(asked, Ok(Asked::Token(_)))).count();
    assert_eq!(served, ASKED_MAX, "{asked:?}");
}
