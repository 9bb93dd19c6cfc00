//! What the stages said about events, kept for whoever follows one: JSON lines
//! beside the data, whatever `LOG_LEVEL` shows.
//!
//! It is a log and no data. A kill loses the lines of the last moments, and a
//! flood those for which there was no room; the latter are counted in a line.
//!
//! **Invariants:** nobody who logs waits for the disk; memory and disk are
//! bounded; what the layer takes holds nothing personal, since no log line does.

mod line;
mod files;
mod measured;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::time::Timestamp;
use ports::Clock;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use files::Files;
pub use line::Raw;
use line::{Keeper, is_kept};
pub use measured::Measured;

/// A full file is followed by a new one, and the one before it is deleted.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Lines that wait for the disk; what comes beyond is lost and counted.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// For how long lines are gathered: one write for many costs the stages least.
const GATHERING: Duration = Duration::from_millis(20);
/// What one answer holds of the journal, roughly.
const PART_BYTES: u64 = 256 * 1024;
/// A disk that takes longer is not waited for.
const FLUSH_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot keep the journal in `{}`: may this user write it, and is the disk full?", folder.display())]
    Open {
        folder: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot read the journal in `{}`", folder.display())]
    Read {
        folder: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot start the thread of the journal")]
    Thread(#[source] std::io::Error),
    #[error("the reading of the journal ended by itself")]
    Ended(#[source] tokio::task::JoinError),
}

/// The journal of a data folder; clones are the same one.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    _thread: Arc<Thread>,
}

/// Lines from one place of the journal on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// In the order in which they were written.
    pub entries: Vec<Value>,
    /// Where the next part begins.
    pub next: u64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The first that were wanted, in the order in which they were written.
    pub entries: Vec<Value>,
    /// How many more were wanted.
    pub left_out: usize,
    /// The time of the oldest line that is kept; `None` in an empty journal.
    pub since: Option<String>,
}

/// How far the journal is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    end: u64,
    /// Nobody shall wait for more.
    is_last: bool,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    pending: Mutex<Pending>,
    wake: Condvar,
    written: watch::Sender<Written>,
}

/// What the thread has not taken yet.
#[derive(Debug, Default)]
struct Pending {
    lines: Vec<u8>,
    /// Lines for which there was no room since the last that was taken.
    lost: u64,
    /// Who waits until the lines above are written.
    flushes: Vec<oneshot::Sender<()>>,
    is_over: bool,
}

