//! Why a person is who they are, and orders that change it.

use domain::identity_request::{IdentityRequest, Part, Work};
use domain::key::ProfileId;
use domain::profile::merge::Refusal;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::{Absorbed, Held, Profile, lineage, page};

use super::*;

fn tie(reason: TieReason) -> Tie {
    Tie {
        identifiers: [identifier("user_id", "u-1"), identifier("email", "other@example.com")],
        reason,
        source: "web".to_owned(),
        message_id: "m-tie".to_owned(),
        at: NOW,
    }
}

async fn person() -> (World, String) {
    let world = World::new();
    world.fold(vec![track("m-1", NOW)]).await;
    let id = world.id_of("user_id", "u-1").await;
    (world, id)
}

const OTHER: &str = "0123456789abcdef0123456789abcdef";

/// A person with two identifiers who took [`OTHER`] in, and was taken apart from it.
async fn merged_person() -> (World, String) {
    let (world, id) = person().await;
    let other = ProfileId::parse(OTHER).unwrap();
    world.people.alter(|tables| {
        let place = (workspace_id("shop"), ProfileId::parse(&id).unwrap());
        let stored = tables.profiles.get_mut(&place).unwrap();
        let mut profile = Profile::decode(&stored.body).unwrap();
        profile.identifiers.insert(identifier("card", "1"), Held { generation: 0, since: NOW });
        profile.family.absorbed.insert(other, Absorbed { epoch: 0, at: NOW, tie: 0 });
        profile.family.apart.insert(other);
        stored.body = profile.encode();
    });
    (world, id)
}

fn ordered(world: &World) -> IdentityRequest {
    let sent = world.merges.take();
    assert_eq!(sent.len(), 1);
    let fifo = sent[0].fifo.as_ref().expect("the identity queue is FIFO");
    let request = IdentityRequest::unpack(&sent[0].body).unwrap();
    assert_eq!(
        (fifo.group.clone(), fifo.deduplication.clone()),
        (request.group(&id_key()), request.deduplication())
    );
    request
}

#[tokio::test]
async fn a_lineage_tells_open_ties_from_refused_ones() {
    let (world, id) = person().await;
    let profile = ProfileId::parse(&id).unwrap();
    let put = |items: Vec<domain::profile::stored::Item>| {
        world.people.alter(|tables| {
            for item in items {
                tables.items.insert((workspace_id("shop"), profile, item.key), item.body);
            }
        });
    };
    put(vec![page::tie(&tie(TieReason::SameEvent)), page::tie(&tie(TieReason::Alias))]);
    put(vec![lineage::refused(&tie(TieReason::Alias), &Refusal::Apart, NOW)]);
    let found = world.get(&format!("/v1/profiles/{id}/lineage")).await;
    assert_eq!(found.status, 200, "{found:?}");
    assert_eq!(found.body["open_ties"][0]["reason"], "same_event");
    assert_eq!(found.body["open_ties"].as_array().unwrap().len(), 1);
    assert_eq!(found.body["refusals"][0]["reason"], "taken_apart");
    assert_eq!(found.body["refusals"][0]["tie"]["message_id"], "m-tie");
    let user = &found.body["identifiers"][0];
    assert_eq!(user["since"], NOW.rfc3339());
    let because = json!({ "type": "track", "home": { "kind": "user_id", "value": "u-1" }, "source": "web", "message_id": "m-1" });
    assert_eq!(user["because"], because);
}

#[tokio::test]
async fn a_lineage_tells_what_the_rules_left_out_and_blocked() {
    let world = World::new();
    let named = |number: i64, other: &str| {
        let mut event = track(&format!("m-{number}"), NOW.plus(number));
        event.identifiers.push(identifier("card", other));
        event.as_sent = format!("u-1 {other}");
        event
    };
    let mut events: Vec<Event> = (1..=7).map(|number| named(number, &number.to_string())).collect();
    events[0].blocked = vec![identifier("email", "test@example.com")];
    for event in events {
        world.fold(vec![event]).await;
    }
    let id = world.id_of("user_id", "u-1").await;
    let found = world.get(&format!("/v1/profiles/{id}/lineage")).await.body;
    let left = found["left_out"].as_array().unwrap();
    assert_eq!(left.len(), 1, "of each kind and reason the last: {left:?}");
    assert_eq!((&left[0]["kind"], &left[0]["value"]), (&json!("card"), &json!("7")), "five have room");
    assert_eq!((&left[0]["reason"], &left[0]["message_id"]), (&json!("identifier_limit"), &json!("m-7")));
    let at = NOW.plus(1).rfc3339();
    assert_eq!(found["blocked"], json!([{ "kind": "email", "count": 1, "first": at, "last": at }]));
}

