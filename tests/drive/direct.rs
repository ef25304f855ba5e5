//! Collecting directly: by the database's own files, with the client's export as the second opinion. What is damaged,
//! closed, hidden, lower or lost on this way, and what becomes of the run.

use std::sync::Mutex;

use failover::demo::referee::Signed;
use failover::journal::RunDir;
use failover::protocol::{Event, Outcome, State};
use failover::transport::{Call, Op};
use serde_json::{Value, json};

use crate::support::{A, B, How, Process, Rig, rig};

const COMPLETED: State = State::Ended(Outcome::Completed);
const RESTORED: State = State::Ended(Outcome::Restored);
const PARKED: State = State::Ended(Outcome::Parked);

/// A fact that the run kept.
fn fact(rig: &Rig, name: &str) -> Value {
    let records = rig.records("r1");
    let facts = records
        .iter()
        .rev()
        .filter_map(|record| record.facts.get(name).cloned());
    facts.into_iter().next().unwrap_or_default()
}

fn is_export(call: &Call) -> bool {
    let says = |word: &str| call.args.iter().any(|arg| arg == word);
    call.op == Op::Run && says("export") && !says("--help")
}

/// Proves that a healthy run reads both databases, asks the primary's client only after the start, finds that it agrees,
/// and keeps what it read.
#[tokio::test(start_paused = true)]
async fn both_databases_are_read_and_the_export_agrees() {
    static EXPORTS: Mutex<Vec<(String, bool)>> = Mutex::new(Vec::new());
    static STARTED: Mutex<bool> = Mutex::new(false);
    let rig = rig();
    let watched = How::edited(|host, call, _| {
        let mut started = STARTED.lock().unwrap();
        *started |= call.op == Op::Start;
        if is_export(call) {
            EXPORTS.lock().unwrap().push((host.to_owned(), *started));
        }
    });
    assert_eq!(
        rig.run_with("r1", watched).await.unwrap(),
        COMPLETED,
        "{}",
        rig.story("r1")
    );
    // The backup's in the preflight, of a copy; the primary's after the start.
    assert_eq!(
        *EXPORTS.lock().unwrap(),
        [("val-b".to_owned(), false), ("val-a".to_owned(), true)]
    );
    let direct = json!({ "way": "direct", "why": "", "notes": [] });
    assert_eq!(
        fact(&rig, "collected"),
        json!({ "primary": direct, "backup": direct })
    );
    assert_eq!(
        fact(&rig, "cross_check"),
        json!({ "outcome": "agrees", "why": "the same floors for 4 keys" })
    );
    let dir = RunDir::open(rig.state_dir(), "r1").unwrap();
    for (name, sha256) in fact(&rig, "evidence").as_object().unwrap() {
        assert!(
            !dir.read(name, sha256.as_str().unwrap()).unwrap().is_empty(),
            "{name}"
        );
    }
    assert_eq!(fact(&rig, "evidence").as_object().unwrap().len(), 2);
    let left = std::fs::read_dir(dir.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().starts_with('.')),
        "{left:?}"
    );
    rig.assert_clean("r1");
}

/// Proves that a host which cannot pack is asked for its client's export, on either side, and that the run says so.
#[tokio::test(start_paused = true)]
async fn a_closed_way_leads_to_the_client() {
    for host in [A, B] {
        let rig = rig();
        rig.change(host, |host| host.quirks.missing.insert(Op::Pack));
        assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
        let role = ["primary", "backup"][host];
        let way = &fact(&rig, "collected")[role];
        assert_eq!(way["way"], "export", "{way}");
        assert!(
            way["why"].as_str().unwrap().contains("a command is missing"),
            "{way}"
        );
        // What was collected by export is not compared with itself.
        assert_eq!(fact(&rig, "cross_check").is_null(), host == A);
        rig.assert_clean("r1");
    }
}

