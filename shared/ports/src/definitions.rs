//! Workspaces, their sources, keys and rules: what an operator defines.

use std::future::Future;

use domain::messaging::outreach::Outreach;
use domain::rules::Rules;
use domain::segment::fill::{Fill, Walked, Which};
use domain::segment::size::{Counting, Size};
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::workspace::{SourceId, WorkspaceId};

use crate::Unavailable;
use crate::people::SaveError;

/// A workspace as the stages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub rules: Rules,
    pub sources: Vec<Source>,
    /// The version of its segments, by which a stage sees that they changed.
    pub segments: u64,
    /// The same of what it defined of its messages.
    pub outreach: u64,
}

/// A source and how its events are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    /// The region by which its national phone numbers are read, such as `RU`.
    pub region: Option<String>,
    /// Origins from which browsers may send; empty means any.
    pub origins: Vec<String>,
    /// Requests a second that one write key may make.
    pub rate: u32,
}

/// What a key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A write key: it can only post, as this source.
    Write(SourceId),
    /// An admin key with its scopes.
    Admin(Vec<Scope>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    ProfilesRead,
    ProfilesWrite,
    SourcesRead,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::ProfilesRead, Self::ProfilesWrite, Self::SourcesRead];

    /// The name by which a scope is stored, asked for and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProfilesRead => "profiles:read",
            Self::ProfilesWrite => "profiles:write",
            Self::SourcesRead => "sources:read",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A stored key: its secret is kept only as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub secret_sha256: [u8; 32],
    pub grant: Grant,
}

/// Reads definitions; callers keep answers for at most a minute.
pub trait Definitions: Send + Sync {
    /// A workspace that nobody defined is `None`, not an error.
    fn workspace(
        &self,
        id: &WorkspaceId,
    ) -> impl Future<Output = Result<Option<Workspace>, Unavailable>> + Send;

    /// All segments of a workspace.
    fn segments(
        &self,
        workspace: &WorkspaceId,
    ) -> impl Future<Output = Result<SegmentSet, Unavailable>> + Send;

    /// The fills that are under way, of all workspaces.
    fn fills(&self) -> impl Future<Output = Result<Vec<Fill>, Unavailable>> + Send;

    /// Writes how far a part of a fill came, and how many more were looked at, if
    /// the part still is where the fill says.
    fn walk(
        &self,
        fill: &Fill,
        part: u8,
        to: &Walked,
        looked_at: u64,
    ) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// Ends a fill that has nothing to put into force.
    fn end(&self, fill: &Which) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// Ends a fill and puts what it asked into force, if it has not ended and the
    /// version of the segments is still what was seen.
    fn switch(
        &self,
        fill: &Which,
        version: u64,
        segments: &[StoredSegment],
        next: Option<&Fill>,
    ) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// How far members were counted, of all workspaces that ever had a segment.
    fn counts(&self) -> impl Future<Output = Result<Vec<Counting>, Unavailable>> + Send;

    /// Writes how far the count of a workspace came; the last who says so is right.
    fn count_on(&self, counting: &Counting) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Writes a segment's size of a day, or replaces it; it is kept for two years.
    fn put_size(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
        size: &Size,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The sizes of a segment that are kept, from the oldest.
    fn sizes(
        &self,
        workspace: &WorkspaceId,
        segment: &SegmentId,
    ) -> impl Future<Output = Result<Vec<Size>, Unavailable>> + Send;

    /// All that a workspace defined of its messages.
    fn outreach(&self, workspace: &WorkspaceId)
    -> impl Future<Output = Result<Outreach, Unavailable>> + Send;

    /// The workspaces that ever defined a message.
    fn senders(&self) -> impl Future<Output = Result<Vec<WorkspaceId>, Unavailable>> + Send;

    /// A key by its public part; a revoked one is `None`.
    fn key(
        &self,
        workspace: &WorkspaceId,
        key_id: &str,
    ) -> impl Future<Output = Result<Option<Key>, Unavailable>> + Send;
}
