//! A running bootstrap: what it is fed, and what the kernel counts for it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::process::{Child, Command};

use crate::Failed;
use crate::runtime_api::{Outcome, RuntimeApi, Waiting};

/// A process that has used no CPU for so long is idle.
const IDLE: Duration = Duration::from_millis(10);
/// Lambda gives a start ten seconds; a busy machine may take longer.
const START_WITHIN: Duration = Duration::from_secs(30);

/// An execution environment, ready for its next invocation.
#[derive(Debug)]
pub(crate) struct Environment {
    child: Child,
    id: u32,
    api: RuntimeApi,
    waiting: Waiting,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("`{0}` is not there; `tests/lambda/run` builds it")]
    NotBuilt(String),
    #[error("the bootstrap ended, or was not ready for its next invocation within {START_WITHIN:?}")]
    NotReady,
    #[error("the function failed: {0}")]
    Failed(String),
}

impl Environment {
    /// Starts a bootstrap and waits until it is idle.
    pub(crate) async fn start(bootstrap: &Path, variables: &[(String, String)]) -> Result<Self, Failed> {
        if !bootstrap.is_file() {
            return Err(Broken::NotBuilt(bootstrap.display().to_string()).into());
        }
        let mut api = RuntimeApi::start().await?;
        let child = Command::new(bootstrap)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().ok_or(Broken::NotReady)?;
        let waiting = ready(&mut api).await?;
        let started = Self { child, id, api, waiting };
        started.idle().await?;
        Ok(started)
    }

    /// Invokes it and waits until it is idle again.
    pub(crate) async fn invoke(&mut self, event: impl Into<Bytes>) -> Result<Bytes, Failed> {
        let answer = self.feed(event).await?;
        self.idle().await?;
        Ok(answer)
    }

    /// Invokes it; it may still be busy with what follows its answer.
    pub(crate) async fn feed(&mut self, event: impl Into<Bytes>) -> Result<Bytes, Failed> {
        let (spent, _) = tokio::sync::oneshot::channel();
        let waiting = std::mem::replace(&mut self.waiting, spent);
        waiting.send(event.into()).map_err(|_| Broken::NotReady)?;
        let answer = match self.api.outcomes.recv().await.ok_or(Broken::NotReady)? {
            Outcome::Answer(answer) => answer,
            Outcome::Error(error) => {
                return Err(Broken::Failed(String::from_utf8_lossy(&error).into_owned()).into());
            }
        };
        self.waiting = ready(&mut self.api).await?;
        Ok(answer)
    }

    async fn idle(&self) -> Result<(), Failed> {
        let mut used = self.cpu()?;
        loop {
            tokio::time::sleep(IDLE).await;
            let now = self.cpu()?;
            if now == used {
                return Ok(());
            }
            used = now;
        }
    }

    /// CPU that all its threads have used since the process began.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.id))? {
            let counted = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += counted.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Memory that is resident, in KiB.
    pub(crate) fn resident(&self) -> Result<u64, Failed> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.unwrap_or_default().trim().trim_end_matches(" kB").parse()?)
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failed> {
        Ok(self.child.kill().await?)
    }
}

async fn ready(api: &mut RuntimeApi) -> Result<Waiting, Failed> {
    tokio::select! {
        waiting = api.waiting.recv() => Ok(waiting.ok_or(Broken::NotReady)?),
        Some(outcome) = api.outcomes.recv() => {
            let (Outcome::Answer(said) | Outcome::Error(said)) = outcome;
            Err(Broken::Failed(String::from_utf8_lossy(&said).into_owned()).into())
        }
        () = tokio::time::sleep(START_WITHIN) => Err(Broken::NotReady.into()),
    }
}
