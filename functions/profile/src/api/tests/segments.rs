//! Lists and histories of segments, an answer at a time.

use domain::key::ProfileId;
use domain::segment::stored::SegmentId;
use domain::segment::{Cause, Change, list};

use super::super::segments::{HISTORY_MAX, ROWS_MAX};
use super::*;

fn change(segment: &str, seq: u32, holds: bool) -> Change {
    Change {
        of: None,
        segment: SegmentId::parse(segment).unwrap(),
        version: 1,
        seq,
        holds,
        at: NOW.plus(i64::from(seq)),
        cause: Cause::Event,
        silent: false,
    }
}

/// A workspace with a segment, and one person.
async fn person() -> (World, ProfileId) {
    let world = World::new();
    let document = json!({"name": "Known", "when": {"identifier": "user_id"}}).to_string();
    let set = domain::segment::stored::SegmentSet::default();
    let segment = set.publish(&SegmentId::parse("known").unwrap(), &document, NOW).unwrap();
    world.definitions.publish(&workspace_id("shop"), segment, NOW);
    world.fold(vec![track("m-1", NOW)]).await;
    let id = world.id_of("user_id", "u-1").await;
    (world, ProfileId::parse(&id).unwrap())
}

#[tokio::test]
async fn a_list_of_many_who_left_is_read_in_bounded_answers() {
    let (world, member) = person().await;
    let segment = SegmentId::parse("known").unwrap();
    let left = u32::try_from(ROWS_MAX).unwrap() * 2;
    world.people.alter(|tables| {
        for number in 0..left {
            let of = ProfileId::from_bytes((u128::from(number) << 64).to_be_bytes());
            let row = list::row(of, &change("known", 2, false), None).unwrap().unwrap();
            let list = list::collection(&id_key(), &workspace_id("shop"), &segment, 1, list::shard(of));
            tables.items.insert((workspace_id("shop"), list, row.key), row.body);
        }
    });
    let (mut found, mut answers, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = world.get(&format!("/v1/segments/known/members?limit=10{cursor}")).await.body;
        found.extend(page["members"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        answers += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found, answers), (vec![json!(member.to_string())], 3));
}

#[tokio::test]
async fn a_long_history_is_read_in_bounded_answers_each_change_once() {
    let (world, id) = person().await;
    let told = 2 * HISTORY_MAX + 5;
    world.people.alter(|tables| {
        for (segment, first) in [("known", 0), ("known-too", HISTORY_MAX)] {
            let seqs = first..if first == 0 { HISTORY_MAX } else { told };
            for seq in seqs {
                let answer = list::answer(&change(segment, u32::try_from(seq).unwrap() + 2, seq % 2 == 0));
                tables.items.insert((workspace_id("shop"), id, answer.key), answer.body);
            }
        }
    });
    let (mut ats, mut lengths, mut cursor) = (std::collections::BTreeSet::new(), Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/profiles/{id}/segments{cursor}")).await.body;
        let history = page["history"].as_array().unwrap();
        let known = history.iter().map(|one| (one["segment"].to_string(), one["at"].to_string()));
        ats.extend(known);
        lengths.push(history.len());
        assert_eq!(page["segments"].as_array().unwrap().len(), 1);
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("?cursor={next}");
    }
    // The person entered once by the event.
    assert_eq!((ats.len(), lengths), (told + 1, vec![HISTORY_MAX, HISTORY_MAX, 6]));
    for bad in ["nothing", "a.b.c", "00000000000000000000000000000000.known.1"] {
        let answered = world.get(&format!("/v1/profiles/{id}/segments?cursor={bad}")).await;
        assert_eq!(answered.code(), "bad_cursor", "{bad}");
    }
}
