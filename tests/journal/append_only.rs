//! Is the journal append-only for every program that opens its file, not only for ours?

use failover::journal::{Journal, JournalError};
use failover::protocol::Event::{PreflightPassed, PreflightRefused, Resumed};
use rusqlite::Connection;

use crate::{place, row, walk};

/// What any program might try on the raw file, and the words that must refuse it.
const FORBIDDEN: &[(&str, &str)] = &[
    ("UPDATE entries SET why = 'x'", "entries are never changed"),
    (
        "UPDATE OR REPLACE entries SET seq = 1 WHERE seq = 2",
        "entries are never changed",
    ),
    (
        "DELETE FROM entries WHERE run = 'live' AND seq = 2",
        "entries are never deleted",
    ),
    ("DELETE FROM runs WHERE id = 'bare'", "runs are never deleted"),
    (
        "REPLACE INTO entries VALUES ('live', 1, 't', 'E', 'S', '', '{}')",
        "next number",
    ),
    (
        "INSERT INTO entries VALUES ('live', 4, 't', 'E', 'S', '', '{}')",
        "next number",
    ),
    (
        "INSERT INTO entries VALUES ('live', 0, 't', 'E', 'S', '', '{}')",
        "next number",
    ),
    (
        "INSERT INTO entries VALUES ('over', 2, 't', 'E', 'S', '', '{}')",
        "the run has ended",
    ),
    (
        "INSERT INTO entries VALUES ('nobody', 1, 't', 'E', 'S', '', '{}')",
        "FOREIGN KEY",
    ),
    (
        "INSERT INTO entries VALUES ('live', 3, 't', 'E', 'S', '', 'not json')",
        "json_valid(facts)",
    ),
    (
        "INSERT INTO entries VALUES ('live', 3, 't', '', 'S', '', '{}')",
        "event <> ''",
    ),
    (
        "UPDATE runs SET ended = 'refused' WHERE id = 'live'",
        "as its last entry says",
    ),
    (
        "UPDATE runs SET ended = 'completed' WHERE id = 'bare'",
        "as its last entry says",
    ),
    ("UPDATE runs SET ended = NULL WHERE id = 'over'", "only its end"),
    (
        "UPDATE runs SET ended = 'refused' WHERE id = 'over'",
        "only its end",
    ),
    (
        "INSERT INTO entries VALUES ('live', 3, 't', 'E', 'Refused', '', '{}');
         UPDATE runs SET plan = '{}', ended = 'refused' WHERE id = 'live'",
        "only its end",
    ),
    (
        "UPDATE runs SET coordinator = 'x' WHERE id = 'live'",
        "only its end",
    ),
    (
        "REPLACE INTO runs VALUES ('over', 'g|h', 'g', 'h', '', '', '{}', NULL)",
        "begins once",
    ),
    (
        "REPLACE INTO runs VALUES ('new', 'a|b', 'a', 'b', '', '', '{}', NULL)",
        "begins once",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'a|b', 'b', 'a', '', '', '{}', NULL)",
        "begins once",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'g|h', 'g', 'h', '', '', '{}', 'refused')",
        "begins once",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'h|g', 'h', 'g', '', '', '{}', NULL)",
        "max(primary_host",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'g|g', 'g', 'g', '', '', '{}', NULL)",
        "primary_host <> backup_host",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'g|h', 'g', 'h', '', '', 'not json', NULL)",
        "json_valid(plan)",
    ),
    (
        "INSERT INTO runs VALUES ('new', 'a|b|c', 'a|b', 'c', '', '', '{}', NULL)",
        "instr(primary_host",
    ),
];

