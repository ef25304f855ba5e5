//! Asks every read-only question and returns plain evidence. Both hosts are always asked side by side, in one round
//! trip. Must never change anything on a host, and never fill a gap with a guess.

mod gather;
mod hosts;
mod install;
mod pack;
mod protection;

pub use gather::{Scope, blank, evidence, fingerprint_call, read_fingerprint, read_reading, reading_calls};
pub use hosts::{Clock, Host, Hosts, Patience, Timed};
pub use install::{client, discover, discover_one};
pub use pack::{Answer, Pack, Question, Unanswered, pack_question};
pub use protection::{ARCHIVE, ExportCalls, Exported, WORK, export_calls, history, read_export};
