//! What goes wrong on a host in mid-run, and what becomes of it: undone, halted or parked.

use std::time::Duration;

use failover::demo::host::SimHost;
use failover::demo::world::{Trigger, When};
use failover::protocol::{Event, Outcome, Parking, State};
use failover::report::Report;
use failover::transport::{Call, Op};

use crate::support::hosts::covers;
use crate::support::{A, B, How, Process, Rig, rig};

const RESTORED: State = State::Ended(Outcome::Restored);
const PARKED: State = State::Ended(Outcome::Parked);
const COMPLETED: State = State::Ended(Outcome::Completed);

fn arm(rig: &Rig, host: usize, on: fn(&Call) -> bool, when: When, act: fn(&mut [SimHost], Duration)) {
    let action = Box::new(act);
    rig.world.arm(Trigger {
        host,
        on,
        when,
        action,
        kills_coordinator: false,
    });
}

fn is_import(call: &Call) -> bool {
    call.op == Op::Run && call.args.iter().any(|arg| arg == "import")
}

/// The primary signs again, the backup is barred and its database is what it was.
async fn restored(rig: &Rig, how: How) {
    let old = rig.look(B, |host| host.database.records().unwrap());
    let state = rig.run_with("r1", how).await.unwrap();
    assert_eq!(state, RESTORED, "{}", rig.story("r1"));
    assert!(rig.serves(A) && !rig.barred(A), "{}", rig.story("r1"));
    assert!(rig.barred(B) && !rig.lives(B));
    assert_eq!(
        rig.look(B, |host| host.database.records().unwrap()),
        old,
        "{}",
        rig.story("r1")
    );
    assert_eq!((rig.paper(A, "claim"), rig.paper(B, "claim")), (None, None));
    let signed = rig.verdict().shares[0].messages;
    rig.pass(60).await;
    assert!(
        rig.verdict().shares[0].messages > signed + 20,
        "the primary signs again"
    );
    rig.assert_clean("r1");
}

/// Both are barred, neither lives, no claim is left.
fn halted(rig: &Rig) {
    assert!(rig.barred(B) && !rig.lives(B), "{}", rig.story("r1"));
    assert!(rig.barred(A), "{}", rig.story("r1"));
    assert_eq!((rig.paper(A, "claim"), rig.paper(B, "claim")), (None, None));
    assert!(rig.verdict().offences.is_empty(), "{}", rig.story("r1"));
}

/// Proves that a primary whose history cannot be had is given back, and that its client is not asked for what its
/// database is too damaged to tell.
#[tokio::test(start_paused = true)]
async fn a_damaged_database_on_the_primary() {
    let rig = rig();
    rig.change(A, |host| host.quirks.database_damaged = true);
    restored(&rig, How::default()).await;
    assert!(rig.events("r1").contains(&Event::CollectFailed));
}

/// Proves that an import which drops a key is caught by reading back, and the old database put back.
#[tokio::test(start_paused = true)]
async fn import_drops_a_key() {
    let rig = rig();
    rig.change(B, |host| host.quirks.import_drops_key = Some(1));
    restored(&rig, How::default()).await;
    assert!(rig.events("r1").contains(&Event::ReadBackFails));
}

/// Proves that an import which fails leads back, with the old database in place.
#[tokio::test(start_paused = true)]
async fn import_fails() {
    let rig = rig();
    arm(&rig, B, is_import, When::Before, |hosts, _| {
        hosts[B].disk_free = 0
    });
    restored(&rig, How::default()).await;
    assert!(rig.events("r1").contains(&Event::ImportFailed));
}

/// Proves that a database which arrived torn, or was changed on the way, is not merged.
#[tokio::test(start_paused = true)]
async fn a_torn_pack_is_refused() {
    let rig = rig();
    let torn = How::edited(|host, call, output| {
        if host == "val-a" && call.op == Op::Pack {
            output.stdout = output.stdout.replacen('A', "B", 1);
        }
    });
    restored(&rig, torn).await;
    assert!(rig.events("r1").contains(&Event::CollectFailed));
}

