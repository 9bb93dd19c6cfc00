//! Counts and sums: exact, and the same in any order.

use std::collections::BTreeMap;
use std::hash::Hasher;

use rust_decimal::Decimal;
use siphasher::sip::SipHasher24;

use crate::event::EventKind;
use crate::time::Timestamp;

/// Event names counted apart; all others are counted together.
pub const NAMES_MAX: usize = 40;
/// Currencies summed apart.
pub const CURRENCIES_MAX: usize = 20;
/// Kinds of blocked identifiers counted; others are not.
pub const BLOCKED_KINDS_MAX: usize = 16;

/// What a person did, counted over their life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    pub kinds: BTreeMap<EventKind, Count>,
    /// Of `track` events, by their name.
    pub names: BTreeMap<String, Count>,
    /// Of `track` events whose name has no count of its own.
    pub other_names: Count,
    /// The `revenue` of events, by currency.
    pub revenue: BTreeMap<String, Money>,
    /// Identifiers that the rules blocked, by their kind.
    pub blocked: BTreeMap<String, Count>,
}

/// How often, since when, until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub count: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

/// An exact sum, in billionths of the currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Money {
    pub billionths: i128,
    pub count: u64,
}

impl Counters {
    pub fn total(&self) -> u64 {
        self.kinds.values().map(|count| count.count).sum()
    }

    /// The earliest and the latest event.
    pub fn seen(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let first = self.kinds.values().filter_map(|count| count.first).min();
        let last = self.kinds.values().filter_map(|count| count.last).max();
        (first, last)
    }

    pub fn event(&mut self, kind: EventKind, at: Timestamp) {
        self.kinds.entry(kind).or_default().add(Count::once(at));
    }

    pub fn name(&mut self, name: &str, at: Timestamp) {
        self.names.entry(name.to_owned()).or_default().add(Count::once(at));
        self.truncate();
    }

    pub fn revenue(&mut self, currency: &str, billionths: i128) {
        let sum = self.revenue.entry(currency.to_owned()).or_default();
        sum.add(Money { billionths, count: 1 });
        self.truncate();
    }

    pub fn blocked(&mut self, kind: &str, at: Timestamp) {
        self.blocked.entry(kind.to_owned()).or_default().add(Count::once(at));
        self.truncate();
    }

    pub fn absorb(&mut self, other: Self) {
        for (kind, count) in other.kinds {
            self.kinds.entry(kind).or_default().add(count);
        }
        for (name, count) in other.names {
            self.names.entry(name).or_default().add(count);
        }
        self.other_names.add(other.other_names);
        for (currency, money) in other.revenue {
            self.revenue.entry(currency).or_default().add(money);
        }
        for (kind, count) in other.blocked {
            self.blocked.entry(kind).or_default().add(count);
        }
        self.truncate();
    }

    /// Keeps the names with the least hashes. A name that is kept at the end
    /// was kept from its first event on, so its count is whole whatever the
    /// order; what was dropped is dropped for good.
    fn truncate(&mut self) {
        while let Some(name) = excess(&self.names, NAMES_MAX) {
            if let Some(count) = self.names.remove(&name) {
                self.other_names.add(count);
            }
        }
        while let Some(currency) = excess(&self.revenue, CURRENCIES_MAX) {
            self.revenue.remove(&currency);
        }
        while let Some(kind) = excess(&self.blocked, BLOCKED_KINDS_MAX) {
            self.blocked.remove(&kind);
        }
    }
}

/// The key with the greatest hash, if there are more than `max`.
fn excess<V>(map: &BTreeMap<String, V>, max: usize) -> Option<String> {
    if map.len() <= max {
        return None;
    }
    map.keys().max_by_key(|key| (spread(key), *key)).cloned()
}

/// A hash that spreads names evenly; it protects nothing.
pub fn spread(name: &str) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

impl Count {
    fn once(at: Timestamp) -> Self {
        Self { count: 1, first: Some(at), last: Some(at) }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }
}

impl Money {
    /// Digits behind the point that are kept of each amount.
    pub const SCALE: u32 = 9;

    /// Reads an amount as JSON numbers are written, exactly; what is no
    /// number, or beyond 10^18, is `None`.
    pub fn parse(text: &str) -> Option<i128> {
        let text = text.trim();
        let amount = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
        let in_range = amount.abs() <= Decimal::from(1_000_000_000_000_000_000_i64);
        let rounded = amount.round_dp(Self::SCALE);
        let step = 10_i128.checked_pow(Self::SCALE.checked_sub(rounded.scale())?)?;
        in_range.then(|| rounded.mantissa().checked_mul(step)).flatten()
    }

    /// The sum as a decimal number, without trailing zeros.
    pub fn decimal(&self) -> String {
        let unit = 10_u128.pow(Self::SCALE);
        let magnitude = self.billionths.unsigned_abs();
        let sign = if self.billionths < 0 { "-" } else { "" };
        let fraction = format!("{:09}", magnitude % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", magnitude / unit)
    }

    fn add(&mut self, other: Self) {
        self.billionths = self.billionths.saturating_add(other.billionths);
        self.count += other.count;
    }
}
