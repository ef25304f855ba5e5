//! What the SQLite databases of Lighthouse and Nimbus have in common: a private copy of all parts, recovered by SQLite
//! as their clients would, checked, and its rows decoded.
//! Must never open the original, never open a copy as immutable (a journal or a log would be left out), and never pass
//! a row that refers to nothing.

pub mod journal;
pub mod log;
mod parts;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::shown::shown;
use super::{DatabaseError, Found, OnDisk, ReadAt, lighthouse, nimbus};
use crate::protection::Sink;
use journal::Journal;
use parts::Copied;

pub(super) use rows::{key_text, number, read_messages};

/// Nothing in these databases is longer, bytes: a page, or a statement of the schema.
const LONGEST_VALUE: i32 = 1 << 20;

/// A recovered and checked private copy.
pub(super) struct Database {
    pub(super) connection: Connection,
    /// The original, for messages.
    pub(super) place: String,
    /// By name of the table: its columns. SQLite's own tables are left out.
    pub(super) tables: BTreeMap<String, Vec<String>>,
    /// What recovery did.
    pub(super) notes: Vec<String>,
    // Dropped after the connection: fields go in order.
    _copied: Copied,
}

/// Reads a Lighthouse or a Nimbus database, told apart by their tables.
///
/// # Errors
/// As [`lighthouse::read`] and [`nimbus::read`]; or it is neither's.
pub fn read<S: Sink>(file: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    let database = Database::open(file)?;
    let has = |table: &str| database.tables.contains_key(table);
    if has("metadata") || has("kvstore") {
        nimbus::read_opened(&database, sink)
    } else if has("validators") {
        lighthouse::read_opened(&database, sink)
    } else {
        Err(DatabaseError::NotRecognised {
            place: database.place,
            looked_for: "an SQLite database, but without the tables of Lighthouse or Nimbus".to_owned(),
        })
    }
}

impl Database {
    /// Copies a database, lets SQLite recover the copy, and checks it.
    pub(super) fn open(file: &Path) -> Result<Database, DatabaseError> {
        let place = file.display().to_string();
        let copied = Copied::of(file)?;
        let mut notes = Vec::new();
        if let Journal::Hot { pages } = undoes(&copied, &place)? {
            notes.push(format!(
                "a transaction was cut off; it was undone by the rollback journal ({pages} pages), as its client would"
            ));
        }
        let log = logged(&copied, &place, &mut notes)?;
        let failed = |error: rusqlite::Error| told(&place, &error);
        let connection = connect(&copied.database()).map_err(failed)?;
        // The first read recovers.
        let applied = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })
            .and_then(|_| {
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1))
            })
            .map_err(failed)?;
        if undoes(&copied, &place)? != Journal::Cold {
            return Err(DatabaseError::damaged(
                place,
                "SQLite did not undo what its rollback journal says",
            ));
        }
        if log.is_some_and(|log| i64::try_from(log.committed) != Ok(applied)) {
            let what = format!("SQLite took {applied} frames of the write-ahead log, {log:?}");
            return Err(DatabaseError::damaged(place, what));
        }
        connection
            .pragma_update(None, "query_only", true)
            .map_err(failed)?;
        let verdict: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(failed)?;
        if verdict != "ok" {
            return Err(DatabaseError::damaged(place, shown(verdict.as_bytes())));
        }
        let tables = tables(&connection).map_err(failed)?;
        if tables.is_empty() {
            return Err(DatabaseError::damaged(
                place,
                "it holds no table: a database that was only begun",
            ));
        }
        Ok(Database {
            connection,
            place,
            tables,
            notes,
            _copied: copied,
        })
    }

    /// Exactly these columns, or a version that is not known. `optional` may be missing.
    pub(super) fn columns(
        &self,
        table: &str,
        wanted: &[&str],
        optional: &[&str],
    ) -> Result<(), DatabaseError> {
        let Some(columns) = self.tables.get(table) else {
            return Err(self.unknown(format!("it has no table {table}")));
        };
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| !columns.iter().any(|column| column == *wanted))
        {
            return Err(self.unknown(format!("table {table} has no column {missing}")));
        }
        let strange = |column: &&String| !wanted.iter().chain(optional).any(|known| known == column);
        match columns.iter().find(strange) {
            Some(strange) => Err(self.unknown(format!(
                "table {table} has a column {} that is not known",
                shown(strange.as_bytes())
            ))),
            None => Ok(()),
        }
    }

    /// No tables but these.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), DatabaseError> {
        match self.tables.keys().find(|table| !known.contains(&table.as_str())) {
            Some(strange) => Err(self.unknown(format!(
                "it has a table {} that is not known",
                shown(strange.as_bytes())
            ))),
            None => Ok(()),
        }
    }

    /// `PRAGMA user_version`: by this a later version would be told.
    pub(super) fn version_at_most(&self, most: i64) -> Result<(), DatabaseError> {
        let version: i64 = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| told(&self.place, &error))?;
        if (0..=most).contains(&version) {
            return Ok(());
        }
        Err(self.unknown(format!(
            "it is of version {version}, versions up to {most} are known"
        )))
    }

    /// Whole, but nothing that is known.
    pub(super) fn unknown(&self, what: String) -> DatabaseError {
        DatabaseError::Unsupported {
            place: self.place.clone(),
            what,
            remedy: "Export it by its own client and read that file, or use a newer failover".to_owned(),
        }
    }
}

