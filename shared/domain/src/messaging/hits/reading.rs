//! For how long a letter was read.
//!
//! An open letter asks for a picture again and again, each time a little later,
//! for as long as it is open. Each beacon says that it still was after so many
//! seconds, so that the last one of an opening says how long that was,
//! whichever arrives first and however often.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How long a letter was open, each time somebody opened it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadingTime {
    /// Seconds by when the letter was opened; the earliest openings.
    openings: BTreeMap<Timestamp, u32>,
}

impl ReadingTime {
    /// Openings of one letter that are counted: the first ones, so that the
    /// order of arrival does not decide which.
    pub const OPENINGS_MAX: usize = 8;
    /// A letter that stands open longer is not read any more.
    pub const SECONDS_MAX: u32 = 120;

    /// Hears that a letter that was opened then was still open after so many
    /// seconds; `true` if that is news.
    pub fn hear(&mut self, opened: Timestamp, seconds: u32) -> bool {
        let before = self.openings.get(&opened).copied();
        let seconds = seconds.min(Self::SECONDS_MAX).max(before.unwrap_or_default());
        self.openings.insert(opened, seconds);
        while self.openings.len() > Self::OPENINGS_MAX {
            self.openings.pop_last();
        }
        self.openings.get(&opened).copied() != before
    }

    /// Takes in what others heard of the same letter.
    pub fn absorb(&mut self, other: &Self) {
        for (opened, seconds) in &other.openings {
            self.hear(*opened, *seconds);
        }
    }

    /// For how long it was read, all times together.
    pub fn seconds(&self) -> u32 {
        self.openings.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(beacons: &[(i64, u32)]) -> ReadingTime {
        let mut reading = ReadingTime::default();
        for (opened, seconds) in beacons {
            reading.hear(Timestamp::from_millis(*opened), *seconds);
        }
        reading
    }

    #[test]
    fn the_last_beacon_of_each_opening_counts() {
        assert_eq!(heard(&[]).seconds(), 0);
        assert_eq!(heard(&[(1, 2), (1, 8), (1, 4)]).seconds(), 8);
        assert_eq!(heard(&[(1, 8), (5000, 15), (5000, 30)]).seconds(), 38);
        assert_eq!(heard(&[(1, 3600)]).seconds(), ReadingTime::SECONDS_MAX);
        let often: Vec<(i64, u32)> = (0..100).map(|opened| (opened, 10)).collect();
        assert_eq!(heard(&often).seconds(), 80);
    }

    #[test]
    fn what_is_no_news_says_so() {
        let mut reading = heard(&[(1, 8)]);
        let mut hear = |opened, seconds| reading.hear(Timestamp::from_millis(opened), seconds);
        assert!(!hear(1, 8) && !hear(1, 3) && hear(1, 9) && hear(2, 0) && !hear(2, 0));
    }

    proptest! {
        #[test]
        fn order_and_copies_change_nothing(
            beacons in prop::collection::vec((0..12_i64, 0..200_u32), 0..60),
            order in any::<u64>(), cut in 0..60_usize
        ) {
            let expected = heard(&beacons);
            let mut shuffled = [beacons.clone(), beacons.clone()].concat();
            fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
            prop_assert_eq!(&heard(&shuffled), &expected);
            let (left, right) = beacons.split_at(cut.min(beacons.len()));
            let (mut one, mut other) = (heard(left), heard(right));
            one.absorb(&heard(right));
            other.absorb(&heard(left));
            prop_assert_eq!(&one, &expected);
            prop_assert_eq!(&other, &expected);
        }
    }
}
