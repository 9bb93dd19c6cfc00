//! A batch of the identity queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::failure::Failure;
use runtime::sqs::{oldest_sent, settle, until};
use runtime::{guard, metrics};

use crate::{Outcome, Spent, Stage};

#[derive(Debug, thiserror::Error)]
#[error("the batch held more than there was time for")]
struct OutOfTime;

/// Carries out a batch, all before the deadline.
///
/// One after the other, in the queue's order: what follows in one group waits
/// in the queue anyway, and two that tie the same people would only meet.
pub async fn merge<P, D, R, C, E, L>(
    stage: &Stage<P, D, R, C, E>,
    dead_letters: &L,
    records: &[SqsMessage],
    deadline: Timestamp,
    max_receives: u32,
) -> SqsBatchResponse
where
    P: People,
    D: Definitions,
    R: Rejections,
    C: Clock,
    E: Entropy,
    L: Queue,
{
    let oldest_ms = oldest_sent(records).map_or(0, |sent| stage.clock.now().since(sent).max(0));
    let spent = Spent::default();
    let mut verdicts = Vec::new();
    let (mut merged, mut refused, mut taken_apart) = (0_usize, 0_usize, 0_usize);
    for record in records {
        if stage.clock.now() >= until(deadline) {
            verdicts.push(Err(Failure::retry(OutOfTime)));
            continue;
        }
        // A record without a body is one that cannot be read.
        let body = record.body.as_deref().unwrap_or_default();
        // Boxed, because the SDK's futures within are deep and large.
        let carried_out = guard(Box::pin(stage.carry_out_counted(body, &spent))).await;
        match &carried_out {
            Ok(Outcome::Merged { .. }) => merged += 1,
            Ok(Outcome::Refused(_)) => refused += 1,
            Ok(Outcome::TakenApart(_)) => taken_apart += 1,
            _ => (),
        }
        verdicts.push(carried_out.map(drop));
    }
    let failed = verdicts.iter().filter(|verdict| verdict.is_err()).count();
    let response = settle(dead_letters, records, verdicts, max_receives).await;
    let (records, write_units) = (records.len(), spent.units());
    tracing::info!(
        name: metrics::EVENT,
        merged, refused, taken_apart, write_units, oldest_ms, failed, records,
        "Carried out a batch of {records} requests"
    );
    response
}
