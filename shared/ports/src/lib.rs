//! The outside world as the stages see it: stores, queues, the ways to people,
//! the clock, chance.
//!
//! Every implementation of a port passes the same contract suite
//! (`testkit::contract`). A port maps and never decides.

pub mod people;
pub mod queue;
pub mod definitions;
pub mod rejections;
pub mod idempotency;
pub mod channel;
pub mod world;

pub use channel::{Email, Quota, Sms};
pub use definitions::Definitions;
pub use idempotency::Idempotency;
pub use people::People;
pub use queue::Queue;
pub use rejections::Rejections;
pub use world::{Clock, Entropy, Timer};

/// A store or queue could not be asked; the world may be kinder later.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct Unavailable {
    /// What was attempted, never on what: subjects may be personal.
    pub operation: &'static str,
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Unavailable {
    pub fn new(operation: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { operation, cause: cause.into() }
    }
}
