//! The one thread that speaks to a file, and its group commit.
//!
//! Whoever waits while a transaction is being committed shares the next one,
//! so that many senders cost as many commits as the disk takes, not more.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{FileError, Place};

/// Work of one transaction: enough to share a commit, little enough that
/// nobody waits long for his answer.
const GROUP_MAX: usize = 256;

/// A handle on the thread; it ends, and the file is closed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    at: Place,
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(at: Place, db: Connection) -> Result<Self, FileError> {
        let (jobs, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name(at.what.to_owned())
            .spawn(move || serve(db, &waiting))
            .map_err(|cause| FileError::Thread { what: at.what, cause })?;
        Ok(Self { at, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does the work in a transaction; `Ok` means that it is committed.
    ///
    /// The work may be done twice, the first time in a transaction that is
    /// rolled back.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, FileError>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Task { work, done: None, answer };
        let stopped = || FileError::Stopped { what: self.at.what };
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Box::new(task)).map_err(|_| stopped())?;
        let outcome = answered.await.map_err(|_| stopped())?;
        outcome.map_err(|cause| FileError::of(&self.at, cause))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It only panics if one of our own statements does; nothing is left to tell then.
            let _ = thread.join();
        }
    }
}

trait Job: Send {
    fn work(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: rusqlite::Result<()>);
}

struct Task<T, W> {
    work: W,
    done: Option<T>,
    answer: oneshot::Sender<rusqlite::Result<T>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn work(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: rusqlite::Result<()>) {
        let answer = match (outcome, self.done) {
            (Ok(()), Some(done)) => Ok(done),
            (Ok(()), None) => return, // It was never worked on; the asker sees that nobody answers.
            (Err(cause), _) => Err(cause),
        };
        // Whoever asked may have gone; what was committed stays committed.
        let _ = self.answer.send(answer);
    }
}

fn serve(mut db: Connection, waiting: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter().take(GROUP_MAX - 1));
        settle(&mut db, group);
    }
}

/// Commits a group together; if that fails each job alone, so that the one
/// that cannot be done harms only itself.
fn settle(db: &mut Connection, mut group: Vec<Box<dyn Job>>) {
    if commit(db, &mut group).is_ok() {
        for job in group {
            job.answer(Ok(()));
        }
        return;
    }
    for mut job in group {
        let outcome = commit(db, std::slice::from_mut(&mut job));
        job.answer(outcome);
    }
}

fn commit(db: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    // Immediate: another process that holds the file is waited for here, where nothing is done yet.
    let transaction = Transaction::new(db, TransactionBehavior::Immediate)?;
    for job in jobs {
        job.work(&transaction)?;
    }
    transaction.commit()
}
