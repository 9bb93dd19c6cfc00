//! How fast an account may send, shared by all who send.
//!
//! A provider allows so many messages a second and so many in 24 hours. Both are
//! handed out as *slots*, moments at which one call may begin: whoever wants to
//! send takes some from one item, on the condition that nobody took them
//! meanwhile, so that no two have the same.

use serde::{Deserialize, Serialize};

use super::Channel;
use crate::key::{IdKey, ProfileId};
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::time::Timestamp;

const KEY: &str = "pace";
/// A call begins at most so late in its slot, or takes another: late calls
/// would fall together with those of later slots.
pub const LATE_MAX: i64 = 20;
/// Of the rate that is allowed so much is used, in thousandths: with calls that
/// are late by `LATE_MAX` no second holds more than the provider allows.
const USED: u64 = 980;
/// What was taken is counted by quarters of an hour: a day that slides is known
/// to within one of them.
const QUARTER: i64 = 15 * Timestamp::MINUTE;
const QUARTERS: i64 = Timestamp::DAY / QUARTER;
/// After a provider said that it was too fast, nobody calls for so long.
pub const REST: i64 = Timestamp::SECOND;
/// What was read of the provider is believed for so long.
pub const BELIEVED_FOR: i64 = 5 * Timestamp::MINUTE;
/// Before anybody asked: what an account may do that is still in the sandbox.
const FIRST: Quota = Quota { per_second_milli: 1_000, per_day: 200 };

/// What a provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Thousandths of messages a second.
    pub per_second_milli: u64,
    /// Messages in any 24 hours.
    pub per_day: u64,
}

/// The pace of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    quota: Quota,
    /// When the provider was asked.
    asked: Option<Timestamp>,
    /// From when on slots are free, in microseconds.
    free_us: i64,
    /// Slots taken by quarter of an hour, the oldest first.
    taken: Vec<(i64, u64)>,
    /// People who were handed to senders, and of whom these are done with.
    handed: u64,
    done: u64,
    /// What the provider counted that stands not here: it came from elsewhere.
    elsewhere: u64,
    /// Since when senders could have done more than they had to do.
    idle: Option<Timestamp>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            quota: FIRST,
            asked: None,
            free_us: 0,
            taken: Vec::new(),
            handed: 0,
            done: 0,
            elsewhere: 0,
            idle: None,
        }
    }
}

