//! Why a person is who they are, and orders that change it.

use domain::identity_request::{IdentityRequest, Part, Work};
use domain::profile::merge::Refusal;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::{lineage, page};

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
    let profile = domain::key::ProfileId::parse(&id).unwrap();
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
    assert_eq!(found.body["identifiers"][0]["since"], NOW.rfc3339());
}

#[tokio::test]
async fn an_order_goes_to_the_identity_stage_with_who_gave_it_and_why() {
    let (world, id) = person().await;
    let absorbed = "0123456789abcdef0123456789abcdef";
    let said = json!({ "absorbed": absorbed, "why": "two customers" });
    let answered = world.post(&format!("/v1/profiles/{id}/take-out"), &said).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let Work::TakeOut { part, order } = ordered(&world).work else { panic!("another order") };
    assert_eq!(part, Part::Absorbed(domain::key::ProfileId::parse(absorbed).unwrap()));
    assert_eq!((order.why.as_str(), json!(order.id)), ("two customers", answered.body["order"].clone()));
    assert!(!order.by.is_empty());
    let said = json!({ "identifier": { "kind": "email", "value": "Ann@Example.com" } });
    world.post(&format!("/v1/profiles/{id}/merge"), &said).await;
    let Work::Merge(tie) = ordered(&world).work else { panic!("another order") };
    assert_eq!(tie.identifiers[1].value(), "ann@example.com");
    world.post(&format!("/v1/profiles/{id}/allow"), &json!({ "with": absorbed })).await;
    assert!(matches!(ordered(&world).work, Work::Allow { .. }));
}

#[tokio::test]
async fn a_bad_order_names_the_place_and_sends_nothing() {
    let (world, id) = person().await;
    for (path, said, place) in [
        ("take-out", json!({}), "identifier"),
        ("take-out", json!({ "absorbed": 7 }), "absorbed"),
        ("take-out", json!({ "absorbd": "x" }), "absorbd"),
        ("merge", json!({ "identifier": { "kind": "user_id", "value": "u-1" } }), "identifier"),
        ("allow", json!({ "why": "x" }), "with"),
        ("allow", json!({ "with": "0123456789abcdef0123456789abcdef", "why": "x".repeat(501) }), "why"),
    ] {
        let answered = world.post(&format!("/v1/profiles/{id}/{path}"), &said).await;
        assert_eq!(answered.status, 400, "{path} {answered:?}");
        assert!(answered.body["detail"].as_str().unwrap().contains(&format!("`{place}`")), "{answered:?}");
    }
    assert!(world.merges.take().is_empty());
}
