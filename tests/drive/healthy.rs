//! Runs in which nothing goes wrong, or nothing that matters.

use std::time::Duration;

use failover::demo::world::{Trigger, When};
use failover::protocol::{Event, Outcome, State};
use failover::transport::Op;

use crate::support::hosts::covers;
use crate::support::{A, B, How, Process, rig};

const COMPLETED: State = State::Ended(Outcome::Completed);

/// Proves that a healthy run hands over: history first, one signer at a time, and both hosts say so afterwards.
#[tokio::test(start_paused = true)]
async fn a_healthy_run_completes() {
    let rig = rig();
    rig.pass(5).await;
    let before = rig.floors(B);
    rig.begin("r1", A, B);
    let how = How::default();
    let mut process = Process::new(&rig, "r1", &how);
    let state = process.drive(&how).await.unwrap();
    println!("{}", rig.story("r1"));
    assert_eq!(state, COMPLETED, "{}", rig.story("r1"));
    let round_trips = process.world.hosts.round_trips();
    println!("sequential round trips: {round_trips}");
    assert!(round_trips <= 15, "{round_trips} round trips");
    let after = rig.floors(B);
    assert!(covers(&after, &before) && covers(&after, &rig.floors(A)));
    assert!(rig.barred(A) && !rig.lives(A));
    assert!(rig.serves(B) && !rig.barred(B));
    assert_eq!(rig.paper(A, "claim"), None);
    assert_eq!(rig.paper(B, "claim"), None);
    assert_eq!(rig.generation(A), Some((1, "fenced".to_owned())));
    assert_eq!(rig.generation(B), Some((1, "signer".to_owned())));
    rig.pass(60).await;
    rig.assert_clean("r1");
}

/// Proves that the right to sign goes back and forth, each time with a higher generation.
#[tokio::test(start_paused = true)]
async fn back_and_forth_again() {
    let rig = rig();
    assert_eq!(rig.run("r1").await, COMPLETED);
    for (run, from, to, generation) in [("r2", B, A, 2), ("r3", A, B, 3)] {
        rig.pass(20).await;
        rig.begin(run, from, to);
        let how = How::default();
        let state = Process::new(&rig, run, &how).drive(&how).await.unwrap();
        assert_eq!(state, COMPLETED, "{}", rig.story(run));
        assert!(rig.barred(from) && !rig.lives(from) && rig.serves(to));
        assert!(covers(&rig.floors(to), &rig.floors(from)));
        assert_eq!(rig.generation(from), Some((generation, "fenced".to_owned())));
        assert_eq!(rig.generation(to), Some((generation, "signer".to_owned())));
        rig.assert_clean(run);
    }
}

/// Proves that the same command again finds the work done and touches nothing.
#[tokio::test(start_paused = true)]
async fn the_same_run_again_changes_nothing() {
    let rig = rig();
    assert_eq!(rig.run("r1").await, COMPLETED);
    let before = rig.snapshots();
    assert_eq!(rig.run("r2").await, COMPLETED, "{}", rig.story("r2"));
    assert_eq!(rig.events("r2"), [Event::AlreadyDone]);
    assert_eq!(rig.snapshots(), before);
    rig.pass(60).await;
    rig.assert_clean("r2");
}

/// Proves that a primary whose validator has crashed for good is handed over all the same.
#[tokio::test(start_paused = true)]
async fn a_crashed_primary_is_handed_over() {
    let rig = rig();
    rig.world.with_host(A, |host, now| {
        host.unit.restart = false;
        host.crash_validator(now);
    });
    assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
    assert!(rig.serves(B) && rig.barred(A));
    rig.assert_clean("r1");
}

/// Proves that a validator in a crash loop (auto-restart pending) is barred, stopped and handed over.
#[tokio::test(start_paused = true)]
async fn a_primary_in_a_crash_loop_is_handed_over() {
    let rig = rig();
    rig.world.with_host(A, |host, now| host.crash_validator(now));
    assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
    assert!(rig.serves(B) && rig.barred(A));
    rig.pass(60).await;
    assert!(!rig.lives(A));
    rig.assert_clean("r1");
}

/// Proves that the primary's own beacon node is not needed when something else tells the chain.
#[tokio::test(start_paused = true)]
async fn a_primary_without_a_beacon_node_is_handed_over() {
    let rig = rig();
    rig.change(A, |host| host.beacon.broken = true);
    assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
    rig.assert_clean("r1");
}

/// Proves that the fenced primary stays down through a reboot, and through a start that somebody asks of systemd.
#[tokio::test(start_paused = true)]
async fn a_fenced_primary_stays_down() {
    let rig = rig();
    assert_eq!(rig.run("r1").await, COMPLETED);
    rig.world.with_host(A, |host, now| host.reboot(now));
    rig.pass(60).await;
    assert!(!rig.lives(A) && rig.barred(A));
    let start = failover::transport::Call::new(Op::Start, [failover::demo::host::UNIT, "10"]);
    let answer = rig.world.perform(A, &start).await.unwrap();
    assert_ne!(answer.status, 0);
    assert!(!rig.lives(A));
    rig.assert_clean("r1");
}

/// Proves that a reboot of the primary in mid-run neither revives it nor passes for a proof taken before.
#[tokio::test(start_paused = true)]
async fn a_reboot_of_the_primary_in_mid_run_is_survived() {
    for op in [Op::Bar, Op::Stop, Op::Pack] {
        let rig = rig();
        rig.world.arm(Trigger {
            host: A,
            on: match op {
                Op::Bar => |call| call.op == Op::Bar,
                Op::Stop => |call| call.op == Op::Stop,
                _ => |call| call.op == Op::Pack,
            },
            when: When::After,
            action: Box::new(|hosts, now| hosts[A].reboot(now)),
            kills_coordinator: false,
        });
        let mut state = rig.run("r1").await;
        if state == State::Parked(failover::protocol::Parking::Fencing) {
            rig.pass(10).await;
            state = rig.resume("r1").await;
        }
        assert_eq!(state, COMPLETED, "{op:?}\n{}", rig.story("r1"));
        rig.assert_clean("r1");
    }
}

/// Proves that an export of some seconds on one host does not blur the clock of the other.
#[tokio::test(start_paused = true)]
async fn slow_clients_are_waited_for() {
    for host in [A, B] {
        let rig = rig();
        rig.change(host, |host| host.timing.run = Duration::from_secs(8));
        assert_eq!(rig.run("r1").await, COMPLETED, "{}", rig.story("r1"));
        rig.assert_clean("r1");
    }
}
