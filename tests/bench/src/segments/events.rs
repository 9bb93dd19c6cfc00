//! What an event costs beside so many segments.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;

use super::made;
use super::people::{Town, track};
use crate::corpus::{Corpus, Sample};
use crate::design::Design as _;
use crate::failed::{Failed, ensure};
use crate::mixes::Mix;
use crate::rules::count;
use crate::sizes::{profile, text};
use crate::slopes::known_at_once;
use crate::template::Template;
use crate::tributary::{Loaded, Tributary};
use crate::usage::{Store, real};

/// An event that many segments ask, and one that none does.
pub(crate) const ASKED: &str = "Product Viewed";
pub(crate) const UNASKED: &str = "Tooltip Hovered";
/// Events of one kind that come first: then counts are beyond all that is asked.
const WARM: usize = 12;
/// Events that are measured.
pub(crate) const MEASURED: usize = 40;

/// What an event took beside so many segments.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    pub(crate) segments: u64,
    /// Of the corpus's people: written and read units an event, and answers that changed.
    pub(crate) written: f64,
    pub(crate) read: f64,
    pub(crate) flips: f64,
    /// Bytes of a profile item and its features, on average.
    pub(crate) bytes: f64,
    pub(crate) features: f64,
    /// Written units of an event that changes no answer: one that segments ask,
    /// and one that none does.
    pub(crate) asked: f64,
    pub(crate) unasked: f64,
}

pub(crate) async fn beside(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    segments: usize,
) -> Result<Beside, Failed> {
    let world = Tributary::with(template, loaded).await?;
    world.ask_everybody(segments).await?;
    let figure = Mix::Returning(1).run(&world, corpus).await?;
    let events = real(figure.events);
    let mut items: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for item in world.store.items(&world.people_table)?.iter().filter(|item| text(item, "sk") == "profile") {
        items.entry("bytes").or_default().push(real(crate::rules::item_bytes(item)));
        items.entry("features").or_default().push(real(count(profile(item)?.segments.features.len())));
    }
    let mean = |of: &str| items.get(of).map_or(0.0, |all| all.iter().sum::<f64>() / real(count(all.len())));
    let store = &figure.usage.store;
    Ok(Beside {
        segments: count(segments),
        written: real(store.write_units) / events,
        read: real(store.read_halves) / 2.0 / events,
        flips: real(store.kind("segment").items) / events,
        bytes: mean("bytes"),
        features: mean("features"),
        asked: one_kind(template, loaded, corpus, segments, ASKED).await?,
        unasked: one_kind(template, loaded, corpus, segments, UNASKED).await?,
    })
}

/// Written units of an event that comes again and again and changes no answer.
async fn one_kind(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    segments: usize,
    name: &str,
) -> Result<f64, Failed> {
    let world = Tributary::with(template, loaded).await?;
    world.ask_everybody(segments).await?;
    let all: Vec<Sample> =
        known_at_once(corpus)?.next.into_iter().map(|sample| named(sample, name)).collect();
    for sample in all.iter().take(WARM) {
        world.post(&[sample]).await?;
        world.work().await?;
    }
    world.take()?;
    let measured: Vec<&Sample> = all.iter().skip(WARM).collect();
    for sample in &measured {
        world.post(&[sample]).await?;
        world.work().await?;
    }
    let store: Store = world.take()?.store;
    let flips = store.kind("segment").items;
    ensure(flips == 0, || format!("`{name}` changed {flips} answers, where none was to change"))?;
    Ok(real(store.write_units) / real(count(measured.len())))
}

fn named(mut sample: Sample, name: &str) -> Sample {
    sample.event.insert("type".to_owned(), json!("track"));
    sample.event.insert("event".to_owned(), json!(name));
    sample
}

/// For callgrind: events of one kind of somebody with a history, beside so many
/// segments; `measured` is called for each batch.
pub(crate) fn upsert(
    runtime: &Runtime,
    corpus: &Corpus,
    segments: usize,
    name: &str,
    measured: fn(&Runtime, &super::people::MemoryStage, &[&str]) -> usize,
) -> Result<(), Failed> {
    let town = Town::new()?;
    town.settle(runtime, corpus, (1, 1))?;
    town.define(made::set(segments, ports::Clock::now(&town.clock))?);
    let (id, stored) = town.of("user-0")?;
    let known = domain::profile::Profile::decode(&stored.body)?;
    // Whatever definitions are new to them is settled before.
    let writer = &town.stage.writer;
    let asked = writer.refresh(&town.stage.definitions, &town.workspace, id, (&stored, &known), 0);
    runtime.block_on(asked).map_err(|failure| runtime::failure::chain(failure.cause()))?;
    let begin = ports::Clock::now(&town.clock);
    for number in 0..WARM + MEASURED {
        let at = begin.plus(i64::try_from(number)? * 20 * Timestamp::SECOND);
        town.clock.set(at);
        let bodies = town.bodies(vec![track("user-0", name, at, 1_000_000 + number)?]);
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let failed = if number < WARM {
            runtime
                .block_on(town.stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)))
                .iter()
                .filter(|verdict| verdict.is_err())
                .count()
        } else {
            measured(runtime, &town.stage, &bodies)
        };
        ensure(failed == 0, || "the profile stage failed".to_owned())?;
    }
    Ok(())
}
