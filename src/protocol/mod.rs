//! What a run does next is a function of where it is: `State`, `Event`, `Command`, and the one table between them.
//! Pure: no clock, no IO, no async, nothing imported from the rest of the program. The shipping `step` is what the
//! crash tests drive and what `docs/states.md` is generated from.

mod command;
mod event;
mod rows;
mod state;
mod step;

pub use command::Command;
pub use event::Event;
pub use rows::{ROWS, Row};
pub use state::{Outcome, Parking, State};
pub use step::{Unexpected, command, replay, step};
