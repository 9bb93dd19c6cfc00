//! The process under test: started, killed, started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::http::Address;
use crate::problem::Problem;

/// It may have a backlog to recover from before it listens.
const START_MAX: Duration = Duration::from_mins(1);

/// How the process is started, always on the same data.
pub(crate) struct Launcher {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

pub(crate) struct Running {
    child: Child,
    address: Address,
    log: PathBuf,
}

/// The check counts from zero, so the platform must begin with nothing.
pub(crate) fn refuse_used(folder: &Path) -> Result<(), Problem> {
    let problem = |cause| Problem::File { what: "create", path: folder.to_owned(), cause };
    std::fs::create_dir_all(folder).map_err(problem)?;
    let mut entries = std::fs::read_dir(folder).map_err(problem)?;
    entries.next().map_or(Ok(()), |_| Err(Problem::UsedFolder { path: folder.to_owned() }))
}

impl Launcher {
    /// The folder holds the platform's data, its log and the sender's file.
    pub(crate) fn new(binary: &Path, folder: &Path) -> Self {
        Self { binary: binary.to_owned(), data: folder.join("data"), log: folder.join("stderr.log") }
    }

    /// Starts the process and waits until it says where it listens.
    pub(crate) async fn start(&self) -> Result<Running, Problem> {
        let (child, mut lines) = self.spawn()?;
        let first = tokio::time::timeout(START_MAX, lines.next_line()).await;
        let first = first.ok().and_then(Result::ok).flatten();
        let address = first.and_then(|line| serde_json::from_str(&line).ok());
        let address = address.ok_or_else(|| Problem::NoAddress { log: self.log.clone() })?;
        // Somebody must go on reading, or the process stops when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Running { child, address, log: self.log.clone() })
    }

    /// Starts the process and kills it before it is ready.
    pub(crate) async fn start_and_kill(&self, after: Duration) -> Result<(), Problem> {
        let (mut child, _lines) = self.spawn()?;
        tokio::time::sleep(after).await;
        child.kill().await.map_err(Problem::Kill)
    }

    fn spawn(&self) -> Result<(Child, Lines<BufReader<ChildStdout>>), Problem> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|cause| Problem::File { what: "write to", path: self.log.clone(), cause })?;
        let start = |cause| Problem::Start { binary: self.binary.clone(), cause };
        let mut child = Command::new(&self.binary)
            .arg("local")
            .arg("--data")
            .arg(&self.data)
            .args(["--port", "0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let stdout = child.stdout.take().ok_or_else(|| start(std::io::Error::other("it has no stdout")))?;
        Ok((child, BufReader::new(stdout).lines()))
    }
}

impl Running {
    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// SIGKILL: nothing in the process hears of it.
    pub(crate) async fn kill(&mut self) -> Result<(), Problem> {
        self.still_runs()?;
        self.child.kill().await.map_err(Problem::Kill)
    }

    /// An end that nobody asked for is a result of its own.
    pub(crate) fn still_runs(&mut self) -> Result<(), Problem> {
        match self.child.try_wait().map_err(Problem::Kill)? {
            None => Ok(()),
            Some(status) => Err(Problem::Ended { status, log: self.log.clone() }),
        }
    }
}