/// Proves that a primary which cannot be barred is not stopped at all.
#[tokio::test(start_paused = true)]
async fn a_bar_that_fails_stops_nothing() {
    let rig = rig();
    rig.change(A, |host| host.quirks.missing.insert(Op::Bar));
    restored(&rig, How::default()).await;
    assert_eq!(
        rig.look(A, |host| host.periods.len()),
        1,
        "its process was never stopped"
    );
}

/// Proves that a validator which two stops do not end parks the run, and that nothing was started.
#[tokio::test(start_paused = true)]
async fn a_primary_that_does_not_stop_parks() {
    let rig = rig();
    rig.change(A, |host| host.quirks.stop_fails = true);
    assert_eq!(
        rig.run("r1").await,
        State::Parked(Parking::Fencing),
        "{}",
        rig.story("r1")
    );
    assert!(!rig.lives(B) && rig.barred(B));
    rig.change(A, |host| host.quirks.stop_fails = false);
    assert_eq!(
        rig.resume("r1").await,
        State::Ended(Outcome::Completed),
        "{}",
        rig.story("r1")
    );
    rig.assert_clean("r1");
}

/// Proves that a primary revived past its gate after the start halts the backup at once. The overlap is shown.
#[tokio::test(start_paused = true)]
async fn primary_revived_after_the_start() {
    let rig = rig();
    arm(
        &rig,
        B,
        |call| call.op == Op::Start,
        When::After,
        |hosts, now| hosts[A].start_by_hand(now),
    );
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    println!("{}", rig.verdict());
    halted(&rig);
    assert!(rig.events("r1").contains(&Event::PrimaryAlive));
    let overlaps = rig.verdict().overlaps;
    assert_eq!(overlaps.len(), 1);
    let lasted = overlaps[0].lasted.expect("it has ended");
    println!("alive together for {lasted:?}");
    assert!(lasted < Duration::from_secs(3), "{lasted:?}");
}

/// Proves that a primary revived during the long wait for an attestation is seen within seconds, too.
#[tokio::test(start_paused = true)]
async fn primary_revived_while_waiting() {
    let rig = rig();
    rig.change(B, |host| host.timing.start_to_signing = Duration::from_secs(20));
    arm(
        &rig,
        B,
        |call| call.op == Op::AwaitMetric,
        When::Before,
        |hosts, now| hosts[A].start_by_hand(now),
    );
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    halted(&rig);
    let lasted = rig.verdict().overlaps[0].lasted.expect("it has ended");
    println!("alive together for {lasted:?}");
    assert!(lasted < Duration::from_secs(4), "{lasted:?}");
}

