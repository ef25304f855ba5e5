//! Whether a database still looks as it did, by the real script on real files: nothing that a run does between two looks may
//! change that, and every way to write to it must. Must never need root.

use super::rooted::{Rooted, value};
use super::*;

/// What is done to a database, and how.
type Write = (&'static str, fn(&Rooted));

async fn print(host: &Rooted, db: &str) -> String {
    let output = host.call(Op::Fingerprint, [db]).await;
    assert_eq!(output.status, 0, "{output:?}");
    value(&output, "fingerprint").unwrap()
}

/// A database with rows in its log alone, as a killed writer leaves it.
fn sqlite(host: &Rooted, name: &str) {
    host.write("made/here", "");
    let made = host.at("made/db");
    let open = rusqlite::Connection::open(&made).unwrap();
    open.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1);")
        .unwrap();
    host.write(&format!("{name}-shm"), "");
    for part in ["", "-wal"] {
        let from = format!("{}{part}", made.display());
        std::fs::copy(from, host.at(&format!("{name}{part}"))).unwrap();
    }
}

/// Proves that archiving, copying, packing, reading and opening a copy leave the fingerprint as it was, of a directory and
/// of a file with a log.
#[tokio::test]
async fn nothing_of_ours_changes_it() {
    let host = Rooted::new();
    host.write("data/validator-db/CURRENT", "MANIFEST-000001\n");
    host.write("data/validator-db/000003.log", "log");
    sqlite(&host, "data/s.sqlite");
    for (name, patterns) in [
        ("validator-db", vec!["validator-db/CURRENT", "validator-db/*.log"]),
        ("s.sqlite", vec!["s.sqlite", "s.sqlite-wal"]),
    ] {
        let (db, top) = (host.text(&format!("data/{name}")), host.text("data"));
        let before = print(&host, &db).await;
        for run in ["run-1", "run-1"] {
            assert_eq!(host.call(Op::Archive, [run, &db]).await.status, 0);
        }
        host.call(Op::WorkDir, ["look-1", ""]).await;
        assert_eq!(host.call(Op::Copy, ["look-1", &db]).await.status, 0);
        let mut pack = vec!["run-1.7", &db, "100000", &top];
        pack.extend(patterns);
        assert_eq!(host.batch(vec![Call::new(Op::Pack, pack)]).await, [0]);
        let copy = host.state("work/look-1").join(name);
        if copy.is_file() {
            let open = rusqlite::Connection::open(&copy).unwrap();
            let rows: u32 = open.query_row("SELECT n FROM t", [], |row| row.get(0)).unwrap();
            open.execute_batch("INSERT INTO t VALUES (2)").unwrap();
            assert_eq!(rows, 1);
        }
        assert_eq!(host.call(Op::Settle, [&db]).await.status, 0);
        assert_eq!(host.call(Op::Sole, [top.as_str(), name, &db]).await.status, 0);
        assert_eq!(host.call(Op::ClearWork, ["look-1"]).await.status, 0);
        assert_eq!(print(&host, &db).await, before, "{name}");
        assert_eq!(host.call(Op::Unchanged, [&db, &before]).await.status, 0);
    }
}

/// Proves that whatever is written to a database is seen, and that nothing that changes is begun behind that; barring and
/// stopping are blocked, too, as behind a standing that is not there.
#[tokio::test]
async fn every_writing_is_seen() {
    let writes: [Write; 6] = [
        ("opened and written", |host| {
            let open = rusqlite::Connection::open(host.at("data/s.sqlite")).unwrap();
            open.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        }),
        ("opened, read and closed: its log is folded in", |host| {
            let open = rusqlite::Connection::open(host.at("data/s.sqlite")).unwrap();
            let rows: u32 = open.query_row("SELECT n FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 1);
        }),
        ("its log alone", |host| {
            host.write("data/s.sqlite-wal", "another");
        }),
        ("its log lost", |host| {
            std::fs::remove_file(host.at("data/s.sqlite-wal")).unwrap();
        }),
        ("the same content in another file", |host| {
            std::fs::copy(host.at("data/s.sqlite"), host.at("data/new")).unwrap();
            std::fs::rename(host.at("data/new"), host.at("data/s.sqlite")).unwrap();
        }),
        ("lost", |host| {
            for part in ["", "-wal"] {
                std::fs::remove_file(host.at(&format!("data/s.sqlite{part}"))).unwrap();
            }
        }),
    ];
    for (what, write) in writes {
        let host = Rooted::new();
        sqlite(&host, "data/s.sqlite");
        let db = host.text("data/s.sqlite");
        let before = print(&host, &db).await;
        write(&host);
        let batch = vec![
            Call::new(Op::Unchanged, [&db, &before]),
            Call::new(Op::WorkDir, ["run-1", ""]),
            Call::new(Op::Run, ["", "5", "touch", &host.text("ran")]),
            Call::new(Op::Bar, ["v.service", &host.text("lock"), "text"]),
            Call::new(Op::Identity, [""; 0]),
        ];
        assert_eq!(host.batch(batch).await, [9, 125, 125, 125, 0], "{what}");
        assert!(!host.at("ran").exists() && !host.state("work/run-1").exists());
    }
}

/// Proves that "absent" is a look of its own, and that what cannot be looked at is neither the same nor another.
#[tokio::test]
async fn absent_is_a_look_of_its_own() {
    let host = Rooted::new();
    host.write("data/x", "");
    let db = host.text("data/db");
    assert_eq!(print(&host, &db).await, "absent");
    assert_eq!(host.call(Op::Unchanged, [&db, "absent"]).await.status, 0);
    host.write("data/db", "somebody's");
    assert_eq!(host.call(Op::Unchanged, [&db, "absent"]).await.status, 9);
    std::fs::remove_file(host.at("data/db")).unwrap();
    host.write("data/db.failover-back", "");
    let half = host.call(Op::Unchanged, [&db, "absent"]).await;
    assert_eq!(half.status, 8, "{half:?}");
    let work = Call::new(Op::WorkDir, ["run-1", ""]);
    let unread = Call::new(Op::Unchanged, [db.as_str(), "absent"]);
    assert_eq!(host.batch(vec![unread, work]).await, [8, 125]);
}

/// Proves that a tool which is missing makes no fingerprint: the hash of nothing is the same for every database.
#[tokio::test]
async fn a_missing_tool_makes_no_fingerprint() {
    for tool in ["find", "sort", "sha256sum"] {
        let host = Rooted::new();
        host.write("data/db", "1");
        let db = host.text("data/db");
        let before = print(&host, &db).await;
        let script = transport::REMOTE_SH.replacen(
            "fo_fingerprint() {\n",
            &format!(
                "command() {{ [ \"$2\" != {tool} ] && builtin_command \"$@\"; }}\n\
                 builtin_command() {{ shift; [ -n \"$1\" ]; }}\nfo_fingerprint() {{\n"
            ),
            1,
        );
        let text = format!("{script}\nfo_unchanged '{db}' '{before}'; echo \"status=$?\"\n");
        let output = std::process::Command::new("sh")
            .args(["-c", &text])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("status=8"), "{tool}: {said} {output:?}");
    }
}
