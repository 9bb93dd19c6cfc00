//! What a sweep takes when so many answers are due, beside so many people.

use domain::key::ProfileId;
use domain::profile::stored::due_shard;
use domain::time::Timestamp;
use serde_json::json;

use super::process_seconds;
use crate::corpus::{Corpus, Sample};
use crate::design::Design as _;
use crate::failed::{Failed, Wrong, ensure};
use crate::rules::{Item, count};
use crate::sizes::text;
use crate::slopes::known_at_once;
use crate::template::Template;
use crate::tributary::Tributary;
use crate::usage::real;

const CHUNK: u64 = 10_000;
/// The window of the one segment, and when it is over.
const WINDOW: &str = "7d";
const LATER: i64 = 8 * Timestamp::DAY;

/// What a sweep took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep {
    pub(crate) profiles: u64,
    pub(crate) flips: u64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) calls: u64,
    /// CPU seconds of the whole process, the embedded store among it.
    pub(crate) seconds: f64,
}

/// Sweeps once through a store in which so many answers end.
pub(crate) async fn sweep(
    template: &Template,
    corpus: &Corpus,
    (profiles, flips): (u64, u64),
) -> Result<Sweep, Failed> {
    let world = Tributary::empty(template).await?;
    let when = json!({ "event": "Order Completed", "within": WINDOW });
    world.define_segments(&[when]).await?;
    let person = known_at_once(corpus)?;
    let mut buys: Sample =
        person.next.first().cloned().ok_or_else(|| Wrong("the corpus is empty".to_owned()))?;
    buys.event.insert("type".to_owned(), json!("track"));
    buys.event.insert("event".to_owned(), json!("Order Completed"));
    world.post(&[&buys]).await?;
    world.work().await?;
    let all = world.store.items(&world.people_table)?;
    let model = all.iter().find(|item| text(item, "sk") == "profile" && item.contains_key("due"));
    let model = model.cloned().ok_or_else(|| Wrong("nobody waits for the end of a window".to_owned()))?;
    // The model is one of those whose answer ends.
    copies(&world, &model, (1..flips).map(|number| (number, true)))?;
    copies(&world, &model, (flips..profiles).map(|number| (number, false)))?;
    world.later(LATER);
    world.take()?;
    let before = process_seconds()?;
    let mut swept = 0;
    loop {
        let once = world.sweep().await?;
        swept += once;
        if once == 0 {
            break;
        }
    }
    let seconds = process_seconds()? - before;
    let store = world.take()?.store;
    ensure(count(swept) == flips, || format!("{swept} profiles were looked at, and {flips} were due"))?;
    let told = store.kind("segment").items;
    ensure(told == flips, || format!("{told} answers were told, and {flips} ended"))?;
    Ok(Sweep {
        profiles,
        flips,
        read_units: real(store.read_halves) / 2.0,
        write_units: real(store.write_units),
        calls: store.calls.values().sum(),
        seconds,
    })
}

/// Puts people like one into the store: due as it is, or not at all.
fn copies(world: &Tributary, model: &Item, numbers: impl Iterator<Item = (u64, bool)>) -> Result<(), Failed> {
    let workspace = text(model, "pk").split('#').next().unwrap_or_default();
    let mut copies = numbers.map(|(number, is_due)| {
        let mut item = model.clone();
        // Keys are hashes, spread over the whole range.
        let key = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let key = format!("{key:032x}");
        item.insert("pk".to_owned(), json!({ "S": format!("{workspace}#{key}") }));
        if let (true, Some(id)) = (is_due, ProfileId::parse(&key)) {
            item.insert("due_shard".to_owned(), json!({ "N": due_shard(id).to_string() }));
        } else {
            item.remove("due");
            item.remove("due_shard");
        }
        item
    });
    loop {
        let chunk: Vec<Item> = copies.by_ref().take(usize::try_from(CHUNK)?).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        world.store.import(&world.people_table, chunk.into_iter())?;
    }
}