/// Proves that a primary revived before the start keeps the backup from being started.
#[tokio::test(start_paused = true)]
async fn primary_revived_before_the_start() {
    let rig = rig();
    arm(&rig, B, is_import, When::After, |hosts, now| {
        hosts[A].start_by_hand(now)
    });
    let state = rig.run("r1").await;
    println!("{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::StartForbidden));
    assert_eq!(rig.look(B, |host| host.unit.starts), 0, "never started");
    assert!(matches!(state, State::Parked(Parking::Restoring) | RESTORED));
    rig.pass(60).await;
    rig.assert_clean("r1");
}

/// Proves that a primary which ran and stopped again between proof and judgement forbids the start: its unit was
/// started after the proof, and what it signed then was never collected.
#[tokio::test(start_paused = true)]
async fn primary_that_ran_in_between_forbids_the_start() {
    let rig = rig();
    // What systemd remembers of a start and an end in between.
    arm(&rig, B, is_import, When::After, |hosts, _| {
        hosts[A].unit.starts += 1;
        hosts[A].unit.started_monotonic += Duration::from_secs(5);
        // systemd forgets that of a unit that rests and is disabled; that the lock was lifted for it, the lock tells.
        hosts[A].files.remove(failover::demo::host::LOCK);
        let lock = failover::demo::host::LOCK;
        hosts[A].files.write(lock, "put back by hand").unwrap();
    });
    let state = rig.run("r1").await;
    assert!(
        rig.events("r1").contains(&Event::StartForbidden),
        "{}",
        rig.story("r1")
    );
    assert_eq!(rig.look(B, |host| host.unit.starts), 0, "never started");
    assert_eq!(state, RESTORED, "{}", rig.story("r1"));
}

/// Proves that a start which fails leaves both hosts barred.
#[tokio::test(start_paused = true)]
async fn start_fails() {
    let rig = rig();
    rig.change(B, |host| host.quirks.start_fails = true);
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    halted(&rig);
    rig.pass(60).await;
    assert!(!rig.lives(A) && !rig.lives(B));
    assert!(covers(&rig.floors(B), &rig.floors(A)));
    rig.assert_clean("r1");

    // The command that the report proposes is one that is not refused: the papers call the backup the signer.
    let run = rig.journal().run("r1").unwrap();
    let report = Report::new(&run, &rig.records("r1")).unwrap();
    assert_eq!(report.next.len(), 1, "{:?}", report.next);
    assert!(report.next[0].starts_with("failover --primary val-b --backup val-a"));
    rig.begin("r2", B, A);
    let how = How::default();
    let state = Process::new(&rig, "r2", &how).drive(&how).await.unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r2"));
    assert!(rig.serves(A) && rig.barred(B));
}

/// Proves that a backup which dies right after its start is barred, so that nothing revives it unwatched.
#[tokio::test(start_paused = true)]
async fn backup_dies_while_watched() {
    let rig = rig();
    rig.change(B, |host| {
        (host.unit.restart, host.timing.start_to_signing) = (false, Duration::from_secs(30))
    });
    arm(
        &rig,
        B,
        |call| call.op == Op::AwaitMetric,
        When::Before,
        |hosts, now| hosts[B].crash_validator(now),
    );
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    halted(&rig);
    rig.assert_clean("r1");
}

/// Proves that a backup which ends at every start, so that its unit only waits to try again, is no backup that runs: it is
/// barred, and the run does not call itself unconfirmed. (Found by the lab, F18.)
#[tokio::test(start_paused = true)]
async fn a_backup_in_a_crash_loop_is_halted() {
    let rig = rig();
    rig.change(B, |host| {
        (host.unit.restart_after, host.timing.start_to_signing) =
            (Duration::from_secs(3600), Duration::from_secs(30))
    });
    arm(
        &rig,
        B,
        |call| call.op == Op::AwaitMetric,
        When::Before,
        |hosts, now| hosts[B].crash_validator(now),
    );
    assert_eq!(rig.run("r1").await, PARKED, "{}", rig.story("r1"));
    halted(&rig);
    rig.assert_clean("r1");
}

/// Proves that a backup whose validator was started by hand in mid-run forbids giving the primary back: no stop
/// reaches it, it may have signed, and the run says that it could not be halted until it has ended.
#[tokio::test(start_paused = true)]
async fn a_backup_that_lives_forbids_undo() {
    let rig = rig();
    rig.change(A, |host| host.quirks.database_damaged = true);
    rig.change(B, |host| {
        host.timing.by_hand_to_signing = Duration::from_secs(86_400)
    });
    arm(
        &rig,
        A,
        |call| call.op == Op::Stop,
        When::After,
        |hosts, now| hosts[B].start_by_hand(now),
    );
    let state = rig.run("r1").await;
    println!("{}", rig.story("r1"));
    assert_eq!(state, State::Parked(Parking::Halting), "{}", rig.story("r1"));
    assert!(!rig.lives(A) && rig.barred(A) && rig.barred(B));
    rig.world.with_host(B, |host, now| host.stop_by_hand(now));
    assert_eq!(rig.resume("r1").await, PARKED, "{}", rig.story("r1"));
    assert!(!rig.lives(A));
    halted(&rig);
    rig.assert_clean("r1");
}
