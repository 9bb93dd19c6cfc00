use super::*;

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

fn is_left(world: &World, id: &str) -> bool {
    matches!(world.status(id), Status::Unsubscribed { .. })
}

#[test]
fn one_click_leaves_with_any_body_and_is_answered_without_a_redirect_or_a_cookie() {
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let odd = ["", "x", "=&&%zz", "{\"a\":1}", "\u{0}"];
    let bodies = [Some(ONE_CLICK), Some(multipart), None].into_iter().chain(odd.map(Some));
    for body in bodies {
        let world = World::new();
        let kind = if body == Some(multipart) {
            "multipart/form-data; boundary=b"
        } else {
            "application/x-www-form-urlencoded"
        };
        let request = request("POST", &unsubscribe(Some("news")), &[("content-type", kind)], body);
        let response = finish(world.web().handle(request));
        assert_eq!(response.status_code, 200, "{body:?}");
        assert!(response.headers.get("location").is_none() && response.headers.get("set-cookie").is_none());
        assert!(response.cookies.is_empty());
        assert!(is_left(&world, "news") && !is_left(&world, "offers"), "{body:?}");
    }
}

#[test]
fn a_body_that_is_not_the_base64_it_claims_to_be_leaves_too() {
    let world = World::new();
    let mut request = request("POST", &unsubscribe(Some("news")), &[], Some("%%%"));
    request.is_base64_encoded = true;
    assert_eq!(answered(&world.web(), request).0, 200);
    assert!(is_left(&world, "news"));
}

#[test]
fn the_proof_says_how_from_where_and_beside_which_text() {
    let proof = |body| {
        let world = World::new();
        ask(&world.web(), "POST", &unsubscribe(Some("news")), Some(body));
        world.look().1.pop().unwrap()
    };
    let word = proof(ONE_CLICK);
    assert_eq!((word.said, word.at, &word.about), (Said::Unsubscribed, NOW, &of(Some("news"))));
    let origin = Some("203.0.113.9".to_owned());
    let how =
        How { source: "link".to_owned(), method: Some("one-click".to_owned()), origin, ..How::default() };
    assert_eq!(word.how, how);
    let pressed = proof("by=page").how;
    assert_eq!(pressed.method.as_deref(), Some("page"));
    assert_eq!(pressed.text.as_deref(), Some("Unsubscribe? You will no longer receive “News”."));
}

#[test]
fn everything_on_the_channel_is_left_at_once() {
    let world = World::new();
    let (status, page) = ask(&world.web(), "POST", &unsubscribe(None), Some("by=page"));
    assert_eq!(status, 200);
    assert!(page.contains("newsletters and offers by e-mail"));
    assert!(is_left(&world, "news") && is_left(&world, "offers") && is_left(&world, "never-heard-of"));
}

/// Whoever left is gone: asking again writes nothing more.
#[test]
fn leaving_again_and_again_is_one_word() {
    let world = World::new();
    for _ in 0..20 {
        assert_eq!(ask(&world.web(), "POST", &unsubscribe(Some("news")), None).0, 200);
        world.clock.advance(Timestamp::MINUTE);
    }
    assert_eq!(world.look().1.len(), 3, "two subscriptions and one withdrawal");
}

/// A browser's clock was ahead when somebody subscribed: leaving counts all the same.
#[test]
fn leaving_ends_what_was_said_by_a_clock_that_is_ahead() {
    let world = World::new();
    world.hear(&of(Some("news")), Said::Subscribed, NOW.plus(Timestamp::MINUTE));
    world.hear(&of(Some("offers")), Said::Asked, NOW.plus(2 * Timestamp::MINUTE));
    ask(&world.web(), "POST", &unsubscribe(Some("news")), None);
    assert!(is_left(&world, "news"));
    ask(&world.web(), "POST", &unsubscribe(None), None);
    assert!(is_left(&world, "offers"));
}

