//! A profile's events over a period.

use domain::key::ProfileId;
use domain::profile::merge::merge;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::{Profile, page};

use super::*;

const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn ids(answered: &Answered) -> Vec<String> {
    assert_eq!(answered.status, 200, "{answered:?}");
    let events = answered.body["events"].as_array().unwrap();
    events.iter().map(|event| event["message_id"].as_str().unwrap().to_owned()).collect()
}

/// All answers of one question, cursor by cursor.
async fn all(world: &World, path: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let answered = world.get(&format!("{path}limit={limit}{cursor}")).await;
        let ids = ids(&answered);
        assert!(ids.len() <= limit);
        found.extend(ids);
        let Some(next) = answered.body["cursor"].as_str() else { return found };
        cursor = format!("&cursor={}", quoted(next));
    }
    panic!("the cursors lead in a circle");
}

/// Writes that overlap in time, as late events make them: 120 events, in
/// batches whose pages begin early and end late.
async fn busy() -> (World, String, Vec<String>) {
    let world = World::new();
    let at = |number: i64| START.plus(number * 7 * Timestamp::HOUR);
    let name = |number: i64| format!("m-{number:03}");
    for batch in 0..10 {
        let events = (0..12).map(|step| track(&name(step * 10 + batch), at(step * 10 + batch)));
        world.fold(events.collect()).await;
    }
    let id = world.id_of("user_id", "u-1").await;
    (world, id, (0..120).map(name).collect())
}

#[tokio::test]
async fn events_come_in_the_order_of_their_time_with_all_that_was_sent() {
    let world = World::new();
    let said = json!({ "event": "Order Completed", "properties": { "total": 10.50, "big": 12_345_678_901_234_567_890_u64 } });
    world
        .fold(vec![
            event(EventKind::Track, "m-2", "u-1", START.plus(2), &said),
            event(EventKind::Page, "m-1", "u-1", START.plus(1), &json!({ "name": "Home" })),
        ])
        .await;
    let id = world.id_of("user_id", "u-1").await;
    let answered = world.get(&format!("/v1/profiles/{id}/timeline")).await;
    assert_eq!(ids(&answered), ["m-1", "m-2"]);
    let last = &answered.body["events"][1];
    assert_eq!(
        (&last["type"], &last["event"], &last["source"]),
        (&json!("track"), &json!("Order Completed"), &json!("web"))
    );
    assert_eq!(
        (&last["at"], &last["received_at"]),
        (&json!("2026-01-01T00:00:00.002Z"), &json!(NOW.rfc3339()))
    );
    assert_eq!(last["payload"]["properties"], said["properties"]);
    assert_eq!(answered.body["cursor"], Value::Null);
}

