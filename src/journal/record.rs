//! What a run, an entry and a stored entry are, and how they are read from rows. Times are RFC 3339 in UTC with
//! milliseconds, so that text order is time order. Must never guess: a name that is not known is an inconsistency.

use jiff::{Timestamp, Unit};
use rusqlite::Row;
use rusqlite::types::Type;
use serde_json::Value;

use crate::protocol::{Event, Outcome, State};

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id, a plain name.
    pub id: String,
    /// The host that signs when the run begins.
    pub primary: String,
    /// The host that is to sign.
    pub backup: String,
    /// Where it is driven from.
    pub coordinator: String,
    /// What it was asked to do.
    pub plan: Value,
}

/// A run in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The host that signed when the run began.
    pub primary: String,
    /// The host that is to sign.
    pub backup: String,
    /// Where it was begun.
    pub coordinator: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What it was asked to do.
    pub plan: Value,
    /// How it ended; nothing while it is live.
    pub ended: Option<Outcome>,
}

/// What was learnt and where it led, about to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What was learnt.
    pub event: Event,
    /// Where the run is after it.
    pub state: State,
    /// The sentence for the operator.
    pub why: String,
    /// What was seen: times, hosts, hashes, findings.
    pub facts: Value,
}

/// An entry in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number in the run, from 1.
    pub seq: u32,
    /// When it was stored.
    pub at: Timestamp,
    /// What was learnt.
    pub event: Event,
    /// Where the run was after it, as text.
    pub state: String,
    /// The sentence for the operator.
    pub why: String,
    /// What was seen.
    pub facts: Value,
}

/// The two hosts of a run, whichever of them signs.
pub fn pair(primary: &str, backup: &str) -> String {
    format!("{}|{}", primary.min(backup), primary.max(backup))
}

/// The columns that [`run_from`] reads.
pub(super) const RUN_COLUMNS: &str = "id, primary_host, backup_host, coordinator, started_at, plan, ended";

/// The columns that [`record_from`] reads.
pub(super) const RECORD_COLUMNS: &str = "seq, at, event, state, why, facts";

/// The only place where the journal asks for the time.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

/// A time as it is stored.
pub(super) fn stored(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A run from its row.
pub(super) fn run_from(row: &Row<'_>) -> rusqlite::Result<Run> {
    let ended: Option<String> = row.get(6)?;
    Ok(Run {
        id: row.get(0)?,
        primary: row.get(1)?,
        backup: row.get(2)?,
        coordinator: row.get(3)?,
        started_at: parsed(row, 4)?,
        plan: json(row, 5)?,
        ended: ended
            .map(|word| named(6, "outcome", &word, outcome_named(&word)))
            .transpose()?,
    })
}

/// A stored entry from its row.
pub(super) fn record_from(row: &Row<'_>) -> rusqlite::Result<Record> {
    let event: String = row.get(2)?;
    Ok(Record {
        seq: row.get(0)?,
        at: parsed(row, 1)?,
        event: named(2, "event", &event, Event::named(&event))?,
        state: row.get(3)?,
        why: row.get(4)?,
        facts: json(row, 5)?,
    })
}

/// The outcome of that word, if there is one.
pub(super) fn outcome_named(word: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)
}

/// The state of that text, if there is one.
pub(super) fn state_named(text: &str) -> Option<State> {
    State::all().into_iter().find(|state| state.to_string() == text)
}

fn parsed(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|why: jiff::Error| unreadable(column, why.to_string()))
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|why| unreadable(column, why.to_string()))
}

fn named<T>(column: usize, what: &str, text: &str, found: Option<T>) -> rusqlite::Result<T> {
    found.ok_or_else(|| unreadable(column, format!("this version knows no {what} {text:?}")))
}

fn unreadable(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Proves that no two states share their stored text and that each is read back from it.
    #[test]
    fn every_state_and_outcome_is_read_back() {
        let texts: BTreeSet<String> = State::all().iter().map(State::to_string).collect();
        assert_eq!(texts.len(), State::all().len());
        for state in State::all() {
            assert_eq!(state_named(&state.to_string()), Some(state));
        }
        for outcome in Outcome::ALL {
            assert_eq!(outcome_named(outcome.word()), Some(outcome));
            assert_eq!(
                State::Ended(outcome).to_string().to_lowercase(),
                outcome.word(),
                "the end trigger relies on it"
            );
        }
    }

    /// Proves that the order of the stored text is the order of time, and that nothing is lost in it.
    #[test]
    fn stored_times_sort_as_text() {
        let whole: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-11-22T00:00:00.5Z".parse().unwrap();
        assert!(stored(whole) < stored(later));
        assert_eq!(stored(later), "2026-11-22T00:00:00.500Z");
        let now = now();
        assert_eq!(stored(now).parse::<Timestamp>().unwrap(), now);
    }
}
