//! The messaging stage: who may be written to.
//!
//! What people say about it is kept with their addresses, which no merge of
//! profiles touches.

pub mod consent;
