//! Does the journal keep every promise that the driver builds on? Against real files and real processes.
//! Must never touch anything outside its own temporary directories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod append_only;
mod crash;
mod faults;
mod files;
mod runs;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use failover::journal::{Entry, Journal, RunRow};
use failover::protocol::{Event, State, step};
use serde_json::json;
use tempfile::TempDir;

/// The variable that turns the test `child::in_another_process` into the other process of a test.
const CHILD: &str = "FAILOVER_TEST_CHILD";

/// A directory that vanishes, and the journal's file in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state").join("journal.sqlite");
    (directory, file)
}

fn row(id: &str, primary: &str, backup: &str) -> RunRow {
    RunRow {
        id: id.into(),
        primary: primary.into(),
        backup: backup.into(),
        coordinator: "desk".into(),
        plan: json!({"checks": 3}),
    }
}

fn entry(from: State, event: Event) -> Entry {
    let state = step(from, event).unwrap();
    Entry {
        event,
        state,
        why: format!("{event} in {from}"),
        facts: json!({"from": from.to_string()}),
    }
}

/// Appends these events to a run that has none yet, and says where it is then.
fn walk(journal: &Journal, run: &str, events: &[Event]) -> State {
    let mut state = journal.state(run).unwrap();
    for event in events {
        let entry = entry(state, *event);
        journal.append(run, &entry).unwrap();
        state = entry.state;
    }
    state
}

/// Another process that does `what` with `file`; its standard output comes back.
fn child(what: &str, file: &Path) -> Child {
    command(what, file).stdout(Stdio::piped()).spawn().unwrap()
}

fn command(what: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, format!("{what}={}", file.display()));
    command
}

/// Not a test of its own: the other process of the tests that need one. Does nothing when nobody asks.
#[test]
fn in_another_process() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (what, file) = task.split_once('=').unwrap();
    let file = Path::new(file);
    match what {
        "append" => crash::append_until_killed(file),
        "hold-journal" => faults::hold_journal(file),
        "fill-disk" => faults::fill_disk(file),
        "open" => faults::open_and_say(file),
        "hold-run" => files::hold_run(file),
        other => panic!("no task {other}"),
    }
}
