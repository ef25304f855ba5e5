//! Is a database left alone that another process has open or changes, and one read that a killed process left? The other
//! process is this test program, run again for one test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use failover::databases::DatabaseError;
use rusqlite::Connection;

use crate::making::{Client, Lighthouse, Made, Nimbus, ROOT, key, make, read};

const PATH: &str = "FAILOVER_TEST_DATABASE";
const SQL: &str = "FAILOVER_TEST_SQL";

/// The other process: opens the database, runs what it is told, says so, and waits for its end.
#[test]
fn other_process() {
    let (Ok(path), Ok(sql)) = (std::env::var(PATH), std::env::var(SQL)) else {
        return;
    };
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&sql).unwrap();
    println!("\nready");
    std::thread::sleep(Duration::from_secs(60));
}

struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn open_elsewhere(made: &Made, sql: &str) -> Other {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::other_process", "--nocapture"])
        .env(PATH, &made.path)
        .env(SQL, sql)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the other process ended");
    Other(child)
}

fn closed(client: Client) -> Made {
    let mut made = make(client);
    made.add_some();
    made.connection = Connection::open_in_memory().unwrap();
    made
}

#[test]
fn a_database_that_another_process_has_open_is_refused() {
    for (client, sql) in [
        (
            Lighthouse,
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT",
        ),
        (Lighthouse, "BEGIN IMMEDIATE"),
        (Nimbus, "PRAGMA user_version; SELECT * FROM validators"),
    ] {
        let made = closed(client);
        let other = open_elsewhere(&made, sql);
        let error = read(client, &made.path).unwrap_err();
        assert!(matches!(error, DatabaseError::Locked { .. }), "{sql}: {error}");
        drop(other);
        read(client, &made.path).unwrap();
    }
}

#[test]
fn what_a_killed_process_left_is_read_to_its_last_finished_transaction() {
    for client in [Lighthouse, Nimbus] {
        let made = closed(client);
        let root = const_hex::encode(ROOT);
        let sql = format!(
            "PRAGMA cache_size = 2; PRAGMA cache_spill = 1; PRAGMA wal_autocheckpoint = 0;
             INSERT INTO signed_attestations VALUES (1, 90, 91, x'{root}');
             BEGIN; DELETE FROM signed_attestations;
             WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
             INSERT INTO signed_attestations SELECT 1, i, i + 1, x'{root}' FROM n"
        );
        drop(open_elsewhere(&made, &sql));
        let beside = match client {
            Lighthouse => "-journal",
            Nimbus => "-wal",
        };
        assert!(crate::making::beside(&made.path, beside).exists());
        let (found, messages) = read(client, &made.path).unwrap();
        assert_eq!(
            messages.records[&key(1)].floors().target_epoch,
            Some(91),
            "{client:?}"
        );
        assert_eq!(found.attestations, 3);
        assert!(
            found.notes.iter().any(|note| note.contains("was cut off")),
            "{:?}",
            found.notes
        );
    }
}

#[test]
fn a_database_that_changes_while_it_is_copied_is_refused() {
    let made = make(Lighthouse);
    let id = made.add_some();
    made.run("BEGIN");
    (10..5_000).for_each(|target| made.add_vote(id, target - 1, target, ROOT));
    made.run("COMMIT");
    let done = AtomicBool::new(false);
    let file = File::options().write(true).open(&made.path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut time = SystemTime::now();
            while !done.load(Ordering::Relaxed) {
                time += Duration::from_millis(1);
                file.set_modified(time).unwrap();
            }
        });
        // On a busy machine the other thread may not come to run during a copy.
        let refused = |_| matches!(read(Lighthouse, &made.path), Err(DatabaseError::Locked { .. }));
        let caught = (0..200).any(refused);
        done.store(true, Ordering::Relaxed);
        assert!(caught);
    });
    read(Lighthouse, &made.path).unwrap();
}
