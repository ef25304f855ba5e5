//! Remembers runs: append-only, on disk before it returns, one live run per pair; and keeps a run's files and lock.
//! The journal holds events; where a run is comes from replaying them. Must never report success for what may not
//! be on disk, and must never store an entry that it would refuse to replay.

mod error;
mod files;
mod lock;
mod record;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Params, Transaction, TransactionBehavior, params};

use crate::protocol::{Outcome, State, step};

pub use error::JournalError;
pub use files::{Incoming, RunDir, Stored, state_dir};
pub use lock::RunLock;
pub use record::{Entry, Record, Run, RunRow, pair};

use record::{RECORD_COLUMNS, RUN_COLUMNS, now, record_from, run_from, state_named, stored};

/// The name of the journal in the state directory.
pub const FILE_NAME: &str = "journal.sqlite";

/// The journal of all runs of this coordinator. May be shared between threads and opened by several processes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Device and inode of the file, to notice that it was moved away; nothing in memory.
    place: Option<(u64, u64)>,
    connection: Mutex<Connection>,
}

impl Journal {
    /// The newest schema that this program knows.
    pub const SCHEMA_VERSION: u32 = schema::SCHEMA_VERSION;

    /// Opens the journal at `path`, or creates it: directory 0700, file 0600.
    pub fn open(path: &Path) -> Result<Journal, JournalError> {
        let connection = Mutex::new(schema::open(path)?);
        let place = schema::place(path).map_err(|source| schema::io("look at", path, source))?;
        Ok(Journal {
            path: path.to_path_buf(),
            place: Some(place),
            connection,
        })
    }

    /// A journal that ends with the process, for tests and the demo.
    pub fn open_in_memory() -> Result<Journal, JournalError> {
        let connection = Mutex::new(schema::open_in_memory()?);
        Ok(Journal {
            path: PathBuf::from(":memory:"),
            place: None,
            connection,
        })
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run. Refused while the pair has a live one, whichever way round.
    pub fn begin(&self, run: &RunRow) -> Result<(), JournalError> {
        files::plain_name(&run.id)?;
        let mut connection = self.connection();
        let transaction = self.transaction(&mut connection, "begin a run")?;
        let pair = pair(&run.primary, &run.backup);
        if let Some(live) = self.live_in(&transaction, &pair)? {
            return Err(JournalError::LiveRun {
                id: live.id,
                since: live.started_at,
                pair,
            });
        }
        if self.exactly(&transaction, &run.id)?.is_some() {
            return Err(JournalError::RunExists {
                file: self.path.clone(),
                id: run.id.clone(),
            });
        }
        let row = params![
            run.id,
            pair,
            run.primary,
            run.backup,
            run.coordinator,
            stored(now()),
            run.plan.to_string()
        ];
        transaction
            .execute(
                "INSERT INTO runs (id, pair, primary_host, backup_host, coordinator, started_at, plan) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                row,
            )
            .map_err(|source| self.failed("begin a run", source))?;
        transaction
            .commit()
            .map_err(|source| self.failed("begin a run", source))
    }

    /// Appends what was learnt. On disk when it returns; on any error nothing was stored and the run must not go on.
    /// An ending state ends the run in the same transaction.
    pub fn append(&self, run: &str, entry: &Entry) -> Result<Record, JournalError> {
        let mut connection = self.connection();
        let transaction = self.transaction(&mut connection, "append an entry")?;
        let record = self.next_record(&transaction, run, entry)?;
        let failed = |source| self.failed("append an entry", source);
        let row = params![
            run,
            record.seq,
            stored(record.at),
            record.event.name(),
            record.state,
            record.why,
            record.facts.to_string()
        ];
        transaction
            .prepare_cached(
                "INSERT INTO entries (run, seq, at, event, state, why, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut statement| statement.execute(row))
            .map_err(failed)?;
        if let State::Ended(outcome) = entry.state {
            transaction
                .execute(
                    "UPDATE runs SET ended = ?2 WHERE id = ?1",
                    params![run, outcome.word()],
                )
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(record)
    }

    /// Everything that a run has learnt, in order.
    pub fn entries(&self, run: &str) -> Result<Vec<Record>, JournalError> {
        let connection = self.connection();
        self.run_in(&connection, run)?;
        self.entries_in(&connection, run)
    }

    /// Where a run is: its events replayed, and compared with what was stored beside each of them.
    pub fn state(&self, run: &str) -> Result<State, JournalError> {
        let mut connection = self.connection();
        // One transaction, so that the row and the entries are of the same moment.
        let transaction = connection
            .transaction()
            .map_err(|source| self.failed("read a run", source))?;
        let row = self.run_in(&transaction, run)?;
        let mut state = State::Preflight;
        let mut last = 0;
        for record in self.entries_in(&transaction, run)? {
            last += 1;
            if record.seq != last {
                return Err(self.inconsistent(run, last, format!("is missing; {} follows", record.seq)));
            }
            state = step(state, record.event).map_err(|why| self.inconsistent(run, last, why.to_string()))?;
            if state.to_string() != record.state {
                let detail = format!(
                    "{} leads to {state}, but {} is stored",
                    record.event, record.state
                );
                return Err(self.inconsistent(run, last, detail));
            }
        }
        if row.ended != outcome_of(state) {
            let ended = row.ended.map_or("live", Outcome::word);
            return Err(self.inconsistent(run, 0, format!("its entries lead to {state}, but it is {ended}")));
        }
        Ok(state)
    }

    /// The run of this id, or the only one whose id begins so.
    pub fn run(&self, id: &str) -> Result<Run, JournalError> {
        let connection = self.connection();
        if let Some(run) = self.exactly(&connection, id)? {
            return Ok(run);
        }
        let sql = "WHERE ?1 <> '' AND substr(id, 1, length(?1)) = ?1 ORDER BY started_at DESC, id";
        let mut found = self.runs_where(&connection, sql, params![id])?;
        match (found.pop(), found.is_empty()) {
            (Some(run), true) => Ok(run),
            (Some(last), false) => Err(JournalError::AmbiguousRun {
                id: id.to_owned(),
                candidates: found.into_iter().chain([last]).map(|run| run.id).collect(),
            }),
            (None, _) => Err(self.no_such_run(id)),
        }
    }

    /// The newest runs, newest first, at most `limit`.
    pub fn runs(&self, limit: usize) -> Result<Vec<Run>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.runs_where(
            &self.connection(),
            "ORDER BY started_at DESC, id DESC LIMIT ?1",
            params![limit],
        )
    }

    /// The live run of these two hosts, whichever way round.
    pub fn live_run(&self, primary: &str, backup: &str) -> Result<Option<Run>, JournalError> {
        self.live_in(&self.connection(), &pair(primary, backup))
    }

    /// Every live run, newest first.
    pub fn live_runs(&self) -> Result<Vec<Run>, JournalError> {
        self.runs_where(
            &self.connection(),
            "WHERE ended IS NULL ORDER BY started_at DESC, id DESC",
            params![],
        )
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no transaction behind: its drop has rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transaction<'c>(
        &self,
        connection: &'c mut Connection,
        doing: &'static str,
    ) -> Result<Transaction<'c>, JournalError> {
        self.still_in_place()?;
        connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| self.failed(doing, source))
    }

