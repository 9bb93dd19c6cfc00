//! The profile stage: what a batch of events makes of the people it speaks of.
//!
//! One read and one conditional write a person a batch: the ledger, which
//! tells applied events from new ones, stands in the same item as what they
//! changed, so that a crash at any point and any redelivery change nothing.

pub mod settings;
pub mod conduct;
pub mod wire;
pub mod stage;
pub mod batch;
pub mod load;
pub mod upsert;
pub mod write;
pub mod outbox;
pub mod refresh;
pub mod fill;
pub mod sweep;
pub mod signing;
pub mod api;

pub use conduct::{Conduct, Proper};
pub use stage::{Stage, Writer};
pub use write::after;
