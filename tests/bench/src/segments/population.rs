//! What people did and who of them is in which segment, for another engine to
//! be asked the same: events, the moments at which we look, and all members.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use domain::event::{Event, EventKind};
use domain::key::{IdKey, ProfileId};
use domain::profile::stored::Item;
use domain::segment::fill::ROLLOUT;
use domain::segment::list;
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::time::Timestamp;
use fastrand::Rng;
use ports::{Clock as _, Definitions as _};
use profile::Writer;
use runtime::definitions::Cached;
use segments::Walk;
use serde_json::{Map, Value, json};
use testkit::{MemoryQueue, SeededEntropy};
use tokio::runtime::Runtime;

use super::people::{self, Town};
use crate::corpus::{Corpus, PEOPLE};
use crate::failed::{Failed, Wrong, ensure};
use crate::tributary::ID_KEY;

const SEED: u64 = 23;
const MONTHS: i64 = 3;
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
/// Conditions that ask for days, weeks and hours mean the person's own.
const ZONES: [&str; 4] = ["Europe/Kyiv", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"];
/// A window of so many days ends at the third moment to the millisecond.
const WINDOW: i64 = 30 * Timestamp::DAY;

/// Writes `events.ndjson`, `moments.ndjson` and `members.ndjson` about so many
/// people and the segments of a folder, a file each.
pub(crate) fn write(runtime: &Runtime, to: &Path, definitions: &Path, people: usize) -> Result<(), Failed> {
    std::fs::create_dir_all(to)?;
    let corpus = Corpus::read()?;
    let town = Town::new()?;
    let mut rng = Rng::with_seed(SEED);
    let mut events = lines(&to.join("events.ndjson"))?;
    let histories = (0..people)
        .map(|number| local(people::history(&corpus, number, MONTHS, &mut rng)?, number))
        .collect::<Result<Vec<_>, Failed>>()?;
    let (before, after) = histories.split_at(people / 2);
    let mut orders = BTreeSet::new();
    let mut fold = |all: &[Vec<Event>]| -> Result<(), Failed> {
        for of_one in all {
            for event in of_one {
                orders.extend(written(event, &mut events)?);
            }
            town.fold(runtime, of_one.clone())?;
        }
        Ok(())
    };
    // Half of them did it all before anybody asked, the others under the eyes of the new definitions.
    fold(before)?;
    let ids = publish(runtime, &town, definitions)?;
    fold(after)?;
    town.clock.advance(ROLLOUT);
    fill(runtime, &town)?;

    let mut members = lines(&to.join("members.ndjson"))?;
    let mut moments = lines(&to.join("moments.ndjson"))?;
    let mut look = || -> Result<(), Failed> {
        while runtime.block_on(town.stage.sweep()).map_err(|failure| people::failed(&failure))?.due > 0 {}
        let at = text(town.clock.now());
        say(&mut moments, &json!({ "moment": at }))?;
        for (segment, persons) in listed(runtime, &town, &ids, people)? {
            for person in persons {
                say(&mut members, &json!({ "segment": segment, "moment": at, "person": person }))?;
            }
        }
        Ok(())
    };
    look()?;

    // A day later, with one more visit of each.
    town.clock.advance(Timestamp::DAY);
    let visits = (0..people)
        .map(|number| local(visit(&corpus, number, &mut rng)?, number))
        .collect::<Result<Vec<_>, Failed>>()?;
    fold(&visits)?;
    look()?;

    // No event comes any more: what flips, flips because time passes.
    let now = town.clock.now();
    let later = now.plus(5 * Timestamp::DAY);
    let end = orders.iter().map(|at: &Timestamp| at.plus(WINDOW)).find(|end| *end > later);
    let end = end.ok_or_else(|| Wrong("nobody ordered anything".to_owned()))?;
    town.clock.advance(end.since(now));
    look()?;
    town.clock.advance(26 * Timestamp::DAY);
    look()
}

/// One more session, today.
fn visit(corpus: &Corpus, number: usize, rng: &mut Rng) -> Result<Vec<Event>, Failed> {
    let session = corpus.today.get(number % PEOPLE as usize).into_iter().flatten();
    let event = |(at, sample)| people::event(sample, &format!("user-{number}"), 0, 1_000_000 + at, rng);
    let events = session.enumerate().map(event).collect::<Result<Vec<_>, _>>()?;
    Ok(events.into_iter().flatten().collect())
}

/// The same from a person who says where the clock is looked at.
fn local(mut events: Vec<Event>, number: usize) -> Result<Vec<Event>, Failed> {
    let zone = ZONES.iter().cycle().nth(number);
    for event in events.iter_mut().filter(|event| event.kind == EventKind::Identify) {
        let mut payload: Map<String, Value> = serde_json::from_str(&event.payload)?;
        let traits = payload.entry("traits").or_insert_with(|| json!({}));
        traits["timezone"] = json!(zone);
        event.payload = Value::Object(payload).to_string();
    }
    Ok(events)
}

/// Writes an event as a row; says when, if it is an order.
fn written(event: &Event, to: &mut BufWriter<File>) -> Result<Option<Timestamp>, Failed> {
    let payload: Map<String, Value> = serde_json::from_str(&event.payload)?;
    let person = event.identifiers.first().map(|known| known.value().to_owned());
    let name = payload.get("event").or_else(|| payload.get("name"));
    let row = json!({
        "person": person, "kind": event.kind.name(), "name": name, "ts": text(event.event_time),
        "properties": payload.get("properties"), "traits": payload.get("traits"),
    });
    say(to, &row)?;
    Ok(name.is_some_and(|name| name == "Order Completed").then_some(event.event_time))
}

/// Publishes each definition of a folder as an operator does.
fn publish(runtime: &Runtime, town: &Town, folder: &Path) -> Result<Vec<SegmentId>, Failed> {
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let mut open = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let document: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&file)?)?;
        open.push((SegmentId::parse(name)?, document.to_string()));
    }
    // A segment that names another waits until that one is there.
    open.sort();
    let mut ids = Vec::new();
    while !open.is_empty() {
        let before = open.len();
        let mut refused = String::new();
        let mut left = Vec::new();
        for (id, document) in open {
            let set: SegmentSet = runtime.block_on(town.definitions.segments(&town.workspace))?;
            match set.publish(&id, &document, town.clock.now()) {
                Ok(segment) => {
                    town.definitions.publish(&town.workspace, segment, town.clock.now());
                    ids.push(id);
                }
                Err(mistakes) => {
                    refused = format!("{id}: {mistakes:?}");
                    left.push((id, document));
                }
            }
        }
        ensure(left.len() < before, || refused.clone())?;
        open = left;
    }
    // Stages keep what they know for a minute.
    town.clock.advance(2 * Timestamp::MINUTE);
    Ok(ids)
}