impl Pace {
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Whether the provider has to be asked again.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.asked.is_none_or(|asked| now.since(asked) >= BELIEVED_FOR)
    }

    /// What the provider says that it allows, and how many of the last 24 hours it counted.
    pub fn learn(&mut self, quota: Quota, counted: u64, now: Timestamp) {
        self.quota = quota;
        self.asked = Some(now);
        self.elsewhere = counted.saturating_sub(self.day(now));
    }

    /// Takes up to so many slots that begin before `until`; fewer if the day has
    /// no more.
    pub fn take(&mut self, wanted: usize, now: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let left = self.quota.per_day.saturating_sub(self.day(now).saturating_add(self.elsewhere));
        let wanted = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(gap) = self.gap_us() else { return Vec::new() };
        let mut slots = Vec::new();
        let mut free = self.free_us.max(micros(now));
        // A slot is a whole millisecond, and never earlier than it was free.
        while slots.len() < wanted && free < micros(until) {
            slots
                .push(Timestamp::from_millis(free.div_euclid(1_000) + i64::from(free.rem_euclid(1_000) > 0)));
            free = free.saturating_add(gap);
        }
        if !slots.is_empty() {
            self.free_us = free;
        }
        for slot in &slots {
            self.count(*slot);
        }
        slots
    }

    /// The provider found it too fast: slots that follow begin later.
    pub fn rest(&mut self, now: Timestamp) {
        self.free_us = self.free_us.max(micros(now.plus(REST)));
    }

    /// When the next slot is free; `None` if the day has no more.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let has_room = self.day(now).saturating_add(self.elsewhere) < self.quota.per_day;
        let free = Timestamp::from_millis(self.free_us.div_euclid(1_000) + 1);
        (has_room && self.gap_us().is_some()).then(|| free.max(now))
    }

    /// How many people senders should be handed now, so that they have work for
    /// `ahead` but never pile it up.
    pub fn wanted(&self, ahead: i64) -> u64 {
        let ahead = u64::try_from(ahead / Timestamp::SECOND).unwrap_or_default();
        let work = self.quota.per_second_milli.saturating_mul(ahead) / 1_000;
        work.max(1).saturating_sub(self.handed.saturating_sub(self.done))
    }

    pub fn hand(&mut self, people: u64) {
        self.handed = self.handed.saturating_add(people);
    }

    /// Of people who were handed so many are done with, sent to or not.
    pub fn done(&mut self, people: u64) {
        self.done = self.done.saturating_add(people).min(self.handed);
    }

    /// Forgets who was handed: their messages are lost or long done.
    pub fn forget(&mut self) {
        self.done = self.handed;
        self.idle = None;
    }

    /// Notes whether slots are free now, and whether they were each time that
    /// somebody asked for so long. Senders with enough to do take all of them
    /// ahead; those that have a handful of people a minute do not.
    pub fn is_idle(&mut self, now: Timestamp, so_long: i64) -> bool {
        if self.free_us > micros(now) {
            self.idle = None;
            return false;
        }
        now.since(*self.idle.get_or_insert(now)) >= so_long
    }

    pub const fn outstanding(&self) -> u64 {
        self.handed.saturating_sub(self.done)
    }

    /// Slots of the last 24 hours, none of them left out.
    fn day(&self, now: Timestamp) -> u64 {
        let first = quarter(now) - QUARTERS;
        self.taken.iter().filter(|(at, _)| *at >= first).map(|(_, count)| count).sum()
    }

    fn count(&mut self, slot: Timestamp) {
        let at = quarter(slot);
        self.taken.retain(|(known, _)| *known >= at - QUARTERS);
        match self.taken.iter_mut().find(|(known, _)| *known == at) {
            Some((_, count)) => *count += 1,
            None => self.taken.push((at, 1)),
        }
    }

    /// Microseconds between two slots; `None` if nothing may be sent.
    fn gap_us(&self) -> Option<i64> {
        let used = self.quota.per_second_milli.saturating_mul(USED);
        // 10^6 µs · 10^3 for the rate's thousandths · 10^3 for those of USED, rounded up.
        let gap = 1_000_000_000_000_u64.div_ceil((used > 0).then_some(used)?);
        i64::try_from(gap).ok()
    }

    pub fn item(&self) -> Item {
        Item { key: key(), body: packed::encode(self) }
    }

    /// A pace from its item; without one nobody has asked yet.
    pub fn read(item: Option<&Item>) -> Result<Self, Corrupt> {
        item.map_or_else(|| Ok(Self::default()), |item| packed::decode(&item.body))
    }
}

/// The collection of a channel's pace, in no workspace: it is the account's.
pub fn collection(ids: &IdKey, channel: Channel) -> ProfileId {
    ids.pace(channel)
}

pub fn key() -> ItemKey {
    ItemKey(KEY.to_owned())
}

const fn quarter(at: Timestamp) -> i64 {
    at.millis().div_euclid(QUARTER)
}

