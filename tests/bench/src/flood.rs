//! Ten thousand events of one returning person in one batch.

use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::json;

use crate::corpus::make::sdk::uuid;
use crate::corpus::{Corpus, Sample};
use crate::design::Design;
use crate::failed::{Failed, Wrong};
use crate::rules::count;
use crate::template::Template;
use crate::tributary::{Loaded, Tributary};
use crate::usage::real;

/// Events of one request, as servers and replays send them.
const A_REQUEST: usize = 100;
const APART: i64 = 4 * Timestamp::SECOND;
const SEED: u64 = 7;

/// What the batch took.
#[derive(Debug, Clone)]
pub(crate) struct Flood {
    pub(crate) events: usize,
    pub(crate) messages: usize,
    pub(crate) message_bytes: u64,
    pub(crate) profile_writes: u64,
    pub(crate) page_writes: u64,
    pub(crate) ledger_writes: u64,
    pub(crate) write_units: u64,
    /// Bytes of all items written.
    pub(crate) written_bytes: u64,
    pub(crate) largest_item: u64,
}

impl Flood {
    pub(crate) fn units_a_kb(&self) -> f64 {
        real(self.write_units) * 1_024.0 / real(self.written_bytes.max(1))
    }
}

pub(crate) async fn run(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    events: usize,
) -> Result<Flood, Failed> {
    let world = Tributary::with(template, loaded).await?;
    let samples = repeated(&of_one_person(corpus)?, events, APART)?;
    for request in samples.chunks(A_REQUEST) {
        world.post(&request.iter().collect::<Vec<_>>()).await?;
    }
    world.take()?;
    let batch = world.queue.take();
    let message_bytes = batch.iter().map(|message| count(message.body.len())).sum();
    world.fold(&batch, count(events)).await?;
    let store = world.take()?.store;
    Ok(Flood {
        events,
        messages: batch.len(),
        message_bytes,
        profile_writes: store.kind("profile").items,
        page_writes: store.kind("page").items,
        ledger_writes: store.kind("ledger").items,
        write_units: store.write_units,
        written_bytes: store.written.values().map(|written| written.bytes).sum(),
        largest_item: store.written.values().map(|written| written.largest).max().unwrap_or_default(),
    })
}

/// These events over and over, each with a name and a time of its own.
pub(crate) fn repeated(session: &[Sample], events: usize, apart: i64) -> Result<Vec<Sample>, Failed> {
    let mut rng = Rng::with_seed(SEED);
    let begin = session.first().map_or(Ok(Timestamp::default()), Sample::at)?;
    let numbered = session.iter().cycle().take(events).zip(0_i64..);
    let renamed = |(sample, number): (&Sample, i64)| {
        let mut sample = sample.clone();
        let at = begin.plus(number * apart);
        sample.event.insert("timestamp".to_owned(), json!(at.rfc3339()));
        let id = format!("ajs-next-{}-{}", at.millis(), uuid(&mut rng));
        sample.event.insert("messageId".to_owned(), json!(id));
        sample
    };
    Ok(numbered.map(renamed).collect())
}

/// What everybody did on the site today, as if the first of them had done it
/// all: more variety than one session has.
fn of_one_person(corpus: &Corpus) -> Result<Vec<Sample>, Failed> {
    let first = corpus.today.first().and_then(|session| session.first());
    let first = first.ok_or_else(|| Wrong("the corpus is empty".to_owned()))?;
    let on_site = corpus.today.iter().flatten().filter(|sample| sample.sdk == first.sdk);
    let hers = on_site.filter(|sample| sample.event.get("type") != Some(&json!("identify"))).map(|sample| {
        let mut sample = Sample { person: first.person, ..sample.clone() };
        for name in ["userId", "anonymousId"] {
            sample.event.insert(name.to_owned(), first.event.get(name).cloned().unwrap_or_default());
        }
        sample
    });
    Ok(hers.collect())
}