/// Asks everybody, until all segments are in force.
fn fill(runtime: &Runtime, town: &Town) -> Result<(), Failed> {
    let queue = MemoryQueue::default();
    let writer = Writer {
        people: town.people.clone(),
        merges: MemoryQueue::default(),
        messages: None,
        clock: town.clock.clone(),
        entropy: SeededEntropy::seeded(2),
        key: IdKey::new(ID_KEY),
    };
    let backfill = segments::Stage { writer, definitions: Cached::new(town.definitions.clone()) };
    loop {
        let send = profile::fill::send(&town.stage.definitions, &queue, &town.clock);
        runtime.block_on(send).map_err(|failure| people::failed(&failure))?;
        let requests = queue.take();
        if requests.is_empty() {
            return Ok(());
        }
        let mut all = Walk::default();
        for request in requests {
            let walk = runtime.block_on(backfill.walk(&request.body, NEVER));
            all.failed += walk.map_err(|failure| people::failed(&failure))?.failed;
        }
        ensure(all.failed == 0, || format!("{} people could not be asked", all.failed))?;
        town.clock.advance(Timestamp::MINUTE);
    }
}

/// Who stands in the lists of the versions in force.
fn listed(
    runtime: &Runtime,
    town: &Town,
    ids: &[SegmentId],
    people: usize,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failed> {
    let users = (0..people).map(|number| format!("user-{number}"));
    let users = users
        .map(|user| Ok((town.id(&user)?, user)))
        .collect::<Result<BTreeMap<ProfileId, String>, Failed>>()?;
    let (set, tables, key) = (
        runtime.block_on(town.definitions.segments(&town.workspace))?,
        town.people.tables(),
        IdKey::new(ID_KEY),
    );
    let mut all = BTreeMap::new();
    for id in ids {
        let version = set.find(id).and_then(|segment| segment.active.as_ref()).map(|active| active.version);
        let version = version.ok_or_else(|| Wrong(format!("{id} did not come into force")))?;
        let persons: &mut BTreeSet<String> = all.entry(id.to_string()).or_default();
        for shard in 0..list::SHARDS {
            let collection = list::collection(&key, &town.workspace, id, version, shard);
            let (from, to) = list::rows_after(None);
            let workspace = &town.workspace;
            let rows = tables
                .items
                .range((workspace.clone(), collection, from)..(workspace.clone(), collection, to));
            for ((_, _, key), body) in rows {
                let row = list::read_row(&Item { key: key.clone(), body: body.clone() })?;
                if row.holds {
                    let user = users.get(&row.profile);
                    persons.insert(user.ok_or_else(|| Wrong(format!("{id} lists nobody we know")))?.clone());
                }
            }
        }
    }
    Ok(all)
}

fn lines(file: &Path) -> Result<BufWriter<File>, Failed> {
    Ok(BufWriter::new(File::create(file)?))
}

fn say(to: &mut BufWriter<File>, row: &Value) -> Result<(), Failed> {
    Ok(writeln!(to, "{row}")?)
}

fn text(at: Timestamp) -> String {
    at.rfc3339()
}
