//! A batch of the profile queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::metrics;
use runtime::sqs::{longest_waiting_first, oldest_sent, settle, until};

use crate::upsert::Counts;
use crate::{Conduct, Stage};

/// Folds a batch and settles it, all before the deadline, and tells what it
/// came to in one line.
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
    let waited = oldest_sent(&records).map_or(0, |sent| stage.writer.clock.now().since(sent).max(0));
    let (verdicts, counts) = Box::pin(stage.upsert_counted(&bodies, until(deadline))).await;
    let failed = verdicts.iter().filter(|verdict| verdict.is_err()).count();
    let response = settle(dead_letters, &records, verdicts, max_receives).await;
    tell(counts, waited, failed, records.len());
    response
}

fn tell(counts: Counts, oldest_ms: i64, failed: usize, records: usize) {
    let Counts { folded, people, write_units, .. } = counts;
    let repeated = counts.repeated();
    tracing::info!(
        name: metrics::EVENT,
        folded, repeated, people, write_units, oldest_ms, failed, records,
        "Folded a batch of {records} records"
    );
}
