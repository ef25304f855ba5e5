//! One process drives a run at a time: an flock on `runs/<run>/lock`, which the kernel frees when its holder dies.
//! It covers one coordinator; between coordinators the claims on the hosts do. Must never be taken over by force.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::record::{now, stored};
use super::schema::io;
use super::{JournalError, RunDir};

/// The lock's name in the run's directory. The file stays: removing it would let two processes lock two files.
pub(super) const FILE_NAME: &str = "lock";

/// The right to drive a run, until it is dropped or the process ends.
#[derive(Debug)]
pub struct RunLock {
    /// Held, never read: closing it frees the lock.
    _file: File,
}

impl RunLock {
    /// Takes the lock of a run, or says at once who holds it.
    pub fn take(run: &RunDir) -> Result<RunLock, JournalError> {
        let path = run.path().join(FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| io("open", &path, source))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(JournalError::Held {
                    run: run.run().to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(errno) => return Err(io("lock", &path, errno.into())),
        }
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        let text = format!(
            "process {} on {host} since {}\n",
            std::process::id(),
            stored(now())
        );
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|source| io("write", &path, source))?;
        Ok(RunLock { _file: file })
    }
}

/// What the holder wrote; it may have been about to.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}
