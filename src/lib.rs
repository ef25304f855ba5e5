//! The module map. Decisions are pure (`protocol`, `protection`, `guards`), adapters translate
//! (`clients`, `services`, `databases`), and only `transport`, `beacon` and `journal` touch the world.

pub mod beacon;
pub mod cli;
pub mod clients;
pub mod config;
pub mod databases;
pub mod demo;
pub mod driver;
pub mod guards;
pub mod journal;
pub mod observe;
pub mod perform;
pub mod protection;
pub mod protocol;
pub mod report;
pub mod services;
pub mod transport;
