//! A token bucket for each write key.
//!
//! It is one instance's: a deployment that runs on ten instances lets up to ten
//! times the rate through. It protects the tables from a runaway sender and
//! is no quota.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::time::Timestamp;

/// Buckets kept; one that has filled up again is as good as none.
const BUCKETS_MAX: usize = 10_000;

/// One request, in the thousandths that a millisecond can refill.
const REQUEST: u64 = 1_000;

/// What a sender is told to wait at most, in seconds.
const RETRY_AFTER_MAX: u64 = 300;

#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<HashMap<String, Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// Thousandths of requests that may still be made.
    left: u64,
    at: Timestamp,
    rate: u32,
}

impl Limiter {
    /// Takes one request out of the key's bucket, or says how many seconds to wait.
    pub(crate) fn take(&self, key: &str, rate: u32, now: Timestamp) -> Result<(), u32> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| bucket.refilled(now) < bucket.capacity());
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        if let Some(bucket) = buckets.get_mut(key) {
            return bucket.take(rate, now);
        }
        let mut bucket = Bucket { left: u64::from(rate) * REQUEST, at: now, rate };
        let taken = bucket.take(rate, now);
        buckets.insert(key.to_owned(), bucket);
        taken
    }
}

impl Bucket {
    /// A second's worth.
    fn capacity(&self) -> u64 {
        u64::from(self.rate) * REQUEST
    }

    fn refilled(&self, now: Timestamp) -> u64 {
        let passed = u64::try_from(now.since(self.at)).unwrap_or(0);
        self.left.saturating_add(passed.saturating_mul(u64::from(self.rate))).min(self.capacity())
    }

    fn take(&mut self, rate: u32, now: Timestamp) -> Result<(), u32> {
        self.rate = rate;
        self.left = self.refilled(now);
        self.at = now;
        if let Some(left) = self.left.checked_sub(REQUEST) {
            self.left = left;
            return Ok(());
        }
        let millis = (REQUEST - self.left).checked_div(u64::from(rate)).unwrap_or(u64::MAX);
        let seconds = millis.div_ceil(1_000).clamp(1, RETRY_AFTER_MAX);
        Err(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_second_holds_as_many_requests_as_the_rate() {
        let limiter = Limiter::default();
        for _ in 0..3 {
            assert_eq!(limiter.take("key", 3, at(0)), Ok(()));
        }
        assert_eq!(limiter.take("key", 3, at(0)), Err(1));
        assert_eq!(limiter.take("key", 3, at(334)), Ok(()));
        assert_eq!(limiter.take("key", 3, at(334)), Err(1));
    }

    #[test]
    fn a_quiet_hour_saves_up_no_more_than_a_second() {
        let limiter = Limiter::default();
        assert_eq!(limiter.take("key", 1, at(0)), Ok(()));
        assert_eq!(limiter.take("key", 1, at(3_600_000)), Ok(()));
        assert_eq!(limiter.take("key", 1, at(3_600_000)), Err(1));
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let limiter = Limiter::default();
        assert_eq!(limiter.take("one", 1, at(0)), Ok(()));
        assert_eq!(limiter.take("two", 1, at(0)), Ok(()));
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        assert_eq!(Limiter::default().take("key", 0, at(0)), Err(300));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let limiter = Limiter::default();
        assert_eq!(limiter.take("key", 1, at(0)), Ok(()));
        assert_eq!(limiter.take("key", 1, at(-5_000)), Err(1));
    }

    #[test]
    fn the_buckets_are_bounded() {
        let limiter = Limiter::default();
        for number in 0..BUCKETS_MAX + 10 {
            limiter.take(&number.to_string(), 1, at(0)).unwrap();
        }
        assert!(limiter.0.lock().unwrap().len() <= BUCKETS_MAX);
    }
}
