//! A database that is one file and what SQLite leaves beside it, and the launchers that may be run: as the remote script
//! treats them. Must never need root or a real database.

use super::rooted::{Rooted, read, value};
use super::*;

/// Proves that the log of a killed writer belongs to its database: copied, archived, seen by the fingerprint, and put
/// back with it, never left beside another state of it.
#[tokio::test]
async fn what_a_kill_leaves_beside_a_database_goes_where_it_goes() {
    let host = Rooted::new();
    let (db, lock) = (host.text("d/s.sqlite3"), host.text("lock"));
    host.write("d/s.sqlite3", "main 1");
    host.write("d/s.sqlite3-wal", "log 1");
    host.write("d/s.sqlite3-shm", "index");
    host.write("d/keystore.json", "secret");

    host.call(Op::WorkDir, ["look-1", ""]).await;
    assert_eq!(host.call(Op::Copy, ["look-1", &db]).await.status, 0);
    let work = host.state("work/look-1");
    assert_eq!(read(&work.join("s.sqlite3-wal")), "log 1");
    assert!(!work.join("keystore.json").exists(), "only the database");

    let before = host.call(Op::Fingerprint, [&db]).await.stdout;
    let first = host.call(Op::Archive, ["run-1", &db]).await;
    assert_eq!(first.status, 0);
    host.write("d/s.sqlite3-wal", "log 1 and more");
    assert_ne!(
        host.call(Op::Fingerprint, [&db]).await.stdout,
        before,
        "a write into the log alone"
    );
    let second = host.call(Op::Archive, ["run-1", &db]).await;
    let newer = host.state("archive/run-1/2/old");
    assert_eq!(
        value(&second, "archive").as_deref(),
        newer.to_str(),
        "another state"
    );
    assert_eq!(read(&host.state("archive/run-1/1/old-wal")), "log 1");

    // An import has folded the log into the database and left another one.
    host.write("d/s.sqlite3", "main 2");
    host.write("d/s.sqlite3-wal", "log of the import");
    host.write("lock", "");
    host.write("sys/fs/cgroup/cgroup.procs", "1\n");
    host.shim("systemctl", "echo inactive");
    host.call(Op::Claim, ["run-1", r#"{"run":"run-1"}"#]).await;
    let back = ["run-1", &db, "v.service", &lock];
    assert_eq!(host.call(Op::PutBack, back).await.stdout, "put_back=yes\n");
    assert_eq!(
        (read(&host.at("d/s.sqlite3")), read(&host.at("d/s.sqlite3-wal"))),
        ("main 1".into(), "log 1 and more".into())
    );
    assert!(!host.at("d/s.sqlite3-shm").exists(), "an index of another state");
    let kept = host.at("d/s.sqlite3.failover-failed.1-wal");
    assert_eq!(read(&kept), "log of the import", "nothing is lost");
    assert_eq!(host.call(Op::PutBack, back).await.stdout, "put_back=same\n");

    host.write("d/s.sqlite3-wal", "log 1 and more, tampered");
    assert_eq!(
        host.call(Op::PutBack, back).await.stdout,
        "put_back=yes\n",
        "the log alone differs"
    );
    std::fs::write(host.state("archive/run-1/2/old-wal"), "tampered").unwrap();
    assert_eq!(
        host.call(Op::Archive, ["run-1", &db]).await.status,
        4,
        "an archived log is compared"
    );
}

/// Proves that a put-back takes the log of a failed import away also where the archived state had none.
#[tokio::test]
async fn a_log_of_another_state_does_not_stay() {
    let host = Rooted::new();
    let (db, lock) = (host.text("d/s.sqlite"), host.text("lock"));
    host.write("d/s.sqlite", "main");
    host.write("d/s.sqlite-journal", "");
    assert_eq!(host.call(Op::Archive, ["run-1", &db]).await.status, 0);
    host.write("d/s.sqlite-journal", "half an import");
    host.write("lock", "");
    host.write("sys/fs/cgroup/cgroup.procs", "1\n");
    host.shim("systemctl", "echo inactive");
    host.call(Op::Claim, ["run-1", r#"{"run":"run-1"}"#]).await;
    let back = ["run-1", &db, "v.service", &lock];
    assert_eq!(host.call(Op::PutBack, back).await.stdout, "put_back=yes\n");
    assert!(
        !host.at("d/s.sqlite-journal").exists(),
        "it would be rolled back into the old state"
    );
}

/// Proves that a database whose log alone is there is not called absent: it would read as "never signed".
#[tokio::test]
async fn a_log_without_its_database_is_no_absence() {
    for part in ["-wal", "-journal"] {
        let host = Rooted::new();
        let db = host.text("d/s.sqlite");
        host.write("d/other", "");
        assert_eq!(
            value(&host.call(Op::Copy, ["w", &db]).await, "copy").as_deref(),
            Some("absent")
        );
        host.write(&format!("d/s.sqlite{part}"), "x");
        for output in [
            host.call(Op::Copy, ["w", &db]).await,
            host.call(Op::Archive, ["w", &db]).await,
            host.call(Op::Fingerprint, [&db]).await,
        ] {
            assert!(output.status == 5 && output.stderr.contains(part), "{output:?}");
        }
    }
}

/// Proves that a database reached through a link is copied with the log that lies beside the file itself.
#[tokio::test]
async fn the_log_lies_beside_the_file_that_a_link_leads_to() {
    let host = Rooted::new();
    host.write("far/s.sqlite3", "main");
    host.write("far/s.sqlite3-wal", "log");
    std::fs::create_dir_all(host.at("d")).unwrap();
    std::os::unix::fs::symlink(host.at("far/s.sqlite3"), host.at("d/link")).unwrap();
    assert_eq!(
        host.call(Op::Archive, ["run-1", &host.text("d/link")])
            .await
            .status,
        0
    );
    assert_eq!(read(&host.state("archive/run-1/1/old-wal")), "log");
}

/// Proves that a launcher which hands its arguments to Java whole is run, and a wrapper of a site is not.
#[tokio::test]
async fn gradles_launcher_is_run_and_a_wrapper_is_not() {
    let host = Rooted::new();
    let run = |name: &str, text: &str| {
        host.shim(name, text);
        host.at("shims").join(name).to_str().unwrap().to_owned()
    };
    let launcher = "JAVACMD=echo\nset -- tech.pegasys.teku.Teku \"$@\"\nexec \"$JAVACMD\" \"$@\"";
    let teku = run("teku", launcher);
    let done = host
        .call(Op::Run, ["", "5", &teku, "slashing-protection", "export"])
        .await;
    assert_eq!(
        (done.status, done.stdout.trim()),
        (0, "tech.pegasys.teku.Teku slashing-protection export")
    );
    for wrapper in [
        "exec /opt/teku/bin/teku validator-client",
        "# exec \"$JAVACMD\" \"$@\"\nexec java Teku vc",
        "exec \"$JAVACMD\" validator-client",
    ] {
        let path = run("wrapper", wrapper);
        let refused = host
            .call(Op::Run, ["", "5", &path, "slashing-protection", "export"])
            .await;
        assert!(
            refused.status == 126 && refused.stderr.contains("shell script"),
            "{wrapper}: {refused:?}"
        );
    }
}
