//! Whether an event costs more where more is stored.

use domain::time::Timestamp;
use serde_json::json;

use crate::corpus::{Corpus, Sample, Sdk};
use crate::design::Design;
use crate::failed::{Failed, Wrong};
use crate::flood::repeated;
use crate::mixes::Mix;
use crate::rules::{Item, count};
use crate::sizes::text;
use crate::template::Template;
use crate::tributary::{Loaded, Tributary};
use crate::usage::{Store, real};

/// Items put in at once.
const CHUNK: usize = 10_000;
/// Requests measured: a few turns of the ledger, which spills now and then.
pub(crate) const MEASURED: usize = 48;
const A_REQUEST: usize = 100;
const HISTORY: i64 = 30 * Timestamp::DAY;

/// How much was stored, and what an event took.
pub(crate) type Point = (u64, f64);

/// The slope of the line through the points' logarithms, by least squares.
pub(crate) fn slope(points: &[Point]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (real(*x).ln(), y.ln())).collect();
    let number = real(count(logs.len()).max(1));
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / number;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / number;
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

/// Units an event beside so many stored profiles.
pub(crate) async fn beside_profiles(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    profiles: u64,
) -> Result<Point, Failed> {
    let world = Tributary::with(template, loaded).await?;
    fill(&world, profiles)?;
    let figure = Mix::Returning(1).run(&world, corpus).await?;
    Ok((profiles, units(&figure.usage.store) / real(figure.events)))
}

/// Puts made-up people beside the real ones: copies of their items under other keys.
fn fill(world: &Tributary, profiles: u64) -> Result<(), Failed> {
    let kind = |table: &str, sort: &str| -> Result<Vec<Item>, Failed> {
        Ok(world.store.items(table)?.into_iter().filter(|item| text(item, "sk") == sort).collect())
    };
    let models = [
        (&world.people_table, kind(&world.people_table, "profile")?),
        (&world.identities_table, kind(&world.identities_table, "identity")?),
    ];
    for (table, models) in models {
        let there = count(world.store.items(table)?.len());
        let copies = models.iter().cycle().zip(0..profiles.saturating_sub(there.min(count(models.len()))));
        let mut copies = copies.map(|(model, number)| {
            let mut item = model.clone();
            let workspace = text(model, "pk").split('#').next().unwrap_or_default();
            // Keys are hashes, spread over the whole range.
            let key = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            item.insert("pk".to_owned(), json!({ "S": format!("{workspace}#{key:032x}") }));
            item
        });
        loop {
            let chunk: Vec<Item> = copies.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            world.store.import(table, chunk.into_iter())?;
        }
    }
    Ok(())
}

/// Units an event of somebody with so many events before it.
pub(crate) async fn after_history(
    template: &Template,
    corpus: &Corpus,
    events: usize,
) -> Result<Point, Failed> {
    let world = Tributary::empty(template).await?;
    let person = known_at_once(corpus)?;
    let history = person.history(events)?;
    for requests in history.chunks(10 * A_REQUEST) {
        for request in requests.chunks(A_REQUEST) {
            world.post(&request.iter().collect::<Vec<_>>()).await?;
        }
        world.work().await?;
    }
    let (warm, rest) = person.next.split_first().ok_or_else(empty)?;
    world.post(&[warm]).await?;
    world.work().await?;
    world.take()?;
    for sample in rest {
        world.post(&[sample]).await?;
        world.work().await?;
    }
    let store = world.take()?.store;
    Ok((count(events), units(&store) / real(count(rest.len()))))
}

/// Read and write units together.
fn units(store: &Store) -> f64 {
    real(store.read_halves) / 2.0 + real(store.write_units)
}

/// Somebody whose first event says all that is known of them.
pub(crate) struct Known {
    introduction: Sample,
    session: Vec<Sample>,
    /// What comes after the history.
    pub(crate) next: Vec<Sample>,
}

pub(crate) fn known_at_once(corpus: &Corpus) -> Result<Known, Failed> {
    let session = corpus.today.first().ok_or_else(empty)?.clone();
    let told = |sample: &&Sample| sample.person == 0 && sample.event.get("type") == Some(&json!("identify"));
    let mut introduction =
        corpus.history.iter().filter(|sample| sample.sdk == Sdk::Web).find(told).ok_or_else(empty)?.clone();
    // Her traits come from two systems; here the first event tells them all.
    let mut traits = serde_json::Map::new();
    for sample in corpus.history.iter().filter(told) {
        traits.extend(
            sample.event.get("traits").and_then(|traits| traits.as_object()).cloned().unwrap_or_default(),
        );
    }
    introduction.event.insert("traits".to_owned(), traits.into());
    let next = repeated(&session, MEASURED + 1, 20 * Timestamp::SECOND)?;
    Ok(Known { introduction, session, next })
}

impl Known {
    /// So many events over a month before the session.
    pub(crate) fn history(&self, events: usize) -> Result<Vec<Sample>, Failed> {
        let begin = self.session.first().map_or(Ok(Timestamp::default()), Sample::at)?.plus(-HISTORY);
        let apart = HISTORY / i64::try_from(events.max(1))?;
        let mut history = vec![self.introduction.clone()];
        history.extend(repeated(&self.session, events.saturating_sub(1), apart)?);
        for (sample, number) in history.iter_mut().zip(0_i64..) {
            let at = begin.plus(number * apart);
            sample.event.insert("timestamp".to_owned(), json!(at.rfc3339()));
            sample.event.insert(
                "messageId".to_owned(),
                json!(format!("history-00000000-0000-4000-8000-{number:012x}")),
            );
        }
        Ok(history)
    }
}

fn empty() -> Wrong {
    Wrong("the corpus holds nobody like this".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &[Point], expected: f64) {
        assert!((slope(points) - expected).abs() < 1e-9, "{points:?}: {}", slope(points));
    }

    #[test]
    fn the_slope_is_the_power() {
        check(&[(1, 4.0), (10, 4.0), (100, 4.0)], 0.0);
        check(&[(1, 3.0), (10, 30.0), (100, 300.0)], 1.0);
        check(&[(1, 1.0), (4, 2.0), (16, 4.0)], 0.5);
        check(&[(7, 1.0)], 0.0);
    }
}
