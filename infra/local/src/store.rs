//! The folder in which everything lies, and the store in it: an embedded
//! `DynamoDB` behind HTTP on the loopback address, for the real SDK.

mod folder;
mod life;

pub use folder::{DataFolder, FORMAT, FolderError};

use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::{Database, DynoxideError};
use ports::Clock;
use runtime::failure::chain;
use rusqlite::ErrorCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often items whose time to live has ended are deleted. Readers must not
/// rely on it: at AWS it may take days.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How a file of `SQLite` begins.
const SQLITE: [u8; 16] = *b"SQLite format 3\0";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the store `{}`: may this user read and write it and its folder?", file.display())]
    Open {
        file: PathBuf,
        #[source]
        cause: DynoxideError,
    },
    #[error("the store `{}` is locked by another program: stop that program and try again", file.display())]
    Locked {
        file: PathBuf,
        #[source]
        cause: DynoxideError,
    },
    #[error("the disk that holds the store `{}` is full: free some space and try again", file.display())]
    Full {
        file: PathBuf,
        #[source]
        cause: DynoxideError,
    },
    #[error("`{}` is no store or is damaged: restore it from a backup or choose another data folder", file.display())]
    Damaged {
        file: PathBuf,
        #[source]
        cause: Option<DynoxideError>,
    },
    /// What wrote it is named by the cause.
    #[error("the store `{}` does not open with this version: update, or choose another data folder", file.display())]
    Unfit {
        file: PathBuf,
        #[source]
        cause: DynoxideError,
    },
    #[error("the path of the store, `{}`, is not UTF-8: choose another data folder", file.display())]
    Path { file: PathBuf },
    #[error("the store cannot listen on the loopback address")]
    Listen(#[source] std::io::Error),
}

impl StoreError {
    fn of(file: &Path, cause: DynoxideError) -> Self {
        let file = file.to_owned();
        let code = match &cause {
            DynoxideError::SqliteError(cause) => cause.sqlite_error_code(),
            _ => return Self::Unfit { file, cause },
        };
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { file, cause },
            Some(ErrorCode::DiskFull) => Self::Full { file, cause },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { file, cause: Some(cause) }
            }
            _ => Self::Open { file, cause },
        }
    }
}

/// A running store.
#[derive(Debug)]
pub struct Store {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Result<(), String>>,
    sweeping: JoinHandle<()>,
}

impl Store {
    /// Opens the file, makes it if there is none, and serves it on a free port
    /// of the loopback address, inside a Tokio runtime.
    ///
    /// Items end by `clock`.
    pub async fn start<C: Clock + Clone + 'static>(file: &Path, clock: C) -> Result<Self, StoreError> {
        let database = open(file).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(StoreError::Listen)?;
        let address = listener.local_addr().map_err(StoreError::Listen)?;
        let (stop, stopped) = watch::channel(false);
        let serving = {
            let mut stopped = stopped.clone();
            let until = async move { drop(stopped.wait_for(|stop| *stop).await) };
            tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database.clone(), until))
        };
        let sweeping = tokio::spawn(sweep(database, clock, stopped));
        Ok(Self { address, stop, serving, sweeping })
    }

    /// What an SDK takes as its endpoint; any region and credentials will do.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers what was begun within `grace`, and ends. What was written is on
    /// the disk either way.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let Self { mut serving, sweeping, .. } = self;
        match tokio::time::timeout(grace, &mut serving).await {
            Ok(Ok(Ok(()))) => (),
            Ok(Ok(Err(error))) => tracing::error!("The store ended badly: {error}"),
            Ok(Err(error)) => tracing::error!("The store ended badly: {}", chain(&error)),
            Err(_) => serving.abort(), // A client that keeps half a request open would hold us for ever.
        }
        if let Err(error) = sweeping.await {
            tracing::error!("The sweep of the store ended badly: {}", chain(&error));
        }
    }
}

async fn open(file: &Path) -> Result<Database, StoreError> {
    let not_utf8 = || StoreError::Path { file: file.to_owned() };
    let path = file.to_str().ok_or_else(not_utf8)?.to_owned();
    if is_something_else(file) {
        return Err(StoreError::Damaged { file: file.to_owned(), cause: None });
    }
    // It may bring an older file up to date, which takes as long as it takes.
    let opened = tokio::task::spawn_blocking(move || Database::new(&path)).await;
    match opened {
        Ok(opened) => opened.map_err(|cause| StoreError::of(file, cause)),
        Err(error) => Err(StoreError::Listen(error.into())),
    }
}

/// Whether the file begins as none of `SQLite`'s does; the store itself would
/// take it for an encrypted one.
fn is_something_else(file: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start != SQLITE
}

async fn sweep<C: Clock + Clone + 'static>(database: Database, clock: C, mut stop: watch::Receiver<bool>) {
    loop {
        let (database, now) = (database.clone(), clock.now());
        match tokio::task::spawn_blocking(move || life::sweep(&database, now)).await {
            Ok(Ok(_)) => (),
            Ok(Err(error)) => tracing::warn!("Cannot delete items that have ended: {}", chain(&error)),
            Err(error) => tracing::warn!("Cannot delete items that have ended: {}", chain(&error)),
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(SWEEP_EVERY) => (),
        }
    }
}

#[cfg(test)]
mod tests;
