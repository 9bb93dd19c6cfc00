//! Refusals that a minute has no room for: which minutes those are, and how
//! many of them are still to be counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use domain::rejection::Rejection;
use domain::time::Timestamp;

/// Partitions over which the rest of a source's day is counted: an item takes
/// a thousand writes a second.
pub(super) const SHARDS: i64 = 8;
/// The only item of such a partition.
pub(super) const ITEM: &str = "rest";

/// A number may be late, so that nobody waits for it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(1);
/// Full minutes that are remembered; sources of one instance are fewer.
const FULL_MAX: usize = 1_000;

pub(super) fn partition(day: &str, shard: i64) -> String {
    format!("{day}#{shard}")
}

/// One quick try.
pub(super) fn hasty() -> Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(OPERATION_TIMEOUT).build();
    Builder::new().timeout_config(timeouts).retry_config(RetryConfig::disabled())
}

/// What one process knows; days are the partitions of a source and day.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Of each day the last minute that is known to be full.
    full: Mutex<BTreeMap<String, Timestamp>>,
    owed: Mutex<Owing>,
}

type Owing = BTreeMap<String, Debt>;

/// What is to be added to the counts of a day.
#[derive(Debug, Clone)]
pub(super) struct Debt {
    pub(super) expires: Timestamp,
    pub(super) counts: BTreeMap<&'static str, usize>,
}

impl Debt {
    fn add(&mut self, counts: &BTreeMap<&'static str, usize>) {
        for (reason, count) in counts {
            *self.counts.entry(reason).or_default() += count;
        }
    }
}

impl Rest {
    pub(super) fn is_full(&self, day: &str, minute: Timestamp) -> bool {
        lock(&self.full).get(day) == Some(&minute)
    }

    pub(super) fn fill(&self, day: &str, minute: Timestamp) {
        let mut full = lock(&self.full);
        if full.len() >= FULL_MAX {
            full.clear(); // What is forgotten costs a write to be learnt again.
        }
        full.insert(day.to_owned(), minute);
    }

    /// Remembers what is to be counted of a day that holds this minute.
    pub(super) fn owe(&self, day: &str, minute: Timestamp, counts: BTreeMap<&'static str, usize>) {
        let midnight = Timestamp::from_millis(minute.millis().div_euclid(Timestamp::DAY) * Timestamp::DAY);
        let expires = midnight.plus((Rejection::DAYS + 1) * Timestamp::DAY);
        let mut owed = lock(&self.owed);
        match owed.get_mut(day) {
            Some(debt) => debt.add(&counts),
            None => drop(owed.insert(day.to_owned(), Debt { expires, counts })),
        }
    }

    /// Takes all that is owed, for one caller at a time.
    pub(super) fn take(&self) -> Owed<'_> {
        Owed { rest: self, debts: std::mem::take(&mut lock(&self.owed)) }
    }
}

/// Debts in somebody's hands; what is not paid goes back, also if the work is
/// dropped half-way.
pub(super) struct Owed<'a> {
    rest: &'a Rest,
    debts: Owing,
}

impl Owed<'_> {
    pub(super) fn first(&self) -> Option<(String, Debt)> {
        self.debts.first_key_value().map(|(day, debt)| (day.clone(), debt.clone()))
    }

    pub(super) fn paid(&mut self, day: &str) {
        self.debts.remove(day);
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        let mut owed = lock(&self.rest.owed);
        for (day, debt) in std::mem::take(&mut self.debts) {
            match owed.get_mut(&day) {
                Some(known) => known.add(&debt.counts),
                None => drop(owed.insert(day, debt)),
            }
        }
    }
}

/// Counts are whole after every step, so that a panic elsewhere harms none.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
