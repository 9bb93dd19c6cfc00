//! The end of a batch: which records are done, dead, or to be tried again.

pub mod letter;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use domain::time::Timestamp;
use ports::queue::{Outgoing, Queue};

use crate::failure::{Failure, chain};
use letter::Fate;

/// Reported for a record that has no id of its own and must come back.
///
/// Lambda takes an empty, missing or unknown identifier as a failure of the
/// *whole* batch and deletes nothing, which is what is wanted here: whatever
/// is not reported is deleted. (SQS gives every record an id; this is for the
/// day when something else calls the function.)
const WITHOUT_ID: &str = "record-without-id";
/// Letters of one send; SQS takes 10 entries a request.
const LETTERS_A_SEND: usize = 10;

/// The record was given no verdict, so that nobody knows whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stage gave no verdict on this record")]
struct NoVerdict;

/// Kept of a function's time for what follows its work: letters, and the answer.
const SETTLING_TIME: i64 = 5 * Timestamp::SECOND;

/// Until when an invocation with this deadline may begin new work.
pub fn until(deadline: Timestamp) -> Timestamp {
    deadline.plus(-SETTLING_TIME)
}

/// Brings what was received most often to the front, so that a record which a
/// batch had no time for does not meet the same end until it is given up.
pub fn longest_waiting_first(records: &mut [SqsMessage]) {
    records.sort_by_key(|record| std::cmp::Reverse(letter::receives(record)));
}

/// When the oldest record was sent, if the queue said so.
pub fn oldest_sent(records: &[SqsMessage]) -> Option<Timestamp> {
    let sent = records.iter().filter_map(|record| record.attributes.get("SentTimestamp")?.parse().ok());
    sent.min().map(Timestamp::from_millis)
}

/// Carries out the verdicts on a batch, each in the place of its record.
///
/// A rejected record goes to the dead letters at once, one that keeps failing
/// goes there on its last receive, each with its reason; any other failure is
/// reported, so that Lambda brings the record back. A record whose letter was
/// not accepted is reported too: it is never deleted before it is elsewhere.
///
/// `max_receives` is the queue's `maxReceiveCount`: later receives never come.
pub async fn settle<Q: Queue>(
    dead_letters: &Q,
    records: &[SqsMessage],
    verdicts: Vec<Result<(), Failure>>,
    max_receives: u32,
) -> SqsBatchResponse {
    let verdicts = verdicts.into_iter().chain(std::iter::repeat_with(|| Err(Failure::retry(NoVerdict))));
    let mut response = SqsBatchResponse::default();
    let mut dying = Vec::new();
    for (record, verdict) in records.iter().zip(verdicts) {
        let Err(failure) = verdict else { continue };
        let fate = fate(record, &failure, max_receives);
        log(record, &failure, fate);
        match fate {
            Some(fate) => dying.push((record, letter::write(record, failure.cause(), fate))),
            None => report(&mut response, record),
        }
    }
    for record in bury(dead_letters, &dying).await {
        report(&mut response, record);
    }
    response
}

/// What ends here; `None` comes back.
fn fate(record: &SqsMessage, failure: &Failure, max_receives: u32) -> Option<Fate> {
    match failure {
        Failure::Reject(_) => Some(Fate::Rejected),
        Failure::Retry(_) => (letter::receives(record) >= max_receives).then_some(Fate::GivenUp),
    }
}

fn log(record: &SqsMessage, failure: &Failure, fate: Option<Fate>) {
    let id = record.message_id.as_deref().unwrap_or(WITHOUT_ID);
    let trace = letter::trace(record);
    let cause = chain(failure.cause());
    let receives = letter::receives(record);
    match fate {
        Some(Fate::Rejected) => {
            tracing::warn!(
                trace,
                decision = Fate::Rejected.name(),
                record.id = id,
                record.receives = receives,
                cause,
                "Rejected record `{id}`: {cause}"
            );
        }
        Some(Fate::GivenUp) => {
            tracing::warn!(
                trace,
                decision = Fate::GivenUp.name(),
                record.id = id,
                record.receives = receives,
                cause,
                "Gave up record `{id}`: {cause}"
            );
        }
        None => {
            tracing::warn!(
                trace,
                decision = "waits",
                record.id = id,
                record.receives = receives,
                cause,
                "Will retry record `{id}`: {cause}"
            );
        }
    }
}

fn report(response: &mut SqsBatchResponse, record: &SqsMessage) {
    let id = record.message_id.as_deref().filter(|id| !id.is_empty());
    response.add_failure(id.unwrap_or(WITHOUT_ID));
}

type Dying<'a> = (&'a SqsMessage, Outgoing);

/// Sends letters, and gives back the records whose letters were not accepted.
async fn bury<'a, Q: Queue>(dead_letters: &Q, dying: &[Dying<'a>]) -> Vec<&'a SqsMessage> {
    let mut left = Vec::new();
    let mut chunks = dying.chunks(LETTERS_A_SEND);
    for chunk in chunks.by_ref() {
        let refused = bury_chunk(dead_letters, chunk).await;
        let all_refused = refused.len() == chunk.len();
        left.extend(refused);
        if all_refused {
            break; // The queue is out of reach: asking for the rest would only use up the time.
        }
    }
    left.extend(chunks.flatten().map(|(record, _)| *record));
    left
}

/// Sends ten letters together; if that fails each alone, so that one which the
/// queue does not take harms only itself.
async fn bury_chunk<'a, Q: Queue>(dead_letters: &Q, chunk: &[Dying<'a>]) -> Vec<&'a SqsMessage> {
    let all = chunk.iter().map(|(_, letter)| letter.clone()).collect();
    if dead_letters.send(all).await.is_ok() {
        return Vec::new();
    }
    let mut refused = Vec::new();
    for (record, letter) in chunk {
        let Err(failure) = dead_letters.send(vec![letter.clone()]).await else { continue };
        let id = record.message_id.as_deref().unwrap_or(WITHOUT_ID);
        let cause = chain(&failure);
        tracing::warn!(record.id = id, cause, "Could not send record `{id}` to the dead letters: {cause}");
        refused.push(*record);
    }
    refused
}

#[cfg(test)]
mod tests;
