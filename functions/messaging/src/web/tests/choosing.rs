use super::*;

fn preferences() -> String {
    path(Link::Preferences)
}

fn is_in(world: &World, id: &str) -> bool {
    matches!(world.status(id), Status::Subscribed { .. })
}

fn check(form: &str, news: bool, offers: bool, words: usize) {
    let world = World::new();
    let (status, _) = ask(&world.web(), "POST", &preferences(), Some(form));
    assert_eq!(status, 200, "{form}");
    assert_eq!((is_in(&world, "news"), is_in(&world, "offers")), (news, offers), "{form}");
    assert_eq!(world.look().1.len(), 2 + words, "{form}");
}

#[test]
fn what_is_changed_is_said_and_nothing_else() {
    check("had=news&had=offers&topic=news&topic=offers&do=save", true, true, 0);
    check("had=news&had=offers&topic=news&do=save", true, false, 1);
    check("had=news&had=offers&do=save", false, false, 2);
    check("had=news&had=offers&do=nothing", false, false, 1);
    check("topic=made-up&had=made-up-too&do=save", true, true, 0);
    // No form of ours says nothing, whoever posts it.
    for odd in ["", "List-Unsubscribe=One-Click", "had=news", "do=", "\u{0}"] {
        check(odd, true, true, 0);
    }
}

#[test]
fn what_was_left_is_taken_again_by_a_new_mark_in_its_box() {
    let world = World::new();
    ask(&world.web(), "POST", &preferences(), Some("do=nothing"));
    world.clock.advance(Timestamp::SECOND);
    let (_, page) = ask(&world.web(), "POST", &preferences(), Some("topic=news&do=save"));
    assert!(is_in(&world, "news") && !is_in(&world, "offers"));
    assert!(page.contains("value=\"news\" checked") && !page.contains("value=\"offers\" checked"), "{page}");
    assert!(page.contains("role=\"status\">Your choice has been saved."), "{page}");
    let word = world.look().1.into_iter().max_by_key(|word| word.at).unwrap();
    assert_eq!(word.how.method.as_deref(), Some("preferences"));
    assert_eq!(word.how.text.as_deref(), Some("News"));
}

/// It was shown before somebody left by one click elsewhere.
#[test]
fn a_page_that_stood_open_brings_nothing_back() {
    let world = World::new();
    ask(&world.web(), "POST", &unsubscribe(Some("news")), None);
    world.clock.advance(Timestamp::HOUR);
    let form = "had=news&had=offers&topic=news&do=save";
    let (_, page) = ask(&world.web(), "POST", &preferences(), Some(form));
    assert!(!is_in(&world, "news") && !is_in(&world, "offers"));
    assert!(!page.contains("checked"), "{page}");
}

#[test]
fn the_page_names_topics_in_the_readers_language_and_changes_nothing_by_itself() {
    let world = World::new();
    world.hear(&of(Some("offers")), Said::Unsubscribed, NOW);
    let page = |language: &str| {
        answered(&world.web(), request("GET", &preferences(), &[("accept-language", language)], None)).1
    };
    let russian = page("ru-RU");
    assert!(russian.contains("value=\"news\" checked>Новости</label>"), "{russian}");
    assert!(russian.contains("value=\"offers\">Акции</label>"), "{russian}");
    assert!(russian.contains("Что вы хотите получать по электронной почте?"), "{russian}");
    assert!(page("uk").contains("Відписатися від усього"));
    assert!(page("en").contains("Offers &lt;b&gt;</label>"));
    for method in ["GET", "HEAD"] {
        ask(&world.web(), method, &preferences(), Some("do=nothing"));
    }
    assert!(is_in(&world, "news"));
}

#[test]
fn a_page_that_knows_no_topics_says_that_it_failed() {
    let world = World::new();
    world.definitions.set_failing(true);
    assert_eq!(ask(&world.web(), "POST", &preferences(), Some("had=news&do=save")).0, 503);
    assert!(is_in(&world, "news"));
}
