//! Are a run's files private and whole, and does only one process drive a run?

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use failover::journal::{JournalError, RunDir, RunLock};

use crate::command;

/// The other process: drives run `r` until its standard input ends.
pub fn hold_run(state: &Path) {
    let _lock = RunLock::take(&RunDir::open(state, "r").unwrap()).unwrap();
    println!("held");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Proves that a second process cannot drive the same run, learns who does, and may after that one was killed.
#[test]
fn one_process_drives_a_run() {
    let state = tempfile::tempdir().unwrap();
    let mut other = command("hold-run", state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")));
    let run = RunDir::open(state.path(), "r").unwrap();
    let refused = RunLock::take(&run).unwrap_err();
    assert!(
        matches!(&refused, JournalError::Held { run, .. } if run == "r"),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .contains(&format!("process {} on ", other.id())),
        "{refused}"
    );
    RunLock::take(&RunDir::open(state.path(), "another").unwrap()).expect("another run is free");
    other.kill().unwrap();
    other.wait().unwrap();
    let mine = RunLock::take(&run).expect("the kernel frees the lock of a killed process");
    let refused = RunLock::take(&run).expect_err("not even this process may drive it twice");
    assert!(
        refused
            .to_string()
            .contains(&format!("process {} on ", std::process::id())),
        "{refused}"
    );
    drop(mine);
    RunLock::take(&run).unwrap();
}

/// Proves that a run's files come back as they were written, for their owner only, and leave no parts behind.
#[test]
fn a_file_is_written_whole_and_read_back() {
    let state = tempfile::tempdir().unwrap();
    let run = RunDir::open(state.path(), "r").unwrap();
    assert_eq!(run.path(), state.path().join("runs/r"));
    let stored = run.write("primary.json", b"{}").unwrap();
    assert_eq!(stored.path, run.path().join("primary.json"));
    assert_eq!((stored.bytes, stored.sha256.len()), (2, 64));
    assert_eq!(run.read("primary.json", &stored.sha256).unwrap(), b"{}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stored.path), 0o600);
    assert_eq!(mode(run.path()), 0o700);
    assert_eq!(mode(&state.path().join("runs")), 0o700);
    let replaced = run.write("primary.json", b"[]").unwrap();
    assert!(matches!(
        run.read("primary.json", &stored.sha256),
        Err(JournalError::WrongHash { .. })
    ));
    assert_eq!(run.read("primary.json", &replaced.sha256).unwrap(), b"[]");
    assert_eq!(names(&run), ["primary.json"]);
}

/// Proves that a stream which does not have the expected hash takes no name and leaves the old file as it was.
#[test]
fn a_stream_with_another_hash_is_not_kept() {
    let state = tempfile::tempdir().unwrap();
    let run = RunDir::open(state.path(), "r").unwrap();
    let old = run.write("archive.tar.gz", b"old").unwrap();
    let incoming = run.receive("archive.tar.gz").unwrap();
    incoming.writer().unwrap().write_all(b"new, but cut sh").unwrap();
    let refused = incoming.keep(&"0".repeat(64)).unwrap_err();
    assert!(matches!(refused, JournalError::WrongHash { .. }), "{refused}");
    assert_eq!(run.read("archive.tar.gz", &old.sha256).unwrap(), b"old");
    drop(run.receive("never-kept").unwrap());
    assert_eq!(names(&run), ["archive.tar.gz"]);
    let incoming = run.receive("archive.tar.gz").unwrap();
    incoming.writer().unwrap().write_all(b"old").unwrap();
    assert_eq!(incoming.keep(&old.sha256.to_uppercase()).unwrap(), old);
}

/// Proves that neither a run nor a file can be named out of its place, nor over the lock.
#[test]
fn names_stay_in_their_place() {
    let state = tempfile::tempdir().unwrap();
    let run = RunDir::open(state.path(), "r").unwrap();
    for name in ["../x", "", ".part", "a/b", "lock"] {
        assert!(
            matches!(run.write(name, b""), Err(JournalError::BadName { .. })),
            "{name:?}"
        );
        assert!(
            matches!(run.read(name, ""), Err(JournalError::BadName { .. })),
            "{name:?}"
        );
    }
    assert!(matches!(
        RunDir::open(state.path(), ".."),
        Err(JournalError::BadName { .. })
    ));
}

fn names(run: &RunDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(run.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
