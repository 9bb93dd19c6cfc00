//! Queues in SQS.
//!
//! **Invariant:** an answer of 200 is believed entry by entry, and an error
//! never repeats what a request or an answer said.

mod client;
mod failure;
mod queue;

pub use client::client;
pub use failure::unavailable;
pub use queue::SqsQueue;
