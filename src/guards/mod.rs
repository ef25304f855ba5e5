//! Checks: evidence in, findings out. One table of guards for the run, the audit and the plan. Pure.
//! Unknown blocks like a refusal; a guard must never pass on an answer that was not had.

mod chain;
pub mod evidence;
mod history;
mod hosts;
mod judge;
mod reading;

pub use evidence::{
    Bar, Beacon, Claim, Disk, Evidence, Execution, FenceReading, Generation, Genesis, HostEvidence, Identity,
    Papers, Policy, Process, Processes, Protection, Role, RunEvidence, Seen, Spec, Syncing, Unit,
    ValidatorStatus,
};
pub use history::keys_of;
pub use judge::{Finding, Life, blocking, judge, life, stands_barred};
pub use reading::{Reading, fence_reading, reading_of};

/// When a guard is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Before anything is touched.
    Preflight,
    /// Immediately before the backup is started.
    Start,
    /// By the daily audit: is the standby ready?
    Audit,
}

/// What a guard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; what was seen.
    Pass(String),
    /// It does not hold; why.
    Refuse(String),
    /// It could not be told; why. Blocks.
    Unknown(String),
}

/// One small check.
pub struct Guard {
    /// Stable name, used in reports, in JSON and in `docs/guards.md`.
    pub id: &'static str,
    /// When it is judged.
    pub stages: &'static [Stage],
    /// What it makes sure of, in one line.
    pub title: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// What the operator does when it refuses.
    pub remedy: &'static str,
    /// The check itself.
    pub check: fn(&Evidence, Stage) -> Verdict,
}

const ALWAYS: &[Stage] = &[Stage::Preflight, Stage::Start, Stage::Audit];
const BEFORE: &[Stage] = &[Stage::Preflight, Stage::Audit];
const START: &[Stage] = &[Stage::Start];

