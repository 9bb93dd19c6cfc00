//! The outside world in memory, for tests and simulations.
//!
//! **Invariant:** nothing here waits, and nothing depends on the real clock or
//! on real chance: a run repeats from its seed.

pub mod world;
pub mod queue;
pub mod definitions;
pub mod rejections;
pub mod idempotency;
pub mod people;
pub mod channel;
pub mod faults;
pub mod contract;
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it is asked about documents that were read before, by tests alone"
)]
pub mod reference;

pub use channel::MemoryChannel;
pub use definitions::MemoryDefinitions;
pub use faults::{Fault, Faulty};
pub use idempotency::MemoryIdempotency;
pub use people::MemoryPeople;
pub use queue::MemoryQueue;
pub use rejections::MemoryRejections;
pub use world::{SeededEntropy, TestClock, TestTimer};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panics must not make every later look at its world panic too.
fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The failure that a test asked for.
#[derive(Debug, thiserror::Error)]
#[error("the test asked for this failure")]
pub struct Injected;
