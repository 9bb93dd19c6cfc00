//! Text messages by End User Messaging or by SNS, and what an operator asks of
//! the account.
//!
//! **Invariant:** a text is sent once or not at all by this crate, and an error
//! never repeats what a text or an answer said.

mod client;
mod voice;
mod sns;
mod account;

pub use account::{Number, Publishing, Registration, Sender, SmsAccount, Spend};
pub use client::{client, sending_client, sns_client};
pub use sns::SnsSms;
pub use voice::VoiceSms;

/// It was accepted, and by which name nobody says.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no message id")]
struct Nameless;
