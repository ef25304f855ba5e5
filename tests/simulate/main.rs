//! The simulation: the whole program except the operating system, over seeds. Driver, perform, observe, guards, adapters
//! and the journal on real SQLite are those that ship; hosts, chain, clocks and lines are simulated, and everything that
//! can go wrong with them does. Afterwards a referee reads every message that was signed. There is no fence agent in the
//! shipping program yet, so there is none here.
//! `FAILOVER_SEED=N` runs one seed and prints its story; `FAILOVER_RUNS=N` sets how many run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod judge;
mod lasting;
mod log;
mod many;
mod mishap;
mod process;
mod scene;
mod surroundings;
mod truth;
mod weather;

use many::{Amount, simulate};

/// Proves that no fault of any kind, nor any mixture of them, makes a run unsafe or its report untrue, and that each kind
/// of fault struck and each outcome was reached.
#[test]
fn every_fault_at_once() {
    simulate(Amount::usual()).demand(cfg!(debug_assertions));
}

/// The same, a million times or as often as `FAILOVER_RUNS` says.
#[test]
#[ignore = "takes hours; FAILOVER_RUNS sets how many"]
fn every_fault_a_million_times() {
    simulate(Amount::large()).demand(false);
}

/// Proves that a seed tells the same story every time, so that a failing one can be replayed.
#[test]
fn a_seed_tells_one_story() {
    for seed in [3, 11, 42, 1_234, 77_777] {
        let (once, again) = (scene::play(seed), scene::play(seed));
        assert_eq!(once.story, again.story, "seed {seed}");
        assert!(once.story.lines().count() > 5, "seed {seed} has no story");
    }
}
