//! The segments stage: everybody is asked about new definitions, in parts that
//! are walked side by side.
//!
//! What changes by events the profile stage answers as it folds them, and what
//! changes by time its sweep: nobody is asked here who is not to be asked about
//! something new. It also counts members, once a day.

pub mod settings;
pub mod backfill;
mod count;
pub mod batch;

pub use backfill::{Stage, Walk};
