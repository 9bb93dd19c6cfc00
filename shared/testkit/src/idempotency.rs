//! The memory of requests, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::Unavailable;
use ports::idempotency::{Claimed, Fingerprint, Idempotency};

use crate::{Injected, lock};

/// Remembers requests; clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryIdempotency(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    claims: BTreeMap<(WorkspaceId, [u8; 32]), ([u8; 32], Timestamp)>,
    failing: bool,
}

impl MemoryIdempotency {
    /// Every call fails until this is called with `false`.
    pub fn set_failing(&self, failing: bool) {
        lock(&self.0).failing = failing;
    }
}

impl Idempotency for MemoryIdempotency {
    async fn claim(
        &self,
        workspace: &WorkspaceId,
        request: Fingerprint,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Claimed, Unavailable> {
        let mut state = lock(&self.0);
        if state.failing {
            return Err(Unavailable::new("claiming a request in memory", Injected));
        }
        let place = (workspace.clone(), request.key_sha256);
        match state.claims.get(&place) {
            Some((body, until)) if *until > now => {
                Ok(if *body == request.body_sha256 { Claimed::Same } else { Claimed::Other })
            }
            Some(_) | None => {
                state.claims.insert(place, (request.body_sha256, expires));
                Ok(Claimed::New)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_memory_keeps_the_promises_of_its_port() {
        crate::contract::idempotency::check(&MemoryIdempotency::default()).await;
    }
}
