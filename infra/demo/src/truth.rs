//! What is true of the events handed out so far.

use std::collections::BTreeMap;

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;

use crate::made::{Made, Verdict};
use crate::parcel::{Request, Source};

/// What a platform that makes no mistake knows after these requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    pub requests: u64,
    /// Distinct people behind the accepted events.
    pub people: u64,
    /// Those of them who said who they are, by more than a device.
    pub named: u64,
    /// Distinct events that have to be accepted.
    pub events: u64,
    /// Accepted events by their kind; they add up to `events`.
    pub kinds: BTreeMap<EventKind, u64>,
    /// Accepted events by their source; they add up to `events`.
    pub sources: BTreeMap<Source, u64>,
    /// Events that were sent again: same message id, another batch.
    pub repeated: u64,
    /// Accepted events that arrived a day or more after they happened in the
    /// year; the CRM's old records are not among them.
    pub late: u64,
    /// Accepted events that are not quite JSON: a `NaN`, half an emoji.
    pub mended: u64,
    /// Events that have to be refused, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// What the accepted orders earned, in cents by currency.
    pub revenue_cents: BTreeMap<&'static str, u64>,
    seen: People,
    seen_named: People,
}

impl Truth {
    /// All events in the requests: accepted, repeated and refused.
    pub fn sent(&self) -> u64 {
        self.events + self.repeated + self.refused.values().sum::<u64>()
    }

    pub(crate) fn add(&mut self, request: &Request) {
        self.requests += 1;
        for event in &request.events {
            match event.verdict {
                _ if event.again => self.repeated += 1,
                Verdict::Refused(reason) => *self.refused.entry(reason).or_default() += 1,
                Verdict::Good(kind) => self.accepted(event, kind, request),
                Verdict::Mended(kind) => {
                    self.mended += 1;
                    self.accepted(event, kind, request);
                }
            }
        }
    }

    fn accepted(&mut self, event: &Made, kind: EventKind, request: &Request) {
        self.events += 1;
        *self.kinds.entry(kind).or_default() += 1;
        *self.sources.entry(request.source).or_default() += 1;
        if request.source != Source::Crm && request.at.since(event.at) >= Timestamp::DAY {
            self.late += 1;
        }
        if let Some((currency, cents)) = event.revenue {
            *self.revenue_cents.entry(currency).or_default() += u64::from(cents);
        }
        if let Some(person) = event.person {
            self.people += u64::from(self.seen.insert(person));
            self.named += u64::from(event.names_them && self.seen_named.insert(person));
        }
    }
}

/// A set of people, a bit for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct People(Vec<u64>);

impl People {
    /// Whether the person is new.
    fn insert(&mut self, person: u32) -> bool {
        let (word, bit) = (person as usize / 64, 1_u64 << (person % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(word) = self.0.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
