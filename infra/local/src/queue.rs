//! Queues with the promises of SQS, on one `SQLite` file.
//!
//! At least once; a visibility timeout, delays, a count of receives, redrive
//! to a dead-letter queue, retention, FIFO groups and deduplication. What was
//! accepted survives `kill -9`.
//!
//! **Invariant:** `Ok` means committed. Time is asked of a [`Clock`], so that
//! a clock that is advanced makes timeouts end.

pub mod settings;
mod message;
mod rows;

pub use message::{Counts, Listed, MESSAGE_BYTES_MAX, Message, Receipt, Received, State};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::time::Timestamp;
use ports::queue::{Outgoing, Queue};
use ports::{Clock, Entropy, Unavailable};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::file::{self, FileError, Place, Writer};
use message::{Ids, incoming};
use settings::QueueSettings;

/// How often what has ended is deleted; receivers never see it anyway.
const TIDY_EVERY_MS: i64 = Timestamp::MINUTE;
/// SQS hides a message for at most twelve hours.
pub const VISIBILITY_S_MAX: u32 = 12 * 60 * 60;

/// A queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("there is no queue `{name}` in the template")]
    Unknown { name: String },
    #[error("the queue refuses the message: {why}")]
    Refused { why: &'static str },
}

/// All queues of one file; clones are the same queues.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    writer: Writer,
    ids: Ids,
    queues: BTreeMap<String, Arc<Defined>>,
    tidied: AtomicI64,
}

#[derive(Debug)]
struct Defined {
    row: i64,
    settings: QueueSettings,
    /// The row of its dead-letter queue.
    grave: Option<i64>,
    /// Counts up whenever something may have become visible.
    arrivals: watch::Sender<u64>,
}

impl Queues {
    /// Opens the file, makes it if there is none, and defines these queues.
    ///
    /// What lies in a queue that is no longer defined stays in the file.
    pub fn open(
        file: &Path,
        settings: Vec<QueueSettings>,
        entropy: &impl Entropy,
    ) -> Result<Self, QueueError> {
        let create = |db: &Connection| rows::create(db, entropy.bytes());
        let setup = |db: &Connection| {
            let rows = settings.iter().map(|queue| rows::define(db, &queue.name));
            Ok((rows::salt(db)?, rows.collect::<Result<Vec<_>, _>>()?))
        };
        let at = Place::new("queues", file);
        let (writer, (salt, rows)) = file::open(at, rows::LAYOUT, create, setup)?;
        let queues = define(settings, &rows)?;
        Ok(Self(Arc::new(Shared { writer, ids: Ids::of(salt), queues, tidied: AtomicI64::new(0) })))
    }

    /// One of the queues, by the name that the template gives it.
    pub fn queue<C: Clock>(&self, name: &str, clock: C) -> Result<LocalQueue<C>, QueueError> {
        let unknown = || QueueError::Unknown { name: name.to_owned() };
        let defined = self.0.queues.get(name).ok_or_else(unknown)?.clone();
        Ok(LocalQueue { shared: self.0.clone(), defined, clock })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.queues.keys().map(String::as_str)
    }

    /// Makes every waiting consumer look again: the clock was moved.
    pub fn wake(&self) {
        self.0.queues.values().for_each(|queue| queue.wake());
    }

    /// Makes all that is in flight visible again.
    ///
    /// For the start of a process that alone consumes: whoever held a message
    /// is gone, so that waiting for its timeout would help nobody. The receive
    /// is not counted: a killed process says nothing about the messages that it
    /// happened to hold, and the oldest would be in every killed batch.
    pub async fn release_in_flight(&self, now: Timestamp) -> Result<usize, QueueError> {
        let rows: Vec<i64> = self.0.queues.values().map(|queue| queue.row).collect();
        let now = now.millis();
        let release = move |db: &Connection| rows.iter().map(|row| rows::release(db, *row, now)).sum();
        let released = self.0.writer.run(release).await?;
        self.wake();
        Ok(released)
    }
}