/// A journal that is whole, or none.
fn undoes(copied: &Copied, place: &str) -> Result<Journal, DatabaseError> {
    let path = copied.part("-journal");
    if !path.exists() {
        return Ok(Journal::Cold);
    }
    journal::examine(&OnDisk::file(&path)?, &format!("{place}-journal"))
}

/// A write-ahead log that is whole, or none.
fn logged(copied: &Copied, place: &str, notes: &mut Vec<String>) -> Result<Option<log::Log>, DatabaseError> {
    let part = |ending: &str| -> Result<Option<std::fs::File>, DatabaseError> {
        let path = copied.part(ending);
        path.exists().then(|| OnDisk::file(&path)).transpose()
    };
    // SQLite makes its own index; this one is only held against the log.
    let (log, index) = (part("-wal")?, part("-shm")?);
    let index = index.as_ref().map(|index| index as &dyn ReadAt);
    let name = format!("{place}-wal");
    let log = match &log {
        Some(log) => log::examine(log, index, &name)?,
        None => log::examine(&[][..], index, &name)?,
    };
    if log == log::Log::default() {
        if in_log_mode(copied) {
            notes.push(
                "no write-ahead log lies beside it, as after a clean stop; had it been left behind in copying, what \
                 was signed last would be missing"
                    .to_owned(),
            );
        }
        return Ok(None);
    }
    if log.committed > 0 {
        notes.push(format!(
            "{} frames were read from the write-ahead log",
            log.committed
        ));
    } else {
        notes.push("the write-ahead log holds no finished transaction of its present generation".to_owned());
    }
    if log.unfinished > 0 {
        notes.push(format!(
            "{} frames of a transaction that was cut off are left out of the write-ahead log, as its client would",
            log.unfinished
        ));
    }
    Ok(Some(log))
}

/// Whether the database says that it is written by way of a log ("Database File Format", 1.3: byte 18 is 2).
fn in_log_mode(copied: &Copied) -> bool {
    let mut head = [0; 19];
    let read = OnDisk::file(&copied.database()).map(|file| file.read_at(0, &mut head));
    matches!(read, Ok(Ok(()))) && head.ends_with(&[2])
}

/// A connection that trusts nothing in the file, keeps its working files in memory, and waits for nobody.
fn connect(copy: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

/// Tables and their columns, generated ones too. A view or a trigger stands for a table with no columns: not known.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let mut query = connection.prepare(
        "SELECT type, name FROM sqlite_schema WHERE type <> 'index' AND substr(name, 1, 7) <> 'sqlite_'",
    )?;
    let mut columns = connection.prepare("SELECT name FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let mut tables = BTreeMap::new();
    let mut found = query.query([])?;
    while let Some(row) = found.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        if kind == "table" {
            let columns = columns
                .query_map([&name], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            tables.insert(name, columns);
        } else {
            tables.insert(format!("{kind} {name}"), Vec::new());
        }
    }
    Ok(tables)
}

/// An error of SQLite's, in our kinds.
pub(super) fn told(place: &str, error: &rusqlite::Error) -> DatabaseError {
    let text = shown(error.to_string().as_bytes());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseError::Locked {
            place: place.to_owned(),
        },
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::CannotOpen | ErrorCode::OutOfMemory,
        ) => DatabaseError::io(place, &text),
        // Not a database, corrupt, too big, a schema that cannot be parsed, a column that is none.
        Some(_) | None => DatabaseError::damaged(place, text),
    }
}
