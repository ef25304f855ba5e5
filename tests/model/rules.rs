//! Rules of the table that no world can show, since breaking them is safe and still wrong: a run that gives up where it
//! should look, or refuses where it should park. Each is a sentence with a check over a whole table. Must never name a row
//! that a property of the search already holds.

use failover::protocol::{Event, Outcome, Parking, State};

/// A table: where an event leads from a state.
pub type Table<'a> = &'a dyn Fn(State, Event) -> Option<State>;

/// A sentence, and whether a table keeps it.
pub struct Rule {
    pub says: &'static str,
    pub holds: fn(Table<'_>) -> bool,
}

const UNSTARTED: [State; 9] = [
    State::BarringPrimary,
    State::StoppingPrimary,
    State::ProvingStopped,
    State::StoppingAgain,
    State::ProvingAgain,
    State::Collecting,
    State::Importing,
    State::ReadingBack,
    State::JudgingStart,
];

fn parks(at: Parking) -> Option<State> {
    Some(State::Parked(at))
}

/// Every state's answer to one event, if it has one, is among the right ones.
fn all(table: Table<'_>, event: Event, right: impl Fn(State, State) -> bool) -> bool {
    State::all()
        .into_iter()
        .all(|from| table(from, event).is_none_or(|to| right(from, to)))
}

#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    Rule { says: "the healthy road has thirteen events and ends completed", holds: healthy_road },
    Rule {
        says: "before a claim nothing is undone: a refusal and a signal end refused, a lost claim too",
        holds: |table| [Event::PreflightRefused, Event::Interrupted].into_iter().all(|event| {
            table(State::Preflight, event) == Some(State::Ended(Outcome::Refused))
                && table(State::CheckingAgain, event) == Some(State::Releasing(Outcome::Refused))
        }) && [Event::ClaimHeld, Event::LineLost, Event::Interrupted].into_iter().all(|event| {
            table(State::Claiming, event) == Some(State::Releasing(Outcome::Refused))
        }),
    },
    Rule {
        says: "a hand-over that is done already is told once, and by a resumed run not as its own",
        holds: |table| table(State::Preflight, Event::AlreadyDone) == Some(State::Ended(Outcome::Completed))
            && table(State::CheckingAgain, Event::AlreadyDone) == Some(State::Releasing(Outcome::Refused)),
    },
    Rule {
        says: "between the bar and the start a lost line or a signal parks where a resume fences again; only a lost stop is followed by readings",
        holds: |table| UNSTARTED.into_iter().all(|from| {
            let lost = match from {
                State::StoppingPrimary => Some(State::ProvingStopped),
                State::StoppingAgain => Some(State::ProvingAgain),
                _ => parks(Parking::Fencing),
            };
            table(from, Event::LineLost) == lost && table(from, Event::Interrupted) == parks(Parking::Fencing)
        }) && table(State::Merging, Event::Interrupted) == parks(Parking::Fencing),
    },
    Rule {
        says: "what refuses before a start is undone; what a person has to look at parks",
        holds: |table| [
            (State::BarringPrimary, Event::BarFailed), (State::Collecting, Event::CollectFailed),
            (State::Merging, Event::MergeRefused), (State::Importing, Event::ImportFailed),
            (State::ReadingBack, Event::ReadBackFails), (State::JudgingStart, Event::StartForbidden),
        ].into_iter().all(|(from, event)| table(from, event) == Some(State::RebarringBackup))
            && [
                (State::ProvingStopped, Event::BarFailed), (State::ProvingAgain, Event::BarFailed),
                (State::ProvingAgain, Event::SeenAlive), (State::Collecting, Event::SeenAlive),
                (State::JudgingStart, Event::HistoryStale),
            ].into_iter().all(|(from, event)| table(from, event) == parks(Parking::Fencing)),
    },
    Rule {
        says: "a primary that is alive after a stop is stopped once more, and proven again",
        holds: |table| table(State::ProvingStopped, Event::SeenAlive) == Some(State::StoppingAgain)
            && table(State::StoppingAgain, Event::StopAnswered) == Some(State::ProvingAgain)
            && table(State::ProvingAgain, Event::ProvenStopped) == Some(State::Collecting),
    },
    Rule {
        says: "a claim that is gone ends the run before a start, and halts the backup after one",
        holds: |table| all(table, Event::ClaimLost, |from, to| match from {
            State::StartingBackup => to == State::LookingAtBackup,
            State::LookingAtBackup | State::JudgingRestart => to == State::HaltingBackup,
            _ => to == State::Releasing(Outcome::Parked),
        }),
    },
    Rule {
        says: "a run that the hosts show to be over changes nothing, and before a start takes away what is its own",
        holds: |table| all(table, Event::FoundOver, |from, to| match from {
            State::BarringPrimary | State::RebarringBackup => to == State::Releasing(Outcome::Refused),
            _ => to == State::Ended(Outcome::Refused),
        }),
    },
    Rule {
        says: "a backup that ran by itself is halted; behind a start that was tried it is looked at first",
        holds: |table| all(table, Event::BackupHasRun, |from, to| match from {
            State::JudgingRestart => to == State::LookingAtBackup,
            _ => to == State::HaltingBackup,
        }),
    },
    Rule {
        says: "a resume fences afresh before a start, goes on undoing an undo, and looks behind a start",
        holds: |table| all(table, Event::Resumed, |from, to| match from {
            State::Claiming | State::CheckingAgain => to == State::CheckingAgain,
            State::Merging | State::Parked(Parking::Fencing) => to == State::BarringPrimary,
            from if UNSTARTED.contains(&from) => to == State::BarringPrimary,
            State::RestoringPrimary | State::Parked(Parking::Restoring) => to == State::RebarringBackup,
            State::StartingBackup | State::JudgingRestart | State::Parked(Parking::Starting) => {
                to == State::LookingAtBackup
            }
            State::Parked(Parking::Halting) => to == State::HaltingBackup,
            same => to == same,
        }),
    },
    Rule {
        says: "an undo that a person asks for begins with the backup",
        holds: |table| all(table, Event::UndoAsked, |_, to| to == State::RebarringBackup),
    },
    Rule {
        says: "a lost line parks an undo, a halt and a look where each of them goes on",
        holds: |table| [
            (State::RebarringBackup, Parking::Restoring), (State::RestoringPrimary, Parking::Restoring),
            (State::LookingAtBackup, Parking::Starting), (State::JudgingRestart, Parking::Starting),
            (State::HaltingBackup, Parking::Halting),
        ].into_iter().all(|(from, at)| table(from, Event::LineLost) == parks(at))
            && table(State::StartingBackup, Event::LineLost) == Some(State::LookingAtBackup),
    },
    Rule {
        says: "behind a start nothing but a judgement starts again; what forbids it halts",
        holds: |table| table(State::LookingAtBackup, Event::BackupRuns) == Some(State::Watching)
            && table(State::LookingAtBackup, Event::BackupStands) == Some(State::JudgingRestart)
            && table(State::JudgingRestart, Event::StartAllowed) == Some(State::StartingBackup)
            && [
                (State::StartingBackup, Event::StartFailed), (State::LookingAtBackup, Event::StartFailed),
                (State::JudgingRestart, Event::StartForbidden), (State::JudgingRestart, Event::HistoryStale),
                (State::Watching, Event::PrimaryAlive), (State::Watching, Event::HistoryIncomplete),
                (State::Watching, Event::BackupDied),
            ].into_iter().all(|(from, event)| table(from, event) == Some(State::HaltingBackup)),
    },
    Rule {
        says: "a watch that did not see both ends is unconfirmed",
        holds: |table| [Event::WatchRanOut, Event::LineLost, Event::Interrupted].into_iter()
            .all(|event| table(State::Watching, event) == Some(State::Releasing(Outcome::Unconfirmed))),
    },
    Rule {
        says: "a halt ends parked, an undo restored, or parked where the primary did not sign before",
        holds: |table| table(State::HaltingBackup, Event::BackupHalted) == Some(State::Releasing(Outcome::Parked))
            && table(State::RebarringBackup, Event::BackupBarred) == Some(State::RestoringPrimary)
            && table(State::RestoringPrimary, Event::PrimaryRestored) == Some(State::Releasing(Outcome::Restored))
            && table(State::RestoringPrimary, Event::PrimaryLeftStopped) == Some(State::Releasing(Outcome::Parked)),
    },
    Rule {
        says: "what was decided is what is told",
        holds: |table| Outcome::ALL.into_iter().all(|outcome| {
            [Event::ClaimsReleased, Event::LineLost].into_iter()
                .all(|event| table(State::Releasing(outcome), event) == Some(State::Ended(outcome)))
        }),
    },
];

fn healthy_road(table: Table<'_>) -> bool {
    use Event as E;
    use State as S;
    let road = [
        (S::Preflight, E::PreflightPassed),
        (S::Claiming, E::Claimed),
        (S::BarringPrimary, E::PrimaryBarred),
        (S::StoppingPrimary, E::StopAnswered),
        (S::ProvingStopped, E::ProvenStopped),
        (S::Collecting, E::Collected),
        (S::Merging, E::FloorsMerged),
        (S::Importing, E::Imported),
        (S::ReadingBack, E::ReadBackCovers),
        (S::JudgingStart, E::StartAllowed),
        (S::StartingBackup, E::BackupStarted),
        (S::Watching, E::AttestationSeen),
        (S::Releasing(Outcome::Completed), E::ClaimsReleased),
    ];
    let ends = road.iter().map(|(from, event)| table(*from, *event));
    let next = road.iter().skip(1).map(|(state, _)| Some(*state));
    ends.eq(next.chain([Some(S::Ended(Outcome::Completed))]))
        && table(S::CheckingAgain, E::PreflightPassed) == Some(S::Claiming)
}