fn define(settings: Vec<QueueSettings>, rows: &[i64]) -> Result<BTreeMap<String, Arc<Defined>>, QueueError> {
    let by_name: BTreeMap<String, i64> =
        settings.iter().map(|queue| queue.name.clone()).zip(rows.iter().copied()).collect();
    let define = |settings: QueueSettings, row: i64| {
        let grave = settings.redrive.as_ref().map(|redrive| {
            let found = by_name.get(&redrive.to).copied();
            found.ok_or_else(|| QueueError::Unknown { name: redrive.to.clone() })
        });
        let grave = grave.transpose()?;
        let name = settings.name.clone();
        Ok((name, Arc::new(Defined { row, settings, grave, arrivals: watch::Sender::new(0) })))
    };
    settings.into_iter().zip(rows).map(|(settings, row)| define(settings, *row)).collect()
}

impl Defined {
    fn wake(&self) {
        self.arrivals.send_modify(|arrivals| *arrivals = arrivals.wrapping_add(1));
    }

    fn alive_from(&self, now: i64) -> i64 {
        now.saturating_sub(i64::from(self.settings.retention_s) * Timestamp::SECOND)
    }
}

/// One queue, with the clock by which its timeouts end; clones are the same queue.
#[derive(Debug, Clone)]
pub struct LocalQueue<C> {
    shared: Arc<Shared>,
    defined: Arc<Defined>,
    clock: C,
}

