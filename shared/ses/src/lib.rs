//! E-mail by SES, and what an operator asks of it.
//!
//! **Invariant:** a letter is sent once or not at all by this crate, and an error
//! never repeats what a letter or an answer said.

mod client;
mod letter;
mod email;
mod account;

pub use account::{Destination, Identity, MailFrom, SesAccount, Target};
pub use client::{client, sending_client};
pub use email::SesEmail;