#[tokio::test]
async fn an_order_goes_to_the_identity_stage_with_who_gave_it_and_why() {
    let (world, id) = merged_person().await;
    let said = json!({ "absorbed": OTHER, "why": "two customers" });
    let answered = world.post(&format!("/v1/profiles/{id}/take-out"), &said).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let Work::TakeOut { part, order } = ordered(&world).work else { panic!("another order") };
    assert_eq!(part, Part::Absorbed(ProfileId::parse(OTHER).unwrap()));
    assert_eq!((order.why.as_str(), json!(order.id)), ("two customers", answered.body["order"].clone()));
    assert!(!order.by.is_empty());
    let said = json!({ "identifier": { "kind": "card", "value": "1" } });
    world.post(&format!("/v1/profiles/{id}/take-out"), &said).await;
    let Work::TakeOut { part, .. } = ordered(&world).work else { panic!("another order") };
    assert_eq!(part, Part::Identifier(identifier("card", "1")));
    world.post(&format!("/v1/profiles/{id}/allow"), &json!({ "with": OTHER })).await;
    let Work::Allow { profiles, .. } = ordered(&world).work else { panic!("another order") };
    assert_eq!(profiles.map(|id| id.to_string()), [id, OTHER.to_owned()]);
}

#[tokio::test]
async fn a_merge_is_ordered_with_somebody_whom_there_is() {
    let (world, id) = person().await;
    let path = format!("/v1/profiles/{id}/merge");
    let with = |value: &str| json!({ "identifier": { "kind": "user_id", "value": value } });
    assert_eq!(world.post(&path, &with("u-2")).await.told(), "404 profile_not_found");
    assert!(world.merges.take().is_empty());
    world.fold(vec![event(EventKind::Track, "m-2", "u-2", NOW, &json!({ "event": "Seen" }))]).await;
    assert_eq!(world.post(&path, &with("u-2")).await.status, 200);
    let Work::Merge(tie) = ordered(&world).work else { panic!("another order") };
    assert_eq!(tie.identifiers, ["u-1", "u-2"].map(|value| identifier("user_id", value)));
    assert_eq!(tie.reason, TieReason::Operator);
}

#[tokio::test]
async fn a_bad_order_names_the_place_and_sends_nothing() {
    let (world, id) = person().await;
    for (path, said, place) in [
        ("take-out", json!({}), "identifier"),
        ("take-out", json!({ "absorbed": 7 }), "absorbed"),
        ("take-out", json!({ "absorbd": "x" }), "absorbd"),
        ("take-out", json!({ "absorbed": OTHER }), "absorbed"),
        ("take-out", json!({ "identifier": { "kind": "user_id", "value": "u-1" } }), "identifier"),
        ("take-out", json!({ "identifier": { "kind": "card", "value": "2" } }), "identifier"),
        ("merge", json!({ "identifier": { "kind": "user_id", "value": "u-1" } }), "identifier"),
        ("merge", json!({ "identifier": { "kind": "user_id", "value": "u-1" }, "why": "x" }), "why"),
        ("allow", json!({}), "with"),
        ("allow", json!({ "with": OTHER }), "with"),
    ] {
        let answered = world.post(&format!("/v1/profiles/{id}/{path}"), &said).await;
        assert_eq!(answered.status, 400, "{path} {answered:?}");
        assert!(answered.body["detail"].as_str().unwrap().contains(&format!("`{place}`")), "{answered:?}");
    }
    assert!(world.merges.take().is_empty());
    let (world, id) = merged_person().await;
    let card = json!({ "kind": "card", "value": "1" });
    for (said, place) in [
        (json!({ "absorbed": OTHER, "why": "x".repeat(501) }), "why"),
        (json!({ "absorbed": OTHER, "identifier": card }), "identifier"),
    ] {
        let answered = world.post(&format!("/v1/profiles/{id}/take-out"), &said).await;
        assert!(answered.body["detail"].as_str().unwrap().contains(&format!("`{place}`")), "{answered:?}");
    }
    assert!(world.merges.take().is_empty());
}
