//! Refused events, for operators.

use std::future::Future;

use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};

use crate::Unavailable;

/// Where a refused event stands in the listing of its day, in the words of its
/// store; nothing personal is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub String);

/// A refused event that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub place: Place,
    pub rejection: Rejection,
}

/// A part of a day's refused events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The newest first; refusals of one call stand together.
    pub kept: Vec<Kept>,
    /// Whether something follows the last of them; there is one then.
    pub more: bool,
}

/// Keeps refused events: bounded a source a minute, the rest counted.
pub trait Rejections: Send + Sync {
    /// Records the refusals of one request; repeating it only repeats counts.
    ///
    /// `Ok` means that what is to be kept is kept. What a minute has no room
    /// for any more is only counted, and that count may be late.
    fn record(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        refused: &[Rejection],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Lists what was kept of the UTC day that holds `day`, after a place that
    /// an earlier part named: at most `limit`, and never more than some
    /// megabytes.
    fn kept(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
        after: Option<&Place>,
        limit: usize,
    ) -> impl Future<Output = Result<Part, Unavailable>> + Send;

    /// Counts the refusals of that day by reason, of those that were not kept too.
    fn counts(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
    ) -> impl Future<Output = Result<Vec<(String, u64)>, Unavailable>> + Send;
}
