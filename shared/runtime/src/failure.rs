//! What became of a record that did not go through.

use std::error::Error;
use std::fmt::Write as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

type Cause = Box<dyn Error + Send + Sync>;

/// Whether trying again can help: a type, so that nobody has to guess later.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The world may be kinder later: back to the queue.
    #[error("will be tried again")]
    Retry(#[source] Cause),
    /// The record itself is wrong and always will be.
    #[error("is refused")]
    Reject(#[source] Cause),
}

impl Failure {
    /// For `map_err`: the world may be kinder later.
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self::Retry(cause.into())
    }

    /// For `map_err`: the record is wrong and always will be.
    pub fn reject(cause: impl Into<Cause>) -> Self {
        Self::Reject(cause.into())
    }

    pub fn cause(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Retry(cause) | Self::Reject(cause) => cause.as_ref(),
        }
    }
}

/// An error with all its causes in one line: printed once, where it is handled.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(line, ": {cause}");
        next = cause.source();
    }
    line
}

/// The code has a bug that this record found. Its message is not kept: it may
/// hold what the record held. The panic hook logs where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("panicked")]
pub struct Panicked;

/// Runs one record's work so that a panic harms only that record.
///
/// It counts as [`Failure::Retry`]: a panic can come from the world as well as
/// from the record, and the last receive sends it to the dead letters anyway.
pub async fn guard<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // What the work shares is behind ports, which hold nothing half-done.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(Failure::retry(Panicked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to save")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the table is throttled")]
    struct Inner;

    #[test]
    fn a_chain_names_every_cause_once() {
        assert_eq!(chain(&Outer(Inner)), "failed to save: the table is throttled");
    }

    #[tokio::test]
    async fn a_panic_becomes_a_retry_that_keeps_nothing_of_its_message() {
        let failure =
            guard(async { if true { panic!("alice@example.com") } else { Ok(()) } }).await.unwrap_err();
        assert!(matches!(failure, Failure::Retry(_)));
        assert_eq!(chain(&failure), "will be tried again: panicked");
        assert!(!format!("{failure:?}").contains("alice"));
    }

    #[tokio::test]
    async fn what_does_not_panic_passes_unchanged() {
        assert_eq!(guard(async { Ok(5) }).await.unwrap(), 5);
        let refused = guard::<()>(async { Err(Failure::reject(Inner)) }).await;
        assert!(matches!(refused, Err(Failure::Reject(_))));
    }
}
