//! What is left of coalescing when a person's events land in different batches.
//!
//! Lambda's pollers take messages as they come, each for a batch of its own. A
//! session of five events sent one by one is spread over them; one request of
//! five is not.

use std::collections::BTreeMap;

use fastrand::Rng;
use futures_util::future::try_join_all;

use crate::corpus::{Corpus, SESSION, Sample};
use crate::design::Design;
use crate::failed::Failed;
use crate::rules::count;
use crate::template::Template;
use crate::tributary::{Loaded, Tributary};
use crate::usage::real;
use crate::wire::Waiting;

/// Events of a session inside one window.
pub(crate) const EVENTS: usize = 5;
const SEED: u64 = 5;

/// Who polls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pollers {
    pub(crate) queues: usize,
    /// Batches of one queue that are filled at once.
    pub(crate) batches: usize,
    /// Whether the batches are folded at the same moment, so that writers of
    /// one person meet.
    pub(crate) at_once: bool,
}

/// What sessions took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) units_a_session: f64,
    pub(crate) profile_writes_a_session: f64,
    pub(crate) lost_a_session: f64,
}

/// Sends each person's sessions and folds them as these pollers would.
pub(crate) async fn spread(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    pollers: Pollers,
) -> Result<Spread, Failed> {
    let world = Tributary::with(template, loaded).await?;
    let mut rng = Rng::with_seed(SEED);
    let mut sessions = 0;
    for round in 0..SESSION / EVENTS {
        let mut batches: BTreeMap<usize, Vec<Waiting>> = BTreeMap::new();
        for (person, session) in corpus.today.iter().enumerate() {
            for sample in session.iter().skip(round * EVENTS).take(EVENTS) {
                world.post(&[sample]).await?;
                // The queue is chosen by the person, the batch by chance.
                let place = person % pollers.queues * pollers.batches + rng.usize(0..pollers.batches);
                batches.entry(place).or_default().append(&mut world.queue.take());
            }
            sessions += 1;
        }
        fold(&world, batches.into_values(), pollers.at_once).await?;
    }
    spread_of(&world, sessions)
}

/// The same sessions, each in one request and all in one batch.
pub(crate) async fn packed(template: &Template, loaded: &Loaded, corpus: &Corpus) -> Result<Spread, Failed> {
    let world = Tributary::with(template, loaded).await?;
    let mut sessions = 0;
    for round in 0..SESSION / EVENTS {
        for session in &corpus.today {
            let samples: Vec<&Sample> = session.iter().skip(round * EVENTS).take(EVENTS).collect();
            world.post(&samples).await?;
            sessions += 1;
        }
        world.work().await?;
    }
    spread_of(&world, sessions)
}

async fn fold(
    world: &Tributary,
    batches: impl Iterator<Item = Vec<Waiting>>,
    at_once: bool,
) -> Result<(), Failed> {
    let batches: Vec<Vec<Waiting>> = batches.collect();
    let folds = batches.iter().map(|batch| world.fold(batch, count(batch.len())));
    if at_once {
        try_join_all(folds).await?;
        return Ok(());
    }
    for fold in folds {
        fold.await?;
    }
    Ok(())
}

fn spread_of(world: &Tributary, sessions: u64) -> Result<Spread, Failed> {
    let store = world.take()?.store;
    let a_session = |number: u64| real(number) / real(sessions);
    Ok(Spread {
        units_a_session: a_session(store.write_units),
        profile_writes_a_session: a_session(store.kind("profile").items),
        lost_a_session: a_session(store.lost),
    })
}
