//! A batch of the segments queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::{Clock, Definitions, Entropy, People, Queue};
use runtime::sqs::{settle, until};
use runtime::{guard, metrics};

use crate::{Stage, Walk};

/// Walks on with each part for as long as the function may run; the mapping
/// gives one part a batch, so that parts do not wait for each other.
pub async fn walk<P, D, Q, C, E, L>(
    stage: &Stage<P, D, Q, C, E>,
    dead_letters: &L,
    records: &[SqsMessage],
    deadline: Timestamp,
    max_receives: u32,
) -> SqsBatchResponse
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
    L: Queue,
{
    let mut verdicts = Vec::new();
    let mut all = Walk::default();
    for record in records {
        // A record without a body is one that cannot be read.
        let body = record.body.as_deref().unwrap_or_default();
        let walked = guard(Box::pin(stage.walk(body, until(deadline)))).await;
        if let Ok(walk) = &walked {
            all.looked_at += walk.looked_at;
            all.written += walk.written;
            all.failed += walk.failed;
            all.left_out += walk.left_out;
            all.ended += walk.ended;
        }
        verdicts.push(walked.map(drop));
    }
    let response = settle(dead_letters, records, verdicts, max_receives).await;
    let Walk { looked_at, written, failed, left_out, ended } = all;
    tracing::info!(
        name: metrics::EVENT,
        looked_at, written, failed, left_out, ended,
        "Asked {looked_at} profiles about new segments"
    );
    response
}
