//! The files of a journal. Each is named by the place of its first byte, so
//! that a place means the same before and after a file is followed by the next.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The one that is written, and the one before it.
const FILES_MAX: usize = 2;
const EXTENSION: &str = "jsonl";
/// As many as the greatest place has, so that names sort like places.
const DIGITS: usize = 20;

/// The file that is written.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    bytes_max: u64,
    file: File,
    start: u64,
    length: u64,
}

impl Files {
    /// Goes on behind the last line that an earlier run wrote. A line that was
    /// cut off by its end is closed and left, for readers to pass over.
    pub(super) fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (start, path) = list(folder)?.pop().unwrap_or_else(|| (0, path(folder, 0)));
        let file = private(&path)?;
        let length = file.metadata()?.len();
        let mut files = Self { folder: folder.to_owned(), bytes_max, file, start, length };
        if files.ends_within_a_line()? {
            files.append(b"\n")?;
        }
        files.prune();
        Ok(files)
    }

    fn ends_within_a_line(&mut self) -> io::Result<bool> {
        if self.length == 0 {
            return Ok(false);
        }
        let mut last = [0];
        self.file.seek(SeekFrom::End(-1))?;
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }

    /// The place behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Writes whole lines, all into one file.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let bytes = lines.len() as u64;
        if self.length > 0 && self.length + bytes > self.bytes_max {
            self.follow()?;
        }
        let written = self.file.write_all(lines);
        if written.is_ok() {
            self.length += bytes;
        } else {
            // A part of it may be there. If it cannot be cut off, readers pass over it.
            let _ = self.file.set_len(self.length);
            self.length = self.file.metadata().map_or(self.length, |of| of.len());
        }
        written
    }

    fn follow(&mut self) -> io::Result<()> {
        let start = self.end();
        self.file = private(&path(&self.folder, start))?;
        (self.start, self.length) = (start, 0);
        self.prune();
        Ok(())
    }

    /// What cannot be deleted now is deleted with the next.
    fn prune(&self) {
        let mut files = list(&self.folder).unwrap_or_default();
        files.truncate(files.len().saturating_sub(FILES_MAX));
        for (_, path) in files {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Hands each whole line from a place on to `each`, with the place behind it,
/// until `end` or until it breaks; gives the place behind the last.
///
/// Places that are not kept any more are passed over; a place behind the end is
/// of another journal, and counts as its end.
pub(super) fn scan(
    folder: &Path,
    from: u64,
    end: u64,
    mut each: impl FnMut(&str, u64) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut place = from.min(end);
    let files = list(folder)?;
    let ends: Vec<u64> = files.iter().skip(1).map(|(start, _)| *start).chain([end]).collect();
    for ((start, path), end) in files.into_iter().zip(ends) {
        if end <= place {
            continue;
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue, // It was just deleted.
            Err(error) => return Err(error),
        };
        place = place.max(start);
        file.seek(SeekFrom::Start(place - start))?;
        let mut lines = BufReader::new(file.take(end - place));
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            place += line.len() as u64;
            let text = std::str::from_utf8(&line).unwrap_or_default();
            if each(text.trim_end(), place).is_break() {
                return Ok(place);
            }
            line.clear();
        }
    }
    Ok(place)
}

/// The files that are kept, the oldest first. Others' files are none of ours.
fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let start = path.file_stem().and_then(|name| name.to_str()).filter(|name| name.len() == DIGITS);
        let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
        if let Some(start) = start.filter(|_| is_ours).and_then(|start| start.parse().ok()) {
            files.push((start, path));
        }
    }
    files.sort();
    Ok(files)
}

fn path(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("{start:0DIGITS$}.{EXTENSION}"))
}

/// Readable by nobody else, as all of the data folder's own files.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
