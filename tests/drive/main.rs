//! Whole runs of the driver over simulated hosts: what a run does, refuses, undoes and parks. Each test says what it
//! proves. Must never wait for real time, and never ask the coordinator whether the coordinator was right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

#[path = "../support/mod.rs"]
mod support;

mod direct;
mod healthy;
mod interrupted;
mod lost;
mod refusals;
mod rivals;
mod stale;
mod traces;
mod undo;
