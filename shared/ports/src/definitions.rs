//! Workspaces, their sources, keys and rules: what an operator defines.

use std::future::Future;

use domain::rules::Rules;
use domain::workspace::{SourceId, WorkspaceId};

use crate::Unavailable;

/// A workspace as the stages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub rules: Rules,
    pub sources: Vec<Source>,
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

    /// A key by its public part; a revoked one is `None`.
    fn key(
        &self,
        workspace: &WorkspaceId,
        key_id: &str,
    ) -> impl Future<Output = Result<Option<Key>, Unavailable>> + Send;
}
