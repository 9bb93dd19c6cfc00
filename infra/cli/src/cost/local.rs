//! What a platform on this machine measured, as the journal keeps it.

use std::cmp::max;

use domain::time::Timestamp;
use local::Journal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bill::{Counted, Kind, Used};
use crate::output::Failed;

const INGEST: &str = "ingest";
const PROFILE: &str = "profile";
const IDENTITY: &str = "identity";
/// Sent, received, deleted.
const REQUESTS_A_MESSAGE: u32 = 3;

const NOTES: [&str; 3] = [
    "a platform on this machine costs nothing: this is what AWS would ask for the same requests, batches and writes",
    "not included, because it is not measured here: the time of functions, reads, logs, storage, \
     and what a stack costs idle; `tributary cost --stack NAME` counts these",
    "a message counts as three requests: sent, received, deleted; Lambda takes up to ten at once, so that under load \
     the queue costs less than half of this",
];

/// Sums of what the stages measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// Since when; `None` if the journal keeps nothing.
    from: Option<Timestamp>,
    to: Timestamp,
    requests: u64,
    accepted: u64,
    batches: u64,
    messages: u64,
    write_units: u64,
    identity_batches: u64,
    identity_requests: u64,
    identity_write_units: u64,
    /// Lines that the journal lost.
    lost: u64,
}

#[derive(Debug, thiserror::Error)]
enum Uncounted {
    #[error("the platform has measured nothing yet: send it an event, and ask again")]
    Nothing,
    #[error("the platform that runs is of another version: start it again with this one")]
    Unreadable(#[source] serde_json::Error),
}

/// What `/_local/sums` answers.
pub(crate) async fn sums(journal: &Journal, from: Timestamp, to: Timestamp) -> Result<Sums, Failed> {
    journal.flush().await;
    let measured = journal.measured(from).await?;
    let of = |stage: &str, name: &str| measured.sum(stage, name);
    Ok(Sums {
        from: measured.oldest.map(|oldest| max(oldest, from)),
        to,
        requests: measured.lines(INGEST),
        accepted: of(INGEST, "accepted"),
        batches: measured.lines(PROFILE),
        messages: of(PROFILE, "records"),
        write_units: of(PROFILE, "write_units"),
        identity_batches: measured.lines(IDENTITY),
        identity_requests: of(IDENTITY, "records"),
        identity_write_units: of(IDENTITY, "write_units"),
        lost: measured.lost,
    })
}

pub(super) fn counted(answer: Value) -> Result<Counted, Failed> {
    let sums: Sums = serde_json::from_value(answer).map_err(Uncounted::Unreadable)?;
    let from = sums.from.ok_or(Uncounted::Nothing)?;
    let used = |stage: &str, what: &str, kind, count: u64| Used {
        stage: stage.to_owned(),
        what: what.to_owned(),
        kind,
        count: real(count),
    };
    let lost =
        (sums.lost > 0).then(|| format!("the journal had no room for {} lines: it was more", sums.lost));
    Ok(Counted {
        of: "The platform on this machine".to_owned(),
        region: None,
        from,
        to: sums.to,
        accepted: real(sums.accepted),
        used: vec![
            used(INGEST, "ingest-http: requests", Kind::FunctionRequest, sums.requests),
            used(PROFILE, "queue", Kind::QueueRequest, sums.messages * u64::from(REQUESTS_A_MESSAGE)),
            used(PROFILE, "profile-upsert: requests", Kind::FunctionRequest, sums.batches),
            used(PROFILE, "people, identities: writes", Kind::WriteUnit, sums.write_units),
            used(
                IDENTITY,
                "queue",
                Kind::FifoRequest,
                sums.identity_requests * u64::from(REQUESTS_A_MESSAGE),
            ),
            used(IDENTITY, "identity-merge: requests", Kind::FunctionRequest, sums.identity_batches),
            used(IDENTITY, "people, identities: writes", Kind::WriteUnit, sums.identity_write_units),
        ],
        notes: NOTES.map(str::to_owned).into_iter().chain(lost).collect(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no count of ours comes near 2^53")]
const fn real(count: u64) -> f64 {
    count as f64
}
