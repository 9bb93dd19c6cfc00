//! What every implementation of a port promises, as checks to call in a test.
//!
//! A check panics where a promise is broken, with the promise in its message.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken promise has to fail the test that asked"
)]

pub mod people;
pub mod queue;
pub mod definitions;
pub mod rejections;
pub mod idempotency;

use domain::workspace::{SourceId, WorkspaceId};

fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::parse(name).unwrap_or_else(|error| panic!("`{name}` is a workspace's name: {error}"))
}

fn source(name: &str) -> SourceId {
    SourceId::parse(name).unwrap_or_else(|error| panic!("`{name}` is a source's name: {error}"))
}

/// The answer to what has to succeed.
fn answered<T, E: std::fmt::Debug>(answer: Result<T, E>, promise: &str) -> T {
    answer.unwrap_or_else(|error| panic!("{promise}: {error:?}"))
}

#[cfg(test)]
mod tests;
