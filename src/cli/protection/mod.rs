//! `failover protection`: slashing-protection data at rest, in any client's own form. One file per sub-command.
//! Touches no host. Must never write over a file, print a password, or call a source fine that could not be read whole.

mod convert;
mod diff;
mod gathered;
mod inspect;
mod merge;
mod network;
mod output;
mod source;
mod table;
mod validate;
mod watermarks;

use super::Failure;
use super::args::{Global, Protection};
use super::printing::{coloured, out, paint};
use crate::protection::{Certainty, Conflict, Conflicts, GenesisRoot};

/// How many conflicts a person is shown; `--json` has those that were listed, and counts all.
const CONFLICTS_SHOWN: usize = 20;

/// Dispatches.
pub fn protection(global: &Global, command: Protection) -> Result<u8, Failure> {
    match command {
        Protection::Inspect(args) => inspect::inspect(global, &args),
        Protection::Validate(args) => validate::validate(global, &args),
        Protection::Merge(args) => merge::merge(global, &args),
        Protection::Diff(args) => diff::diff(global, &args),
        Protection::Convert(args) => convert::convert(global, &args),
    }
}

/// Text for a person, coloured if the terminal is.
fn say(global: &Global, text: &str) {
    let text = paint(text.trim_end(), coloured(global, &std::io::stdout()));
    out(&format!("{text}\n"));
}

fn root_of(text: Option<&str>) -> Result<Option<GenesisRoot>, Failure> {
    text.map(GenesisRoot::parse)
        .transpose()
        .map_err(|error| Failure::usage(format!("--genesis-validators-root: {error}")))
}

/// A number and what it counts: `1 key`, `2 keys`.
fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// One line per conflict, the proven first.
fn conflict_lines(conflicts: &Conflicts) -> Vec<String> {
    let line = |conflict: &Conflict| match conflict.certainty {
        Certainty::Proven => format!("SLASHABLE {conflict}"),
        Certainty::Possible => format!("POSSIBLY SLASHABLE {conflict}"),
    };
    let of = |certainty| {
        conflicts
            .listed
            .iter()
            .filter(move |conflict| conflict.certainty == certainty)
    };
    let mut lines: Vec<String> = of(Certainty::Proven)
        .chain(of(Certainty::Possible))
        .take(CONFLICTS_SHOWN)
        .map(line)
        .collect();
    let all = conflicts.count(Certainty::Proven) + conflicts.count(Certainty::Possible);
    match all.saturating_sub(lines.len() as u64) {
        0 => {}
        more => lines.push(format!(
            "and {more} more such messages: --json lists more of them"
        )),
    }
    lines
}
