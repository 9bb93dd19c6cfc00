//! Starts the functions' real bootstraps beside a hello function, and says what
//! they cost: the artifact, the CPU of a start and of the first TLS call, and
//! the memory of many invocations.
//!
//! **Invariant:** what a bootstrap is told and asked is what Lambda would tell
//! and ask it; nothing in a bootstrap knows that it is measured.

mod function;
mod runtime_api;
mod process;
mod store;
mod cloud;
mod measure;

use std::error::Error;

pub use function::Function;
pub use measure::{Measured, Plan, measure};

/// Why there is no result.
pub type Failed = Box<dyn Error + Send + Sync>;
