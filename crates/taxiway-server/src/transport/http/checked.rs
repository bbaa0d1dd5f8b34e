//! Files that are what a manifest says, each read through once for as long as it does not change.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ring::digest::{Context, SHA256};
use taxiway_engine::{Error, ErrorKind, Result};

/// How many files are remembered; when there are more, they are read anew.
const MOST_FILES: usize = 4096;
const PIECE_BYTES: usize = 256 << 10;

/// What tells a file from what it was before: device, inode, bytes, and the second and nanosecond of its last change.
type Identity = (u64, u64, u64, i64, i64);

/// The digests of files, as long as they are the same files.
#[derive(Debug, Default)]
pub(crate) struct Checked(Mutex<HashMap<PathBuf, (Identity, String)>>);

impl Checked {
    /// Opens a file of `bytes` bytes with the digest `sha256`. It blocks, the first time for as long as reading takes.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read, has another length, or changes meanwhile; `DataLoss` for another digest.
    pub(super) fn open(&self, name: &str, path: &Path, bytes: u64, sha256: &str) -> Result<File> {
        let away = |error: io::Error| {
            Error::new(ErrorKind::Unavailable, format!("{name} cannot be read now, and may be being replaced: {error}"))
        };
        let file = File::open(path).map_err(away)?;
        let found = file.metadata().map_err(away)?;
        if found.len() != bytes {
            return Err(away(io::Error::other(format!("it has {} bytes, not {bytes}", found.len()))));
        }
        let digest = match self.known(path, identity(&found)) {
            Some(digest) => digest,
            None => self.read(path, &file).map_err(away)?,
        };
        if digest == sha256 {
            return Ok(file);
        }
        let message = format!(
            "{name} is not what the manifest lists, and is not sent: its SHA-256 is {digest}, not {sha256}. It was \
             changed, is damaged, or is being replaced"
        );
        Err(Error::new(ErrorKind::DataLoss, message))
    }

    fn known(&self, path: &Path, identity: Identity) -> Option<String> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path).filter(|(known, _)| *known == identity).map(|(_, digest)| digest.clone())
    }

    fn read(&self, path: &Path, file: &File) -> io::Result<String> {
        let before = identity(&file.metadata()?);
        let digest = digest(File::open(path)?)?;
        if identity(&file.metadata()?) != before || identity(&path.metadata()?) != before {
            return Err(io::Error::other("it changes just now"));
        }
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= MOST_FILES {
            files.clear();
        }
        files.insert(path.to_owned(), (before, digest.clone()));
        Ok(digest)
    }
}

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec())
}

fn digest(mut file: File) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => context.update(piece.get(..read).unwrap_or_default()),
        }
    }
    Ok(context.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_read_once_and_again_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tflite");
        let checked = Checked::default();
        let kind = |bytes| checked.open("a.tflite", &path, bytes, ABC).map(|_| ()).map_err(|error| error.kind);
        assert_eq!(kind(3), Err(ErrorKind::Unavailable));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(kind(4), Err(ErrorKind::Unavailable));
        assert_eq!(checked.0.lock().unwrap().len(), 0);
        assert_eq!((kind(3), kind(3)), (Ok(()), Ok(())));
        checked.0.lock().unwrap().get_mut(&path).unwrap().1 = "known".to_owned();
        assert_eq!(kind(3), Err(ErrorKind::DataLoss), "what is known is not read again");
        std::fs::write(folder.path().join("b"), "abd").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        let error = checked.open("a.tflite", &path, 3, ABC).unwrap_err();
        assert_eq!(error.kind, ErrorKind::DataLoss);
        assert!(error.message.contains("a.tflite is not what the manifest lists"), "{}", error.message);
        std::fs::write(folder.path().join("c"), "abc").unwrap();
        std::fs::rename(folder.path().join("c"), &path).unwrap();
        assert_eq!(kind(3), Ok(()));
    }
}