/// Proves that no database on the primary is no history, and neither is one that cannot be read on the backup.
#[tokio::test(start_paused = true)]
async fn absent_and_damaged_are_not_never_signed() {
    let absent = How::edited(|host, call, output| {
        if host == "val-a" && call.op == Op::Pack {
            (output.status, output.stdout) = (0, "pack=absent\n".to_owned());
        }
    });
    let rig = rig();
    assert_eq!(
        rig.run_with("r1", absent).await.unwrap(),
        RESTORED,
        "{}",
        rig.story("r1")
    );
    assert!(rig.serves(A) && rig.barred(B));
    let rig = crate::support::rig();
    rig.change(B, |host| host.quirks.database_damaged = true);
    assert_eq!(rig.run("r1").await, RESTORED, "{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::CollectFailed));
    rig.assert_clean("r1");
}

/// Proves that a database which does not rest while it is packed is not collected in any way.
#[tokio::test(start_paused = true)]
async fn a_database_that_changes_is_not_asked_for_again() {
    let changing = How::edited(|host, call, output| {
        if host == "val-a" && call.op == Op::Pack {
            (output.status, output.stdout) = (4, String::new());
            output.stderr = "the database changed while it was packed\n".to_owned();
        }
        assert!(!(host == "val-a" && is_export(call)), "the client was asked");
    });
    let rig = rig();
    assert_eq!(
        rig.run_with("r1", changing).await.unwrap(),
        RESTORED,
        "{}",
        rig.story("r1")
    );
}

/// Proves that history which only the client knows of stops the backup at once, before it has signed, and that the run says so.
#[tokio::test(start_paused = true)]
async fn an_export_that_is_higher_stops_the_backup() {
    let rig = rig();
    rig.pass(5).await;
    rig.change(A, |host| host.quirks.pack_lacks_newest = true);
    rig.change(B, |host| {
        host.timing.start_to_signing = std::time::Duration::from_secs(5);
    });
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::HistoryIncomplete));
    assert_eq!(fact(&rig, "cross_check")["outcome"], "higher");
    assert!(rig.barred(A) && rig.barred(B) && !rig.lives(A) && !rig.lives(B));
    let by_backup = |message: &failover::demo::referee::Message| message.host == "val-b";
    let signed = rig
        .world
        .with(|inside, _| inside.referee.messages().iter().any(by_backup));
    assert!(!signed, "it was stopped before it signed");
    rig.pass(60).await;
    rig.assert_clean("r1");
    // The way on, once the files are whole: back, since the generations say that the backup was the signer.
    rig.change(A, |host| host.quirks.pack_lacks_newest = false);
    rig.begin("r2", B, A);
    let how = How::default();
    let state = Process::new(&rig, "r2", &how).drive(&how).await.unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r2"));
    rig.pass(30).await;
    rig.assert_clean("r2");
}

/// Proves that an export which is lower than the database is a finding and nothing more.
#[tokio::test(start_paused = true)]
async fn an_export_that_is_lower_is_a_finding() {
    let rig = rig();
    rig.pass(5).await;
    rig.change(A, |host| host.quirks.export_lacks_newest = true);
    assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
    let check = fact(&rig, "cross_check");
    assert_eq!(check["outcome"], "differs", "{check}");
    assert!(
        check["why"].as_str().unwrap().starts_with("4 of 4 keys"),
        "{check}"
    );
    rig.pass(30).await;
    rig.assert_clean("r1");
    let newest = |message: &&failover::demo::referee::Message| {
        matches!(message.signed, Signed::Attestation { .. }) && message.host == "val-b"
    };
    let signed = rig
        .world
        .with(|inside, _| inside.referee.messages().iter().filter(newest).count());
    assert!(signed > 0);
}

/// Proves that a client which cannot export any more does not keep the run from completing, and that this is said.
#[tokio::test(start_paused = true)]
async fn an_export_that_fails_is_said() {
    let rig = rig();
    rig.change(A, |host| host.quirks.export_fails = true);
    assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
    let check = fact(&rig, "cross_check");
    assert_eq!(check["outcome"], "not_made", "{check}");
    assert!(
        check["why"].as_str().unwrap().contains("Input/output error"),
        "{check}"
    );
    rig.assert_clean("r1");
}

/// Proves that an import which left a key out is found by reading the database, and the old one put back.
#[tokio::test(start_paused = true)]
async fn the_import_is_read_back_from_the_database() {
    let rig = rig();
    rig.change(B, |host| host.quirks.pack_lacks_newest = true);
    let old = rig.look(B, |host| host.database.records().unwrap());
    assert_eq!(rig.run("r1").await, RESTORED, "{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::ReadBackFails));
    assert_eq!(rig.look(B, |host| host.database.records().unwrap()), old);
    rig.assert_clean("r1");
}

/// Proves that a watch which is taken up by another process compares again, with what the backup was given.
#[tokio::test(start_paused = true)]
async fn a_resumed_watch_compares_too() {
    for (hides, end) in [(false, COMPLETED), (true, PARKED)] {
        let rig = rig();
        rig.pass(5).await;
        rig.change(A, |host| host.quirks.pack_lacks_newest = hides);
        rig.change(B, |host| {
            host.timing.start_to_signing = std::time::Duration::from_secs(9);
        });
        let killed = rig.run_with("r1", How::killed_after(11)).await;
        assert!(killed.is_err() && rig.events("r1").last() == Some(&Event::BackupStarted));
        assert_eq!(rig.resume("r1").await, end, "{}", rig.story("r1"));
        let outcome = if hides { "higher" } else { "agrees" };
        assert_eq!(fact(&rig, "cross_check")["outcome"], outcome);
        rig.assert_clean("r1");
    }
}
