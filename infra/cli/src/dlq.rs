//! `tributary dlq`: what ended among the dead letters, and its way back.
//!
//! **Invariant:** a letter is deleted only after its queue has taken it back.
//! A crash between the two leaves a copy, which the ledger drops.

pub(crate) mod arguments;
mod letter;
mod redrive;
mod shelf;
mod shown;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::operate::arguments::Place;
use crate::output::{Failed, line, lines};
use letter::Letter;
pub(crate) use shelf::{LocalShelf, Shelf, SqsShelf};

/// The tool of a running platform that carries an order out.
pub(crate) const TOOL: &str = "dlq";
/// Bodies that one answer has room for; `tributary local` answers as Lambda does, with 6 MB at most.
const BODIES_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What an operator wants of the dead letters of one queue, or of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The stage that the queue feeds.
    pub(crate) queue: Option<String>,
    pub(crate) filter: Filter,
    /// Letters looked at, or sent back; of each queue.
    pub(crate) max: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    List,
    Show { body: bool },
    Redrive,
}

/// Which letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Any of these; none means all.
    pub(crate) ids: Vec<String>,
    /// A part of the reason, in any case.
    pub(crate) reason: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no queue `{0}`; there are: {1}")]
    Queue(String, String),
}

/// Some letters are where they were; the counts were printed.
#[derive(Debug, thiserror::Error)]
#[error("not every letter that was meant went back: {0}; what did not is among the dead letters still")]
struct Incomplete(String);

/// No letter has the id.
#[derive(Debug, thiserror::Error)]
#[error(
    "no such letter was found: `tributary dlq list` says what lies there; a letter that somebody looks at is hidden for a minute"
)]
struct NotFound;

impl Filter {
    fn means(&self, letter: &Letter) -> bool {
        let reason = self.reason.as_ref().is_none_or(|wanted| {
            letter.reason().is_some_and(|reason| reason.to_lowercase().contains(&wanted.to_lowercase()))
        });
        reason && (self.ids.is_empty() || self.ids.contains(&letter.id))
    }
}

/// Carries an order out where `place` says, and says what came of it.
pub(crate) async fn run(place: &Place, order: Order) -> Result<(), Failed> {
    let answer = match &place.stack {
        Some(name) => {
            let stack = Stack::open(name, place.region.as_deref()).await?;
            stack.explained(carry_out(&stack.shelves(), &order).await)?
        }
        None => {
            Client::of(&place.target)?
                .post(&format!("/_local/{TOOL}"), &serde_json::to_value(&order)?)
                .await?
        }
    };
    if place.json {
        line(&answer.to_string());
    } else {
        lines(&shown::lines(order.what, &answer));
    }
    check(&order, &answer)
}

/// What was asked for by its id has to be there, and what was to go has to be gone.
fn check(order: &Order, answer: &Value) -> Result<(), Failed> {
    let queues = || answer.get("queues").and_then(Value::as_array).into_iter().flatten();
    if let Some(error) = queues().find_map(|queue| queue.get("error").and_then(Value::as_str)) {
        return Err(Incomplete(error.to_owned()).into());
    }
    let found = |name: &str| queues().any(|queue| queue.get(name).is_some_and(|found| *found != json!(0)));
    let is_nothing = match order.what {
        What::List => false,
        What::Show { .. } => answer.get("letters").and_then(Value::as_array).is_none_or(Vec::is_empty),
        What::Redrive => !["sent", "came_back", "without_body"].into_iter().any(found),
    };
    if is_nothing && !order.filter.ids.is_empty() { Err(NotFound.into()) } else { Ok(()) }
}

pub(crate) async fn carry_out<S: Shelf>(shelves: &[(String, S)], order: &Order) -> Result<Value, Failed> {
    let meant: Vec<_> =
        shelves.iter().filter(|(name, _)| order.queue.as_ref().is_none_or(|wanted| wanted == name)).collect();
    if let Some(unknown) = order.queue.as_ref().filter(|_| meant.is_empty()) {
        let names: Vec<&str> = shelves.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Refused::Queue(unknown.clone(), names.join(", ")).into());
    }
    let (mut queues, mut letters, mut room) = (Vec::new(), Vec::new(), BODIES_BYTES_MAX);
    for (name, shelf) in meant {
        match order.what {
            What::List => queues.push(list(name, shelf, order).await?),
            What::Show { body } => {
                let found = look(shelf, &order.filter, order.max).await?.letters;
                letters.extend(found.iter().map(|letter| {
                    let body = body && room.checked_sub(letter.body.len()).map(|left| room = left).is_some();
                    letter.shape(name, body)
                }));
            }
            What::Redrive => queues.push(redrive::redrive(shelf, &order.filter, order.max).await.shape(name)),
        }
    }
    Ok(match order.what {
        What::List | What::Redrive => json!({ "queues": queues }),
        What::Show { .. } => json!({ "letters": letters }),
    })
}

async fn list<S: Shelf>(name: &str, shelf: &S, order: &Order) -> Result<Value, Failed> {
    let count = shelf.count().await?;
    let Looked { letters, looked_at } = look(shelf, &order.filter, order.max).await?;
    let oldest = letters.iter().map(|letter| letter.sent).min();
    Ok(json!({
        "queue": name,
        "letters": count.max(looked_at as u64),
        "looked_at": looked_at,
        "meant": letters.len(),
        "oldest": oldest.map(domain::time::Timestamp::rfc3339),
        "reasons": letter::grouped(&letters),
    }))
}

struct Looked {
    /// Those that are meant, the oldest first.
    letters: Vec<Letter>,
    looked_at: usize,
}

/// Looks at up to `max` letters that are meant and leaves all where they are.
async fn look<S: Shelf>(shelf: &S, filter: &Filter, max: usize) -> Result<Looked, Failed> {
    let (mut held, mut letters) = (shelf::Held::default(), Vec::new());
    let mut failed = None;
    while letters.len() < max && !held.has_seen_all() {
        match shelf.take().await {
            Ok(taken) => {
                let new = held.new_of(taken);
                for taken in &new {
                    held.keep(taken);
                }
                letters
                    .extend(new.into_iter().map(|taken| taken.letter).filter(|letter| filter.means(letter)));
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let looked_at = held.seen();
    held.give_back(shelf).await;
    if let Some(failed) = failed {
        return Err(failed);
    }
    letters.sort_by_key(|letter| letter.sent);
    letters.truncate(max);
    Ok(Looked { letters, looked_at })
}

#[cfg(test)]
mod tests;
