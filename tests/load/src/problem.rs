//! Why a run gives no result.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitStatus;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("`{path}` is not empty; name another folder with --data, or remove it")]
    UsedFolder { path: PathBuf },
    #[error("failed to {what} `{path}`")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "failed to start `{binary}`; build it with `cargo build -p tributary`, or name another with --binary"
    )]
    Start {
        binary: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the program did not print its line with url, write_key and admin_key; see `{log}`")]
    NoAddress { log: PathBuf },
    #[error("failed to kill the program, or to wait for its end")]
    Kill(#[source] std::io::Error),
    #[error("the program ended by itself ({status}); see `{log}`")]
    Ended { status: ExitStatus, log: PathBuf },
    #[error("{method} {path} got no answer")]
    NoAnswer {
        method: &'static str,
        path: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    #[error("{method} {path} answered {status}, which it must not")]
    Answer { method: &'static str, path: &'static str, status: u16 },
    #[error("{method} {path} answered something else than {expected}")]
    Shape { method: &'static str, path: &'static str, expected: &'static str },
    #[error("nothing was acknowledged for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("nothing left the queues for {seconds} s; still there: {left}")]
    NotDrained { seconds: u64, left: String },
    #[error("line {line} of `{path}` cannot be read")]
    Record { path: PathBuf, line: usize },
    #[error("a task of the run itself broke")]
    Task(#[from] tokio::task::JoinError),
}

impl Problem {
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
