//! Refused events, for operators.

use std::future::Future;

use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};

use crate::Unavailable;

/// What is known of a source's refused events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The newest first, of those that were kept.
    pub kept: Vec<Rejection>,
    /// Counts by reason over the same time, of those that were not kept too.
    pub counts: Vec<(String, u64)>,
}

/// Keeps refused events: bounded a source a minute, the rest counted.
pub trait Rejections: Send + Sync {
    /// Records the refusals of one request; repeating it only repeats counts.
    fn record(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        refused: &[Rejection],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Lists the refusals of one UTC day that holds `day`.
    fn list(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> impl Future<Output = Result<Listing, Unavailable>> + Send;
}