const fn micros(at: Timestamp) -> i64 {
    at.millis().saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn paced(per_second: u64, per_day: u64) -> Pace {
        let mut pace = Pace::default();
        pace.learn(Quota { per_second_milli: per_second * 1_000, per_day }, 0, at(0));
        pace
    }

    /// However calls are late within what is allowed, no second holds more than
    /// the provider takes, and at least 95 of 100 slots are used.
    #[test]
    fn no_second_holds_more_than_is_allowed_and_few_are_left_out() {
        for per_second in [1, 2, 3, 14, 50, 200, 500] {
            let mut pace = paced(per_second, 1_000_000);
            let mut calls: Vec<i64> = Vec::new();
            for step in 0..60 {
                let now = at(step * 500);
                let slots = pace.take(1_000, now, now.plus(500));
                for (nth, slot) in slots.into_iter().enumerate() {
                    assert!(slot >= now);
                    let late = if nth % 3 == 0 { LATE_MAX } else { 0 };
                    calls.push(slot.plus(late).millis());
                }
            }
            calls.sort_unstable();
            let allowed = usize::try_from(per_second).unwrap();
            for window in calls.windows(allowed + 1) {
                assert!(window[allowed] - window[0] >= 1_000, "{per_second} a second: {window:?}");
            }
            let (used, whole) = (calls.len() * 100, allowed * 30 * 95);
            assert!(used >= whole, "{per_second} a second: {} of {}", calls.len(), allowed * 30);
        }
    }

    #[test]
    fn two_who_take_slots_never_have_the_same() {
        let mut pace = paced(10, 1_000);
        let first = pace.take(5, at(0), at(10_000));
        let second = pace.take(5, at(0), at(10_000));
        let mut all = [first, second].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn a_day_that_slides_holds_no_more_than_is_allowed() {
        let mut pace = paced(100, 1_000);
        let mut taken: Vec<i64> = Vec::new();
        for hour in 0..72 {
            let now = at(hour * Timestamp::HOUR);
            taken.extend(pace.take(700, now, now.plus(Timestamp::HOUR)).iter().map(|slot| slot.millis()));
        }
        for window in taken.windows(1_001) {
            assert!(window[1_000] - window[0] > Timestamp::DAY);
        }
        assert!(taken.len() >= 2_900, "{}", taken.len());
    }

    #[test]
    fn what_was_sent_elsewhere_is_part_of_the_day() {
        let mut pace = paced(100, 1_000);
        pace.learn(pace.quota(), 990, at(0));
        assert_eq!(pace.take(100, at(0), at(60_000)).len(), 10);
        assert_eq!(pace.next(at(0)), None);
        // The provider counts ours, too.
        pace.learn(pace.quota(), 1_000, at(1));
        assert!(pace.take(100, at(1), at(60_000)).is_empty());
    }

    #[test]
    fn a_lower_quota_holds_from_the_next_slot_on_and_a_rest_moves_it() {
        let mut pace = paced(100, 1_000_000);
        pace.take(10, at(0), at(1_000));
        pace.learn(Quota { per_second_milli: 1_000, per_day: 1_000_000 }, 10, at(100));
        let slots = pace.take(3, at(100), at(60_000));
        assert!(slots.windows(2).all(|pair| pair[1].since(pair[0]) >= 1_000), "{slots:?}");
        pace.rest(at(50_000));
        assert!(pace.take(1, at(50_000), at(60_000))[0] >= at(50_000).plus(REST));
        pace.learn(Quota { per_second_milli: 0, per_day: 10 }, 0, at(51_000));
        assert!(pace.take(1, at(51_000), at(60_000)).is_empty());
    }

    #[test]
    fn senders_are_handed_what_they_can_send_and_no_more() {
        let mut pace = paced(10, 1_000_000);
        assert_eq!(pace.wanted(Timestamp::MINUTE), 600);
        pace.hand(600);
        assert_eq!(pace.wanted(Timestamp::MINUTE), 0);
        pace.done(250);
        assert_eq!(pace.wanted(Timestamp::MINUTE), 250);
        pace.done(5_000);
        assert_eq!(pace.outstanding(), 0);
    }

    #[test]
    fn senders_are_idle_while_slots_are_free_each_time_that_somebody_asks() {
        let mut pace = paced(10, 1_000_000);
        assert!(!pace.is_idle(at(0), Timestamp::MINUTE));
        // A handful of slots that were taken and are over is no work.
        pace.take(3, at(10), at(10_000));
        assert!(pace.is_idle(at(Timestamp::MINUTE), Timestamp::MINUTE));
        pace.take(300, at(Timestamp::MINUTE), at(2 * Timestamp::MINUTE));
        assert!(!pace.is_idle(at(Timestamp::MINUTE + 1_000), Timestamp::MINUTE));
        assert!(!pace.is_idle(at(2 * Timestamp::MINUTE), Timestamp::MINUTE));
    }

    #[test]
    fn a_pace_is_read_as_it_was_written() {
        let mut pace = paced(7, 70);
        pace.take(3, at(0), at(5_000));
        assert_eq!(Pace::read(Some(&pace.item())), Ok(pace));
        assert_eq!(Pace::read(None), Ok(Pace::default()));
    }
}
