//! One profile, by identifier and by id.

use domain::profile::stored::{IdentityRow, Owner};
use domain::profile::{Profile, Standing};
use http::header::ETAG;

use super::*;

const JANUARY: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A customer whose e-mail two events changed.
async fn customer() -> World {
    let world = World::new();
    let identify =
        |id, at, traits: Value| event(EventKind::Identify, id, "u-1", at, &json!({ "traits": traits }));
    let bought = json!({ "event": "Order Completed", "properties": { "revenue": 12.50, "currency": "EUR" } });
    let visit = json!({ "context": { "campaign": { "source": "news" } } });
    world
        .fold(vec![
            identify("m-1", JANUARY, json!({ "email": "old@example.com", "address": { "city": "Riga" } })),
            identify(
                "m-2",
                JANUARY.plus(5),
                json!({ "email": "new@example.com", "gone": null, "vip": true }),
            ),
            event(EventKind::Track, "m-3", "u-1", JANUARY.plus(7), &bought),
            event(EventKind::Page, "m-4", "u-1", JANUARY.plus(9), &visit),
            event(EventKind::Group, "m-5", "u-1", JANUARY.plus(9), &json!({ "groupId": "acme" })),
        ])
        .await;
    world
}

#[tokio::test]
async fn a_profile_tells_what_is_known_since_when_and_from_whom() {
    let world = customer().await;
    let found = world.look_up("user_id", " u-1 ").await;
    assert_eq!(found.status, 200);
    let profile = &found.body;
    let expected = json!({ "value": "new@example.com", "at": "2026-01-01T00:00:00.005Z", "source": "web" });
    assert_eq!(profile["traits"]["email"], expected);
    assert_eq!(profile["traits"]["address.city"]["value"], "Riga");
    assert_eq!(profile["traits"].get("gone"), None);
    assert_eq!(
        profile["values"],
        json!({ "email": "new@example.com", "address": { "city": "Riga" }, "vip": true })
    );
    assert_eq!(profile["identifiers"], json!([{ "kind": "user_id", "value": "u-1" }]));
    assert_eq!((&profile["groups"], &profile["sources"]), (&json!(["acme"]), &json!(["web"])));
    let counters = &profile["counters"];
    assert_eq!(counters["total"], 5);
    let orders =
        json!({ "count": 1, "first": "2026-01-01T00:00:00.007Z", "last": "2026-01-01T00:00:00.007Z" });
    assert_eq!((&counters["names"]["Order Completed"], &counters["kinds"]["track"]), (&orders, &orders));
    assert_eq!(counters["other_names"]["count"], 0);
    assert_eq!(counters["revenue"], json!({ "EUR": { "sum": "12.5", "count": 1 } }));
    assert_eq!(
        (&profile["first_seen"], &profile["last_seen"]),
        (&json!("2026-01-01T00:00:00.000Z"), &json!("2026-01-01T00:00:00.009Z"))
    );
    let touch = json!({ "at": "2026-01-01T00:00:00.009Z", "utm": { "source": "news" } });
    assert_eq!(profile["campaigns"], json!({ "first": touch, "last": touch }));
    assert_eq!(profile["open_ties"], json!([]));
    assert!(profile["seed"].is_string());
}

#[tokio::test]
async fn the_id_that_a_look_up_gives_leads_to_the_same_profile() {
    let world = customer().await;
    let found = world.look_up("user_id", "u-1").await;
    let id = found.body["id"].as_str().unwrap();
    let read = world.get(&format!("//v1/profiles/{id}/")).await;
    assert_eq!((read.status, &read.body, read.header(ETAG)), (200, &found.body, found.header(ETAG)));
}

#[tokio::test]
async fn an_unchanged_profile_is_not_sent_again() {
    let world = customer().await;
    let id = world.id_of("user_id", "u-1").await;
    let path = format!("/v1/profiles/{id}");
    let etag = world.get(&path).await.header(ETAG).to_owned();
    let again = async |tags: &str| {
        let asked = request(Method::GET, &path, Some(&world.admin), None);
        world.ask(with(asked, "if-none-match", tags)).await
    };
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let answered = again(&tags).await;
        assert_eq!(
            (answered.status, answered.body.clone(), answered.header(ETAG)),
            (304, Value::Null, etag.as_str()),
            "{tags}"
        );
    }
    assert_eq!(again("\"x\"").await.status, 200);
    world.fold(vec![track("m-9", JANUARY)]).await;
    let changed = again(&etag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header(ETAG), etag);
}

