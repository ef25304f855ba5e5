//! One function per command: does it, reads back what came of it, and says which event that is. Every command may
//! have been carried out before, wholly or in part. Must never report what was not read back, and never start the
//! backup without a fence proof.

mod claims;
mod collect;
mod cross_check;
mod fence;
mod halt;
mod history;
mod inclusion;
mod memory;
mod over;
mod preflight;
mod repetition;
mod start;
mod take;
mod traces;
mod undo;
mod watch;

use serde_json::{Value, json};

pub use halt::{Halted, halt};
pub use memory::{FenceProof, Found, Memory, Moment, RunIdentity};
pub use over::{Known, found_over, judged as judged_over};
pub use preflight::{already_done, audit};

use crate::config::Plan;
use crate::guards::Role;
use crate::journal::RunDir;
use crate::observe::Hosts;
use crate::protocol::{Command, Event};
use crate::transport::TransportError;

/// What performing a command came to: the event, why, and the facts that the journal keeps beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// What was learnt.
    pub event: Event,
    /// In words, for the operator.
    pub why: String,
    /// For the report and for a later resume.
    pub facts: Value,
}

impl Happened {
    /// An event with its words and no facts.
    pub fn new(event: Event, why: impl Into<String>) -> Happened {
        Happened {
            event,
            why: why.into(),
            facts: json!({}),
        }
    }

    /// The same with facts; `facts` is an object.
    pub fn with(event: Event, why: impl Into<String>, facts: Value) -> Happened {
        Happened {
            event,
            why: why.into(),
            facts,
        }
    }
}

impl From<TransportError> for Happened {
    fn from(error: TransportError) -> Happened {
        Happened::with(
            Event::LineLost,
            error.to_string(),
            json!({ "host": error.host, "error": error.kind.to_string(), "may_have_run": error.may_have_run }),
        )
    }
}

/// Everything that performing needs: the plan, the hosts, the run's own directory and memory.
pub struct World {
    /// What is to be done between whom.
    pub plan: Plan,
    /// The two hosts.
    pub hosts: Hosts,
    /// Who this run is.
    pub run: RunIdentity,
    /// Where its evidence is kept.
    pub dir: RunDir,
    /// What it has found out so far in this process.
    pub memory: Memory,
    /// Runs of this coordinator that have ended: a claim of theirs was left behind and may be taken away.
    pub ended_runs: Vec<String>,
}

impl World {
    /// Takes up what the preflight found, now or in an earlier process: from here on only those machines may answer.
    pub fn remember(&mut self, found: Found) {
        self.hosts.pin(Role::Primary, &found.primary_machine);
        self.hosts.pin(Role::Backup, &found.backup_machine);
        self.memory.found = Some(found);
    }
}

/// Performs one command. `Ok` and `Err` both carry what happened; `Err` only shortens the way out.
pub async fn perform(world: &mut World, command: Command) -> Happened {
    let result = match command {
        Command::CheckEverything => preflight::check_everything(world).await,
        Command::ClaimBoth => claims::claim_both(world).await,
        Command::BarPrimary => fence::bar_primary(world).await,
        Command::StopPrimary => fence::stop_primary(world).await,
        Command::ProveStopped => fence::prove_stopped(world).await,
        Command::CollectProtection => collect::collect(world).await,
        Command::MergeProtection => history::merge_floors(world),
        Command::ImportProtection => history::import(world).await,
        Command::ReadBackProtection => history::read_back(world).await,
        Command::JudgeStart => start::judge_start(world).await,
        Command::StartBackup => start::start_backup(world).await,
        Command::LookAtBackup => start::look_at_backup(world).await,
        Command::Watch => watch::watch(world).await,
        Command::HaltBackup => undo::halt_backup(world).await,
        Command::BarBackup => undo::bar_backup(world).await,
        Command::RestorePrimary => undo::restore_primary(world).await,
        Command::ReleaseClaims => claims::release_claims(world).await,
    };
    let mut happened = result.unwrap_or_else(|happened| happened);
    if let Value::Object(facts) = &mut happened.facts {
        facts.insert("round_trips".to_owned(), json!(world.hosts.round_trips()));
        if leaves_backup(happened.event) {
            let left = json!(world.memory.backup_fingerprint);
            facts.insert("backup_fingerprint".to_owned(), left);
        }
    }
    happened
}

/// Whether an event is learnt only when nothing that this run asked for can still change the backup's database, so that
/// its fingerprint, a fact of it, holds for later processes. (After `Imported` a put-back may begin.)
pub(crate) fn leaves_backup(event: Event) -> bool {
    matches!(
        event,
        Event::Collected | Event::ImportFailed | Event::ReadBackCovers | Event::ReadBackFails
    )
}

/// The way out of a command that did not come to its end.
pub(crate) type Done = Result<Happened, Happened>;
