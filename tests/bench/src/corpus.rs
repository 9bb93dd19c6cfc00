//! The events that every figure rests on: 24 people, 30 days of their history,
//! and one more session each.
//!
//! They stand in `corpus/events.jsonl`, an event a line, in the shapes and
//! sizes that released SDKs send; [`make`] wrote them from a seed.

pub(crate) mod make;

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failed::{Failed, Wrong};

const FILE: &str = include_str!("../corpus/events.jsonl");

/// The day after the history.
pub(crate) const TODAY: &str = "2026-11-02T00:00:00Z";
pub(crate) const PEOPLE: u32 = 24;
pub(crate) const HISTORY_DAYS: i64 = 30;
/// Events of each person's session today.
pub(crate) const SESSION: usize = 20;

/// Who sends, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Sdk {
    #[serde(rename = "analytics-next")]
    Web,
    #[serde(rename = "analytics-swift")]
    Mobile,
    #[serde(rename = "analytics-node")]
    Server,
}

/// An event as its SDK would send it, without write key and `sentAt`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) person: u32,
    pub(crate) sdk: Sdk,
    pub(crate) event: Map<String, Value>,
}

impl Sample {
    pub(crate) fn at(&self) -> Result<Timestamp, Failed> {
        let text = self.event.get("timestamp").and_then(Value::as_str);
        let at = text.and_then(Timestamp::parse);
        at.ok_or_else(|| Wrong("an event of the corpus has no time".to_owned()).into())
    }
}

/// The corpus, in the order in which it happened.
pub(crate) struct Corpus {
    pub(crate) history: Vec<Sample>,
    /// Each person's session of [`SESSION`] events.
    pub(crate) today: Vec<Vec<Sample>>,
    /// Bytes of each event as sent.
    pub(crate) event_bytes: Vec<u64>,
}

impl Corpus {
    pub(crate) fn read() -> Result<Self, Failed> {
        let mut samples = FILE.lines().map(serde_json::from_str::<Sample>).collect::<Result<Vec<_>, _>>()?;
        let today = Timestamp::parse(TODAY).unwrap_or_default();
        let mut times = samples.iter().map(Sample::at).collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        samples.sort_by_key(|sample| sample.at().unwrap_or_default());
        let event_bytes = samples.iter().map(|sample| sent_bytes(&sample.event)).collect();
        let cut = times.partition_point(|at| *at < today);
        let session = samples.split_off(cut);
        let of = |person| session.iter().filter(move |sample| sample.person == person).cloned().collect();
        Ok(Self { history: samples, today: (0..PEOPLE).map(of).collect(), event_bytes })
    }

    /// The part of it that is about the first `people`.
    pub(crate) fn of_first(&self, people: u32) -> Self {
        let history = self.history.iter().filter(|sample| sample.person < people).cloned().collect();
        let today = self.today.iter().take(people as usize).cloned().collect();
        Self { history, today, event_bytes: self.event_bytes.clone() }
    }

    /// The history cut into requests: a visit's events travel as their SDK
    /// sends them, one by one from a site, in batches from apps and servers.
    pub(crate) fn requests(&self) -> Vec<Vec<&Sample>> {
        const PAUSE: i64 = 30 * Timestamp::SECOND;
        let mut requests: Vec<Vec<&Sample>> = Vec::new();
        for sample in &self.history {
            let joins = |request: &&mut Vec<&Sample>| {
                request.last().is_some_and(|last| {
                    let apart = sample.at().unwrap_or_default().since(last.at().unwrap_or_default());
                    last.person == sample.person
                        && last.sdk == sample.sdk
                        && apart <= PAUSE
                        && sample.sdk != Sdk::Web
                })
            };
            match requests.last_mut().filter(joins) {
                Some(request) => request.push(sample),
                None => requests.push(vec![sample]),
            }
        }
        requests
    }
}

fn sent_bytes(event: &Map<String, Value>) -> u64 {
    crate::rules::count(serde_json::to_string(event).map_or(0, |text| text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_generator_makes_of_its_seed() {
        assert!(FILE == make::file(make::SEED).unwrap(), "write it again: cargo run -p bench -- corpus");
    }

    #[test]
    fn everyone_has_a_month_of_history_and_a_session() {
        let corpus = Corpus::read().unwrap();
        assert_eq!(corpus.today.len(), PEOPLE as usize);
        assert!(corpus.today.iter().all(|session| session.len() == SESSION));
        assert!(
            corpus
                .today
                .iter()
                .flatten()
                .all(|sample| sample.at().unwrap() >= Timestamp::parse(TODAY).unwrap())
        );
        for person in 0..PEOPLE {
            let of: Vec<_> = corpus.history.iter().filter(|sample| sample.person == person).collect();
            let first = of.first().unwrap().at().unwrap();
            let days = Timestamp::parse(TODAY).unwrap().since(first) / Timestamp::DAY;
            assert!((HISTORY_DAYS - 2..=HISTORY_DAYS).contains(&days), "person {person}: {days} days");
        }
    }
}
