//! The messaging stage: who is written to, when, and what becomes of it.
//!
//! What people say about being written to, and what was sent to them, is kept
//! with their addresses, which no merge of profiles touches.

pub mod consent;
pub mod plan;
pub mod send;
pub mod steer;
mod call;
mod weigh;
mod press;
mod store;
mod after;
pub mod feedback;
pub mod report;
pub mod web;
pub mod batch;
pub mod settings;
pub mod texts;

use domain::key::IdKey;
use runtime::definitions::Cached;

pub use press::Press;

/// The stage over its ports.
#[derive(Debug)]
pub struct Stage<P, D, M, S, C, E, T> {
    pub people: P,
    pub definitions: Cached<D>,
    pub email: M,
    pub sms: S,
    pub clock: C,
    pub entropy: E,
    pub timer: T,
    pub key: IdKey,
    pub press: Press,
}

#[cfg(test)]
mod tests;
