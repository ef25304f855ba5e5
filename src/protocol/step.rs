//! `step`, `command` and `replay`: the whole of what decides. A crash is no special path: the journal's events are
//! replayed and the command of the state that comes out is performed again.

use super::{Command, Event, ROWS, State};

/// A pair of state and event without a row. The driver parks on it and journals nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} has no meaning in {state}")]
pub struct Unexpected {
    /// Where the run is.
    pub state: State,
    /// What was learnt there.
    pub event: Event,
}

/// Where `event` leads from `state`.
pub fn step(state: State, event: Event) -> Result<State, Unexpected> {
    ROWS.iter()
        .find(|row| row.from == state && row.event == event)
        .map(|row| row.to)
        .ok_or(Unexpected { state, event })
}

/// What is to be done in `state`; nothing where the run waits for a person or is over.
pub fn command(state: State) -> Option<Command> {
    match state {
        State::Preflight | State::CheckingAgain => Some(Command::CheckEverything),
        State::Claiming => Some(Command::ClaimBoth),
        State::BarringPrimary => Some(Command::BarPrimary),
        State::StoppingPrimary | State::StoppingAgain => Some(Command::StopPrimary),
        State::ProvingStopped | State::ProvingAgain => Some(Command::ProveStopped),
        State::Collecting => Some(Command::CollectProtection),
        State::Merging => Some(Command::MergeProtection),
        State::Importing => Some(Command::ImportProtection),
        State::ReadingBack => Some(Command::ReadBackProtection),
        State::JudgingStart | State::JudgingRestart => Some(Command::JudgeStart),
        State::StartingBackup => Some(Command::StartBackup),
        State::LookingAtBackup => Some(Command::LookAtBackup),
        State::Watching => Some(Command::Watch),
        State::HaltingBackup => Some(Command::HaltBackup),
        State::RebarringBackup => Some(Command::BarBackup),
        State::RestoringPrimary => Some(Command::RestorePrimary),
        State::Releasing(_) => Some(Command::ReleaseClaims),
        State::Parked(_) | State::Ended(_) => None,
    }
}

/// Where a run is after these events, from its beginning.
pub fn replay(events: impl IntoIterator<Item = Event>) -> Result<State, Unexpected> {
    events.into_iter().try_fold(State::Preflight, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Outcome, Parking};
    use std::collections::BTreeSet;

    /// Proves that no pair has two rows: what a run does next is never a matter of order.
    #[test]
    fn every_pair_has_at_most_one_row() {
        let mut seen = BTreeSet::new();
        for row in ROWS {
            assert!(
                seen.insert((row.from, row.event)),
                "{} on {} twice",
                row.from,
                row.event
            );
            assert!(row.why.ends_with('.'), "a sentence: {}", row.why);
        }
    }

    /// Proves that every state can be reached from the first, and that from every state an end or a park is reached.
    #[test]
    fn every_state_is_reachable_and_none_is_a_trap() {
        let mut reached = BTreeSet::from([State::Preflight]);
        loop {
            let more: Vec<State> = ROWS
                .iter()
                .filter(|row| reached.contains(&row.from))
                .map(|row| row.to)
                .collect();
            let before = reached.len();
            reached.extend(more);
            if reached.len() == before {
                break;
            }
        }
        assert_eq!(reached, State::all().into_iter().collect::<BTreeSet<_>>());
        for state in State::all() {
            let leaves = ROWS.iter().any(|row| row.from == state && row.to != state);
            assert_eq!(leaves, !matches!(state, State::Ended(_)), "{state}");
            assert_eq!(
                command(state).is_none(),
                matches!(state, State::Ended(_) | State::Parked(_)),
                "{state}"
            );
        }
    }

    /// Proves that once a start was tried no row leads back to a state that could restore the primary.
    #[test]
    fn after_a_start_there_is_no_undo() {
        for row in ROWS.iter().filter(|row| row.from.start_tried()) {
            assert!(
                row.to.start_tried() || matches!(row.to, State::Ended(_)),
                "{} -> {}",
                row.from,
                row.to
            );
            assert_ne!(row.to, State::RebarringBackup);
            assert_ne!(row.to, State::RestoringPrimary);
        }
    }

    /// Proves that the backup is started only from a judgement, and every judgement only after a fence or a look.
    #[test]
    fn a_start_follows_a_judgement() {
        for row in ROWS.iter().filter(|row| row.to == State::StartingBackup) {
            assert_eq!(row.event, Event::StartAllowed);
            assert!(matches!(row.from, State::JudgingStart | State::JudgingRestart));
        }
        for row in ROWS.iter().filter(|row| row.to == State::RestoringPrimary) {
            assert_eq!(row.event, Event::BackupBarred);
        }
    }

    /// Proves that a resumed run never goes on with history collected before the interruption.
    #[test]
    fn resume_never_trusts_an_old_history() {
        for state in State::all() {
            let stale = matches!(
                state,
                State::Collecting
                    | State::Merging
                    | State::Importing
                    | State::ReadingBack
                    | State::JudgingStart
            );
            if state == State::Claiming {
                assert_eq!(step(state, Event::Resumed), Ok(State::CheckingAgain));
            }
            if stale || state == State::Parked(Parking::Fencing) {
                assert_eq!(step(state, Event::Resumed), Ok(State::BarringPrimary), "{state}");
            }
            if command(state).is_some() {
                assert!(step(state, Event::Resumed).is_ok(), "{state} cannot be resumed");
            }
        }
    }

    /// Proves the healthy road, and that a pair without a row is refused.
    #[test]
    fn the_healthy_road() {
        use Event::*;
        let road = [
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
        assert_eq!(replay(road), Ok(State::Ended(Outcome::Completed)));
        assert_eq!(
            step(State::Preflight, BackupStarted),
            Err(Unexpected {
                state: State::Preflight,
                event: BackupStarted
            })
        );
    }

    /// Proves that every event is used, and read back from its own name.
    #[test]
    fn every_event_has_a_row_and_a_name() {
        for event in Event::ALL {
            assert!(
                ROWS.iter().any(|row| row.event == event),
                "{event} is used nowhere"
            );
            assert_eq!(Event::named(&event.name()), Some(event));
        }
    }
}
