//! What segments cost: events beside many of them, sweeps beside many people,
//! and asking everybody about a thousand new ones.

pub(crate) mod made;
pub(crate) mod naive;
pub(crate) mod people;
pub(crate) mod asked;
pub(crate) mod events;
pub(crate) mod sweeps;
pub(crate) mod population;
pub(crate) mod shown;

use std::path::Path;

use crate::failed::{Failed, Wrong};

/// Segments of a workspace, from none to as many as a large team has.
pub(crate) const SEGMENTS: [usize; 4] = [0, 10, 100, 1_000];

/// CPU time of this thread, in seconds.
pub(crate) fn thread_seconds() -> Result<f64, Failed> {
    let text = std::fs::read_to_string(Path::new("/proc/thread-self/schedstat"))?;
    let nanos: Option<u64> = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    let nanos = nanos.ok_or_else(|| Wrong("the kernel does not say a thread's time".to_owned()))?;
    Ok(std::time::Duration::from_nanos(nanos).as_secs_f64())
}

/// CPU time of this process with all its threads, in seconds.
pub(crate) fn process_seconds() -> Result<f64, Failed> {
    let mut total = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread that has just ended has no file any more.
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let nanos: Option<u64> = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
        total += std::time::Duration::from_nanos(nanos.unwrap_or_default()).as_secs_f64();
    }
    Ok(total)
}

/// The most memory that this process has held, in bytes.
pub(crate) fn peak_bytes() -> Result<u64, Failed> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let kilobytes =
        kilobytes.ok_or_else(|| Wrong("the kernel does not say a process's memory".to_owned()))?;
    Ok(kilobytes * 1024)
}
