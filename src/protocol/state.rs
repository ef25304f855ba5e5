//! Where a run is. States that do something end in `-ing`; the others wait for a person or are the end.
//! Must never hold a time, a host or a reason: those travel beside the event, in the journal.

use std::fmt;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Looking only; every guard is judged before anything is touched.
    Preflight,
    /// Taken up again before anything but a claim was written: looking at everything afresh.
    CheckingAgain,
    /// Writing the claim on both hosts, exclusively.
    Claiming,
    /// Making the primary unable to start its validator again.
    BarringPrimary,
    /// Stopping the primary's validator.
    StoppingPrimary,
    /// Taking positive readings that the primary's validator has stopped.
    ProvingStopped,
    /// The primary was seen alive after the stop: stopping it once more.
    StoppingAgain,
    /// Taking readings again after the second stop.
    ProvingAgain,
    /// Fetching the protection of both hosts, after the fence.
    Collecting,
    /// Joining both histories into floors that are no lower than either.
    Merging,
    /// Keeping the backup's old database and importing the merged floors.
    Importing,
    /// Reading the backup's database back and comparing it with the merged floors.
    ReadingBack,
    /// Judging every guard afresh, with the merged history, right before the start.
    JudgingStart,
    /// Taking the backup's lock away and starting its validator.
    StartingBackup,
    /// A start was tried and its answer is not known: looking what became of it.
    LookingAtBackup,
    /// A start was tried and the backup stands barred: judging again. There is no way back to the primary from here.
    JudgingRestart,
    /// Waiting for the backup's first attestation, with an eye on the primary.
    Watching,
    /// Something says that the backup must not sign: stopping and barring it at once.
    HaltingBackup,
    /// Undo, first half: the backup is barred and proven stopped.
    RebarringBackup,
    /// Undo, second half: the primary is unbarred and started as it was.
    RestoringPrimary,
    /// Taking the claims away; the outcome is decided.
    Releasing(Outcome),
    /// Safe, claims held, waiting for a person: `failover resume`.
    Parked(Parking),
    /// Over.
    Ended(Outcome),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The backup signs and was seen to; the primary is fenced and was seen so.
    Completed,
    /// The backup runs; its first attestation, or the primary's bar, was not seen in time.
    Unconfirmed,
    /// The primary signs again, as before the run.
    Restored,
    /// Over, and no host was given the right to sign: both are barred, or this run lost its claim and does not know.
    Parked,
    /// Nothing was changed on either host.
    Refused,
}

/// Where a parked run goes on when it is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parking {
    /// The backup was never started: resume fences the primary again, `--undo` restores it.
    Fencing,
    /// Undo could not be finished: resume goes on undoing.
    Restoring,
    /// A start was tried and the backup cannot be seen: resume looks again.
    Starting,
    /// The backup had to be stopped and this could not be proven: resume stops it again.
    Halting,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 5] = [
        Outcome::Completed,
        Outcome::Unconfirmed,
        Outcome::Restored,
        Outcome::Parked,
        Outcome::Refused,
    ];

    /// The word used in reports, in the journal and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Unconfirmed => "unconfirmed",
            Outcome::Restored => "restored",
            Outcome::Parked => "parked",
            Outcome::Refused => "refused",
        }
    }
}

impl State {
    /// Every state there is, in the order of a run.
    pub fn all() -> Vec<State> {
        let mut all = vec![
            State::Preflight,
            State::CheckingAgain,
            State::Claiming,
            State::BarringPrimary,
            State::StoppingPrimary,
            State::ProvingStopped,
            State::StoppingAgain,
            State::ProvingAgain,
            State::Collecting,
            State::Merging,
            State::Importing,
            State::ReadingBack,
            State::JudgingStart,
            State::StartingBackup,
            State::LookingAtBackup,
            State::JudgingRestart,
            State::Watching,
            State::HaltingBackup,
            State::RebarringBackup,
            State::RestoringPrimary,
        ];
        all.extend(
            [
                Parking::Fencing,
                Parking::Restoring,
                Parking::Starting,
                Parking::Halting,
            ]
            .map(State::Parked),
        );
        all.extend(Outcome::ALL.map(State::Releasing));
        all.extend(Outcome::ALL.map(State::Ended));
        all
    }

    /// What a run that rests here came to; a parked one is `Parked`. None while there is something to do.
    pub fn outcome(self) -> Option<Outcome> {
        if let State::Ended(outcome) = self {
            return Some(outcome);
        }
        matches!(self, State::Parked(_)).then_some(Outcome::Parked)
    }

    /// Whether the backup may have been started by this run when it is in this state.
    pub fn start_tried(self) -> bool {
        match self {
            State::StartingBackup
            | State::LookingAtBackup
            | State::JudgingRestart
            | State::Watching
            | State::HaltingBackup
            | State::Parked(Parking::Starting | Parking::Halting)
            | State::Releasing(Outcome::Completed | Outcome::Unconfirmed | Outcome::Parked)
            | State::Ended(Outcome::Completed | Outcome::Unconfirmed | Outcome::Parked) => true,
            State::Preflight
            | State::CheckingAgain
            | State::Claiming
            | State::BarringPrimary
            | State::StoppingPrimary
            | State::ProvingStopped
            | State::StoppingAgain
            | State::ProvingAgain
            | State::Collecting
            | State::Merging
            | State::Importing
            | State::ReadingBack
            | State::JudgingStart
            | State::RebarringBackup
            | State::RestoringPrimary
            | State::Parked(Parking::Fencing | Parking::Restoring)
            | State::Releasing(Outcome::Restored | Outcome::Refused)
            | State::Ended(Outcome::Restored | Outcome::Refused) => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Releasing(outcome) => write!(f, "Releasing({outcome:?})"),
            State::Ended(outcome) => write!(f, "{outcome:?}"),
            State::Parked(at) => write!(f, "Parked({at:?})"),
            State::Preflight
            | State::CheckingAgain
            | State::Claiming
            | State::BarringPrimary
            | State::StoppingPrimary
            | State::ProvingStopped
            | State::StoppingAgain
            | State::ProvingAgain
            | State::Collecting
            | State::Merging
            | State::Importing
            | State::ReadingBack
            | State::JudgingStart
            | State::StartingBackup
            | State::LookingAtBackup
            | State::JudgingRestart
            | State::Watching
            | State::HaltingBackup
            | State::RebarringBackup
            | State::RestoringPrimary => write!(f, "{self:?}"),
        }
    }
}