    /// SQLite goes on writing to a file that was deleted or moved; nobody would find those entries again.
    fn still_in_place(&self) -> Result<(), JournalError> {
        match self.place {
            Some(place) if schema::place(&self.path).ok() != Some(place) => Err(JournalError::ReadOnly {
                file: self.path.clone(),
                detail: "it was moved or deleted while in use".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The entry as it will be stored, if it follows from the one before.
    fn next_record(&self, connection: &Connection, run: &str, entry: &Entry) -> Result<Record, JournalError> {
        if let Some(outcome) = self.run_in(connection, run)?.ended {
            return Err(JournalError::RunEnded {
                run: run.to_owned(),
                outcome,
            });
        }
        let (last, before): (u32, String) = connection
            .prepare_cached("SELECT seq, state FROM entries WHERE run = ?1 ORDER BY seq DESC LIMIT 1")
            .and_then(|mut statement| {
                statement
                    .query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })
            .map_err(|source| self.failed("read the last entry", source))?
            .unwrap_or((0, State::Preflight.to_string()));
        let seq = last + 1;
        let from = state_named(&before)
            .ok_or_else(|| self.inconsistent(run, last, format!("this version knows no state {before:?}")))?;
        let to = step(from, entry.event).map_err(|why| self.inconsistent(run, seq, why.to_string()))?;
        if to != entry.state {
            let detail = format!("{} in {from} leads to {to}, not to {}", entry.event, entry.state);
            return Err(self.inconsistent(run, seq, detail));
        }
        Ok(Record {
            seq,
            at: now(),
            event: entry.event,
            state: to.to_string(),
            why: entry.why.clone(),
            facts: entry.facts.clone(),
        })
    }

    fn entries_in(&self, connection: &Connection, run: &str) -> Result<Vec<Record>, JournalError> {
        let failed = |source| self.failed("read the entries of a run", source);
        let sql = format!("SELECT {RECORD_COLUMNS} FROM entries WHERE run = ?1 ORDER BY seq");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query([run]).map_err(failed)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let seq = row.get(0).map_err(failed)?;
            records.push(record_from(row).map_err(|why| self.inconsistent(run, seq, why.to_string()))?);
        }
        Ok(records)
    }

    fn runs_where(
        &self,
        connection: &Connection,
        clause: &str,
        params: impl Params,
    ) -> Result<Vec<Run>, JournalError> {
        let failed = |source| self.failed("read runs", source);
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs {clause}");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(params).map_err(failed)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let id: String = row.get(0).map_err(failed)?;
            runs.push(run_from(row).map_err(|why| self.inconsistent(&id, 0, why.to_string()))?);
        }
        Ok(runs)
    }

    fn live_in(&self, connection: &Connection, pair: &str) -> Result<Option<Run>, JournalError> {
        Ok(self
            .runs_where(connection, "WHERE pair = ?1 AND ended IS NULL", params![pair])?
            .pop())
    }

    fn exactly(&self, connection: &Connection, id: &str) -> Result<Option<Run>, JournalError> {
        Ok(self.runs_where(connection, "WHERE id = ?1", params![id])?.pop())
    }

    fn run_in(&self, connection: &Connection, id: &str) -> Result<Run, JournalError> {
        self.exactly(connection, id)?.ok_or_else(|| self.no_such_run(id))
    }

    fn no_such_run(&self, id: &str) -> JournalError {
        JournalError::NoSuchRun {
            file: self.path.clone(),
            id: id.to_owned(),
        }
    }

    fn inconsistent(&self, run: &str, seq: u32, detail: String) -> JournalError {
        JournalError::Inconsistent {
            file: self.path.clone(),
            run: run.to_owned(),
            seq,
            detail,
        }
    }

    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> JournalError {
        JournalError::sqlite(&self.path, doing, source)
    }
}

fn outcome_of(state: State) -> Option<Outcome> {
    if let State::Ended(outcome) = state {
        Some(outcome)
    } else {
        None
    }
}
