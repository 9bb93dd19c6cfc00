//! The rules of the customer data platform, as plain data and plain functions.
//!
//! **Invariant:** nothing here waits, reads a clock, rolls dice or talks to AWS:
//! time, chance and keys are arguments.

pub mod time;
pub mod json;
pub mod workspace;
pub mod access;
pub mod key;
pub mod identifier;
pub mod rules;
pub mod event;
pub mod rejection;
pub mod message;
pub mod identity_request;
pub mod profile;
pub mod segment;
pub mod messaging;
pub mod replay;
pub mod signing;
pub mod cursor;

#[cfg(test)]
mod formats;
