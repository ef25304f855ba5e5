//! The table: every pair of state and event that has a meaning, with a sentence for the reader. A pair without a row
//! is `Unexpected`. `docs/states.md` is generated from here. Rows must never be reached by a wildcard.

use super::Event::*;
use super::Outcome::{Completed, Refused, Restored, Unconfirmed};
use super::State::*;
use super::{Event, Outcome, Parking, State};

/// In `from`, `event` leads to `to`, because of `why`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where the run is.
    pub from: State,
    /// What was learnt.
    pub event: Event,
    /// Where the run goes.
    pub to: State,
    /// The sentence that the operator reads.
    pub why: &'static str,
}

const fn row(from: State, event: Event, to: State, why: &'static str) -> Row {
    Row { from, event, to, why }
}

const FENCING: State = Parked(Parking::Fencing);
const RESTORING: State = Parked(Parking::Restoring);
const STARTING: State = Parked(Parking::Starting);
const HALTING: State = Parked(Parking::Halting);
const HALTED: State = Releasing(Outcome::Parked);
const CLAIM: &str = "This run does not hold the host any more: someone else acts there, so it touches nothing further and is over.";
const LINE: &str = "No answer for as long as is allowed; unknown is not stopped, so the run parks.";
const STOPPED_BY_HAND: &str = "Someone asked to stop; the backup was not started, so the run parks here.";
const OVER: &str = "The hosts show that this run is over, whatever its journal says: it takes away what is its own and touches nothing else.";
const AGAIN: &str = "Time has passed: the primary is fenced and its history collected afresh.";
const UNDO: &str = "The backup was never started: it is made sure of, and the primary is given back.";
const BACK: &str = "A person asked for the primary back; the backup was never started.";

