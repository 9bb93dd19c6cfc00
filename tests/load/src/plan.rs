//! What is sent, and in which order: all of it follows from the seed.

use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};

/// Of a hundred events, so many are sent again, long after they were acknowledged.
const REPEATED_PERCENT: u32 = 10;
/// Of a hundred events, so many are overtaken by others.
const OVERTAKEN_PERCENT: u32 = 20;
/// By how many events at most.
const OVERTAKEN_BY: u64 = 2_000;
/// Events that one person causes in a row, as in a visit.
const VISIT: u32 = 5;
/// The time over which the events happened: a client may hold them for weeks.
const SPAN: i64 = 20 * Timestamp::DAY;

const NAMES: [&str; 5] =
    ["Product Viewed", "Product Added", "Order Completed", "Заказ отменён", "Coupon Applied"];
const CURRENCIES: [&str; 2] = ["EUR", "USD"];

pub(crate) struct Plan {
    seed: u64,
    events: u32,
    people: u32,
    end: Timestamp,
}

/// One event. Its copies differ in nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) message_id: String,
    pub(crate) user_id: String,
    pub(crate) what: What,
    at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Identify,
    /// Amounts are at random, so that a lost and a doubled event do not make up for each other.
    Track {
        name: &'static str,
        currency: &'static str,
        cents: u32,
    },
}

impl Plan {
    pub(crate) fn new(seed: u64, events: u32, people: u32, end: Timestamp) -> Self {
        Self { seed, events, people, end }
    }

    pub(crate) fn events(&self) -> u32 {
        self.events
    }

    pub(crate) fn event(&self, number: u32) -> Planned {
        let visit = &mut self.chance("visit", number / VISIT);
        let chance = &mut self.chance("event", number);
        let step = SPAN / i64::from(self.events.max(1));
        Planned {
            message_id: format!("load-{}-{number}", self.seed),
            user_id: format!("load-user-{}", visit.u32(0..self.people.max(1))),
            what: what(chance),
            at: self.end.plus(-SPAN + i64::from(number) * step),
        }
    }

    /// The numbers of the events in the order of sending, some of them twice.
    pub(crate) fn sends(&self) -> Vec<u32> {
        let chance = &mut self.chance("order", 0);
        let mut sends = Vec::new();
        for number in 0..self.events {
            let place = u64::from(number);
            let overtaken = chance.u32(0..100) < OVERTAKEN_PERCENT;
            let place = place + if overtaken { chance.u64(0..OVERTAKEN_BY) } else { 0 };
            sends.push((place, number));
            if chance.u32(0..100) < REPEATED_PERCENT {
                // Half come soon after, as after a lost answer; half much later, as from a browser that was closed.
                let far = if chance.bool() { 100 } else { u64::from(self.events) };
                sends.push((place + 1 + chance.u64(0..far), number));
            }
        }
        sends.sort_unstable();
        sends.into_iter().map(|(_, number)| number).collect()
    }

    /// A stream of chance of its own for each purpose and number.
    fn chance(&self, purpose: &str, number: u32) -> Rng {
        let mixed =
            purpose.bytes().fold(self.seed, |seed, byte| Rng::with_seed(seed ^ u64::from(byte)).u64(..));
        Rng::with_seed(Rng::with_seed(mixed ^ u64::from(number)).u64(..))
    }
}

fn what(chance: &mut Rng) -> What {
    if chance.u32(0..20) == 0 {
        return What::Identify;
    }
    What::Track {
        name: chance.choice(NAMES).unwrap_or_default(),
        currency: chance.choice(CURRENCIES).unwrap_or_default(),
        cents: chance.u32(1..1_000_000),
    }
}

impl Planned {
    pub(crate) fn json(&self) -> Value {
        let context = json!({ "library": { "name": "load", "version": "1" } });
        let common = (&self.message_id, &self.user_id, self.at.rfc3339());
        let (message_id, user_id, timestamp) = common;
        match &self.what {
            What::Identify => json!({
                "type": "identify", "messageId": message_id, "userId": user_id, "timestamp": timestamp,
                "context": context, "traits": { "email": format!("{user_id}@example.com"), "last": message_id },
            }),
            What::Track { name, currency, cents } => json!({
                "type": "track", "messageId": message_id, "userId": user_id, "timestamp": timestamp,
                "context": context, "event": name,
                "properties": { "currency": currency, "revenue": f64::from(*cents) / 100.0 },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::new(seed, 10_000, 200, Timestamp::from_millis(1_767_225_600_000))
    }

    #[test]
    fn every_event_is_sent_and_a_tenth_of_them_twice() {
        let mut times: BTreeMap<u32, u32> = BTreeMap::new();
        for number in plan(1).sends() {
            *times.entry(number).or_default() += 1;
        }
        assert_eq!(times.len(), 10_000);
        let twice = times.values().filter(|times| **times == 2).count();
        assert!((900..1_100).contains(&twice), "{twice} are sent twice");
        assert!(times.values().all(|times| *times <= 2));
    }

    #[test]
    fn events_overtake_each_other() {
        let sends = plan(1).sends();
        let backwards = sends.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!(backwards > 1_000, "{backwards} steps back");
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(plan(5).sends(), plan(5).sends());
        assert_eq!(plan(5).event(77), plan(5).event(77));
        assert_ne!(plan(5).sends(), plan(6).sends());
    }

    #[test]
    fn people_get_visits_of_several_kinds_of_event() {
        let plan = plan(2);
        let people: std::collections::BTreeSet<_> =
            (0..10_000).map(|number| plan.event(number).user_id).collect();
        assert!(people.len() > 190);
        let identified = (0..10_000).filter(|number| plan.event(*number).what == What::Identify).count();
        assert!((400..600).contains(&identified), "{identified} identify");
    }
}
