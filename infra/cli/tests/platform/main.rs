//! The whole platform from outside: `tributary local` as a child process, spoken
//! to over HTTP alone.
//!
//! These tests stand here and not in `tests/it` because cargo builds a program
//! for the integration tests of its own package, and for no others.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is tests: a panic is how one fails"
)]

mod child;
mod http;
mod workspaces;
mod routes;
mod segments;
mod consent;
mod messages;
mod operator;
mod identity;
mod hostile;
mod bomb;
mod canaries;
