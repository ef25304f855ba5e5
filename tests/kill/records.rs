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
