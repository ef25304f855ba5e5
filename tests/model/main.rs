//! The shipping protocol, searched exhaustively: `step`, `command`, the guards, the readings and the merge as they ship, in
//! a world that does its worst. Must never be a second description of the protocol: what a run does next is asked of the
//! shipping table, what an answer means of the shipping guards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

mod adversary;
mod coordinator;
mod evidence;
#[path = "../support/evidence.rs"]
mod healthy;
mod mutants;
mod physics;
mod properties;
mod quiet;
mod search;
mod story;
mod world;

use std::time::Instant;

use adversary::Adversity;
use evidence::Judge;
use mutants::Knobs;
use search::{Setting, explore};

#[test]
fn try_it() {
    let knobs = Knobs::default();
    let judge = Judge::default();
    for budget in 0..4 {
        for on in [&Adversity::ALL[..]] {
            let began = Instant::now();
            let found = explore(
                &judge,
                &knobs,
                Setting {
                    on: Box::leak(on.to_vec().into_boxed_slice()),
                    budget,
                },
            );
            println!(
                "{on:?} {budget}: {} worlds, {} edges, {:?}, {:.1?}",
                found.worlds.len(),
                found.edges,
                found.rests,
                began.elapsed()
            );
            println!("{:?}", search::unused(&found.rows).len());
            if let Some(story) = &found.story {
                println!("{story}");
                return;
            }
        }
    }
}
