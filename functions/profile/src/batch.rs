//! A batch of the profile queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::sqs::{longest_waiting_first, settle, until};

use crate::{Conduct, Stage};

/// Folds a batch and settles it, all before the deadline.
pub async fn fold<P, D, R, Q, C, E, X, L>(
    stage: &Stage<P, D, R, Q, C, E, X>,
    dead_letters: &L,
    mut records: Vec<SqsMessage>,
    deadline: Timestamp,
    max_receives: u32,
) -> SqsBatchResponse
where
    P: People,
    D: Definitions,
    R: Rejections,
    Q: Queue,
    C: Clock,
    E: Entropy,
    X: Conduct,
    L: Queue,
{
    longest_waiting_first(&mut records);
    // A record without a body is one that cannot be read.
    let bodies: Vec<&str> = records.iter().map(|record| record.body.as_deref().unwrap_or_default()).collect();
    let verdicts = Box::pin(stage.upsert(&bodies, until(deadline))).await;
    settle(dead_letters, &records, verdicts, max_receives).await
}
