//! Commands over the journal: on an empty state directory they say so, and never invent a run.

use failover::journal::{Entry, Journal, RunRow};
use failover::protocol::{Event, Outcome, State, step};

use crate::{Sandbox, assert_shown};

#[test]
fn nothing_has_run_yet() {
    let sandbox = Sandbox::fresh();
    let shown: Vec<String> = [
        &["runs"][..],
        &["runs", "--json"],
        &["status"],
        &["status", "--json"],
        &["report"],
        &["resume"],
        &["resume", "--undo", "--yes"],
    ]
    .iter()
    .map(|args| sandbox.says(args))
    .collect();
    assert_shown("journal-empty", &shown.join("\n\n"));
}

/// Proves that a run that does not exist is named, with the way to a list of those that do.
#[test]
fn an_unknown_run() {
    let sandbox = Sandbox::fresh();
    let shown = ["report", "resume"].map(|command| sandbox.says(&[command, "20260101T000000Z-00000000"]));
    assert_shown("journal-unknown-run", &shown.join("\n\n"));
}

/// Proves that a run which lost its claim is reported as over, with nothing said of hosts that nobody looked at.
#[test]
fn a_run_that_lost_its_claim() {
    let sandbox = Sandbox::fresh();
    std::fs::create_dir(sandbox.path().join("state")).unwrap();
    let journal = Journal::open(&sandbox.path().join("state/journal.sqlite")).unwrap();
    let row = RunRow {
        id: "20260101T000000Z-0123abcd".to_owned(),
        primary: "val-a".to_owned(),
        backup: "val-b".to_owned(),
        coordinator: "root@desk".to_owned(),
        plan: serde_json::json!({}),
    };
    journal.begin(&row).unwrap();
    let lost = "val-a: exit status 9: run 20260101T000000Z-0123abcd holds no claim on this host";
    let mut state = State::Preflight;
    for (event, why) in [
        (Event::PreflightPassed, "22 guards passed; val-a signs"),
        (Event::Claimed, "generation 1"),
        (Event::ClaimLost, lost),
        (Event::ClaimsReleased, "both hosts are free"),
    ] {
        state = step(state, event).unwrap();
        let (why, facts) = (why.to_owned(), serde_json::json!({}));
        let entry = Entry {
            event,
            state,
            why,
            facts,
        };
        journal.append(&row.id, &entry).unwrap();
    }
    assert_eq!(state, State::Ended(Outcome::Parked));
    let said = sandbox.says(&["report", &row.id]);
    // Behind it stand the states, with their times.
    assert_shown("journal-claim-lost", said.split("\n  states:").next().unwrap());
    let (_, json) = sandbox.run(&["report", &row.id, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&report["claim_lost"], &report["signer"]),
        (&true.into(), &().into())
    );
}

/// Proves that the journal is private, and lies where it was told to.
#[test]
fn the_state_directory_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::fresh();
    sandbox.run(&["runs"]);
    for (path, mode) in [("state", 0o700), ("state/journal.sqlite", 0o600)] {
        let found = std::fs::metadata(sandbox.path().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, mode, "{path} is {found:o}");
    }
}

/// Proves that a file that is no journal is refused and left as it is.
#[test]
fn a_damaged_journal() {
    let sandbox = Sandbox::fresh();
    std::fs::create_dir(sandbox.path().join("state")).unwrap();
    let torn = "this is not a database, whatever its name says; it is long enough to have a header of its own.......";
    sandbox.write("state/journal.sqlite", torn);
    assert_shown("journal-damaged", &sandbox.says(&["runs"]));
    let left = std::fs::read_to_string(sandbox.path().join("state/journal.sqlite")).unwrap();
    assert_eq!(left, torn);
}
