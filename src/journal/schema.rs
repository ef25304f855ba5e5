//! Opens the journal's file: private, durable, ours, whole and of a schema that is known, or not at all.
//! Must never change a file that is not a failover journal, nor one of a newer schema.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::FlockOperation;

use super::JournalError;

/// Marks the file as ours: "FOvr".
pub(super) const APPLICATION_ID: u32 = 0x464F_7672;

/// Every schema change ever released, oldest first. The schema's number is the position, counted from 1.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_journal.sql")];

/// The newest schema.
pub(super) const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// How long to wait for another process that writes; an append takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection to the journal at `path`, created and migrated as needed.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    private_dir(directory)?;
    // Two processes that create, migrate or switch to WAL at once disturb each other, so they take turns.
    let turn = File::open(directory).map_err(|source| io("open", directory, source))?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive)
        .map_err(|errno| io("lock", directory, errno.into()))?;
    private_file(path)?;
    turn.sync_all().map_err(|source| io("sync", directory, source))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|source| JournalError::sqlite(path, "open the journal", source))?;
    prepare(connection, path)
}

/// The connection to a journal that nobody else sees and that ends with it.
pub(super) fn open_in_memory() -> Result<Connection, JournalError> {
    let path = Path::new(":memory:");
    let connection = Connection::open_in_memory()
        .map_err(|source| JournalError::sqlite(path, "open the journal", source))?;
    prepare(connection, path)
}

/// Makes `path` and what is missing above it, for its owner only.
pub(super) fn private_dir(path: &Path) -> Result<(), JournalError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        private_dir(parent)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(io("create", path, source)),
        }
        return sync_dir(parent);
    }
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|source| io("create", path, source))
}

/// Puts the names in a directory on disk.
pub(super) fn sync_dir(path: &Path) -> Result<(), JournalError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| io("sync", path, source))
}

/// Device and inode: which file it is, whatever its name.
pub(super) fn place(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// A failure of the file system.
pub(super) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_path_buf(),
        doing,
        source,
    }
}

/// SQLite gives its `-wal` and `-shm` the mode of the file, so this covers them too.
fn private_file(path: &Path) -> Result<(), JournalError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)
                .map_err(|source| io("look at", path, source))?
                .permissions()
                .mode();
            if mode & 0o077 == 0 {
                return Ok(());
            }
            fs::set_permissions(path, Permissions::from_mode(mode & 0o700))
                .map_err(|source| io("make private", path, source))
        }
        Err(source) => Err(io("create", path, source)),
    }
}

fn prepare(mut connection: Connection, path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::sqlite(path, "prepare the journal", source);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    ours(&connection, path)?;
    let health: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if health != "ok" {
        return Err(JournalError::Damaged {
            file: path.to_path_buf(),
            detail: health,
        });
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    connection
        .pragma_update(None, "recursive_triggers", true)
        .map_err(failed)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Refuses a database of something else and a newer schema, before anything is written.
fn ours(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::sqlite(path, "read the journal's header", source);
    let application_id: u32 = header(connection, "application_id").map_err(failed)?;
    let found = header(connection, "user_version").map_err(failed)?;
    let objects: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    let empty = application_id == 0 && found == 0 && objects == 0;
    if application_id != APPLICATION_ID && !empty {
        return Err(JournalError::NotAJournal {
            file: path.to_path_buf(),
            application_id,
        });
    }
    if found > SCHEMA_VERSION {
        return Err(JournalError::NewerSchema {
            file: path.to_path_buf(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Header numbers are 32 bits that SQLite shows as signed.
fn header(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection
        .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
        .map(i32::cast_unsigned)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::sqlite(path, "bring the journal to the newest schema", source);
    for (number, sql) in (1..).zip(MIGRATIONS) {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        if header(&transaction, "user_version").map_err(failed)? < number {
            transaction.execute_batch(sql).map_err(failed)?;
            transaction
                .pragma_update(None, "application_id", APPLICATION_ID)
                .map_err(failed)?;
            transaction
                .pragma_update(None, "user_version", number)
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every commit is on disk before it returns: these settings hold for one connection only, so no
    /// other program can see them.
    #[test]
    fn commits_are_synced() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(&directory.path().join("journal.sqlite")).unwrap();
        let number = |name| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .unwrap()
        };
        let mode: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(number("synchronous"), 2, "FULL");
        assert_eq!(number("foreign_keys"), 1);
        assert_eq!(number("recursive_triggers"), 1);
        assert_eq!(number("busy_timeout"), 5000);
    }
}
