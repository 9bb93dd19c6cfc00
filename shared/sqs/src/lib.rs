//! Queues in SQS.
//!
//! **Invariant:** an answer of 200 is believed entry by entry, and an error
//! never repeats what a request or an answer said.

mod client;
mod queue;
mod operator;

pub use aws::unavailable;
pub use client::client;
pub use operator::{Depth, Received};
pub use queue::SqsQueue;
