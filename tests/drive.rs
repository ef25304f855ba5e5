//! Whole runs of the driver over simulated hosts: what a run does, refuses, undoes and parks. Each test says what it
//! proves. Must never wait for real time, and never ask the coordinator whether the coordinator was right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests end on the first surprise

mod support;

use failover::protocol::{Outcome, State};
use support::hosts::covers;
use support::{A, B, How, Process, rig};

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
    assert_eq!(state, State::Ended(Outcome::Completed), "{}", rig.story("r1"));
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
