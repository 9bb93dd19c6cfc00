//! A clock that can be put forward, so that what takes days is seen in seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::time::Timestamp;
use ports::Clock;
use runtime::SystemClock;

/// The system's clock and what it was put forward by; clones go together.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalClock {
    ahead: Arc<AtomicI64>,
}

impl LocalClock {
    pub(crate) fn ahead_by(millis: i64) -> Self {
        Self { ahead: Arc::new(AtomicI64::new(millis)) }
    }

    /// Puts the clock forward; says by how much it is ahead altogether.
    pub(crate) fn advance(&self, millis: i64) -> i64 {
        self.ahead.fetch_add(millis, Ordering::SeqCst).saturating_add(millis)
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.ahead.load(Ordering::SeqCst))
    }
}
