//! Why there are no figures.

/// A run that cannot be finished says where and why.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What was found is not what the figures rest on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) String);

/// Fails with these words unless what they say holds.
pub(crate) fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Wrong(words()).into()) }
}
