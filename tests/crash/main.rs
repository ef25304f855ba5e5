//! The coordinator dies, or an answer is lost, at every single point of a run; then it is resumed. Whatever comes of
//! it must be safe and truly reported. Must never skip a point: the tables are counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

#[path = "../support/mod.rs"]
mod support;

mod events;
mod questions;
mod seeds;
mod table;