/// Every row there is.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Preflight, PreflightPassed, Claiming, "Every guard passed; nothing has been touched yet."),
    row(Preflight, PreflightRefused, Ended(Refused), "A guard refused or could not tell; nothing was touched."),
    row(Preflight, AlreadyDone, Ended(Completed), "Both hosts show this hand-over finished; there is nothing to do."),
    row(Preflight, Interrupted, Ended(Refused), "Stopped on request; nothing was touched."),
    row(Preflight, Resumed, Preflight, "Nothing had been touched: look again."),

    row(CheckingAgain, PreflightPassed, Claiming, "Every guard passed, with fresh evidence."),
    row(CheckingAgain, PreflightRefused, Releasing(Refused), "A guard refuses now; a claim that was written is taken away."),
    row(CheckingAgain, AlreadyDone, Releasing(Refused), "Another run has handed over in between; a claim that was written is taken away."),
    row(CheckingAgain, Interrupted, Releasing(Refused), "Stopped on request; a claim that was written is taken away."),
    row(CheckingAgain, Resumed, CheckingAgain, "Looking is repeatable."),

    row(Claiming, Claimed, BarringPrimary, "Both hosts carry the claim; no other coordinator can act on this pair."),
    row(Claiming, ClaimHeld, Releasing(Refused), "Another run holds a host; this run takes its own claim away."),
    row(Claiming, LineLost, Releasing(Refused), "A claim was not answered; whatever was written is taken away."),
    row(Claiming, Interrupted, Releasing(Refused), "Stopped on request; the claims are taken away."),
    row(Claiming, Resumed, CheckingAgain, "Time has passed and nothing but a claim was written: look at everything again."),

    row(BarringPrimary, PrimaryBarred, StoppingPrimary, "The primary cannot start its validator again; now it is stopped."),
    row(BarringPrimary, BarFailed, RebarringBackup, "The primary cannot be barred, so it is not stopped: undo."),
    row(BarringPrimary, ClaimLost, HALTED, CLAIM),
    row(BarringPrimary, FoundOver, Releasing(Refused), OVER),
    row(BarringPrimary, LineLost, FENCING, LINE),
    row(BarringPrimary, Interrupted, FENCING, STOPPED_BY_HAND),
    row(BarringPrimary, Resumed, BarringPrimary, "Barring is repeatable."),

    row(StoppingPrimary, StopAnswered, ProvingStopped, "An exit status proves nothing: readings follow."),
    row(StoppingPrimary, ClaimLost, HALTED, CLAIM),
    row(StoppingPrimary, LineLost, ProvingStopped, "The stop may have run; readings will tell."),
    row(StoppingPrimary, Interrupted, FENCING, STOPPED_BY_HAND),
    row(StoppingPrimary, Resumed, BarringPrimary, AGAIN),

    row(ProvingStopped, ProvenStopped, Collecting, "Consecutive readings found it stopped and barred: the primary is fenced."),
    row(ProvingStopped, BarFailed, FENCING, "It is stopped, but somebody took its bar away; a person must find out who."),
    row(ProvingStopped, SeenAlive, StoppingAgain, "The validator is alive: stop it once more."),
    row(ProvingStopped, LineLost, FENCING, LINE),
    row(ProvingStopped, Interrupted, FENCING, STOPPED_BY_HAND),
    row(ProvingStopped, Resumed, BarringPrimary, AGAIN),

    row(StoppingAgain, StopAnswered, ProvingAgain, "An exit status proves nothing: readings follow."),
    row(StoppingAgain, ClaimLost, HALTED, CLAIM),
    row(StoppingAgain, LineLost, ProvingAgain, "The stop may have run; readings will tell."),
    row(StoppingAgain, Interrupted, FENCING, STOPPED_BY_HAND),
    row(StoppingAgain, Resumed, BarringPrimary, AGAIN),

    row(ProvingAgain, ProvenStopped, Collecting, "Consecutive readings found it stopped and barred: the primary is fenced."),
    row(ProvingAgain, BarFailed, FENCING, "It is stopped, but somebody took its bar away; a person must find out who."),
    row(ProvingAgain, SeenAlive, FENCING, "The validator is alive after two stops; a person must find out what keeps it alive."),
    row(ProvingAgain, LineLost, FENCING, LINE),
    row(ProvingAgain, Interrupted, FENCING, STOPPED_BY_HAND),
    row(ProvingAgain, Resumed, BarringPrimary, AGAIN),

    row(Collecting, Collected, Merging, "Both histories are here, hashed at both ends."),
    row(Collecting, CollectFailed, RebarringBackup, UNDO),
    row(Collecting, BackupHasRun, HaltingBackup, "The backup ran outside this run: its history is not on the primary, so there is no way back."),
    row(Collecting, SeenAlive, FENCING, "The primary does not stand still any more; resume fences it again."),
    row(Collecting, ClaimLost, HALTED, CLAIM),
    row(Collecting, LineLost, FENCING, LINE),
    row(Collecting, Interrupted, FENCING, STOPPED_BY_HAND),
    row(Collecting, Resumed, BarringPrimary, AGAIN),

    row(Merging, FloorsMerged, Importing, "The floors are no lower than either history."),
    row(Merging, MergeRefused, RebarringBackup, UNDO),
    row(Merging, Interrupted, FENCING, STOPPED_BY_HAND),
    row(Merging, Resumed, BarringPrimary, AGAIN),

    row(Importing, Imported, ReadingBack, "An exit status proves nothing: the database is read back."),
    row(Importing, ImportFailed, RebarringBackup, UNDO),
    row(Importing, BackupHasRun, HaltingBackup, "The backup ran outside this run: its history is not on the primary, so there is no way back."),
    row(Importing, ClaimLost, HALTED, CLAIM),
    row(Importing, LineLost, FENCING, LINE),
    row(Importing, Interrupted, FENCING, STOPPED_BY_HAND),
    row(Importing, Resumed, BarringPrimary, AGAIN),

    row(ReadingBack, ReadBackCovers, JudgingStart, "Every floor on the backup covers the merged one."),
    row(ReadingBack, ReadBackFails, RebarringBackup, UNDO),
    row(ReadingBack, ClaimLost, HALTED, CLAIM),
    row(ReadingBack, LineLost, FENCING, LINE),
    row(ReadingBack, Interrupted, FENCING, STOPPED_BY_HAND),
    row(ReadingBack, Resumed, BarringPrimary, AGAIN),

    row(JudgingStart, StartAllowed, StartingBackup, "Judged afresh, and the fence still holds."),
    row(JudgingStart, StartForbidden, RebarringBackup, UNDO),
    row(JudgingStart, BackupHasRun, HaltingBackup, "The backup ran outside this run: its history is not on the primary, so there is no way back."),
    row(JudgingStart, HistoryStale, FENCING, "The primary was touched since its history was collected: find out by whom; resume collects again."),
    row(JudgingStart, ClaimLost, HALTED, CLAIM),
    row(JudgingStart, LineLost, FENCING, LINE),
    row(JudgingStart, Interrupted, FENCING, STOPPED_BY_HAND),
    row(JudgingStart, Resumed, BarringPrimary, AGAIN),

    row(StartingBackup, BackupStarted, Watching, "The backup's validator runs; its first attestation is awaited."),
    row(StartingBackup, StartFailed, HaltingBackup, "It may have signed before it failed: no way back, stop and bar it."),
    row(StartingBackup, ClaimLost, LookingAtBackup, "The host refused to act for this run; look what became of it."),
    row(StartingBackup, LineLost, LookingAtBackup, "The start may have run: look before anything else."),
    row(StartingBackup, Resumed, LookingAtBackup, "The start may have run: look before anything else."),

    row(LookingAtBackup, BackupRuns, Watching, "The start did run."),
    row(LookingAtBackup, BackupStands, JudgingRestart, "The backup does not run and is barred: judge again before another start."),
    row(LookingAtBackup, StartFailed, HaltingBackup, "Something lives there and it is not the unit as it was started: no way back, stop and bar it."),
    row(LookingAtBackup, ClaimLost, HaltingBackup, "This run does not hold the backup any more, so it cannot bar it as its own: it is stopped and barred, which asks for no claim."),
    row(LookingAtBackup, FoundOver, Ended(Refused), OVER),
    row(LookingAtBackup, LineLost, STARTING, LINE),
    row(LookingAtBackup, Resumed, LookingAtBackup, "Looking is repeatable."),

    row(JudgingRestart, StartAllowed, StartingBackup, "Judged afresh, and the fence still holds."),
    row(JudgingRestart, StartForbidden, HaltingBackup, "A start was tried before, so there is no way back: both stay barred."),
    row(JudgingRestart, BackupHasRun, LookingAtBackup, "A start that was asked for has come late, or somebody else's did: look before anything else."),
    row(JudgingRestart, HistoryStale, HaltingBackup, "The primary was touched since its history was collected, and a start was tried: both stay barred, a new run collects again."),
    row(JudgingRestart, ClaimLost, HaltingBackup, "Someone else acts on these hosts and a start was tried: the backup is stopped and barred, which asks for no claim."),
    row(JudgingRestart, LineLost, STARTING, LINE),
    row(JudgingRestart, Resumed, LookingAtBackup, "Time has passed: look again."),

    row(Watching, AttestationSeen, Releasing(Completed), "The backup signs and the primary is fenced; both were seen."),
    row(Watching, WatchRanOut, Releasing(Unconfirmed), "The backup runs; not everything was seen in time."),
    row(Watching, PrimaryAlive, HaltingBackup, "The primary lives: the backup is stopped and barred at once."),
    row(Watching, HistoryIncomplete, HaltingBackup, "The backup lacks history of the primary: it is stopped and barred at once."),
    row(Watching, BackupDied, HaltingBackup, "The backup's validator died: it is barred, so that nothing revives it unwatched."),
    row(Watching, FoundOver, Ended(Refused), OVER),
    row(Watching, LineLost, Releasing(Unconfirmed), "The backup was started; it cannot be looked at any more."),
    row(Watching, Interrupted, Releasing(Unconfirmed), "Stopped on request while the backup runs."),
    row(Watching, Resumed, Watching, "Watching is repeatable."),

    row(HaltingBackup, BackupHalted, HALTED, "The backup is barred and proven stopped."),
    row(HaltingBackup, FoundOver, Ended(Refused), OVER),
    row(HaltingBackup, LineLost, HALTING, LINE),
    row(HaltingBackup, Resumed, HaltingBackup, "Halting is repeatable."),

    row(RebarringBackup, BackupBarred, RestoringPrimary, "The backup cannot sign: the primary may."),
    row(RebarringBackup, BackupHasRun, HaltingBackup, "The backup ran outside this run: its history is not on the primary, so there is no way back."),
    row(RebarringBackup, ClaimLost, HALTED, CLAIM),
    row(RebarringBackup, FoundOver, Releasing(Refused), OVER),
    row(RebarringBackup, LineLost, RESTORING, LINE),
    row(RebarringBackup, Resumed, RebarringBackup, "Barring is repeatable."),

    row(RestoringPrimary, PrimaryRestored, Releasing(Restored), "The primary's validator was read back as running."),
    row(RestoringPrimary, PrimaryLeftStopped, HALTED, "The primary did not sign before this run and is left as it is."),
    row(RestoringPrimary, ClaimLost, HALTED, CLAIM),
    row(RestoringPrimary, LineLost, RESTORING, LINE),
    row(RestoringPrimary, Resumed, RebarringBackup, "The backup is made sure of again first."),

    row(FENCING, Resumed, BarringPrimary, AGAIN),
    row(FENCING, UndoAsked, RebarringBackup, BACK),
    row(RESTORING, Resumed, RebarringBackup, "Undo goes on."),
    row(RESTORING, UndoAsked, RebarringBackup, "Undo goes on."),
    row(STARTING, Resumed, LookingAtBackup, "Look again."),
    row(HALTING, Resumed, HaltingBackup, "Stop and bar the backup again."),

    row(Releasing(Completed), ClaimsReleased, Ended(Completed), "Done."),
    row(Releasing(Completed), LineLost, Ended(Completed), "Done; a claim was left behind and is named in the report."),
    row(Releasing(Completed), Resumed, Releasing(Completed), "Releasing is repeatable."),
    row(Releasing(Completed), FoundOver, Ended(Refused), OVER),
    row(Releasing(Unconfirmed), ClaimsReleased, Ended(Unconfirmed), "The backup runs; look at it."),
    row(Releasing(Unconfirmed), LineLost, Ended(Unconfirmed), "The backup runs; a claim was left behind and is named in the report."),
    row(Releasing(Unconfirmed), Resumed, Releasing(Unconfirmed), "Releasing is repeatable."),
    row(Releasing(Unconfirmed), FoundOver, Ended(Refused), OVER),
    row(Releasing(Restored), ClaimsReleased, Ended(Restored), "The primary signs again."),
    row(Releasing(Restored), LineLost, Ended(Restored), "The primary signs again; a claim was left behind and is named in the report."),
    row(Releasing(Restored), Resumed, Releasing(Restored), "Releasing is repeatable."),
    row(Releasing(Restored), FoundOver, Ended(Refused), OVER),
    row(HALTED, ClaimsReleased, Ended(Outcome::Parked), "Over; what was seen of the hosts is in the report."),
    row(HALTED, LineLost, Ended(Outcome::Parked), "Over; a claim was left behind and is named in the report."),
    row(HALTED, Resumed, HALTED, "Releasing is repeatable."),
    row(HALTED, FoundOver, Ended(Refused), OVER),
    row(Releasing(Refused), ClaimsReleased, Ended(Refused), "Nothing was changed."),
    row(Releasing(Refused), LineLost, Ended(Refused), "Nothing was changed but the claim, which was left behind and is named in the report."),
    row(Releasing(Refused), Resumed, Releasing(Refused), "Releasing is repeatable."),
];
