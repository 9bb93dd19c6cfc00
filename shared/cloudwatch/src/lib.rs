//! Metrics in `CloudWatch`.
//!
//! **Invariant:** what was not told is not taken for zero by accident: an
//! answer that is not whole is an error.

mod client;
mod metrics;

pub use client::client;
pub use metrics::{Hour, Metric, Metrics};
