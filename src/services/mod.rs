//! What a service manager and a host say of themselves, read from the text that `remote.sh` prints: units, bars,
//! processes, clocks, papers, room. Pure. Must never do IO, and never fill in what was not said: text that is
//! missing, doubled or not understood is an `Err` with the reason, which the guards treat as unknown.

mod fields;
pub mod host;
pub mod processes;
pub mod systemd;
mod unit;
