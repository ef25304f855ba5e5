//! The journal's file as another program sees it. Reads it, and prepares the moment at which an append hangs: a trigger in
//! the file itself that never comes to its end. Must never change what the program has written.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the run.
    pub seq: u32,
    /// The event's name.
    pub event: String,
    /// The state behind it.
    pub state: String,
    /// The sentence.
    pub why: String,
}

fn open(journal: &Path) -> Option<Connection> {
    let connection = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    // Whoever closes last writes the log into the file and removes it: that is left to the program.
    let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep, true).ok()?;
    Some(connection)
}

/// The entries of the newest run, in order; none while there is no journal.
pub fn lines(journal: &Path) -> Vec<Line> {
    let Some(connection) = open(journal) else {
        return Vec::new();
    };
    let sql = "SELECT seq, event, state, why FROM entries \
               WHERE run = (SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT 1) ORDER BY seq";
    let Ok(mut statement) = connection.prepare(sql) else {
        return Vec::new();
    };
    let rows = statement.query_map([], |row| {
        Ok(Line {
            seq: row.get(0)?,
            event: row.get(1)?,
            state: row.get(2)?,
            why: row.get(3)?,
        })
    });
    rows.and_then(Iterator::collect).unwrap_or_default()
}

/// How many entries the newest run has.
pub fn entries(journal: &Path) -> u32 {
    lines(journal).last().map_or(0, |line| line.seq)
}

/// The newest run.
pub fn run(journal: &Path) -> Option<String> {
    let sql = "SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT 1";
    open(journal)?.query_row(sql, [], |row| row.get(0)).ok()
}

/// From now on the append of that entry hangs in the middle of its transaction, unless it is a resume's.
pub fn hang_at(journal: &Path, seq: u32) {
    let connection = open(journal).unwrap();
    let numbers: Vec<String> = (0..400).map(|number| format!("({number})")).collect();
    let hang = format!(
        "CREATE TABLE IF NOT EXISTS hanging (number INTEGER);
         INSERT INTO hanging VALUES {};
         CREATE TRIGGER hangs AFTER INSERT ON entries
         WHEN NEW.seq = {seq} AND NEW.event <> 'Resumed' AND 0 < (SELECT count(*) FROM hanging a, hanging b, hanging c,
             hanging d, hanging e, hanging f, hanging g WHERE a.number + b.number + c.number + d.number < -g.number)
         BEGIN SELECT 1; END;",
        numbers.join(", ")
    );
    connection.execute_batch(&hang).unwrap();
}

/// Whether somebody is in the middle of the append of that entry.
pub fn hangs_at(journal: &Path, seq: u32) -> bool {
    // In this order: who holds the lock once the entry before is there can only be writing this one.
    if run(journal).is_none() || entries(journal) != seq - 1 {
        return false;
    }
    let connection = open(journal).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    match connection.execute_batch("BEGIN IMMEDIATE") {
        Ok(()) => false,
        Err(error) => {
            let code = error.sqlite_error_code();
            code == Some(ErrorCode::DatabaseBusy)
        }
    }
}

/// The journal as one file, as `sqlite3 .backup` would write it.
pub fn copy(journal: &Path) -> Vec<u8> {
    let to = journal.with_extension("copy");
    let sql = format!("VACUUM INTO '{}'", to.display());
    open(journal).unwrap().execute_batch(&sql).unwrap();
    let bytes = std::fs::read(&to).unwrap();
    std::fs::remove_file(&to).unwrap();
    bytes
}

/// Puts a copy in the journal's place, cut back to the first so many entries of its newest run: what a copy would have held
/// that was taken then.
pub fn put_back(journal: &Path, copy: &[u8], kept: u32) {
    for tail in ["", "-wal", "-shm"] {
        let mut name = journal.as_os_str().to_owned();
        name.push(tail);
        // Not all of them need to be there.
        let _ = std::fs::remove_file(name);
    }
    std::fs::write(journal, copy).unwrap();
    let run = run(journal).unwrap();
    let connection = open(journal).unwrap();
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let triggers: Vec<(String, String)> = rows.unwrap().map(Result::unwrap).collect();
    drop(statement);
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection
        .execute("DELETE FROM entries WHERE run = ?1 AND seq > ?2", (&run, kept))
        .unwrap();
    connection
        .execute("UPDATE runs SET ended = NULL WHERE id = ?1", [&run])
        .unwrap();
    for (_, sql) in &triggers {
        connection.execute_batch(sql).unwrap();
    }
    assert_eq!(entries(journal), kept);
}

/// Writes the log into the file, as the last program to close it would.
pub fn checkpoint(journal: &Path) {
    let connection = open(journal).unwrap();
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
}

/// Keeps everybody else from writing, until it is dropped.
pub fn lock(journal: &Path) -> Connection {
    let connection = open(journal).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}
