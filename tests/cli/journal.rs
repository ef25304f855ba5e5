//! Commands over the journal: on an empty state directory they say so, and never invent a run.

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