/// Proves that plain SQL from any program cannot change, remove, reorder or invent an entry or a run.
#[test]
fn sql_on_the_raw_file_is_refused() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    for (id, primary, backup) in [("live", "a", "b"), ("bare", "c", "d"), ("over", "e", "f")] {
        journal.begin(&row(id, primary, backup)).unwrap();
    }
    walk(&journal, "live", &[Resumed, PreflightPassed]);
    walk(&journal, "over", &[PreflightRefused]);
    let before = content(&journal);
    let stranger = Connection::open(&file).unwrap();
    for (sql, words) in FORBIDDEN {
        stranger.execute_batch("BEGIN").unwrap();
        let refused = stranger.execute_batch(sql).expect_err(sql).to_string();
        stranger.execute_batch("ROLLBACK").unwrap();
        assert!(
            refused.contains(words),
            "{sql}\n  was refused by {refused:?}, not by {words:?}"
        );
        assert_eq!(content(&journal), before, "{sql}");
    }
}

/// Proves that the index alone keeps a pair to one live run, should a later schema lose the trigger.
#[test]
fn the_index_keeps_a_pair_to_one_live_run() {
    let (_directory, file) = place();
    Journal::open(&file)
        .unwrap()
        .begin(&row("first", "a", "b"))
        .unwrap();
    let stranger = Connection::open(&file).unwrap();
    stranger.execute_batch("DROP TRIGGER runs_begin_once").unwrap();
    let second = "INSERT INTO runs VALUES ('second', 'a|b', 'b', 'a', '', '', '{}', NULL)";
    assert!(
        stranger
            .execute(second, [])
            .unwrap_err()
            .to_string()
            .contains("UNIQUE")
    );
}

/// Proves that an entry which does not follow is refused before it is stored, and that nothing of it stays.
#[test]
fn an_entry_that_does_not_follow_is_refused() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    let state = walk(&journal, "r", &[PreflightPassed]);
    let mut wrong = crate::entry(state, failover::protocol::Event::Claimed);
    wrong.state = failover::protocol::State::Watching;
    let refused = journal.append("r", &wrong).unwrap_err();
    assert!(
        matches!(&refused, JournalError::Inconsistent { run, seq: 2, .. } if run == "r"),
        "{refused}"
    );
    wrong.event = PreflightPassed;
    let refused = journal.append("r", &wrong).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("PreflightPassed has no meaning in Claiming"),
        "{refused}"
    );
    assert_eq!(journal.entries("r").unwrap().len(), 1);
}

/// Proves that an entry which another program forged is noticed, with the run and the entry in the message.
#[test]
fn a_forged_entry_is_noticed() {
    let forged = [
        (
            "'PreflightPassed', 'Watching'",
            2,
            "leads to Claiming, but Watching is stored",
        ),
        (
            "'BackupStarted', 'Watching'",
            2,
            "BackupStarted has no meaning in Preflight",
        ),
        ("'NeverHeardOf', 'Watching'", 2, "knows no event"),
        (
            "'PreflightRefused', 'Refused'",
            0,
            "its entries lead to Refused, but it is live",
        ),
    ];
    for (columns, number, words) in forged {
        let (_directory, file) = place();
        let journal = Journal::open(&file).unwrap();
        journal.begin(&row("r", "a", "b")).unwrap();
        walk(&journal, "r", &[Resumed]);
        let at = "2026-11-22T00:00:00.000Z";
        let sql = format!("INSERT INTO entries VALUES ('r', 2, '{at}', {columns}, '', '{{}}')");
        Connection::open(&file).unwrap().execute(&sql, []).unwrap();
        match journal.state("r").unwrap_err() {
            JournalError::Inconsistent { run, seq, detail, .. } => {
                assert_eq!((run.as_str(), seq), ("r", number), "{detail}");
                assert!(detail.contains(words), "{detail}");
            }
            other => panic!("{columns}: {other}"),
        }
    }
}

fn content(journal: &Journal) -> String {
    let runs = journal.runs(100).unwrap();
    let entries: Vec<_> = runs.iter().map(|run| journal.entries(&run.id).unwrap()).collect();
    format!("{runs:?}{entries:?}")
}
