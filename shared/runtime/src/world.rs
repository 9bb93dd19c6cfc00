//! The real clock and real chance: what everyone else asks for by a port.

use std::time::Duration;

use domain::time::Timestamp;
use ports::{Clock, Entropy, Timer};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else asks")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's source of chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the chance that everyone else asks for")]
    #[expect(clippy::expect_used, reason = "without chance keys and write ids would repeat: better to stop")]
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        bytes
    }
}

/// Waits as long as a clock says; with the system's it is the system's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTimer<C>(pub C);

impl<C: Clock> Timer for SystemTimer<C> {
    async fn until(&self, at: Timestamp) {
        // A clock may be put forward meanwhile; it is asked again at each wakening.
        loop {
            let left = at.since(self.0.now());
            let Ok(left @ 1..) = u64::try_from(left) else { return };
            tokio::time::sleep(Duration::from_millis(left.min(LOOKED_AT_MS))).await;
        }
    }
}

/// For so long a clock is believed to go on as it does.
const LOOKED_AT_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_timer_comes_back_when_its_moment_has_come_and_at_once_if_it_is_over() {
        let timer = SystemTimer(SystemClock);
        let soon = SystemClock.now().plus(5);
        timer.until(soon).await;
        assert!(SystemClock.now() >= soon);
        timer.until(soon).await;
    }

    #[test]
    fn the_clock_is_past_the_day_it_was_written_and_chance_does_not_repeat() {
        assert!(SystemClock.now() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
        assert_ne!(SystemEntropy.bytes(), SystemEntropy.bytes());
    }
}
