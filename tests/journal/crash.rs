//! Is every entry that was reported as stored still there after the process was killed?

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::Instant;

use failover::journal::{Entry, Journal};
use failover::protocol::{Event, State, replay};
use rusqlite::Connection;
use serde_json::json;

use crate::{child, place, row, walk};

/// The other process: appends, says so, and goes on until it is killed.
pub fn append_until_killed(file: &Path) {
    let journal = Journal::open(file).unwrap();
    for number in 1.. {
        let entry = Entry {
            event: Event::Resumed,
            state: State::Preflight,
            why: "Again.".into(),
            facts: json!({"number": number}),
        };
        let record = journal.append("r", &entry).unwrap();
        println!("stored {}", record.seq);
        std::io::stdout().flush().unwrap();
    }
}

/// Proves that a kill at any moment loses no entry that was acknowledged, and that the journal replays afterwards.
#[test]
fn a_killed_process_loses_nothing() {
    let (_directory, file) = place();
    Journal::open(&file).unwrap().begin(&row("r", "a", "b")).unwrap();
    let mut acknowledged = 0;
    for kill_after in [1, 7, 40] {
        let mut other = child("append", &file);
        let lines = BufReader::new(other.stdout.take().unwrap()).lines();
        let numbers = lines.filter_map(|line| line.unwrap().strip_prefix("stored ")?.parse::<u32>().ok());
        let mut seen = 0;
        for number in numbers {
            acknowledged = number;
            seen += 1;
            if seen == kill_after {
                other.kill().unwrap();
            }
        }
        assert!(seen >= kill_after, "the other process wrote {seen} entries");
        other.wait().unwrap();
        let journal = Journal::open(&file).unwrap();
        let entries = journal.entries("r").unwrap();
        let stored = u32::try_from(entries.len()).unwrap();
        assert!(
            stored == acknowledged || stored == acknowledged + 1,
            "{stored}, but {acknowledged} acknowledged"
        );
        assert_eq!(journal.state("r").unwrap(), State::Preflight);
        acknowledged = stored;
    }
}

/// Proves that a run goes on after a reopening where it was, from its events alone.
#[test]
fn reopening_replays_to_the_same_place() {
    let (_directory, file) = place();
    let events = [
        Event::PreflightPassed,
        Event::Claimed,
        Event::LineLost,
        Event::Resumed,
        Event::PrimaryBarred,
    ];
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    for (number, event) in events.iter().enumerate() {
        let reopened = Journal::open(&file).unwrap();
        let state = walk(&reopened, "r", &[*event]);
        assert_eq!(state, replay(events[..=number].iter().copied()).unwrap());
        assert_eq!(Journal::open(&file).unwrap().state("r").unwrap(), state);
    }
    let stored: Vec<Event> = journal
        .entries("r")
        .unwrap()
        .iter()
        .map(|record| record.event)
        .collect();
    assert_eq!(stored, events);
}

/// Proves that an end and its entry are one transaction: if the run cannot be ended, the entry is not there either.
#[test]
fn an_end_is_stored_whole_or_not_at_all() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    let stranger = Connection::open(&file).unwrap();
    let fault = "CREATE TRIGGER fault BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'fault'); END";
    stranger.execute_batch(fault).unwrap();
    let end = crate::entry(State::Preflight, Event::PreflightRefused);
    assert!(
        journal
            .append("r", &end)
            .unwrap_err()
            .to_string()
            .contains("fault")
    );
    assert_eq!(journal.entries("r").unwrap(), []);
    assert_eq!(journal.state("r").unwrap(), State::Preflight);
    stranger.execute_batch("DROP TRIGGER fault").unwrap();
    journal.append("r", &end).unwrap();
}

/// Measures an append; generous, since it waits for a disk. Run with `--nocapture` to read the number.
#[test]
fn an_append_takes_milliseconds() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    let begin = Instant::now();
    walk(&journal, "r", &[Event::Resumed; 100]);
    let each = begin.elapsed() / 100;
    println!("append: {each:?} each");
    assert!(
        each.as_millis() < 500,
        "{each:?} for an append: the run waits for it at every step"
    );
}