#[test]
fn one_hundred_scanners_unsubscribe_nobody() {
    let world = World::new();
    let web = world.web();
    for method in ["GET", "HEAD"].iter().cycle().take(100) {
        let (status, page) = ask(&web, method, &unsubscribe(Some("news")), Some(ONE_CLICK));
        assert_eq!((status, page.is_empty()), (200, *method == "HEAD"));
    }
    for method in ["PUT", "OPTIONS", "DELETE", "PATCH"] {
        assert_eq!(ask(&web, method, &unsubscribe(None), Some(ONE_CLICK)).0, 405);
    }
    assert!(!is_left(&world, "news"));
    assert_eq!(world.look().1.len(), 2);
}

fn calling(until: i64) -> Delivery {
    let state = State::Calling { until: NOW.plus(until), attempt: 9 };
    Delivery { id: DeliveryId::from_bytes([8; 16]), state, ..delivery() }
}

#[test]
fn nobody_is_told_that_it_is_done_while_a_call_may_still_begin() {
    let world = World::new();
    world.claim(&calling(700));
    assert_eq!(ask(&world.web(), "POST", &unsubscribe(Some("news")), None).0, 200);
    assert!(world.clock.now() >= NOW.plus(700));
    // A call about something else is none of this one's.
    let world = World::new();
    world.claim(&Delivery { topic: Some(topic("offers")), ..calling(700) });
    ask(&world.web(), "POST", &unsubscribe(Some("news")), None);
    assert_eq!(world.clock.now(), NOW);
}

#[test]
fn the_answer_comes_as_soon_as_the_call_has_ended() {
    let world = World::new();
    world.claim(&calling(700));
    let settled = world.people.clone();
    let looks = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&looks);
    let faulty = Faulty::new(world.people.clone(), move |call| {
        let mut looks = counted.lock().unwrap();
        *looks += usize::from(call == "items");
        if *looks == 4 {
            let workspace = shop();
            let change = store::change_address(&settled, &workspace, collection(), |address| {
                (address.settle(DeliveryId::from_bytes([8; 16]), 9, State::Accepted), ())
            });
            futures_util::FutureExt::now_or_never(change).unwrap().unwrap();
        }
        Fault::None
    });
    assert_eq!(ask(&world.over(faulty), "POST", &unsubscribe(Some("news")), None).0, 200);
    assert!(world.clock.now() < NOW.plus(200), "{:?}", world.clock.now());
}

#[test]
fn a_call_that_never_ends_is_not_waited_for_for_ever() {
    let world = World::new();
    world.claim(&calling(2 * CALL_MAX));
    let response = finish(world.web().handle(request("POST", &unsubscribe(Some("news")), &[], None)));
    assert_eq!(response.status_code, 503);
    assert!(response.headers.get("retry-after").is_some());
    assert!(is_left(&world, "news"), "it is kept all the same");
}

/// Each call fails in each way: what was answered with 200 stands, and whoever
/// was told otherwise asks again.
#[test]
fn rule_6_once_somebody_was_told_that_they_left_nothing_of_it_is_lost() {
    let faults = [Fault::Refused, Fault::AnswerLost, Fault::Conflict, Fault::DiesBefore, Fault::DiesAfter];
    let (mut told, mut untold) = (0, 0);
    for fault in faults {
        for broken in 0..14 {
            let world = World::new();
            world.claim(&calling(120));
            let mut calls = 0;
            let faulty = Faulty::new(world.people.clone(), move |_| {
                calls += 1;
                if calls == broken + 1 { fault } else { Fault::None }
            });
            let web = world.over(faulty);
            let leaving = web.handle(request("POST", &unsubscribe(Some("news")), &[], Some(ONE_CLICK)));
            let limited = async {
                // Whoever never answers is dead: so many turns are enough for the others.
                let dead = async {
                    for _ in 0..10_000 {
                        tokio::task::yield_now().await;
                    }
                };
                futures_util::future::select(Box::pin(leaving), Box::pin(dead)).await
            };
            let answer = match finish(limited) {
                futures_util::future::Either::Left((response, _)) => Some(response.status_code),
                futures_util::future::Either::Right(_) => None,
            };
            if answer == Some(200) {
                told += 1;
                assert!(is_left(&world, "news"), "{fault:?} at call {broken}");
                assert_eq!(world.look().0.under_way(&of(Some("news")), world.clock.now()), None);
            } else {
                untold += 1;
                assert!(answer.is_none_or(|status| status == 503), "{fault:?} at call {broken}");
                assert_eq!(ask(&world.web(), "POST", &unsubscribe(Some("news")), None).0, 200);
                assert!(is_left(&world, "news"));
            }
        }
    }
    assert!(told > 5 && untold > 10, "{told} and {untold}");
}

