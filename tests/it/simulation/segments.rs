//! Segments in the storm: whatever crashed, raced and repeated, each person ends
//! in those that their whole history says, and every list agrees.

use std::collections::{BTreeMap, BTreeSet};

use domain::key::ProfileId;
use domain::segment::list;
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::time::Timestamp;
use ports::Definitions as _;
use serde_json::{Value, json};
use testkit::MemoryDefinitions;
use testkit::people::Tables;
use testkit::reference::{self, History, Past};

use super::crowd::{key, start, workspace};
use super::oracle;
use super::world::finish;

type Named = (&'static str, Value);

/// What stands when the storm begins, and what is published in the middle of it:
/// one of these replaces a version.
fn conditions() -> ([Named; 5], [Named; 2]) {
    let stand = [
        ("buyers", json!({"event": "Order Completed", "count": {"at_least": 3}})),
        ("recent", json!({"event": "Order Completed", "within": "40m"})),
        ("planned", json!({"trait": "plan", "is": 1})),
        ("planned-long", json!({"trait": "plan", "is_not": 2, "for": "30m"})),
        ("recent-planned", json!({"all": [{"segment": "recent"}, {"not": {"segment": "planned"}}]})),
    ];
    let come = [
        ("buyers", json!({"event": "Order Completed", "sum": {"of": "revenue", "at_least": 1500}})),
        (
            "steady",
            json!({"all": [
                {"regular": {"event": "Order Completed"}, "in_at_least": 1, "of_last": 2, "unit": "day"},
                {"fact": "last_seen", "older_than": "10m"},
            ]}),
        ),
    ];
    (stand, come)
}

fn published(definitions: &MemoryDefinitions, name: &str, when: &Value) {
    let set = finish(definitions.segments(&workspace())).unwrap();
    let document = json!({"name": name, "when": when}).to_string();
    let id = SegmentId::parse(name).unwrap();
    let segment = set.publish(&id, &document, start()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    definitions.publish(&workspace(), segment, start());
}

/// Definitions with segments: some stand, some are asked while the storm goes on.
pub(crate) fn with_segments(definitions: MemoryDefinitions) -> MemoryDefinitions {
    let (stand, come) = conditions();
    for (name, when) in &stand {
        published(&definitions, name, when);
    }
    let set = finish(definitions.segments(&workspace())).unwrap();
    let mut stands = set.clone();
    for mut segment in set.segments {
        segment.active = segment.pending.take();
        stands = stands.with(segment);
    }
    definitions.segment(&workspace(), SegmentSet { version: set.version, ..stands });
    for (name, when) in &come {
        published(&definitions, name, when);
    }
    definitions
}

/// After everything was delivered and swept, and everybody asked.
pub(crate) fn check(tables: &Tables, now: Timestamp) -> Result<(), String> {
    let (stand, come) = conditions();
    let all: BTreeMap<&str, Value> = stand.into_iter().chain(come).collect();
    let segments: BTreeMap<String, Value> =
        all.iter().map(|(name, when)| ((*name).to_owned(), when.clone())).collect();
    let mut members: BTreeMap<&str, BTreeSet<ProfileId>> = BTreeMap::new();
    for (id, profile) in oracle::roots(tables)? {
        let events = oracle::timeline(tables, id, &profile)?.into_iter().map(|(name, event)| Past {
            at: event.event_time,
            name: name.0,
            kind: event.kind,
            payload: serde_json::from_str(&event.payload).unwrap_or_default(),
        });
        let history = History { events: events.collect(), segments: segments.clone(), ..History::default() };
        for (name, when) in &all {
            let kept = profile.segments.memberships.get(&SegmentId::parse(name).unwrap());
            let holds = reference::holds(when, &history, now);
            if kept.is_some_and(|of| of.holds) != holds {
                let known = profile.segments.features.len();
                return Err(format!(
                    "profile {id} should be {}in `{name}`; it keeps {kept:?}, {known} features, asked under {} at {}",
                    if holds { "" } else { "not " },
                    profile.segments.definitions,
                    profile.segments.evaluated_at.rfc3339(),
                ));
            }
            if holds {
                members.entry(name).or_default().insert(id);
            }
        }
        told_once(tables, id, &profile)?;
    }
    for name in all.keys() {
        let version = if *name == "buyers" { 2 } else { 1 };
        let listed = listed(tables, name, version)?;
        let wanted = members.remove(name).unwrap_or_default();
        if listed != wanted {
            let near = around(tables, name, &wanted.symmetric_difference(&listed).copied().collect())?;
            return Err(format!("the list of `{name}` holds {listed:?} and should hold {wanted:?}: {near}"));
        }
    }
    Ok(())
}

/// Entered and exited take turns, in the order of their numbers.
fn told_once(tables: &Tables, id: ProfileId, profile: &domain::profile::Profile) -> Result<(), String> {
    let mut answers: BTreeMap<(SegmentId, u32), bool> = BTreeMap::new();
    for (key, body) in oracle::items(tables, id, "segment#") {
        let item = domain::profile::stored::Item {
            key: domain::profile::stored::ItemKey(key.to_owned()),
            body: body.to_vec(),
        };
        let answer = list::read_answer(&item).map_err(|error| format!("{key}: {error}"))?;
        answers.insert((answer.segment, answer.seq), answer.holds);
    }
    // Whoever took somebody in may have entered with them, silently.
    if !profile.family.absorbed.is_empty() {
        return Ok(());
    }
    let mut last: BTreeMap<SegmentId, bool> = BTreeMap::new();
    for ((segment, seq), holds) in answers {
        let before = last.insert(segment.clone(), holds).unwrap_or(false);
        if before == holds {
            return Err(format!("profile {id} was told twice that it is {holds} in `{segment}`, at {seq}"));
        }
    }
    for (segment, membership) in &profile.segments.memberships {
        if last.get(segment).copied().unwrap_or(false) != membership.holds {
            return Err(format!("profile {id} was not told that it is {} in `{segment}`", membership.holds));
        }
    }
    Ok(())
}

/// What profiles and rows know of those whom a list holds wrongly.
fn around(tables: &Tables, name: &str, of: &BTreeSet<ProfileId>) -> Result<String, String> {
    let segment = SegmentId::parse(name).unwrap();
    let mut told = Vec::new();
    for ((_, id), stored) in &tables.profiles {
        let profile = domain::profile::Profile::decode(&stored.body).unwrap();
        let into = profile.family.absorbed_into;
        if of.contains(id) || into.is_some_and(|into| of.contains(&into)) {
            let kept = profile.segments.memberships.get(&segment);
            told.push(format!("profile {id} into {into:?} keeps {kept:?}"));
        }
    }
    for version in 1..=2 {
        for shard in 0..list::SHARDS {
            let collection = list::collection(&key(), &workspace(), &segment, version, shard);
            for (key, body) in oracle::items(tables, collection, "row#") {
                let item = domain::profile::stored::Item {
                    key: domain::profile::stored::ItemKey(key.to_owned()),
                    body: body.to_vec(),
                };
                let row = list::read_row(&item).map_err(|error| format!("{key}: {error}"))?;
                told.push(format!("version {version} says {row:?}"));
            }
        }
    }
    Ok(told.join("; "))
}

fn listed(tables: &Tables, name: &str, version: u32) -> Result<BTreeSet<ProfileId>, String> {
    let id = SegmentId::parse(name).unwrap();
    let mut listed = BTreeSet::new();
    for shard in 0..list::SHARDS {
        let collection = list::collection(&key(), &workspace(), &id, version, shard);
        for (key, body) in oracle::items(tables, collection, "row#") {
            let item = domain::profile::stored::Item {
                key: domain::profile::stored::ItemKey(key.to_owned()),
                body: body.to_vec(),
            };
            let row = list::read_row(&item).map_err(|error| format!("{key}: {error}"))?;
            if row.holds {
                listed.insert(row.profile);
            }
        }
    }
    Ok(listed)
}