#[tokio::test]
async fn a_tie_is_open_on_both_profiles_and_changes_the_etag_of_each() {
    let world = World::new();
    world.fold(vec![track("m-1", JANUARY)]).await;
    world.fold(vec![event(EventKind::Track, "m-2", "u-2", JANUARY, &json!({ "event": "Seen" }))]).await;
    let before = world.look_up("user_id", "u-2").await;
    let mut tying = event(EventKind::Alias, "m-3", "u-1", JANUARY.plus(1), &json!({}));
    tying.identifiers.push(identifier("user_id", "u-2"));
    world.fold(vec![tying]).await;
    for user in ["u-1", "u-2"] {
        let found = world.look_up("user_id", user).await;
        let [tie] = found.body["open_ties"].as_array().unwrap().as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (&tie["reason"], &tie["source"], &tie["message_id"]),
            (&json!("alias"), &json!("web"), &json!("m-3"))
        );
        assert_eq!(tie["identifiers"][1], json!({ "kind": "user_id", "value": "u-2" }));
    }
    let after = world.look_up("user_id", "u-2").await;
    assert_eq!(before.body["version"], after.body["version"]);
    assert_ne!(before.header(ETAG), after.header(ETAG));
}

#[tokio::test]
async fn a_phone_is_found_however_it_is_written() {
    let world = World::new();
    let mut called = track("m-1", JANUARY);
    called.identifiers.push(identifier("phone", "+79161234567"));
    world.fold(vec![called]).await;
    let ask = async |identifier: Value| {
        world.post("/v1/profiles/lookup", &json!({ "identifier": identifier })).await.told()
    };
    assert_eq!(ask(json!({ "kind": "phone", "value": "+7 (916) 123-45-67" })).await, "200");
    assert_eq!(ask(json!({ "kind": "phone", "value": "8 916 123-45-67", "region": "RU" })).await, "200");
    assert_eq!(ask(json!({ "kind": "phone", "value": "8 916 123-45-67" })).await, "400 bad_field");
    assert_eq!(ask(json!({ "kind": "phone", "value": "+79161234568" })).await, "404 profile_not_found");
}

/// A row is believed only if the profile agrees (rules 13 and 14).
#[tokio::test]
async fn a_row_that_its_profile_does_not_confirm_shows_nobody() {
    let world = customer().await;
    let place =
        (workspace_id("shop"), id_key().identifier(&workspace_id("shop"), &identifier("user_id", "u-1")));
    world.people.alter(|tables| {
        let row = tables.identities.get_mut(&place).unwrap();
        row.generation += 1;
    });
    assert_eq!(world.look_up("user_id", "u-1").await.told(), "503 unavailable");
    for owner in [Owner::Nobody, Owner::Erased(NOW)] {
        world.people.alter(|tables| {
            tables.identities.insert(place.clone(), IdentityRow { owner, generation: 1 });
        });
        assert_eq!(world.look_up("user_id", "u-1").await.told(), "404 profile_not_found", "{owner:?}");
    }
}

#[tokio::test]
async fn an_erased_person_is_not_there() {
    let world = customer().await;
    let id = world.id_of("user_id", "u-1").await;
    world.people.alter(|tables| {
        for stored in tables.profiles.values_mut() {
            stored.body = Profile { standing: Standing::Erased, ..Profile::default() }.encode();
        }
    });
    assert_eq!(world.look_up("user_id", "u-1").await.told(), "404 profile_not_found");
    assert_eq!(world.get(&format!("/v1/profiles/{id}")).await.told(), "404 profile_not_found");
    assert_eq!(world.get(&format!("/v1/profiles/{id}/timeline")).await.told(), "404 profile_not_found");
}

#[tokio::test]
async fn what_a_newer_build_wrote_is_asked_for_again_and_rubbish_is_a_fault_of_ours() {
    let world = customer().await;
    let id = world.id_of("user_id", "u-1").await;
    for (first, expected) in [(200, "503 unavailable"), (1, "500 broken")] {
        world
            .people
            .alter(|tables| tables.profiles.values_mut().for_each(|stored| stored.body = vec![first, 9]));
        assert_eq!(world.get(&format!("/v1/profiles/{id}")).await.told(), expected);
    }
}
