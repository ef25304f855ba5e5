//! What is to be done. Imperative, at most one per state, each safe to repeat: it may have been carried out before,
//! wholly or in part, and its answer lost.

use std::fmt;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Look at both hosts and judge the guards of the preflight.
    CheckEverything,
    /// Write the claim on both hosts, or find whose is there.
    ClaimBoth,
    /// Bar the primary and read it back.
    BarPrimary,
    /// Stop the primary's validator.
    StopPrimary,
    /// Take consecutive readings of the primary.
    ProveStopped,
    /// Fetch the protection of both hosts.
    CollectProtection,
    /// Compute the floors and write the document to import.
    MergeProtection,
    /// Keep the backup's database, then import.
    ImportProtection,
    /// Export from the backup and compare.
    ReadBackProtection,
    /// Look at both hosts and judge the guards of the start.
    JudgeStart,
    /// Unbar and start the backup, consuming the fence proof.
    StartBackup,
    /// See what became of a start; bar the backup again if it does not run.
    LookAtBackup,
    /// Wait for the first attestation and look at the primary.
    Watch,
    /// Stop, bar and prove the backup stopped, after a start.
    HaltBackup,
    /// Bar the backup and prove it stopped, before the primary is restored.
    BarBackup,
    /// Unbar and start the primary as it was before the run.
    RestorePrimary,
    /// Take this run's claims away.
    ReleaseClaims,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
