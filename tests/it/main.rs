//! Tests that need more than one crate, in one binary: linking is what costs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is tests: a panic is how one fails, a line is what it shows"
)]

mod template;
mod openapi;
mod simulation;
mod segments;
mod canaries;
