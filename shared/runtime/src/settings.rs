//! The environment variables of a function, read once at its start.

use std::num::NonZeroU32;

/// A function cannot start as it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the environment variable {0} is not set; the template sets it for this function")]
    Missing(&'static str),
    #[error("the environment variable {0} is no number from 1 on; the template sets it for this function")]
    NoNumber(&'static str),
}

/// Reads what has to be there; an empty variable counts as not set.
pub fn required(lookup: impl Fn(&str) -> Option<String>) -> impl Fn(&'static str) -> Result<String, Invalid> {
    move |name| lookup(name).filter(|value| !value.is_empty()).ok_or(Invalid::Missing(name))
}

/// A number from 1 on.
pub fn count(
    required: &impl Fn(&'static str) -> Result<String, Invalid>,
    name: &'static str,
) -> Result<u32, Invalid> {
    required(name)?.parse().map(NonZeroU32::get).map_err(|_| Invalid::NoNumber(name))
}