#[tokio::test]
async fn every_page_size_gives_every_event_once_and_in_order() {
    let (world, id, expected) = busy().await;
    let path = format!("/v1/profiles/{id}/timeline?");
    for limit in [1, 7, 50, 119, 120, 121, 1_000] {
        assert_eq!(all(&world, &path, limit).await, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn a_period_takes_its_first_moment_in_and_leaves_its_last_out() {
    let (world, id, expected) = busy().await;
    let at = |number: i64| START.plus(number * 7 * Timestamp::HOUR).rfc3339();
    for (from, to) in [(0, 120), (10, 11), (17, 99), (119, 120)] {
        let path = format!("/v1/profiles/{id}/timeline?from={}&to={}&", quoted(&at(from)), quoted(&at(to)));
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        assert_eq!(all(&world, &path, 10).await, expected[from..to], "{path}");
    }
    let day = world.get(&format!("/v1/profiles/{id}/timeline?from=2026-01-02&to=2026-01-03")).await;
    assert_eq!(ids(&day), ["m-004", "m-005", "m-006"]);
    let zoned = world.get(&format!("/v1/profiles/{id}/timeline?to=2026-01-01T03:00:00+03:00&limit=5")).await;
    assert_eq!(ids(&zoned), Vec::<String>::new());
}

#[tokio::test]
async fn filters_hold_together_and_across_pages() {
    let world = World::new();
    let mut events = Vec::new();
    for number in 0..40 {
        let at = START.plus(number * Timestamp::HOUR);
        let kind = if number % 2 == 0 { EventKind::Track } else { EventKind::Page };
        let name = if number % 4 == 0 { "Order Completed" } else { "Seen, twice" };
        let mut event = event(kind, &format!("m-{number:02}"), "u-1", at, &json!({ "event": name }));
        event.source = source_id(if number % 8 == 0 { "crm" } else { "web" });
        events.push(event);
    }
    for chunk in events.chunks(4) {
        world.fold(chunk.to_vec()).await;
    }
    let id = world.id_of("user_id", "u-1").await;
    let ask = async |query: &str| all(&world, &format!("/v1/profiles/{id}/timeline?{query}&"), 3).await;
    let every =
        |step: usize, from: usize| (from..40).step_by(step).map(|n| format!("m-{n:02}")).collect::<Vec<_>>();
    assert_eq!(ask("type=page").await, every(2, 1));
    assert_eq!(ask("type=track,page").await, every(1, 0));
    assert_eq!(ask("type=identify").await, Vec::<String>::new());
    assert_eq!(ask("event=Order+Completed").await, every(4, 0));
    assert_eq!(ask("event=Seen%2C%20twice").await, every(4, 2));
    assert_eq!(ask("source=crm").await, every(8, 0));
    assert_eq!(ask("source=web&event=Order%20Completed").await, every(8, 4));
}

/// Rule 4: a page that an attempt left behind shows nothing, and what stands
/// on two pages is shown once.
#[tokio::test]
async fn rule_4_only_events_that_the_ledger_names_are_shown_and_each_once() {
    let (world, id, expected) = busy().await;
    let shop = workspace_id("shop");
    let profile = domain::key::ProfileId::parse(&id).unwrap();
    let orphan = track("orphan", START.plus(3));
    let again = track("m-050", START.plus(50 * 7 * Timestamp::HOUR));
    // The copy that was applied told another time, or none.
    let mut other_copy = track("m-051", START.plus(60 * Timestamp::DAY));
    other_copy.client_time = ClientTime::Absent(NOW.plus(-1));
    let pages = page::timeline(0, &[&orphan, &again, &other_copy]);
    let elsewhere = page::timeline(1, &[&again, &orphan]);
    ports::People::put(&world.people, &shop, profile, &[pages, elsewhere].concat()).await.unwrap();
    let path = format!("/v1/profiles/{id}/timeline?");
    for limit in [1, 9, 1_000] {
        assert_eq!(all(&world, &path, limit).await, expected, "limit {limit}");
    }
    // A clock that is off gives each copy a time of its own.
    let mut later_copy = track("m-052", START.plus(53 * 7 * Timestamp::HOUR));
    later_copy.client_time = ClientTime::Sent(START.plus(52 * 7 * Timestamp::HOUR));
    let pages = page::timeline(0, &[&later_copy]);
    ports::People::put(&world.people, &shop, profile, &pages).await.unwrap();
    assert_eq!(all(&world, &path, 1_000).await, expected);
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_too() {
    let world = World::new();
    let long = "x".repeat(30_000);
    for batch in 0..15 {
        let events = (0..10).map(|step| {
            let number = batch * 10 + step;
            let said = json!({ "event": "Seen", "properties": { "long": long } });
            event(EventKind::Track, &format!("m-{number:03}"), "u-1", START.plus(number), &said)
        });
        world.fold(events.collect()).await;
    }
    let id = world.id_of("user_id", "u-1").await;
    let answered = world.get(&format!("/v1/profiles/{id}/timeline?limit=1000")).await;
    assert!(answered.body.to_string().len() < 4 * 1024 * 1024);
    assert!(answered.body["cursor"].is_string());
    let expected: Vec<String> = (0..150).map(|number| format!("m-{number:03}")).collect();
    assert_eq!(all(&world, &format!("/v1/profiles/{id}/timeline?"), 1_000).await, expected);
}

#[tokio::test]
async fn a_cursor_leads_on_only_where_it_was_made() {
    let (world, id, _) = busy().await;
    let mut called = track("m-x", START);
    called.identifiers = vec![identifier("user_id", "u-2")];
    world.fold(vec![called]).await;
    let other_person = world.id_of("user_id", "u-2").await;
    let first = world.get(&format!("/v1/profiles/{id}/timeline?type=track&limit=3")).await;
    let cursor = first.body["cursor"].as_str().unwrap().to_owned();
    let told = async |path: String| world.get(&path).await.told();
    let c = quoted(&cursor);
    assert_eq!(told(format!("/v1/profiles/{id}/timeline?cursor={c}&limit=50&type=track")).await, "200");
    for foreign in [
        format!("/v1/profiles/{id}/timeline?cursor={c}"),
        format!("/v1/profiles/{id}/timeline?cursor={c}&type=page"),
        format!("/v1/profiles/{id}/timeline?cursor={c}&type=track&from=2026-01-01"),
        format!("/v1/profiles/{id}/timeline?cursor={c}&type=track&source=web"),
        format!("/v1/profiles/{other_person}/timeline?cursor={c}&type=track"),
        format!("/v1/profiles/{id}/timeline?type=track&cursor="),
        format!("/v1/profiles/{id}/timeline?type=track&cursor={}", "x".repeat(5_000)),
        format!("/v1/profiles/{id}/timeline?type=track&cursor={}", quoted("c1.k1.AAAA.AAAA")),
    ] {
        assert_eq!(told(foreign.clone()).await, "400 bad_cursor", "{foreign}");
    }
    let mut forged = cursor.clone().into_bytes();
    let middle = forged.len() / 3;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(
        told(format!("/v1/profiles/{id}/timeline?type=track&cursor={}", quoted(&forged))).await,
        "400 bad_cursor"
    );
}

#[tokio::test]
async fn a_cursor_of_one_workspace_says_nothing_in_another() {
    let (world, id, _) = busy().await;
    let first = world.get(&format!("/v1/profiles/{id}/timeline?limit=3")).await;
    let cursor = quoted(first.body["cursor"].as_str().unwrap()).into_owned();
    // The same id in another workspace, as nobody could have it.
    world.people.alter(|tables| {
        let stored: Vec<_> = tables.profiles.iter().map(|((_, id), stored)| (*id, stored.clone())).collect();
        for (id, stored) in stored {
            tables.profiles.insert((workspace_id("other"), id), stored);
        }
    });
    let key = world.admin_key("other", &Scope::ALL);
    let path = format!("/v1/profiles/{id}/timeline");
    assert_eq!(ids(&world.ask(request(Method::GET, &path, Some(&key), None)).await), Vec::<String>::new());
    let asked = request(Method::GET, &format!("{path}?limit=3&cursor={cursor}"), Some(&key), None);
    assert_eq!(world.ask(asked).await.told(), "400 bad_cursor");
}

#[tokio::test]
async fn a_cursor_from_before_a_rebuild_goes_on_in_the_new_pages() {
    let (world, id, expected) = busy().await;
    let first = world.get(&format!("/v1/profiles/{id}/timeline?limit=30")).await;
    let cursor = quoted(first.body["cursor"].as_str().unwrap()).into_owned();
    // A rebuild writes all pages under a new epoch.
    world.people.alter(|tables| {
        let moved = tables.items.iter().filter_map(|((workspace, id, key), body)| {
            let renamed =
                key.0.contains("#00000000#").then(|| key.0.replacen("#00000000#", "#00000001#", 1))?;
            Some(((workspace.clone(), *id, domain::profile::stored::ItemKey(renamed)), body.clone()))
        });
        tables.items = moved.collect();
        for stored in tables.profiles.values_mut() {
            let mut profile = domain::profile::Profile::decode(&stored.body).unwrap();
            profile.epoch = 1;
            stored.body = profile.encode();
        }
    });
    let rest = world.get(&format!("/v1/profiles/{id}/timeline?limit=1000&cursor={cursor}")).await;
    assert_eq!([ids(&first), ids(&rest)].concat(), expected);
}

#[tokio::test]
async fn a_history_that_nothing_of_matches_is_read_to_its_end_in_bounded_steps() {
    let world = World::new();
    for number in 0..150 {
        world.fold(vec![track(&format!("m-{number}"), START.plus(number * Timestamp::DAY))]).await;
    }
    let id = world.id_of("user_id", "u-1").await;
    let path = format!("/v1/profiles/{id}/timeline?type=page");
    let first = world.get(&path).await;
    assert_eq!(ids(&first), Vec::<String>::new());
    assert!(first.body["cursor"].is_string(), "one request does not read everything");
    assert_eq!(all(&world, &format!("{path}&"), 10).await, Vec::<String>::new());
}

/// Two people with interleaved events, made one as the identity stage does it.
async fn merged() -> (World, [ProfileId; 2], Vec<String>) {
    let world = World::new();
    let name = |number: i64| format!("m-{number:03}");
    for batch in 0..8_i64 {
        let of = |number: i64| {
            let said = json!({ "event": "Seen" });
            let user = if number % 2 == 0 { "u-1" } else { "u-2" };
            let at = START.plus(number * 7 * Timestamp::HOUR);
            let mut event = event(EventKind::Track, &name(number), user, at, &said);
            event.identifiers = vec![identifier("card", user)];
            event
        };
        world.fold((0..10).map(|step| of(step * 8 + batch)).collect()).await;
    }
    let mut ids = Vec::new();
    for card in ["u-1", "u-2"] {
        ids.push(ProfileId::parse(&world.id_of("card", card).await).unwrap());
    }
    let of = |id: &ProfileId| {
        let stored = world.people.tables().profiles[&(workspace_id("shop"), *id)].clone();
        (*id, Profile::decode(&stored.body).unwrap())
    };
    let tie = Tie {
        identifiers: [identifier("card", "u-1"), identifier("card", "u-2")],
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: "m-000".to_owned(),
        at: NOW,
    };
    let merged = merge(&Rules::default(), &tie, NOW, of(&ids[0]), of(&ids[1])).unwrap();
    let both = [merged.survivor.0, merged.absorbed.0];
    world.people.alter(|tables| {
        for (id, profile) in [merged.survivor, merged.absorbed] {
            tables.profiles.get_mut(&(workspace_id("shop"), id)).unwrap().body = profile.encode();
        }
    });
    (world, both, (0..80).map(name).collect())
}

#[tokio::test]
async fn a_merged_person_has_one_timeline_whatever_the_size_of_an_answer() {
    let (world, [survivor, absorbed], expected) = merged().await;
    for limit in [1, 7, 1_000] {
        assert_eq!(all(&world, &format!("/v1/profiles/{survivor}/timeline?"), limit).await, expected);
    }
    assert_eq!(all(&world, &format!("/v1/profiles/{absorbed}/timeline?"), 50).await, expected);
    let from = START.plus(70 * 7 * Timestamp::HOUR).rfc3339();
    let path = format!("/v1/profiles/{survivor}/timeline?from={}&", quoted(&from));
    assert_eq!(all(&world, &path, 3).await, expected[70..]);
}

#[tokio::test]
async fn rule_15_whoever_holds_the_id_of_an_absorbed_profile_comes_to_the_survivor() {
    let (world, [survivor, absorbed], _) = merged().await;
    for found in [
        world.get(&format!("/v1/profiles/{absorbed}")).await,
        world.look_up("card", "u-1").await,
        world.look_up("card", "u-2").await,
    ] {
        assert_eq!(found.body["id"], survivor.to_string());
        assert_eq!(found.body["absorbed"][0]["id"], absorbed.to_string());
        assert_eq!(found.body["counters"]["total"], 80);
    }
}

#[tokio::test]
async fn an_event_of_either_side_goes_to_the_survivor_and_its_copies_are_known() {
    let (world, [survivor, absorbed], _) = merged().await;
    let frozen = world.people.tables().profiles[&(workspace_id("shop"), absorbed)].clone();
    let mut late = event(EventKind::Track, "m-late", "u-2", START, &json!({ "event": "Seen" }));
    late.identifiers = vec![identifier("card", "u-2"), identifier("card", "u-1")];
    world.fold(vec![late.clone()]).await;
    world.fold(vec![late]).await;
    // A copy of the oldest event, which only a page of the absorbed proves.
    let mut copy =
        event(EventKind::Track, "m-001", "u-2", START.plus(7 * Timestamp::HOUR), &json!({ "event": "Seen" }));
    copy.identifiers = vec![identifier("card", "u-2")];
    world.fold(vec![copy]).await;
    let found = world.get(&format!("/v1/profiles/{survivor}")).await;
    assert_eq!(found.body["counters"]["total"], 81);
    assert_eq!(found.body["open_ties"], json!([]), "two identifiers of one person tie nothing");
    assert_eq!(world.people.tables().profiles[&(workspace_id("shop"), absorbed)], frozen);
}