/// Every guard, in the order in which findings are shown.
pub const GUARDS: &[Guard] = &[
    Guard {
        id: "reached",
        stages: ALWAYS,
        title: "both hosts answer, with known host keys",
        why: "a host that does not answer is unknown, and unknown is not stopped",
        remedy: "look at the named host's network, host key and login; never accept a changed host key unseen. \
                 An unreachable primary must be fenced from outside before another host may sign",
        check: hosts::reached,
    },
    Guard {
        id: "distinct-machines",
        stages: ALWAYS,
        title: "primary and backup are two machines",
        why: "two names of one machine would stop and start the same validator",
        remedy: "give two hosts with different /etc/machine-id",
        check: hosts::distinct_machines,
    },
    Guard {
        id: "privileged",
        stages: ALWAYS,
        title: "the remote shells run as root",
        why: "without root, other users' processes may be hidden and look absent",
        remedy: "log in as root, or set ssh.become = true with a password-less sudo rule for sh",
        check: hosts::privileged,
    },
    Guard {
        id: "claims-free",
        stages: ALWAYS,
        title: "no other run holds a host",
        why: "two coordinators on one pair would undo each other's fences",
        remedy: "let the named run finish: `failover resume RUN` on the named coordinator; if its journal is lost: \
                 `failover halt A B` stops and bars both hosts and takes its claim away",
        check: hosts::claims_free,
    },
    Guard {
        id: "unit-found",
        stages: ALWAYS,
        title: "the validator's unit is loaded on both hosts",
        why: "stopping a unit that does not run the validator proves nothing",
        remedy: "name the unit: validator.unit, or hosts.\"NAME\".validator.unit, in the configuration",
        check: hosts::unit_found,
    },
    Guard {
        id: "client-offered",
        stages: BEFORE,
        title: "a run can hand over from the one client and into the other",
        why: "a database that cannot be kept or put back, or an import that goes astray, is found out when nobody signs",
        remedy: "do what it says instead; docs/clients.md has every client's table",
        check: hosts::client_offered,
    },
    Guard {
        id: "primary-process",
        stages: BEFORE,
        title: "the primary's validator is what its unit says",
        why: "a validator that runs outside its unit survives a stop",
        remedy: "stop the process that is not the unit's, or name the right unit",
        check: hosts::primary_process,
    },
    Guard {
        id: "primary-barrable",
        stages: BEFORE,
        title: "the primary can be barred, and its bar can be read",
        why: "a bar that turns out in mid-run not to hold is an undo that a look beforehand saves",
        remedy: "unmask the unit, or remove what wants it; systemd, the lock's directory and the drop-in must be readable",
        check: hosts::primary_barrable,
    },
    Guard {
        id: "roles",
        stages: BEFORE,
        title: "the roles are as believed",
        why: "a stale host taken for the signer leads to the wrong host being started",
        remedy: "look which host signs (`failover status`), then name it as --primary",
        check: hosts::roles,
    },
    Guard {
        id: "primary-fenced",
        stages: START,
        title: "the primary is stopped, barred, and was not started since the proof",
        why: "the backup may sign only when the primary cannot",
        remedy: "`failover resume` fences it again",
        check: hosts::primary_fenced,
    },
    Guard {
        id: "backup-stopped",
        stages: ALWAYS,
        title: "the backup's validator does not run",
        why: "it would be a second signer",
        remedy: "find out who started it; `failover halt HOST` stops and bars it",
        check: hosts::backup_stopped,
    },
    Guard {
        id: "backup-barred",
        stages: ALWAYS,
        title: "the backup is barred",
        why: "an unbarred standby starts to sign at the next reboot",
        remedy: "`failover halt HOST` bars it; run it for the backup once, when it is set up",
        check: hosts::backup_barred,
    },
    Guard {
        id: "same-chain",
        stages: ALWAYS,
        title: "both hosts are on one chain",
        why: "history of another chain protects nothing",
        remedy: "compare the genesis validators root of both beacon nodes, or pin chain.genesis_validators_root",
        check: chain::same_chain,
    },
    Guard {
        id: "beacon-synced",
        stages: ALWAYS,
        title: "the backup's beacon node is synced",
        why: "a validator on an unsynced node misses duties or votes for an old head",
        remedy: "wait until the backup's beacon node is synced",
        check: chain::beacon_synced,
    },
    Guard {
        id: "beacon-not-optimistic",
        stages: ALWAYS,
        title: "the backup's beacon node has verified its head",
        why: "an optimistic node refuses attestation data",
        remedy: "look at the backup's execution client; a node too old to say is configured with chain.is_optimistic = \"absent-ok\"",
        check: chain::beacon_not_optimistic,
    },
    Guard {
        id: "execution-online",
        stages: ALWAYS,
        title: "the backup's beacon node has its execution layer",
        why: "without it there is nothing to attest to",
        remedy: "start the execution client; a devnet without one is configured with chain.execution_layer = false, \
                 a node too old to say with chain.el_offline = \"absent-ok\"",
        check: chain::execution_online,
    },
    Guard {
        id: "execution-synced",
        stages: ALWAYS,
        title: "the backup's execution client is synced",
        why: "an execution client that syncs holds its beacon node back",
        remedy: "wait until eth_syncing answers false; without chain.execution_url it is not asked",
        check: chain::execution_synced,
    },
    Guard {
        id: "beacon-peers",
        stages: ALWAYS,
        title: "the backup's beacon node has peers",
        why: "what an isolated node is given to publish reaches nobody",
        remedy: "look at the backup's network; chain.min_peers sets the number",
        check: chain::beacon_peers,
    },
    Guard {
        id: "clocks",
        stages: ALWAYS,
        title: "both hosts' clocks are right",
        why: "a wrong clock signs for the wrong slot and breaks every comparison of times",
        remedy: "start chrony or systemd-timesyncd; where there is none, clock.synchronised = \"not-available\"",
        check: hosts::clocks,
    },
    Guard {
        id: "disk",
        stages: BEFORE,
        title: "the backup has room for its database and a copy of it",
        why: "a full disk in the middle of an import leaves half a database",
        remedy: "free space on the named host",
        check: hosts::disk,
    },
    Guard {
        id: "client-usable",
        stages: BEFORE,
        title: "the backup's client can export its protection",
        why: "a client that cannot export cannot be read back, and nobody signs while it is repaired",
        remedy: "run the named command by hand on the backup as the service's user",
        check: history::client_usable,
    },
    Guard {
        id: "keys-known",
        stages: BEFORE,
        title: "the keys are known",
        why: "without the keys nobody can tell whether the history covers them",
        remedy: "list them: chain.keys or chain.keys_file",
        check: history::keys_known,
    },
    Guard {
        id: "keys-alive",
        stages: ALWAYS,
        title: "no key is slashed, exited or unknown to the chain",
        why: "a slashed key means that something has gone wrong already: do not move it, stop it",
        remedy: "if a key is slashed: `failover halt` both hosts and investigate; else correct chain.keys",
        check: history::keys_alive,
    },
    Guard {
        id: "keys-covered",
        stages: START,
        title: "the merged history covers every key",
        why: "a key without history may sign again what it signed before",
        remedy: "compare the named keys with both hosts' databases; a key that never signed has to be removed from the run",
        check: history::keys_covered,
    },
    Guard {
        id: "history-covers",
        stages: START,
        title: "the backup's database was read back and covers the merged floors",
        why: "an import's exit status proves nothing",
        remedy: "`failover report RUN` names the keys; the old database is in the backup's archive",
        check: history::history_covers,
    },
    Guard {
        id: "history-not-ahead",
        stages: START,
        title: "the merged history is not ahead of the chain's clock",
        why: "history from the future means a wrong clock or a foreign file",
        remedy: "compare the clocks and the named key's history",
        check: history::history_not_ahead,
    },
];
