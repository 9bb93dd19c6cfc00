//! The implementations in memory keep the promises.

use domain::access::{AccessKey, KeyKind};
use domain::workspace::WorkspaceId;
use ports::Entropy;
use ports::definitions::{Grant, Key};

use super::*;
use crate::{MemoryDefinitions, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};

#[tokio::test]
async fn the_queue_in_memory_keeps_the_promises_of_a_queue() {
    let memory = MemoryQueue::default();
    queue::check(&memory, async || memory.take()).await;
}

#[tokio::test]
async fn the_definitions_in_memory_keep_the_promises_of_definitions() {
    let memory = MemoryDefinitions::default();
    for workspace in definitions::workspaces() {
        memory.define(workspace);
    }
    let chance = SeededEntropy::seeded(1);
    let given = definitions::grants().into_iter().map(|grant| given(&memory, &chance, grant));
    let given: Vec<_> = given.collect();
    let revoke = async |workspace: &WorkspaceId, id: &str| memory.revoke_key(workspace, id);
    definitions::check(&memory, &given, revoke).await;
}

fn given(memory: &MemoryDefinitions, chance: &SeededEntropy, grant: Grant) -> definitions::Given {
    let secret = [chance.bytes(), chance.bytes()];
    let key = AccessKey::make(KeyKind::Write, workspace("shop"), chance.bytes(), secret);
    memory.add_key(key.workspace(), key.id(), Key { secret_sha256: key.sha256(), grant: grant.clone() });
    definitions::Given { key, grant }
}

#[tokio::test]
async fn the_rejections_in_memory_keep_the_promises_of_rejections() {
    let clock = TestClock::default();
    rejections::check(&MemoryRejections::new(clock.clone()), &clock).await;
}
