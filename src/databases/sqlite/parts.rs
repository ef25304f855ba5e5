//! A private copy of a database and of what lies beside it: journal, write-ahead log, index. SQLite works on the copy
//! only, since whatever opens a database may change it.
//! Must never write to the originals, follow a link, or take a copy that changed while it was made.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{Flock, FlockType};

use crate::databases::{DatabaseError, OnDisk};

/// What may lie beside a database: rollback journal, write-ahead log, and the index of that log. The index is looked at
/// by us alone: SQLite makes a new one.
pub(super) const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Where SQLite's processes lock a database (`PENDING_BYTE`, 1 GiB, and 511 bytes more).
const LOCK_BYTES: (u64, u64) = (1 << 30, 512);

pub(super) struct Copied {
    /// Removed with all that is in it when this goes.
    directory: tempfile::TempDir,
}

/// By this a change shows: inode, length, and when content and attributes changed last.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

impl Copied {
    /// Copies the database and what lies beside it, into a directory that nobody else can enter.
    pub(super) fn of(database: &Path) -> Result<Copied, DatabaseError> {
        let place = database.display().to_string();
        // Before anything is opened, so that a file put in its place shows too.
        let before = stamps(database);
        let mut main = OnDisk::file(database)?;
        if locked(&main) {
            return Err(DatabaseError::Locked { place });
        }
        let length = main.metadata().map_or(0, |known| known.len());
        if length == 0 {
            return Err(DatabaseError::damaged(place, "it has no bytes"));
        }
        let directory = tempfile::tempdir()
            .map_err(|error| DatabaseError::io(std::env::temp_dir().display().to_string(), &error))?;
        let copied = Copied { directory };
        for ending in BESIDE {
            let part = with(database, ending);
            match OnDisk::file(&part) {
                Ok(mut file) => copied.take(&mut file, &part, &copied.part(ending))?,
                Err(_) if std::fs::symlink_metadata(&part).is_err() => {}
                Err(error) => return Err(error),
            }
        }
        copied.take(&mut main, database, &copied.database())?;
        if before != stamps(database) || locked(&main) {
            return Err(DatabaseError::Locked { place });
        }
        Ok(copied)
    }

    /// The copy itself.
    pub(super) fn database(&self) -> PathBuf {
        self.directory.path().join("database")
    }

    /// What lies beside it: the index of the log under a name that SQLite does not know.
    pub(super) fn part(&self, ending: &str) -> PathBuf {
        if ending == "-shm" {
            return self.directory.path().join("index");
        }
        with(&self.database(), ending)
    }

    fn take(&self, from: &mut File, path: &Path, to: &Path) -> Result<(), DatabaseError> {
        let mut into = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)
            .map_err(|error| DatabaseError::io(to.display().to_string(), &error))?;
        std::io::copy(from, &mut into)
            .map(|_| ())
            .map_err(|error| DatabaseError::io(path.display().to_string(), &error))
    }
}

/// `slashing_protection.sqlite3` and `-wal`: `slashing_protection.sqlite3-wal`.
fn with(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The database, its journal and its log; of the index only whether it is there, as reading changes it too.
fn stamps(database: &Path) -> Vec<Option<Stamp>> {
    ["", "-journal", "-wal"]
        .iter()
        .map(|ending| {
            let known = std::fs::symlink_metadata(with(database, ending)).ok()?;
            Some((
                known.ino(),
                known.len(),
                (known.mtime(), known.mtime_nsec()),
                (known.ctime(), known.ctime_nsec()),
            ))
        })
        .collect()
}

/// Whether another process holds any of SQLite's locks: Lighthouse does while it runs, and so does each open
/// write-ahead log (Nimbus). Asks only; takes no lock. Where this cannot be asked, the stamps still tell of changes.
fn locked(database: &File) -> bool {
    let mut wanted = Flock::from(FlockType::WriteLock);
    (wanted.start, wanted.length) = LOCK_BYTES;
    matches!(rustix::process::fcntl_getlk(database, &wanted), Ok(Some(_)))
}
