//! The files of a log: the one that is being written, and how many are kept.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{LogConfig, RETRY_AFTER, name};
use crate::warm_up::records::whole_length;

/// The most files that begin in one second.
const MAX_NUMBER: u32 = 9_999;

pub(super) struct Files {
    config: LogConfig,
    current: Option<Current>,
    refused_at: Option<SystemTime>,
    /// Whether files that an earlier process left were looked for.
    has_recovered: bool,
    /// The stamp of the last file, and the number after its own: numbers of files that were removed are not used again.
    next: (String, u32),
}

/// The file that is being written. It is locked, so that another process takes no file for left behind that is not.
struct Current {
    file: File,
    path: PathBuf,
    complete: PathBuf,
    /// How long it is up to its last whole record.
    length: u64,
}

impl Files {
    pub(super) fn new(config: LogConfig) -> Files {
        Files { config, current: None, refused_at: None, has_recovered: false, next: (String::new(), 0) }
    }

    /// Writes a record to a file; returns whether that worked. After a failure nothing is tried for a while.
    pub(super) fn append(&mut self, framed: &[u8], now: SystemTime) -> bool {
        if let Some(refused_at) = self.refused_at {
            // A clock that was set back does not keep the log shut.
            let is_early = now.duration_since(refused_at).is_ok_and(|since| since < RETRY_AFTER);
            if is_early {
                return false;
            }
        }
        let written = self.try_append(framed, now);
        self.refused_at = written.is_err().then_some(now);
        if written.is_err() {
            self.complete();
        }
        written.is_ok()
    }

    fn try_append(&mut self, framed: &[u8], now: SystemTime) -> io::Result<()> {
        let length = framed.len() as u64;
        let is_full = |current: &Current| current.length.saturating_add(length) > self.config.max_file_bytes;
        if self.current.as_ref().is_some_and(is_full) {
            self.complete();
        }
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let opened = self.open(now)?;
                self.current.insert(opened)
            }
        };
        current.file.write_all(framed)?;
        current.length += length;
        Ok(())
    }

    fn open(&mut self, now: SystemTime) -> io::Result<Current> {
        fs::create_dir_all(self.directory())?;
        if !self.has_recovered {
            self.recover();
            self.has_recovered = true;
        }
        let stamp = name::stamp(now);
        let first = if self.next.0 == stamp { self.next.1 } else { 0 };
        for number in first..=MAX_NUMBER {
            let complete = name::complete(&self.config.prefix, &stamp, number);
            let path = name::current(&complete);
            if complete.exists() {
                continue;
            }
            match File::create_new(&path) {
                Ok(file) => {
                    let _ = file.try_lock(); // a file system without locks has no second process to fear
                    self.next = (stamp, number + 1);
                    return Ok(Current { file, path, complete, length: 0 });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files begin in one second"))
    }

    /// Ends the current file: cuts what a failed write left of a record, renames it, and removes the oldest. A disk
    /// that refuses this leaves the file as it is, for the next process to recover.
    pub(super) fn complete(&mut self) {
        let Some(current) = self.current.take() else { return };
        if current.length == 0 {
            let _ = fs::remove_file(&current.path);
        } else if current.file.set_len(current.length).is_ok() && fs::rename(&current.path, &current.complete).is_ok() {
            let _ = self.remove_oldest();
        }
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut complete = self.list(|name| name::is_of(&self.config.prefix, name))?;
        complete.sort_by_key(|path| name::age(path));
        let surplus = complete.len().saturating_sub(self.config.max_files);
        complete[..surplus].iter().try_for_each(fs::remove_file)
    }

    /// Completes what processes that are gone left behind. What cannot be completed does not keep the log from going on.
    fn recover(&self) {
        for path in self.list(|name| name.starts_with('.')).unwrap_or_default() {
            if let Some(complete) = name::completed(&self.config.prefix, &path) {
                let _ = recover_one(&path, &complete);
            }
        }
        let _ = self.remove_oldest();
    }

    fn list(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory())? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&is_wanted) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn directory(&self) -> &Path {
        let parent = self.config.prefix.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }
}

fn recover_one(path: &Path, complete: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Ok(()); // its writer is alive
    }
    match whole_length(path)? {
        0 => fs::remove_file(path),
        length => {
            file.set_len(length)?;
            fs::rename(path, complete)
        }
    }
}
