//! A batch of the messaging queue, from its records to the answer.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::channel::{Email, Sms};
use ports::{Clock, Definitions, Entropy, People, Queue, Timer};
use runtime::sqs::{oldest_sent, settle, until};
use runtime::{guard, metrics};

use crate::Stage;
use crate::feedback::{Feedback, Outcome};
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

/// Takes in what providers tell, one record after the other.
pub async fn feedback<P, D, Q, C, L>(
    stage: &Feedback<P, D, Q, C>,
    dead_letters: &L,
    records: &[SqsMessage],
    max_receives: u32,
) -> SqsBatchResponse
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    L: Queue,
{
    let mut verdicts = Vec::new();
    let (mut noted, mut foreign, mut stopped, mut help_due) = (0_u64, 0_u64, 0_u64, 0_u64);
    for record in records {
        let body = record.body.as_deref().unwrap_or_default();
        // What does not tell its own time was told when the queue took it.
        let received = oldest_sent(std::slice::from_ref(record)).unwrap_or_else(|| stage.clock.now());
        let heard = guard(Box::pin(stage.hear(body, received))).await;
        match &heard {
            Ok(Outcome::Noted) => noted += 1,
            Ok(Outcome::Foreign) => foreign += 1,
            Ok(Outcome::Stopped { .. }) => stopped += 1,
            Ok(Outcome::HelpDue) => help_due += 1,
            Ok(Outcome::Ignored | Outcome::Started { .. }) | Err(_) => (),
        }
        verdicts.push(heard.map(drop));
    }
    let response = settle(dead_letters, records, verdicts, max_receives).await;
    tracing::info!(
        name: metrics::EVENT,
        noted, foreign, stopped, help_due,
        "Noted {noted} receipts"
    );
    response
}
