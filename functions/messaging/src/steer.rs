//! What an operator does with a message: start, pause, go on, cancel, ask.

use domain::key::IdKey;
use domain::messaging::outreach::{Audience, Message, MessageId};
use domain::messaging::run::{self, Outcomes, Page, Pause, Row, Run, Status};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::SaveError;
use ports::{People, Unavailable};

use crate::store::{self, ATTEMPTS_MAX, Contended};

/// What became of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    Now,
    /// It was before: that run goes on, and nobody gets it twice.
    Already(Run),
}

/// What is to be done with a message that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    Pause(Pause),
    Resume,
    Cancel,
}

/// Why a message cannot be steered so.
#[derive(Debug, thiserror::Error)]
pub enum Unsteered {
    #[error("a message to whoever enters a segment is not started: it goes out from when it is set on")]
    Trigger,
    #[error("it was not started yet")]
    NotStarted,
    #[error("it was cancelled; whoever waited gets nothing any more, and a new id begins anew")]
    Cancelled,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Starts a broadcast, once: a second start finds the first.
pub async fn start<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    (id, message): (&MessageId, &Message),
    new: &Run,
) -> Result<Started, Unsteered> {
    if matches!(message.audience, Audience::Entering(_)) {
        return Err(Unsteered::Trigger);
    }
    let collection = key.message_run(workspace, id.as_str());
    if let Some((_, run)) = store::run(people, (key, workspace), id).await? {
        return Ok(Started::Already(run));
    }
    match people.replace(workspace, collection, None, &new.item()).await {
        Ok(()) => Ok(Started::Now),
        // Somebody else did, or it was this and its answer was lost: either way it is started.
        Err(SaveError::Conflict) => match store::run(people, (key, workspace), id).await? {
            Some((_, run)) => Ok(Started::Already(run)),
            None => Err(Unavailable::new("starting a message", Contended).into()),
        },
        Err(SaveError::Unavailable(cause)) => Err(cause.into()),
    }
}

/// Pauses, goes on with or cancels a message.
pub async fn steer<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    (id, message): (&MessageId, &Message),
    to: Steer,
    now: Timestamp,
) -> Result<Run, Unsteered> {
    let collection = key.message_run(workspace, id.as_str());
    for _ in 0..ATTEMPTS_MAX {
        let found = store::run(people, (key, workspace), id).await?;
        let is_trigger = matches!(message.audience, Audience::Entering(_));
        let (item, mut run) = match found {
            Some((item, run)) => (Some(item), run),
            None if is_trigger => (None, Run::new(now)),
            None => return Err(Unsteered::NotStarted),
        };
        run.status = match (run.status, to) {
            (Status::Cancelled, Steer::Pause(_) | Steer::Resume) => return Err(Unsteered::Cancelled),
            (_, Steer::Pause(why)) => Status::Paused(why),
            (_, Steer::Resume) => Status::Running,
            (_, Steer::Cancel) => Status::Cancelled,
        };
        match people.replace(workspace, collection, item.as_ref(), &run.item()).await {
            Ok(()) => return Ok(run),
            Err(SaveError::Conflict) => (),
            Err(SaveError::Unavailable(cause)) => return Err(cause.into()),
        }
    }
    Err(Unavailable::new("steering a message", Contended).into())
}

/// How far a message is; a trigger that nobody paused has no run.
pub async fn run<P: People>(
    people: &P,
    at: (&IdKey, &WorkspaceId),
    id: &MessageId,
) -> Result<Option<Run>, Unavailable> {
    Ok(store::run(people, at, id).await?.map(|(_, run)| run))
}

/// What became of a message for everybody; it reads all of its pages.
pub async fn outcomes<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    id: &MessageId,
) -> Result<Outcomes, Unavailable> {
    let collection = key.message_run(workspace, id.as_str());
    let mut outcomes = Outcomes::default();
    let (mut from, to) = run::pages();
    loop {
        let page = people.items(workspace, collection, &from, &to).await?;
        for item in &page.items {
            outcomes.take(&Page::read(item).map_err(store::unreadable("reading what became of a message"))?);
        }
        match page.next {
            Some(last) => from = store::after(&last),
            None => return Ok(outcomes),
        }
    }
}

/// What became of a message for one person: their rows, each with its moment.
pub async fn why<P: People>(
    people: &P,
    at: (&IdKey, &WorkspaceId),
    id: &MessageId,
    is_theirs: impl Fn(&Row) -> bool,
) -> Result<Vec<(Timestamp, Row)>, Unavailable> {
    let outcomes = outcomes(people, at, id).await?;
    let theirs = outcomes.rows().filter(|(_, row)| is_theirs(row));
    Ok(theirs.map(|(at, row)| (at, *row)).collect())
}
