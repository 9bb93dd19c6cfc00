//! A `SQLite` file that one thread of this process speaks to: what was
//! committed to it survives `kill -9`.

mod writer;

pub(crate) use writer::Writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// For how long another process that holds the file is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A checkpoint waits for the disk: one for each 32 MB costs writers less than one for each 4.
const WAL_PAGES: i64 = 8_000;
const STATEMENTS: usize = 64;

/// Which file it is, and what is kept in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In the plural, such as "queues".
    pub what: &'static str,
    pub file: PathBuf,
}

/// A file could not be worked on; nothing of what is kept in it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot open the {} in `{}`: may this user read and write it and its folder?", at.what, at.file.display())]
    Open {
        at: Place,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("`{}` holds no {} or is damaged: restore it from a backup or choose another data folder", at.file.display(), at.what)]
    Damaged {
        at: Place,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("`{}` is locked by another program: stop that program and try again", at.file.display())]
    Locked {
        at: Place,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("the disk that holds `{}` is full: free some space and try again", at.file.display())]
    Full {
        at: Place,
        #[source]
        cause: rusqlite::Error,
    },
    #[error(
        "`{}` was written by a newer version (layout {found}; this version reads up to {known}): update, or choose another data folder",
        at.file.display(),
    )]
    TooNew { at: Place, found: i64, known: i64 },
    #[error("failed to work on the {} in `{}`", at.what, at.file.display())]
    Failed {
        at: Place,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("cannot start the thread of the {what}")]
    Thread {
        what: &'static str,
        #[source]
        cause: std::io::Error,
    },
    #[error("the {what} have stopped")]
    Stopped { what: &'static str },
}

impl FileError {
    /// Says of `SQLite`'s error what a reader can do about it.
    fn of(at: &Place, cause: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
            PermissionDenied, ReadOnly,
        };
        let at = at.clone();
        match cause.sqlite_error_code() {
            Some(CannotOpen | PermissionDenied | ReadOnly) => Self::Open { at, cause },
            Some(NotADatabase | DatabaseCorrupt) => Self::Damaged { at, cause },
            Some(DatabaseBusy | DatabaseLocked) => Self::Locked { at, cause },
            Some(DiskFull) => Self::Full { at, cause },
            _ => Self::Failed { at, cause },
        }
    }
}

/// Opens the file and makes it if there is none: `create` makes its tables,
/// `setup` does what each start has to do, in one transaction.
pub(crate) fn open<T>(
    at: Place,
    layout: i64,
    create: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    setup: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<(Writer, T), FileError> {
    let opened = Connection::open(&at.file);
    let mut db = opened.map_err(|cause| FileError::Open { at: at.clone(), cause })?;
    let found = written(&db).map_err(|cause| FileError::of(&at, cause))?;
    if found > layout {
        return Err(FileError::TooNew { at, found, known: layout });
    }
    let done = prepare(&mut db, layout, create, setup).map_err(|cause| FileError::of(&at, cause))?;
    Ok((Writer::start(at, db)?, done))
}

fn prepare<T>(
    db: &mut Connection,
    layout: i64,
    create: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    setup: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    db.busy_timeout(PATIENCE)?;
    // The write-ahead log is in the system's hands with each commit: a killed process loses nothing.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    let transaction = Transaction::new(db, TransactionBehavior::Immediate)?;
    if written(&transaction)? == 0 {
        create(&transaction)?;
        transaction.pragma_update(None, "user_version", layout)?;
    }
    let done = setup(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// The layout that the file was written in; none is 0.
fn written(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

impl Place {
    pub(crate) fn new(what: &'static str, file: &Path) -> Self {
        Self { what, file: file.to_owned() }
    }
}
