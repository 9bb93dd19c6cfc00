//! Time and chance, asked for instead of taken.

use domain::time::Timestamp;

/// The clock; in the simulation it moves when the simulation says so.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Chance; in the simulation it follows from the seed.
pub trait Entropy: Send + Sync {
    fn bytes(&self) -> [u8; 16];
}
