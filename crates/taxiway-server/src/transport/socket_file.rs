//! A Unix socket's place in the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use taxiway_engine::{Error, ErrorKind, Result};

/// The file of a bound socket; removed with this value, unless another server has taken the name over.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Binds a socket of this name. One that is there, in use or not, is replaced; any other file is not.
    ///
    /// # Errors
    /// `Unavailable`, with the name and the system's reason.
    pub(crate) fn bind(path: &Path) -> Result<(UnixListener, SocketFile)> {
        bind(path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("cannot listen on {}: {error}", path.display()))
        })
    }
}

fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    Ok((socket, file))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tfs: grpc-socket
    #[test]
    fn a_socket_is_taken_over_and_only_the_last_owner_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        let (_old, old_file) = SocketFile::bind(&path).unwrap();
        let (_new, new_file) = SocketFile::bind(&path).unwrap();
        drop(old_file);
        assert!(path.exists());
        drop(new_file);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "mine").unwrap();
        let refused = SocketFile::bind(&path).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
