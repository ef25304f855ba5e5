//! What was learnt. Past tense or a finding; `…Failed` means that it was answered and did not happen, `LineLost`
//! that it may or may not have happened. Names are stored in the journal: never rename one.

use std::fmt;

/// A fact that a run has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// Every guard of the preflight passed.
    PreflightPassed,
    /// A guard refused or could not tell; nothing was touched.
    PreflightRefused,
    /// A finished run of this direction is what both hosts show: there is nothing to do.
    AlreadyDone,
    /// Both hosts carry this run's claim.
    Claimed,
    /// A host carries another run's claim.
    ClaimHeld,
    /// Lock, gate and disablement were read back on the primary.
    PrimaryBarred,
    /// The primary answered and is not barred.
    BarFailed,
    /// The stop command was answered, well or badly. Readings decide what came of it.
    StopAnswered,
    /// The required number of consecutive readings found the primary stopped and barred.
    ProvenStopped,
    /// A reading found the primary's validator alive.
    SeenAlive,
    /// The protection of both hosts lies here, hashed at both ends.
    Collected,
    /// A host answered and its protection could not be had.
    CollectFailed,
    /// Floors no lower than either history were computed.
    FloorsMerged,
    /// The histories contradict each other, belong to another chain, or lack keys.
    MergeRefused,
    /// The backup's client took the floors; its old database is kept.
    Imported,
    /// The backup's client did not take them; the old database is in place.
    ImportFailed,
    /// Every key's floor on the backup covers the merged one.
    ReadBackCovers,
    /// A key is missing or lower on the backup.
    ReadBackFails,
    /// Every guard at stage start passed with fresh evidence and an unexpired fence proof.
    StartAllowed,
    /// A guard at stage start refused.
    StartForbidden,
    /// The backup's unit was read back as running.
    BackupStarted,
    /// The backup answered and its validator does not run.
    StartFailed,
    /// The primary's validator or database was touched after its history was collected.
    HistoryStale,
    /// The backup's validator runs or has run since the preflight, although this run did not start it.
    BackupHasRun,
    /// A host does not carry this run's claim any more: someone else took it away or acts there.
    ClaimLost,
    /// The hosts show that this run is over, whatever its journal says: its claims are gone, or another run has handed over
    /// since.
    FoundOver,
    /// After a lost answer: the backup's validator runs.
    BackupRuns,
    /// After a lost answer: the backup's validator does not run and is barred.
    BackupStands,
    /// The backup's first attestation was seen and the primary was seen fenced.
    AttestationSeen,
    /// The watch ended without seeing both.
    WatchRanOut,
    /// The primary was seen alive after the backup was started.
    PrimaryAlive,
    /// The primary's own client exports history that the backup was not given.
    HistoryIncomplete,
    /// The backup's validator was seen dead while it was watched.
    BackupDied,
    /// The backup is barred and proven stopped, after it had been started.
    BackupHalted,
    /// The backup is barred and proven stopped, and had never been started.
    BackupBarred,
    /// The primary's validator runs again and was read back so.
    PrimaryRestored,
    /// The primary's validator did not run before this run and was left barred.
    PrimaryLeftStopped,
    /// Neither host carries this run's claim any more.
    ClaimsReleased,
    /// No answer, after trying again for as long as is allowed: what was asked may or may not have happened.
    LineLost,
    /// A person asked to go on (`failover resume`), or a new process took the run over.
    Resumed,
    /// A person asked for the primary back (`failover resume --undo`).
    UndoAsked,
    /// A person or the system asked to stop (Ctrl-C, SIGTERM).
    Interrupted,
}

impl Event {
    /// Every event, for tables, tests and reading names back from the journal.
    pub const ALL: [Event; 42] = [
        Event::PreflightPassed,
        Event::PreflightRefused,
        Event::AlreadyDone,
        Event::Claimed,
        Event::ClaimHeld,
        Event::PrimaryBarred,
        Event::BarFailed,
        Event::StopAnswered,
        Event::ProvenStopped,
        Event::SeenAlive,
        Event::Collected,
        Event::CollectFailed,
        Event::FloorsMerged,
        Event::MergeRefused,
        Event::Imported,
        Event::ImportFailed,
        Event::ReadBackCovers,
        Event::ReadBackFails,
        Event::StartAllowed,
        Event::StartForbidden,
        Event::BackupStarted,
        Event::StartFailed,
        Event::HistoryStale,
        Event::BackupHasRun,
        Event::ClaimLost,
        Event::FoundOver,
        Event::BackupRuns,
        Event::BackupStands,
        Event::AttestationSeen,
        Event::WatchRanOut,
        Event::PrimaryAlive,
        Event::HistoryIncomplete,
        Event::BackupDied,
        Event::BackupHalted,
        Event::BackupBarred,
        Event::PrimaryRestored,
        Event::PrimaryLeftStopped,
        Event::ClaimsReleased,
        Event::LineLost,
        Event::Resumed,
        Event::UndoAsked,
        Event::Interrupted,
    ];

    /// The name under which the journal stores it.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The event of that name, if there is one.
    pub fn named(name: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.name() == name)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
