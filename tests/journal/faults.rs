//! Does the journal say what is wrong, instead of going on, when its file is foreign, torn, locked or not writable?

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use failover::journal::{Journal, JournalError};
use failover::protocol::{Event, State};
use rusqlite::Connection;
use serde_json::json;

use crate::{CHILD, child, command, entry, place, row, walk};

/// The other process: keeps the journal locked until its standard input ends.
pub fn hold_journal(file: &Path) {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    println!("held");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The other process: appends to a journal on a small disk until that refuses, and says how and what is left.
pub fn fill_disk(file: &Path) {
    let journal = Journal::open(file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    let mut large = entry(State::Preflight, Event::Resumed);
    large.facts = json!({"filler": "x".repeat(20_000)});
    let mut stored = 0;
    let refused = loop {
        match journal.append("r", &large) {
            Ok(record) => stored = record.seq,
            Err(refused) => break refused,
        }
        assert!(stored < 1000, "the disk is not small");
    };
    assert!(matches!(refused, JournalError::DiskFull { .. }), "{refused}");
    assert_eq!(
        journal.entries("r").unwrap().len(),
        usize::try_from(stored).unwrap()
    );
    assert_eq!(journal.state("r").unwrap(), State::Preflight);
    println!("full after {stored}");
}

/// The other process: opens the journal and says what it got.
pub fn open_and_say(file: &Path) {
    match Journal::open(file) {
        Ok(_) => println!("said: opened"),
        Err(refused) => println!("said: {refused}"),
    }
}

/// Proves that an append to a journal that another process keeps locked is an error, in bounded time.
#[test]
fn a_locked_journal_refuses_in_time() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    let mut other = command("hold-journal", &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _output = wait_for(&mut other, "held");
    let begin = Instant::now();
    let refused = journal
        .append("r", &entry(State::Preflight, Event::PreflightPassed))
        .unwrap_err();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
    assert!(
        (4..30).contains(&begin.elapsed().as_secs()),
        "{:?}",
        begin.elapsed()
    );
    assert!(
        refused
            .to_string()
            .contains("journal.sqlite is locked by another process"),
        "{refused}"
    );
    drop(other.stdin.take());
    other.wait().unwrap();
    assert_eq!(walk(&journal, "r", &[Event::PreflightPassed]), State::Claiming);
}

/// Proves that a full disk is an error of the append, that nothing of the entry stays, and that the rest is readable.
#[test]
fn a_full_disk_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m none \"$0\"";
    let Some(said) = in_mount_namespace(mount, directory.path(), "fill-disk") else {
        return;
    };
    assert!(said.contains("full after "), "{said}");
}

/// Proves that a journal on a read-only file system is refused with the file's name.
#[test]
fn a_read_only_journal_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Journal::open(&directory.path().join("journal.sqlite")).unwrap();
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
    let Some(said) = in_mount_namespace(mount, directory.path(), "open") else {
        return;
    };
    assert!(said.contains("journal.sqlite cannot be written"), "{said}");
}

/// Proves that a run does not go on writing to a journal that was moved away or deleted.
#[test]
fn a_journal_that_was_moved_refuses() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    fs::rename(&file, file.with_extension("away")).unwrap();
    let first = entry(State::Preflight, Event::PreflightPassed);
    let refused = journal.append("r", &first).unwrap_err();
    assert!(
        refused.to_string().contains("moved or deleted while in use"),
        "{refused}"
    );
    fs::write(&file, "").unwrap();
    assert!(
        journal.append("r", &first).is_err(),
        "another file of that name is not the journal"
    );
    fs::rename(file.with_extension("away"), &file).unwrap();
    journal.append("r", &first).unwrap();
}

/// Proves that a torn or overwritten file is refused as damaged, never taken for an empty journal.
#[test]
fn a_torn_file_is_refused() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    walk(&journal, "r", &[Event::Resumed; 50]);
    drop(journal);
    assert!(
        !file.with_file_name("journal.sqlite-wal").exists(),
        "all of it is in the file"
    );
    let whole = fs::read(&file).unwrap();
    let mut scribbled = whole.clone();
    scribbled[4096..8192].fill(0xA5);
    let torn: [&[u8]; 4] = [
        &whole[..whole.len() / 2],
        &whole[..1000],
        b"not a database at all",
        &scribbled,
    ];
    for bytes in torn {
        fs::write(&file, bytes).unwrap();
        let refused = Journal::open(&file).unwrap_err();
        assert!(
            matches!(refused, JournalError::Damaged { .. }),
            "{} bytes: {refused}",
            bytes.len()
        );
        assert!(
            refused.to_string().contains("journal.sqlite is damaged"),
            "{refused}"
        );
        assert_eq!(
            fs::read(&file).unwrap(),
            bytes,
            "what is damaged is left as it is"
        );
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(Journal::open(&file).unwrap().entries("r").unwrap().len(), 50);
}

/// Proves that a database of something else is refused and left as it is.
#[test]
fn a_foreign_database_is_refused() {
    for sql in [
        "CREATE TABLE validators (id)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 1",
    ] {
        let (_directory, file) = place();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&file).unwrap();
        let refused = Journal::open(&file).unwrap_err();
        assert!(
            matches!(refused, JournalError::NotAJournal { .. }),
            "{sql}: {refused}"
        );
        assert_eq!(fs::read(&file).unwrap(), before, "{sql}");
    }
}

/// Proves that directory and files are for their owner only, also when an older file was not.
#[test]
fn the_journal_is_private() {
    let (_directory, file) = place();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&file.with_file_name("journal.sqlite-wal")), 0o600);
    drop(journal);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    Journal::open(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
}

/// Proves that processes which open a new journal at the same moment do not disturb each other.
#[test]
fn several_processes_open_at_once() {
    let (_directory, file) = place();
    let mut others: Vec<_> = (0..6).map(|_| child("open", &file)).collect();
    for other in &mut others {
        let _output = wait_for(other, "said: opened");
        assert!(other.wait().unwrap().success());
    }
}

/// Runs a task of this binary with `mount` done to `directory` where nobody else sees it; nothing if this user
/// may not mount.
fn in_mount_namespace(mount: &str, directory: &Path, task: &str) -> Option<String> {
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--map-root-user", "--mount", "sh", "-ec", script])
            .arg(directory);
        unshare
    };
    if !unshare(mount)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("NOT TESTED: this user may not mount here, so {task} was left out");
        return None;
    }
    let script = format!("{mount}; exec \"$@\"");
    let inner = command(task, &directory.join("journal.sqlite"));
    let mut outer = unshare(&script);
    outer.arg(inner.get_program()).args(inner.get_args());
    outer.env(
        CHILD,
        format!("{task}={}", directory.join("journal.sqlite").display()),
    );
    let output = outer.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    Some(said)
}

/// Reads until the other process has said `words`. The rest of its output stays open with what is returned.
fn wait_for(other: &mut Child, words: &str) -> BufReader<ChildStdout> {
    let mut output = BufReader::new(other.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains(words) {
        assert_ne!(
            output.read_line(&mut said).unwrap(),
            0,
            "the other process ended and said {said:?}"
        );
    }
    output
}
