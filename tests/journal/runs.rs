//! Do runs begin, go on, end and come back as they were written?

use failover::journal::{Journal, JournalError, pair};
use failover::protocol::{Event, Event::*, Outcome, State};
use jiff::Timestamp;
use serde_json::json;

use crate::{entry, place, row, walk};

const ROAD: [Event; 13] = [
    PreflightPassed,
    Claimed,
    PrimaryBarred,
    StopAnswered,
    ProvenStopped,
    Collected,
    FloorsMerged,
    Imported,
    ReadBackCovers,
    StartAllowed,
    BackupStarted,
    AttestationSeen,
    ClaimsReleased,
];

/// Proves that what was appended is what is read, from this and from a later process, times and numbers included.
#[test]
fn what_was_appended_is_read_back() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    let before = Timestamp::now();
    journal.begin(&row("r", "b", "a")).unwrap();
    let mut first = entry(State::Preflight, PreflightPassed);
    first.facts = json!({"floor": u64::MAX, "epoch": -1, "text": "naïve \"quote\" | '", "none": null});
    first.why = "Every guard passed; déjà vu.".into();
    let record = journal.append("r", &first).unwrap();
    assert_eq!(
        (record.seq, record.event, record.state.as_str()),
        (1, PreflightPassed, "Claiming")
    );
    assert_eq!((&record.why, &record.facts), (&first.why, &first.facts));
    assert!(
        (record.at - before).total(jiff::Unit::Second).unwrap().abs() < 60.0,
        "{}",
        record.at
    );
    let again = Journal::open(&file).unwrap();
    assert_eq!(again.entries("r").unwrap(), [record]);
    let run = again.run("r").unwrap();
    assert_eq!(
        (
            run.primary.as_str(),
            run.backup.as_str(),
            run.coordinator.as_str()
        ),
        ("b", "a", "desk")
    );
    assert_eq!((run.plan, run.ended), (json!({"checks": 3}), None));
    assert_eq!(again.state("r").unwrap(), State::Claiming);
}

/// Proves that a pair has one live run, whichever of the two signs, and that only an end makes room for the next.
#[test]
fn a_pair_has_one_live_run() {
    let (_directory, file) = place();
    let journal = Journal::open(&file).unwrap();
    journal.begin(&row("one", "a", "b")).unwrap();
    for (primary, backup) in [("a", "b"), ("b", "a")] {
        match Journal::open(&file)
            .unwrap()
            .begin(&row("two", primary, backup))
            .unwrap_err()
        {
            JournalError::LiveRun { id, since, pair } => {
                assert_eq!((id.as_str(), pair.as_str()), ("one", "a|b"));
                assert_eq!(since, journal.run("one").unwrap().started_at);
            }
            other => panic!("{other}"),
        }
        assert_eq!(journal.live_run(primary, backup).unwrap().unwrap().id, "one");
    }
    journal.begin(&row("other", "a", "c")).unwrap();
    assert_eq!(journal.live_runs().unwrap().len(), 2);
    walk(&journal, "one", &[PreflightRefused]);
    assert_eq!(journal.live_run("a", "b").unwrap(), None);
    journal.begin(&row("two", "b", "a")).unwrap();
    assert_eq!(journal.live_run("a", "b").unwrap().unwrap().id, "two");
}

/// Proves that an ending state ends its run, in every outcome, and that nothing follows an end.
#[test]
fn an_ended_run_takes_nothing_more() {
    let ways: [(&[Event], Outcome); 5] = [
        (&[PreflightRefused], Outcome::Refused),
        (&ROAD, Outcome::Completed),
        (
            &[
                PreflightPassed,
                Claimed,
                BarFailed,
                BackupBarred,
                PrimaryRestored,
                ClaimsReleased,
            ],
            Outcome::Restored,
        ),
        (
            &[&ROAD[..11], &[WatchRanOut, ClaimsReleased]].concat(),
            Outcome::Unconfirmed,
        ),
        (
            &[&ROAD[..11], &[PrimaryAlive, BackupHalted, ClaimsReleased]].concat(),
            Outcome::Parked,
        ),
    ];
    let journal = Journal::open_in_memory().unwrap();
    for (events, outcome) in ways {
        let id = outcome.word();
        journal.begin(&row(id, "a", "b")).unwrap();
        assert_eq!(walk(&journal, id, events), State::Ended(outcome));
        assert_eq!(journal.run(id).unwrap().ended, Some(outcome));
        assert_eq!(journal.state(id).unwrap(), State::Ended(outcome));
        let refused = journal
            .append(id, &entry(State::Preflight, PreflightPassed))
            .unwrap_err();
        assert!(matches!(&refused, JournalError::RunEnded { run, outcome: o } if run == id && *o == outcome));
        assert_eq!(journal.entries(id).unwrap().len(), events.len());
    }
}

/// Proves that a run is found by the beginning of its id, and never by a beginning that fits two.
#[test]
fn a_run_is_found_by_an_unambiguous_prefix() {
    let journal = Journal::open_in_memory().unwrap();
    for (number, id) in ["20261122-aa", "20261122-ab", "20261123", "20261123-a"]
        .into_iter()
        .enumerate()
    {
        journal.begin(&row(id, "a", &format!("b{number}"))).unwrap();
    }
    assert_eq!(journal.run("20261122-aa").unwrap().id, "20261122-aa");
    assert_eq!(journal.run("20261122-ab").unwrap().id, "20261122-ab");
    assert_eq!(
        journal.run("20261123").unwrap().id,
        "20261123",
        "an exact id wins over a prefix"
    );
    assert_eq!(journal.run("20261123-").unwrap().id, "20261123-a");
    match journal.run("20261122").unwrap_err() {
        JournalError::AmbiguousRun { candidates, .. } => {
            assert_eq!(candidates.len(), 2, "{candidates:?}");
        }
        other => panic!("{other}"),
    }
    for id in ["", "2027", "%", "2026112_-aa"] {
        assert!(
            matches!(journal.run(id).unwrap_err(), JournalError::NoSuchRun { .. }),
            "{id:?}"
        );
    }
    assert_eq!(journal.runs(3).unwrap().len(), 3);
    assert!(matches!(
        journal.entries("20261122-a").unwrap_err(),
        JournalError::NoSuchRun { .. }
    ));
    let unknown = journal
        .append("nobody", &entry(State::Preflight, PreflightPassed))
        .unwrap_err();
    assert!(matches!(unknown, JournalError::NoSuchRun { .. }));
}

/// Proves that an id is used once, is a plain name, and that a pair is the same from both sides.
#[test]
fn ids_are_plain_and_used_once() {
    let journal = Journal::open_in_memory().unwrap();
    journal.begin(&row("r", "a", "b")).unwrap();
    assert!(matches!(
        journal.begin(&row("r", "c", "d")).unwrap_err(),
        JournalError::RunExists { .. }
    ));
    assert!(matches!(
        journal.begin(&row("../r", "c", "d")).unwrap_err(),
        JournalError::BadName { .. }
    ));
    assert!(
        journal.begin(&row("same", "c", "c")).is_err(),
        "one host is no pair"
    );
    assert_eq!(pair("x", "a"), pair("a", "x"));
}