/// Ends the thread, once what was said is written, when the last handle goes.
#[derive(Debug)]
struct Thread {
    shared: Arc<Shared>,
    handle: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal in a folder, and makes it if there is none. Lines go
    /// on behind those of earlier runs.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        Self::of_files(folder, FILE_BYTES_MAX)
    }

    fn of_files(folder: &Path, file_bytes_max: u64) -> Result<Self, JournalError> {
        let open = |cause| JournalError::Open { folder: folder.to_owned(), cause };
        let files = Files::open(folder, file_bytes_max).map_err(open)?;
        let (written, _) = watch::channel(Written { end: files.end(), is_last: false });
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            pending: Mutex::default(),
            wake: Condvar::new(),
            written,
        });
        let handle = {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("journal".to_owned());
            thread.spawn(move || shared.write_all(files)).map_err(JournalError::Thread)?
        };
        let thread = Thread { shared: Arc::clone(&shared), handle: Some(handle) };
        Ok(Self { shared, _thread: Arc::new(thread) })
    }

    /// The layer that takes the lines: every decision on an event, what the
    /// stages measured, and what our own crates say from `info` on under a trace.
    pub fn layer<S, C>(&self, clock: C) -> impl Layer<S> + Send + Sync + use<S, C>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
        C: Clock + 'static,
    {
        Keeper { shared: Arc::clone(&self.shared), clock }
            .with_filter(tracing_subscriber::filter::filter_fn(is_kept))
    }

    /// The place behind the last line that is on the disk.
    pub fn end(&self) -> u64 {
        self.shared.written.borrow().end
    }

    /// Waits until what was said before is on the disk, or for two seconds.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.shared.lock().flushes.push(done);
        self.shared.wake.notify_one();
        // If the disk takes longer, or the thread is gone, readers do without the last lines.
        let _ = tokio::time::timeout(FLUSH_MAX, flushed).await;
    }

    /// Waits until there is something behind a place, or [`Self::stop_waiting`].
    pub async fn wait(&self, place: u64) {
        let mut written = self.shared.written.subscribe();
        // The sender lives as long as this handle.
        let _ = written.wait_for(|written| written.end > place || written.is_last).await;
    }

    /// Ends every wait, from now on too: the platform is about to stop.
    pub fn stop_waiting(&self) {
        self.shared.written.send_modify(|written| written.is_last = true);
    }

    /// Reads on from a place: one that an earlier part named, or 0 for the
    /// oldest line that is kept. What cannot be read is passed over.
    pub async fn after(&self, place: u64) -> Result<Part, JournalError> {
        let end = self.end();
        self.read(move |folder| {
            let mut entries = Vec::new();
            let next = files::scan(folder, place, end, |line, behind| {
                entries.extend(serde_json::from_str::<Value>(line).ok());
                let is_full = behind.saturating_sub(place) >= PART_BYTES && !entries.is_empty();
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            Ok(Part { entries, next })
        })
        .await
    }

    /// Reads the whole journal for the lines that are wanted; the first
    /// `limit` of them are given.
    pub async fn search<W>(&self, wanted: W, limit: usize) -> Result<Found, JournalError>
    where
        W: Fn(Raw<'_>) -> bool + Send + 'static,
    {
        let end = self.end();
        self.read(move |folder| {
            let mut found = Found::default();
            files::scan(folder, 0, end, |line, _| {
                let raw = Raw::of(line);
                if found.since.is_none() {
                    found.since = raw.text("time").map(str::to_owned);
                }
                if wanted(raw) {
                    found.take(line, limit);
                }
                ControlFlow::Continue(())
            })?;
            Ok(found)
        })
        .await
    }

    /// Adds up what the stages measured from a moment on.
    pub async fn measured(&self, from: Timestamp) -> Result<Measured, JournalError> {
        let (end, from) = (self.end(), from.rfc3339());
        self.read(move |folder| {
            let mut measured = Measured::default();
            files::scan(folder, 0, end, |line, _| {
                measured.take(Raw::of(line), &from);
                ControlFlow::Continue(())
            })?;
            Ok(measured)
        })
        .await
    }

    async fn read<T, R>(&self, read: R) -> Result<T, JournalError>
    where
        T: Send + 'static,
        R: FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
    {
        let folder = self.shared.folder.clone();
        let reading = tokio::task::spawn_blocking(move || {
            read(&folder).map_err(|cause| JournalError::Read { folder, cause })
        });
        reading.await.map_err(JournalError::Ended)?
    }
}

impl Found {
    fn take(&mut self, line: &str, limit: usize) {
        let Ok(entry) = serde_json::from_str(line) else { return };
        if self.entries.len() < limit {
            self.entries.push(entry);
        } else {
            self.left_out += 1;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, if there is room for it.
    fn push(&self, line: &str, now: Timestamp) {
        let mut pending = self.lock();
        if pending.is_over {
            return;
        }
        if pending.lines.len() + line.len() > PENDING_BYTES_MAX {
            pending.lost += 1;
            return;
        }
        let is_first = pending.lines.is_empty();
        if pending.lost > 0 {
            let lost = std::mem::take(&mut pending.lost);
            pending.lines.extend_from_slice(line::of_lost(lost, now).as_bytes());
        }
        pending.lines.extend_from_slice(line.as_bytes());
        drop(pending);
        if is_first {
            self.wake.notify_one();
        }
    }

    /// The thread: writes what is pending, over and over.
    fn write_all(&self, mut files: Files) {
        let mut lines = Vec::new();
        let mut is_ailing = false;
        loop {
            lines.clear();
            let (flushes, is_over) = self.take(&mut lines);
            if let Err(error) = files.append(&lines) {
                self.lock().lost += lines.split_inclusive(|byte| *byte == b'\n').count() as u64;
                // Said once, not each time as long as it lasts.
                if !std::mem::replace(&mut is_ailing, true) {
                    let folder = self.folder.display();
                    tracing::warn!("Cannot write the journal in `{folder}`, and lose its lines: {error}");
                }
            } else if !lines.is_empty() {
                is_ailing = false;
            }
            self.written
                .send_if_modified(|written| std::mem::replace(&mut written.end, files.end()) != files.end());
            for flushed in flushes {
                let _ = flushed.send(()); // Whoever waited may have gone.
            }
            if is_over {
                return;
            }
        }
    }

    /// Waits for lines and takes them; says who waits for them and whether
    /// they are the last.
    fn take(&self, lines: &mut Vec<u8>) -> (Vec<oneshot::Sender<()>>, bool) {
        let is_idle = |pending: &mut Pending| {
            pending.lines.is_empty() && pending.flushes.is_empty() && !pending.is_over
        };
        let waited = self.wake.wait_while(self.lock(), is_idle);
        let mut pending = waited.unwrap_or_else(PoisonError::into_inner);
        if pending.flushes.is_empty() && !pending.is_over {
            drop(pending);
            std::thread::sleep(GATHERING);
            pending = self.lock();
        }
        std::mem::swap(&mut pending.lines, lines);
        (std::mem::take(&mut pending.flushes), pending.is_over)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wake.notify_one();
        if let Some(handle) = self.handle.take() {
            // It has nothing that could panic; and nobody would be left to be told.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests;
