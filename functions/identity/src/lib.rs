//! The identity stage: profiles that are one person become one.
//!
//! A merge is one transaction over two profile items, on the condition that
//! both are as they were read. The queue's order is never relied on: requests
//! may come late, twice, or all at once.

pub mod settings;
mod spent;
pub mod resolve;
pub mod merge;
pub mod unmerge;
pub mod batch;

pub use merge::{Outcome, Stage};
pub use spent::Spent;

#[cfg(test)]
mod tests;
