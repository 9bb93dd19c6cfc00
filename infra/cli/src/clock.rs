//! A clock that can be put forward, so that what takes days is seen in seconds.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::time::Timestamp;
use ports::Clock;
use runtime::SystemClock;

use crate::data::{self, DataError};

/// The system's clock and what it was put forward by; clones go together.
///
/// The folder remembers how far it is ahead: what was written in its future
/// must never meet a younger clock.
#[derive(Debug, Clone)]
pub(crate) struct LocalClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    ahead: AtomicI64,
    /// Held while the clock is put forward.
    moving: Mutex<()>,
}

impl LocalClock {
    /// The clock of a data folder, where it was left.
    pub(crate) fn of(folder: &Path) -> Result<Self, DataError> {
        let ahead = AtomicI64::new(data::clock_ahead(folder)?);
        Ok(Self(Arc::new(Shared { folder: folder.to_owned(), ahead, moving: Mutex::default() })))
    }

    /// Puts the clock forward, first on the disk; says by how much it is ahead
    /// altogether.
    pub(crate) fn advance(&self, millis: i64) -> Result<i64, DataError> {
        let _moving = self.0.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = self.0.ahead.load(Ordering::SeqCst).saturating_add(millis);
        data::write_clock_ahead(&self.0.folder, ahead)?;
        self.0.ahead.store(ahead, Ordering::SeqCst);
        Ok(ahead)
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0.ahead.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_put_forward_is_ahead_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let clock = LocalClock::of(folder.path()).unwrap();
        assert_eq!(clock.advance(30 * Timestamp::DAY).unwrap(), 30 * Timestamp::DAY);
        assert_eq!(clock.clone().advance(Timestamp::DAY).unwrap(), 31 * Timestamp::DAY);
        let before = clock.now();
        drop(clock);
        let again = LocalClock::of(folder.path()).unwrap();
        assert!(again.now() >= before);
        assert_eq!(again.advance(0).unwrap(), 31 * Timestamp::DAY);
    }

    #[test]
    fn a_clock_that_cannot_be_kept_is_not_put_forward() {
        let folder = tempfile::tempdir().unwrap();
        let clock = LocalClock::of(folder.path()).unwrap();
        drop(folder);
        let before = SystemClock.now();
        let error = clock.advance(Timestamp::DAY).unwrap_err();
        assert!(error.to_string().contains("is the disk full"), "{error}");
        assert!(clock.now().since(before) < Timestamp::DAY);
    }

    #[test]
    fn a_damaged_clock_is_named_and_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("clock"), "tomorrow").unwrap();
        assert!(matches!(LocalClock::of(folder.path()), Err(DataError::Damaged(..))));
    }
}
