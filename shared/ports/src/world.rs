//! Time and chance, asked for instead of taken.

use std::future::Future;

use domain::time::Timestamp;

/// The clock; in the simulation it moves when the simulation says so.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Chance; in the simulation it follows from the seed.
pub trait Entropy: Send + Sync {
    fn bytes(&self) -> [u8; 16];
}

/// Waiting, asked for instead of done: a test's clock goes on at once.
pub trait Timer: Send + Sync {
    /// Comes back at this moment, or at once if it is over.
    fn until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;
}
