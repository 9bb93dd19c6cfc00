//! Which requests were made before, for callers who try again.

use std::future::Future;

use domain::time::Timestamp;
use domain::workspace::WorkspaceId;

use crate::Unavailable;

/// What is kept of a request: hashes, so that neither its key nor what it said
/// stands anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub key_sha256: [u8; 32],
    pub body_sha256: [u8; 32],
}

/// What is known of a request's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody used it, or so long ago that it is free again.
    New,
    /// It was used for this very request: the caller tries again.
    Same,
    /// It was used for another request.
    Other,
}

/// Remembers requests until they expire.
pub trait Idempotency: Send + Sync {
    /// Takes a request's key for its body until `expires`, unless it is taken.
    ///
    /// What expired at `now` or before counts as never made, whether or not
    /// the store has removed it by then. Of two racing requests one is `New`.
    fn claim(
        &self,
        workspace: &WorkspaceId,
        request: Fingerprint,
        now: Timestamp,
        expires: Timestamp,
    ) -> impl Future<Output = Result<Claimed, Unavailable>> + Send;
}
