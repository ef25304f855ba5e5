//! Does every schema that was ever released still open, replay and go on? `tests/schemas-old/<n>.sql` is the dump of a
//! real journal of schema n, with a finished run and one half way. Never edit a dump: add one per released schema
//! (`sqlite3 journal.sqlite .dump`, then the two header pragmas).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use failover::journal::{Entry, Journal, JournalError};
use failover::protocol::{Event, Outcome, State, step};
use rusqlite::Connection;
use serde_json::json;

/// The run that every dump holds half way, and where it stands.
const HALF_WAY: (&str, State, usize) = ("20261122T010000-half", State::Importing, 9);

/// The finished run that every dump holds.
const FINISHED: &str = "20261121T090000-done";

/// Proves that a journal of every released schema opens, replays to where it stood, and takes the next entry.
#[test]
fn every_released_schema_opens_replays_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    for dump in dumps() {
        let file = restored(&dump, directory.path());
        let (run, stands, entries) = HALF_WAY;
        let journal = Journal::open(&file).unwrap();
        assert_eq!(journal.state(run).unwrap(), stands, "{}", dump.display());
        let records = journal.entries(run).unwrap();
        assert_eq!(records.len(), entries);
        assert_eq!(records[0].facts, json!({"guards": 31, "slot": 12_345_678}));
        assert_eq!(records[8].why, "The floors are no lower than either history.");
        assert_eq!(records[8].at.to_string(), "2026-11-22T01:00:04.321Z");
        assert_eq!(journal.run("20261121").unwrap().ended, Some(Outcome::Completed));
        assert_eq!(journal.state(FINISHED).unwrap(), State::Ended(Outcome::Completed));
        assert_eq!(journal.live_run("val-b", "val-a").unwrap().unwrap().id, run);
        let state = step(stands, Event::Resumed).unwrap();
        let next = Entry {
            event: Event::Resumed,
            state,
            why: "Again.".into(),
            facts: json!({}),
        };
        assert_eq!(journal.append(run, &next).unwrap().seq, 10);
        drop(journal);
        assert_eq!(
            Journal::open(&file).unwrap().state(run).unwrap(),
            state,
            "after a second opening"
        );
    }
}

/// Proves that a migrated journal and a new one have the same tables, indexes and triggers, which also means that a
/// released migration was not edited.
#[test]
fn a_migrated_journal_is_like_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let fresh = directory.path().join("fresh.sqlite");
    Journal::open(&fresh).unwrap();
    for dump in dumps() {
        let file = restored(&dump, directory.path());
        Journal::open(&file).unwrap();
        assert_eq!(
            schema(&file),
            schema(&fresh),
            "{}: a released migration was edited",
            dump.display()
        );
    }
}

/// Proves that every migration is compiled in, numbered without a gap, and has a dump of its schema.
#[test]
fn every_migration_is_known_and_has_a_dump() {
    let numbers = |paths: Vec<PathBuf>| -> Vec<u32> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
        paths.iter().map(name).collect()
    };
    let known: Vec<u32> = (1..=Journal::SCHEMA_VERSION).collect();
    assert_eq!(
        numbers(sql_files("migrations")),
        known,
        "src/journal/schema.rs must list every file of migrations/"
    );
    assert_eq!(
        numbers(dumps()),
        known,
        "tests/schemas-old/ must hold one dump per schema; see the top of this file"
    );
}

/// Proves that a journal of a newer program is refused with both numbers, and left as it is.
#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal.sqlite");
    Journal::open(&file).unwrap();
    let newer = Journal::SCHEMA_VERSION + 1;
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", newer)
        .unwrap();
    let before = fs::read(&file).unwrap();
    let refused = Journal::open(&file).unwrap_err();
    assert!(
        matches!(refused, JournalError::NewerSchema { found, .. } if found == newer),
        "{refused}"
    );
    assert!(
        refused.to_string().contains(&format!("has schema {newer}")),
        "{refused}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// Proves that a migration which fails half way leaves nothing of itself, so that the next program can try again.
#[test]
fn a_failed_migration_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal.sqlite");
    let stranger = Connection::open(&file).unwrap();
    // A journal's header without its tables, and a trigger's name taken: the first migration fails near its end.
    stranger
        .execute_batch("CREATE TABLE x (y); CREATE TRIGGER entries_stay DELETE ON x BEGIN SELECT 1; END")
        .unwrap();
    let id: i64 = 0x464F_7672;
    stranger.pragma_update(None, "application_id", id).unwrap();
    let before = schema(&file);
    Journal::open(&file).unwrap_err();
    assert_eq!(schema(&file), before);
    assert_eq!(
        stranger
            .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
            .unwrap(),
        0
    );
    stranger.execute_batch("DROP TABLE x").unwrap();
    Journal::open(&file).unwrap();
}

fn dumps() -> Vec<PathBuf> {
    sql_files("tests/schemas-old")
}

fn sql_files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    assert!(!files.is_empty());
    files
}

/// A real database file from a dump.
fn restored(dump: &Path, directory: &Path) -> PathBuf {
    let file = directory.join(dump.file_stem().unwrap()).with_extension("sqlite");
    let _ = fs::remove_file(&file);
    Connection::open(&file)
        .unwrap()
        .execute_batch(&fs::read_to_string(dump).unwrap())
        .unwrap();
    file
}

fn schema(file: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(file).unwrap();
    let sql =
        "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}
