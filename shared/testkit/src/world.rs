//! Time that moves when it is told to, and chance that follows from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::time::Timestamp;
use ports::{Clock, Entropy, Timer};

use crate::faults::pause;

/// A clock that stands still until it is moved; clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.millis())))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }

    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A timer whose waits are over at once: the clock goes on to where they end.
#[derive(Debug, Clone, Default)]
pub struct TestTimer(TestClock);

impl TestTimer {
    pub const fn moving(clock: TestClock) -> Self {
        Self(clock)
    }
}

impl Timer for TestTimer {
    /// Others run before the clock goes on.
    async fn until(&self, at: Timestamp) {
        pause().await;
        self.0.0.fetch_max(at.millis(), Ordering::SeqCst);
    }
}

/// Chance by `SplitMix64`: equal seeds give equal bytes; clones go on together.
#[derive(Debug, Clone, Default)]
pub struct SeededEntropy(Arc<AtomicU64>);

impl SeededEntropy {
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(mixed(seed))))
    }

    pub fn number(&self) -> u64 {
        mixed(self.0.fetch_add(GOLDEN, Ordering::SeqCst))
    }
}

impl Entropy for SeededEntropy {
    fn bytes(&self) -> [u8; 16] {
        let [high, low] = [self.number(), self.number()].map(u128::from);
        (high << 64 | low).to_be_bytes()
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(GOLDEN);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_clock_show_the_same_time() {
        let clock = TestClock::at(Timestamp::from_millis(5));
        clock.clone().advance(Timestamp::SECOND);
        assert_eq!(clock.now(), Timestamp::from_millis(1_005));
    }

    #[tokio::test]
    async fn a_wait_moves_the_clock_and_never_back() {
        let clock = TestClock::at(Timestamp::from_millis(5));
        let timer = TestTimer::moving(clock.clone());
        timer.until(Timestamp::from_millis(9)).await;
        timer.until(Timestamp::from_millis(7)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(9));
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let [first, again, other] = [1, 1, 2].map(SeededEntropy::seeded);
        assert_eq!(first.bytes(), again.bytes());
        assert_ne!(first.bytes(), other.bytes());
        assert_ne!(first.bytes(), first.bytes());
    }
}
