//! Why the journal or a file of a run could not be used: which file, which run, and what to do about it.
//! Must never hide a failed append: the driver ends the run on any of these.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::ErrorCode;

use crate::protocol::Outcome;

/// SQLite's extended code for a read that came to the end of the file too early.
const SHORT_READ: i32 = rusqlite::ffi::SQLITE_IOERR_SHORT_READ;

/// A failure of the journal, of a run's directory, or of its lock.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The pair has a run that has not ended.
    #[error("run {id} of {pair} is live since {since}; go on with `failover resume {id}`")]
    LiveRun {
        /// The live run.
        id: String,
        /// When it began.
        since: Timestamp,
        /// The two hosts, sorted.
        pair: String,
    },
    /// No run has this id or begins with it.
    #[error("{file}: no run {id}; `failover runs` lists them", file = .file.display())]
    NoSuchRun {
        /// The journal.
        file: PathBuf,
        /// What was asked for.
        id: String,
    },
    /// Several runs begin with this prefix.
    #[error("{id} could be any of {candidates}; give more of the id", candidates = .candidates.join(", "))]
    AmbiguousRun {
        /// What was asked for.
        id: String,
        /// The runs that begin with it.
        candidates: Vec<String>,
    },
    /// A run of this id is in the journal already.
    #[error("{file}: run {id} is in the journal already; every run needs an id of its own", file = .file.display())]
    RunExists {
        /// The journal.
        file: PathBuf,
        /// The id.
        id: String,
    },
    /// Nothing can be appended to a run that is over.
    #[error("run {run} ended {outcome}; begin a new one", outcome = .outcome.word())]
    RunEnded {
        /// The run.
        run: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// The journal does not replay to what it says, or would not after this entry.
    #[error(
        "{file}: run {run}, entry {seq}: {detail}; do not resume it: move it away, keep it, and look at both hosts with \
         `failover audit`; where its claim lies, `failover halt A B` takes that away",
        file = .file.display()
    )]
    Inconsistent {
        /// The journal.
        file: PathBuf,
        /// The run.
        run: String,
        /// The entry; 0 means the run's own row.
        seq: u32,
        /// What does not fit.
        detail: String,
    },
    /// The file is a database of something else.
    #[error("{file} is not a failover journal (application id {application_id:#x}); name another state directory with FAILOVER_STATE_DIR", file = .file.display())]
    NotAJournal {
        /// The file.
        file: PathBuf,
        /// What its header says.
        application_id: u32,
    },
    /// A newer program wrote it.
    #[error("{file} has schema {found}, this program knows up to {known}; use the newer failover that wrote it", file = .file.display())]
    NewerSchema {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        known: u32,
    },
    /// The file is torn or not a database.
    #[error("{file} is damaged: {detail}; move it away, keep it, and look at both hosts with `failover audit` before another run; where a claim lies, `failover halt A B` takes it away", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// Another process kept the journal locked for the whole waiting time.
    #[error("{file} is locked by another process; find it with `fuser -v {file}` and try again", file = .file.display())]
    Locked {
        /// The file.
        file: PathBuf,
    },
    /// The journal cannot be written.
    #[error("{file} cannot be written: {detail}; check owner, mode and mount of its directory", file = .file.display())]
    ReadOnly {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The disk is full.
    #[error("{file}: the disk is full; free space, then `failover resume`", file = .file.display())]
    DiskFull {
        /// The file.
        file: PathBuf,
    },
    /// Any other failure of SQLite.
    #[error("{file}: could not {doing}: {source}; check the disk and `failover runs`", file = .file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A file or directory could not be used.
    #[error("could not {doing} {path}: {source}; check owner, mode and free space", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process drives the run.
    #[error(
        "run {run} is being driven by {holder}; wait for it, or end that process and `failover resume {run}`"
    )]
    Held {
        /// The run.
        run: String,
        /// Process id, coordinator and time, as the holder wrote them.
        holder: String,
    },
    /// A run id or file name that is not a plain name.
    #[error(
        "{name:?} cannot name a run or a file of one: letters, digits, `-`, `_` and `.` only, not first a `.`"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A file is not what was written or sent.
    #[error("{path} has SHA-256 {found}, not {expected}; do not use it: collect again with `failover resume`", path = .path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The hash that it should have.
        expected: String,
        /// The hash that it has.
        found: String,
    },
    /// There is no place for the state of this user.
    #[error(
        "neither FAILOVER_STATE_DIR nor XDG_STATE_HOME nor HOME says where to keep the journal; set FAILOVER_STATE_DIR"
    )]
    NoStateDir,
}

impl JournalError {
    /// The failure of `doing` something with the journal at `file`, told by what an operator can do about it.
    pub(super) fn sqlite(file: &Path, doing: &'static str, source: rusqlite::Error) -> JournalError {
        let file = file.to_path_buf();
        let detail = source.to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Locked { file },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                JournalError::ReadOnly { file, detail }
            }
            Some(ErrorCode::DiskFull) => JournalError::DiskFull { file },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                JournalError::Damaged { file, detail }
            }
            // Less can be read than its header says: the file was cut.
            Some(ErrorCode::SystemIoFailure)
                if source
                    .sqlite_error()
                    .is_some_and(|it| it.extended_code == SHORT_READ) =>
            {
                JournalError::Damaged { file, detail }
            }
            Some(_) | None => JournalError::Sqlite { file, doing, source },
        }
    }
}
