//! The simulated world of `failover demo` and of the tests: hosts, beacon nodes, validators that really sign, and a
//! referee who sees every message. It only answers what the production driver asks; it decides nothing for it.

pub mod beacon;
pub mod chain;
pub mod database;
pub mod host;
pub mod referee;
pub mod transport;
pub mod world;
