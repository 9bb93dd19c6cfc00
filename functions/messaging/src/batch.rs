//! A batch of the messaging queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::channel::{Email, Sms};
use ports::{Clock, Definitions, Entropy, People, Queue, Timer};
use runtime::sqs::{settle, until};
use runtime::{guard, metrics};

use crate::Stage;
use crate::send::Sent;

/// Sends one parcel after the other for as long as the function may run.
pub async fn send<P, D, M, S, C, E, T, L>(
    stage: &Stage<P, D, M, S, C, E, T>,
    dead_letters: &L,
    records: &[SqsMessage],
    deadline: Timestamp,
    max_receives: u32,
) -> SqsBatchResponse
where
    P: People,
    D: Definitions,
    M: Email,
    S: Sms,
    C: Clock,
    E: Entropy,
    T: Timer,
    L: Queue,
{
    let mut verdicts = Vec::new();
    let mut all = Sent::default();
    for record in records {
        // A record without a body is one that cannot be read.
        let body = record.body.as_deref().unwrap_or_default();
        let sent = guard(Box::pin(stage.send(body, until(deadline)))).await;
        if let Ok(sent) = &sent {
            all.sent += sent.sent;
            all.unknown += sent.unknown;
            all.refused += sent.refused;
            all.skipped += sent.skipped;
            all.waiting += sent.waiting;
        }
        verdicts.push(sent.map(drop));
    }
    let response = settle(dead_letters, records, verdicts, max_receives).await;
    let Sent { sent, unknown, refused, skipped, waiting } = all;
    tracing::info!(
        name: metrics::EVENT,
        sent, unknown, waiting, declined = refused, skipped,
        "Sent {sent} messages"
    );
    response
}