#[test]
fn ten_thousand_mutated_tokens_open_nothing_and_look_alike() {
    let world = World::new();
    let web = world.web();
    let nowhere = ask(&web, "GET", "/u/nothing", None);
    assert_eq!(nowhere.0, 404);
    let whole = unsubscribe(Some("news"));
    let other = SigningKeys::make("k1", [[4; 16]; 2]).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for turn in 0..10_000 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..random.usize(1..4) {
            let place = random.usize("/u/".len()..bytes.len());
            match random.u8(0..3) {
                0 => bytes[place] = *random.choice(b"ABCDEFabcdef0123456789-_.").unwrap(),
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, *random.choice(b"AZaz09-_.%~").unwrap()),
            }
        }
        let path = String::from_utf8(bytes).unwrap();
        if path == whole {
            continue;
        }
        let method = if turn % 2 == 0 { "POST" } else { "GET" };
        assert_eq!(ask(&web, method, &path, None), nowhere, "{path}");
    }
    let stranger = Token {
        workspace: shop(),
        address: collection(),
        delivery: delivery().id,
        issued: NOW,
        link: Link::Unsubscribe { about: of(None) },
    };
    let of_another_kind = path(Link::Open).replacen("/o/", "/u/", 1);
    for path in [format!("/u/{}", stranger.seal(&other)), of_another_kind, "/".to_owned(), "/u/".to_owned()] {
        assert_eq!(ask(&web, "POST", &path, None), nowhere);
    }
    assert_eq!(world.look().1.len(), 2);
}

#[test]
fn a_page_runs_nothing_loads_nothing_and_escapes_what_others_wrote() {
    let world = World::new();
    let web = world.web();
    let response = finish(web.handle(request("GET", &unsubscribe(Some("offers")), &[], None)));
    let header = |name: &str| response.headers.get(name).unwrap().to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
        "{policy}"
    );
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("x-robots-tag").contains("noindex") && header("cache-control").contains("no-store"));
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    let (_, page) = ask(&web, "GET", &unsubscribe(Some("offers")), None);
    assert!(page.contains("Sender: Shop &amp; &lt;Sons&gt;"), "{page}");
    assert!(page.contains("“Offers &lt;b&gt;”"), "{page}");
    assert!(!page.contains("<script") && !page.contains("http") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<form method=\"post\"><button") && page.contains("lang=\"en\""));
}

#[test]
fn a_page_speaks_its_readers_language_else_the_workspaces() {
    let world = World::new();
    let speaks = |accepted: Option<&str>, method: &str| {
        let headers: Vec<_> = accepted.iter().map(|accepted| ("accept-language", *accepted)).collect();
        answered(&world.web(), request(method, &unsubscribe(Some("news")), &headers, None)).1
    };
    assert!(speaks(Some("uk-UA,ru;q=0.5"), "GET").contains("Відписатися від розсилки?"));
    assert!(speaks(Some("ru"), "GET").contains("Вы больше не будете получать «Новости»."));
    assert!(speaks(Some("ru"), "POST").contains("Вы отписались"));
    assert!(speaks(None, "GET").contains("Unsubscribe?"));
    let settings = Settings { language: Some("uk".to_owned()), ..Settings::default() };
    world.definitions.write(&shop(), Written::Settings(settings));
    let web = world.web();
    let page = answered(&web, request("GET", &unsubscribe(Some("news")), &[], None)).1;
    assert!(page.contains("Ви більше не отримуватимете «news»."), "{page}");
}

/// Nobody is kept from leaving because names cannot be read.
#[test]
fn definitions_out_of_reach_keep_nobody_from_leaving() {
    let world = World::new();
    world.definitions.set_failing(true);
    let (status, page) = ask(&world.web(), "POST", &unsubscribe(Some("news")), None);
    assert_eq!(status, 200);
    assert!(page.contains("“news”") && is_left(&world, "news"));
}
