//! The real program, in a process of its own over a journal on disk, is killed with SIGKILL at every append and at every
//! question; its journal is torn, lost, or put back from an old copy. Then a new process goes on, with the commands that
//! the program itself prints. Whatever comes of it has to be safe, truly told, and reached without editing a file.
//! Must never help the program: it is killed, and asked from outside. Must never skip a point: they are counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

mod door;
mod hosts;
mod lost;
mod points;
mod records;
mod stage;
mod stale;
mod table;
mod torn;
