//! LevelDB's lock: whoever holds it may be signing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use failover::databases::{DatabaseError, Memory, lodestar};
use failover::protection::History;
use rustix::fs::{FlockOperation, fcntl_lock};

/// Where the other process finds the file that it is to lock.
const LOCK: &str = "FAILOVER_TEST_LOCKS";

/// Holds the lock until it is killed. Does nothing unless it is asked to.
#[test]
fn holds_the_lock() {
    let Ok(path) = std::env::var(LOCK) else {
        return;
    };
    let file = std::fs::File::options().write(true).open(path).unwrap();
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    println!("locked");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

/// Proves that a database which another process has open is not read, and that asking takes nothing: not from the other
/// process, and not from the next one that wants it.
#[test]
fn a_held_lock_is_seen_and_none_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let Memory(files) = super::database("log");
    for (name, bytes) in &files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let lock = dir.path().join("LOCK");
    let read = || lodestar::read_dir(dir.path(), &mut History::default());
    assert!(read().unwrap().attestations > 0);

    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock::holds_the_lock", "--nocapture"])
        .env(LOCK, &lock)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("locked")));
    let mut sink = History::default();
    let refused = lodestar::read_dir(dir.path(), &mut sink);
    let again = read();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let place = lock.display().to_string();
    assert_eq!(refused, Err(DatabaseError::Locked { place }));
    assert_eq!(again, refused);
    assert_eq!(sink, History::default(), "it was read all the same");

    assert!(read().is_ok());
    std::fs::remove_file(&lock).unwrap();
    assert!(read().is_ok());
    std::os::unix::fs::symlink("/dev/null", &lock).unwrap();
    assert!(read().is_err());
}
