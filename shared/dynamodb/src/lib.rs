//! Stores in `DynamoDB`.
//!
//! **Invariant:** an adapter maps and never decides, and an error never
//! repeats what a request or an answer said.

pub mod client;
pub mod definitions;
pub mod idempotency;
mod item;
pub mod people;
pub mod rejections;
pub mod size;
pub mod census;

#[cfg(test)]
mod local;

pub use client::{client, unavailable};
pub use definitions::Definitions;
pub use idempotency::Idempotency;
pub use people::People;
pub use rejections::Rejections;
