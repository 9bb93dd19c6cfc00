//! The data folder: what a local platform keeps beside its store and queues.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What `tributary local` knows of itself: its id key, its signing keys and
/// the keys that it printed. Everything in the folder hangs on this file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// 32 bytes in hex.
    pub(crate) id_key: String,
    pub(crate) signing_keys: String,
    pub(crate) admin_key: String,
    /// The write key of each source, by the source's name.
    pub(crate) write_keys: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot read `{}`: is a platform kept in this folder?", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("`{}` is not what `tributary local` wrote: restore it from a backup, or choose another folder", .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
    #[error("cannot write `{}`: is the disk full, or the folder not yours?", .0.display())]
    Write(PathBuf, #[source] std::io::Error),
}

const KEYS: &str = "keys.json";
const URL: &str = "url";
const CLOCK: &str = "clock";
const ADOPTED: &str = "adopted";

/// The keys of a folder, if one is kept there.
pub(crate) fn keys(folder: &Path) -> Result<Option<Keys>, DataError> {
    let file = folder.join(KEYS);
    match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|cause| DataError::Damaged(file, cause)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(DataError::Read(file, cause)),
    }
}

/// Writes the keys, readable by nobody else, whole or not at all.
pub(crate) fn write_keys(folder: &Path, keys: &Keys) -> Result<(), DataError> {
    let text = serde_json::to_string_pretty(keys).unwrap_or_default();
    write(folder, KEYS, &text)
}

/// Notes where the platform listens, for the other commands.
pub(crate) fn write_url(folder: &Path, url: &str) -> Result<(), DataError> {
    write(folder, URL, url)
}

pub(crate) fn url(folder: &Path) -> Result<String, DataError> {
    let file = folder.join(URL);
    fs::read_to_string(&file).map(|url| url.trim().to_owned()).map_err(|cause| DataError::Read(file, cause))
}

/// Whether the ties of a folder were sent to identity that were recorded
/// before there was such a stage.
pub(crate) fn is_adopted(folder: &Path) -> bool {
    folder.join(ADOPTED).exists()
}

pub(crate) fn write_adopted(folder: &Path) -> Result<(), DataError> {
    write(folder, ADOPTED, "")
}

/// By how many milliseconds the folder's clock was put forward.
pub(crate) fn clock_ahead(folder: &Path) -> Result<i64, DataError> {
    let file = folder.join(CLOCK);
    match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(text.trim()).map_err(|cause| DataError::Damaged(file, cause)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(cause) => Err(DataError::Read(file, cause)),
    }
}

pub(crate) fn write_clock_ahead(folder: &Path, millis: i64) -> Result<(), DataError> {
    write(folder, CLOCK, &millis.to_string())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), DataError> {
    let (file, draft) = (folder.join(name), folder.join(format!("{name}.new")));
    let written = private(&draft).and_then(|mut open| {
        open.write_all(text.as_bytes())?;
        open.sync_all()
    });
    written.and_then(|()| fs::rename(&draft, &file)).map_err(|cause| DataError::Write(file, cause))
}

fn private(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
