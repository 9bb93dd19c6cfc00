//! The data folder: whose it is, and in which format.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The format of the folder as a whole; a greater one was written by a newer version.
pub const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format";
/// Written first and then renamed, so that no crash leaves half a format.
const FORMAT_DRAFT: &str = "format.new";
const LOCK_FILE: &str = "lock";

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot use `{}` as data folder: may this user create and write it?", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the disk that holds `{}` is full: free some space and try again", path.display())]
    Full {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the data folder `{}` is in use by another `tributary local`: stop it, or choose another with `--data`", path.display())]
    InUse { path: PathBuf },
    #[error(
        "the data in `{}` was written by a newer version (format {found}; this version reads up to {FORMAT}): update, or choose another folder with `--data`",
        path.display()
    )]
    TooNew { path: PathBuf, found: u32 },
    #[error("`{}` says no format that this version knows: restore the folder from a backup, or choose another with `--data`", file.display())]
    Unreadable { file: PathBuf },
    #[error("`{}` is not empty and no data folder: choose another with `--data`", path.display())]
    Foreign { path: PathBuf },
}

impl FolderError {
    fn of(path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, cause },
            _ => Self::Unusable { path, cause },
        }
    }
}

/// A data folder that is ours until this is dropped, however the process ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The system gives the lock up with the process, also when it is killed.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |cause| FolderError::of(path, cause);
        std::fs::create_dir_all(path).map_err(failed)?;
        refuse_foreign(path)?;
        let lock = take_lock(path)?;
        match read_format(path)? {
            Some(found) if found > FORMAT => {
                return Err(FolderError::TooNew { path: path.to_owned(), found });
            }
            Some(_) => (),
            None => write_format(path).map_err(failed)?,
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn queues_file(&self) -> PathBuf {
        self.path.join("queues.db")
    }

    pub fn mailbox_file(&self) -> PathBuf {
        self.path.join("mailbox.db")
    }

    pub fn store_file(&self) -> PathBuf {
        self.path.join("store.db")
    }

    pub fn journal_folder(&self) -> PathBuf {
        self.path.join("journal")
    }
}

/// A folder with other things in it was hardly meant; nothing is written there.
fn refuse_foreign(path: &Path) -> Result<(), FolderError> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(|cause| FolderError::of(path, cause))? {
        let name = entry.map_err(|cause| FolderError::of(path, cause))?.file_name();
        // What a start that was killed half-way leaves.
        if name != LOCK_FILE && name != FORMAT_DRAFT {
            return Err(FolderError::Foreign { path: path.to_owned() });
        }
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File, FolderError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let lock = options.open(path.join(LOCK_FILE)).map_err(|cause| FolderError::of(path, cause))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(FolderError::of(path, cause)),
    }
}

/// `None` in a new folder.
fn read_format(path: &Path) -> Result<Option<u32>, FolderError> {
    let file = path.join(FORMAT_FILE);
    match std::fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse() {
            Ok(format) if format > 0 => Ok(Some(format)),
            _ => Err(FolderError::Unreadable { file }),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Err(FolderError::Unreadable { file }),
        Err(cause) => Err(FolderError::of(path, cause)),
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    let draft = path.join(FORMAT_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    std::fs::rename(draft, path.join(FORMAT_FILE))
}
