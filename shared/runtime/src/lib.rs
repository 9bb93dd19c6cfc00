//! What every function does in the same way: time, chance, logs, batches.
//!
//! **Invariant:** what fails ends as a verdict on one record, and nothing
//! personal is in a verdict, a log line or a dead letter's attributes.

pub mod settings;
pub mod world;
pub mod telemetry;
pub mod metrics;
pub mod decision;
pub mod failure;
pub mod definitions;
pub mod stored;
pub mod sqs;

pub use failure::{Failure, guard};
pub use world::{SystemClock, SystemEntropy, SystemTimer};