impl<C: Clock> LocalQueue<C> {
    pub fn settings(&self) -> &QueueSettings {
        &self.defined.settings
    }

    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Changes whenever something may have become visible by a send, a redrive
    /// or a release. What becomes visible by time alone makes no sound.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.defined.arrivals.subscribe()
    }

    /// Sends all messages or none; gives their ids, each in the place of its message.
    pub async fn send_all(&self, messages: Vec<Message>) -> Result<Vec<String>, QueueError> {
        let now = self.now();
        let rows = messages
            .into_iter()
            .map(|message| incoming(message, self.defined.row, &self.defined.settings, now))
            .collect::<Result<Vec<_>, _>>()?;
        let send = move |db: &Connection| {
            rows.iter().map(|row| rows::send(db, row)).collect::<Result<Vec<i64>, _>>()
        };
        let numbers = self.shared.writer.run(send).await?;
        self.defined.wake();
        Ok(numbers.into_iter().map(|seq| self.shared.ids.of_seq(seq)).collect())
    }

    /// Receives up to `max` messages of together at most `bytes_max` bytes (one
    /// message may be larger), and hides them for the queue's visibility
    /// timeout or for `visibility_s`.
    ///
    /// Do not drop this before it is done: what it was about to hand out would
    /// stay hidden until its timeout.
    pub async fn receive(
        &self,
        max: usize,
        bytes_max: usize,
        visibility_s: Option<u32>,
    ) -> Result<Vec<Received>, QueueError> {
        let now = self.now();
        self.tidy(now).await?;
        let Defined { row, settings, grave, .. } = &*self.defined;
        let grave = grave.zip(settings.redrive.as_ref());
        let wanted = rows::Take {
            queue: *row,
            now,
            until: after(now, visibility_s.unwrap_or(settings.visibility_s)),
            max,
            bytes_max,
            alive_from: self.defined.alive_from(now),
            redrive: grave.map(|(queue, redrive)| rows::Grave { queue, max_receives: redrive.max_receives }),
            fifo: settings.fifo.is_some(),
        };
        let taken = self.shared.writer.run(move |db| rows::take(db, &wanted)).await?;
        if taken.buried > 0 {
            self.wake_dead_letters();
        }
        let queue = self.defined.row;
        Ok(taken.messages.into_iter().map(|stored| Received::of(stored, queue, &self.shared.ids)).collect())
    }

    /// Deletes what was received; gives how many were still there under their
    /// receipts. A message that was received again meanwhile stays, and so does
    /// one of a FIFO queue whose timeout has ended, as at SQS.
    pub async fn delete(&self, receipts: &[Receipt]) -> Result<usize, QueueError> {
        let (queue, fifo, now) = (self.defined.row, self.defined.settings.fifo.is_some(), self.now());
        let held: Vec<rows::Held> = receipts.iter().filter_map(|receipt| receipt.held(queue)).collect();
        let delete = move |db: &Connection| {
            let mut deleted = 0;
            for held in &held {
                deleted += usize::from(rows::delete(db, *held, fifo, now)?);
            }
            Ok(deleted)
        };
        let deleted = self.shared.writer.run(delete).await?;
        if fifo {
            self.defined.wake(); // What stands behind it in its group may go now.
        }
        Ok(deleted)
    }

    /// Hides a message for so long from now on; gives whether it still was in flight.
    pub async fn change_visibility(&self, receipt: &Receipt, seconds: u32) -> Result<bool, QueueError> {
        let now = self.now();
        let Some(held) = receipt.held(self.defined.row) else { return Ok(false) };
        let until = after(now, seconds);
        let hidden = self.shared.writer.run(move |db| rows::hide_until(db, held, until, now)).await?;
        self.defined.wake();
        Ok(hidden)
    }

    pub async fn counts(&self) -> Result<Counts, QueueError> {
        let (row, now) = (self.defined.row, self.now());
        let alive_from = self.defined.alive_from(now);
        let count = move |db: &Connection| rows::count(db, row, now, alive_from);
        let [visible, in_flight, delayed] = self.shared.writer.run(count).await?;
        Ok(Counts { visible, in_flight, delayed })
    }

    /// Looks at messages in the order of their arrival, after the one with the
    /// id `after`, and leaves them as they are.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let (row, now) = (self.defined.row, self.now());
        let alive_from = self.defined.alive_from(now);
        let after = after.and_then(|id| self.shared.ids.seq_of(id)).unwrap_or(0);
        let list = move |db: &Connection| rows::list(db, row, alive_from, after, limit);
        let found = self.shared.writer.run(list).await?;
        Ok(found.into_iter().map(|stored| Listed::of(stored, now, &self.shared.ids)).collect())
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    fn wake_dead_letters(&self) {
        let redrive = self.defined.settings.redrive.as_ref();
        if let Some(grave) = redrive.and_then(|redrive| self.shared.queues.get(&redrive.to)) {
            grave.wake();
        }
    }

    /// Deletes what has ended, of all queues: the dead letters have no receiver that would do it.
    async fn tidy(&self, now: i64) -> Result<(), QueueError> {
        let last = self.shared.tidied.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last).abs() >= TIDY_EVERY_MS;
        let swap =
            |from| self.shared.tidied.compare_exchange(from, now, Ordering::Relaxed, Ordering::Relaxed);
        if !is_due || swap(last).is_err() {
            return Ok(());
        }
        let ends: Vec<_> =
            self.shared.queues.values().map(|queue| (queue.row, queue.alive_from(now))).collect();
        let tidy = move |db: &Connection| {
            ends.iter().try_for_each(|(row, alive_from)| rows::tidy(db, *row, *alive_from, now))
        };
        Ok(self.shared.writer.run(tidy).await?)
    }
}

fn after(now: i64, seconds: u32) -> i64 {
    now.saturating_add(i64::from(seconds.min(VISIBILITY_S_MAX)) * Timestamp::SECOND)
}

impl<C: Clock> Queue for LocalQueue<C> {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), Unavailable> {
        let messages = messages.into_iter().map(Message::from).collect();
        let sent = self.send_all(messages).await;
        sent.map(|_| ()).map_err(|cause| Unavailable::new("sending to the local queue", cause))
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
