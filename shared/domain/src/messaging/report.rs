//! What became of a broadcast: sums by variant, and when to stop it.
//!
//! One delivery comes to one [`Outcome`]; reports are sums of them, whole
//! numbers all through, so that parts that were counted apart add up to the
//! same in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::DeliveryId;
use crate::profile::counters::Money;
use crate::time::Timestamp;

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub arrival: Arrival,
    pub is_complained: bool,
    pub is_unsubscribed: bool,
    pub opens: Hits,
    pub clicks: Hits,
    pub read_seconds: u32,
    /// What was bought because of it, in billionths, by currency.
    pub revenue: BTreeMap<String, i128>,
}

/// How far a delivery came, once the provider took it. Of what is heard of one
/// the greatest stands, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    #[default]
    Sent,
    /// The mailbox was full, or its server away, for too long.
    SoftBounce,
    Delivered,
    /// There is no such mailbox; some servers say so after they took it.
    HardBounce,
}

/// How often one delivery was opened, or its links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hits {
    pub all: u64,
    /// Of these, those that a person surely made.
    pub by_person: u64,
}

/// The report of a broadcast, by variant; a broadcast without has one of no name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    pub variants: BTreeMap<String, Sums>,
}

/// What the deliveries of one variant came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sums {
    pub sent: u64,
    pub delivered: u64,
    pub bounced: Bounces,
    pub complained: u64,
    pub unsubscribed: u64,
    pub opened: Seen,
    pub clicked: Seen,
    pub read_seconds: u64,
    /// Deliveries that were read for a second at least: whom to divide by.
    pub readers: u64,
    pub revenue: BTreeMap<String, Revenue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bounces {
    pub hard: u64,
    pub transient: u64,
}

/// How many letters were seen, and how often: by whoever it was, and by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Letters that anybody or anything hit.
    pub letters: u64,
    pub hits: u64,
    /// Letters that a person hit, which is how many people did.
    pub people: u64,
    pub hits_by_people: u64,
}

/// What was bought in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revenue {
    pub billionths: i128,
    /// Deliveries that something was bought because of.
    pub buyers: u64,
}

impl Report {
    /// Counts one delivery in.
    pub fn count(&mut self, variant: &str, outcome: &Outcome) {
        self.variants.entry(variant.to_owned()).or_default().absorb(&Sums::of(outcome));
    }

    /// Adds what was counted of other deliveries.
    pub fn absorb(&mut self, other: &Self) {
        for (variant, sums) in &other.variants {
            self.variants.entry(variant.clone()).or_default().absorb(sums);
        }
    }

    /// All variants together.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        self.variants.values().for_each(|sums| total.absorb(sums));
        total
    }
}

impl Sums {
    pub fn of(outcome: &Outcome) -> Self {
        let Outcome { arrival, is_complained, is_unsubscribed, opens, clicks, read_seconds, revenue } =
            outcome;
        let revenue = revenue
            .iter()
            .map(|(currency, billionths)| (currency.clone(), Revenue { billionths: *billionths, buyers: 1 }));
        Self {
            sent: 1,
            delivered: u64::from(*arrival == Arrival::Delivered),
            bounced: Bounces {
                hard: u64::from(*arrival == Arrival::HardBounce),
                transient: u64::from(*arrival == Arrival::SoftBounce),
            },
            complained: u64::from(*is_complained),
            unsubscribed: u64::from(*is_unsubscribed),
            opened: Seen::of(*opens),
            clicked: Seen::of(*clicks),
            read_seconds: u64::from(*read_seconds),
            readers: u64::from(*read_seconds > 0),
            revenue: revenue.collect(),
        }
    }

    /// Adds what other deliveries came to.
    pub fn absorb(&mut self, other: &Self) {
        let Self { sent, delivered, bounced, complained, unsubscribed, .. } = other;
        self.sent += sent;
        self.delivered += delivered;
        self.bounced.hard += bounced.hard;
        self.bounced.transient += bounced.transient;
        self.complained += complained;
        self.unsubscribed += unsubscribed;
        self.opened.absorb(other.opened);
        self.clicked.absorb(other.clicked);
        self.read_seconds += other.read_seconds;
        self.readers += other.readers;
        for (currency, revenue) in &other.revenue {
            self.revenue.entry(currency.clone()).or_default().absorb(*revenue);
        }
    }
}

impl Seen {
    fn of(hits: Hits) -> Self {
        Self {
            letters: u64::from(hits.all > 0),
            hits: hits.all,
            people: u64::from(hits.by_person > 0),
            hits_by_people: hits.by_person,
        }
    }

    fn absorb(&mut self, other: Self) {
        self.letters += other.letters;
        self.hits += other.hits;
        self.people += other.people;
        self.hits_by_people += other.hits_by_people;
    }
}

impl Revenue {
    /// The sum as a decimal number.
    pub fn decimal(self) -> String {
        Money { billionths: self.billionths, count: self.buyers }.decimal()
    }

    fn absorb(&mut self, other: Self) {
        self.billionths = self.billionths.saturating_add(other.billionths);
        self.buyers += other.buyers;
    }
}

/// A person's click or opening, which an order may follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    pub at: Timestamp,
    pub delivery: DeliveryId,
}

/// Which delivery an order is put down to: that of the last touch before it,
/// if that was not longer ago than the window.
pub fn attribute(touches: &[Touch], ordered: Timestamp, window: i64) -> Option<DeliveryId> {
    let counts = |touch: &&Touch| (0..=window).contains(&ordered.since(touch.at));
    touches.iter().filter(counts).max().map(|touch| touch.delivery)
}

/// Why a broadcast is stopped until somebody looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    Complaints,
    Bounces,
}

/// What is too much. Mailboxes want fewer than one complaint in a thousand;
/// Amazon looks into accounts of which one letter in twenty bounces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Before so many were sent a few say nothing.
    pub sent_least: u64,
    /// Complaints of 10,000 sent.
    pub complaints: u64,
    /// Hard bounces of 10,000 sent.
    pub bounces: u64,
}

impl Limits {
    pub const DEFAULT: Self = Self { sent_least: 500, complaints: 10, bounces: 500 };
}

/// Whether a broadcast is to be stopped, after all that it came to so far.
pub fn pause(total: &Sums, limits: Limits) -> Option<Pause> {
    let reaches = |count: u64, limit: u64| {
        count > 0 && u128::from(count) * 10_000 >= u128::from(limit) * u128::from(total.sent)
    };
    if total.sent < limits.sent_least.max(1) {
        None
    } else if reaches(total.complained, limits.complaints) {
        Some(Pause::Complaints)
    } else if reaches(total.bounced.hard, limits.bounces) {
        Some(Pause::Bounces)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
