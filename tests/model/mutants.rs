//! What can be taken out of the program in order to see that it is missed: a row that leads elsewhere, a guard, a part of a
//! proof, a rule that the hosts keep. Must never be on in the search that proves something.

use failover::guards::{Evidence, HostEvidence, Seen};
use failover::protocol::{Event, State, Unexpected, step};

use crate::healthy::LOCK;

/// A weakness of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weak {
    /// No answer counts as "stopped and barred".
    UnknownIsStopped,
    /// One reading is a proof.
    OneReading,
    /// The primary's history is imported as it is.
    NoMerge,
    /// What was imported is believed.
    NoReadBack,
    /// Nothing is judged before the start.
    NoSecondJudgement,
    /// The primary is restored without a proof of the backup.
    NoBackupProof,
    /// The backup's database is not looked at before the primary is restored.
    NoBackupPrint,
    /// A resume believes its journal.
    NoLookOnResume,
    /// A halt of the backup leaves the run's claim there.
    HaltKeepsClaim,
}

impl Weak {
    pub const ALL: [Weak; 9] = [
        Weak::UnknownIsStopped,
        Weak::OneReading,
        Weak::NoMerge,
        Weak::NoReadBack,
        Weak::NoSecondJudgement,
        Weak::NoBackupProof,
        Weak::NoBackupPrint,
        Weak::NoLookOnResume,
        Weak::HaltKeepsClaim,
    ];
}

/// A rule that the hosts keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRule {
    /// A batch that changes begins with the question for the claim.
    Claim,
    /// A generation never falls.
    Generation,
    /// A database is touched only where lock and rest say so.
    Stands,
    /// An import begins only with the database that was collected.
    Unchanged,
    /// A batch ends behind a generation that was refused.
    BrokenBatch,
    /// A batch is void after its deadline.
    Deadline,
}

impl HostRule {
    pub const ALL: [HostRule; 6] = [
        HostRule::Claim,
        HostRule::Generation,
        HostRule::Stands,
        HostRule::Unchanged,
        HostRule::BrokenBatch,
        HostRule::Deadline,
    ];
}

/// A part of what is read of a host that is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blind {
    UnitState,
    Cgroup,
    Processes,
    Lock,
    LockId,
    Gate,
    Disablement,
    Fingerprint,
    Expiry,
}

impl Blind {
    pub const ALL: [Blind; 9] = [
        Blind::UnitState,
        Blind::Cgroup,
        Blind::Processes,
        Blind::Lock,
        Blind::LockId,
        Blind::Gate,
        Blind::Disablement,
        Blind::Fingerprint,
        Blind::Expiry,
    ];
}

/// What is different from the program as it ships: nothing, or one thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Knobs {
    pub row: Option<(State, Event, State)>,
    pub guard: Option<&'static str>,
    pub weak: Option<Weak>,
    pub rule: Option<HostRule>,
    /// A second one, where the first has another behind it that does the same.
    pub rule_too: Option<HostRule>,
    pub blind: Option<Blind>,
}

impl Knobs {
    /// The shipping `step`, but for a row that leads elsewhere.
    pub fn step(&self, state: State, event: Event) -> Result<State, Unexpected> {
        match self.row {
            Some((from, on, to)) if (from, on) == (state, event) => Ok(to),
            Some(_) | None => step(state, event),
        }
    }

    pub fn has_guard(&self, id: &str) -> bool {
        self.guard != Some(id)
    }

    pub fn weak(&self, weak: Weak) -> bool {
        self.weak == Some(weak)
    }

    pub fn without(&self, rule: HostRule) -> bool {
        self.rule == Some(rule) || self.rule_too == Some(rule)
    }

    pub fn unknown_is_stopped(&self) -> bool {
        self.weak(Weak::UnknownIsStopped)
    }

    pub fn blind_to_lock_id(&self) -> bool {
        self.blind == Some(Blind::LockId)
    }

    /// The evidence of a judgement, as a program sees it that does not look at one thing.
    pub fn blind(&self, evidence: &mut Evidence) {
        self.blind_host(&mut evidence.primary);
        self.blind_host(&mut evidence.backup);
        match self.blind {
            Some(Blind::Fingerprint) => {
                if let Some(print) = &evidence.run.fingerprint {
                    evidence.primary.fingerprint = Seen::Known(print.clone());
                }
            }
            Some(Blind::Expiry) => evidence.run.fence_left_s = Some(50.0),
            Some(Blind::LockId) => {
                if let (Some(fence), Seen::Known(bar)) = (&evidence.run.fence, &mut evidence.primary.bar) {
                    bar.lock_id = Some(fence.lock_id.clone());
                }
            }
            Some(
                Blind::UnitState
                | Blind::Cgroup
                | Blind::Processes
                | Blind::Lock
                | Blind::Gate
                | Blind::Disablement,
            )
            | None => {}
        }
    }

    /// The same for one host.
    pub fn blind_host(&self, seen: &mut HostEvidence) {
        let (Seen::Known(unit), Seen::Known(bar), Seen::Known(processes)) =
            (&mut seen.unit, &mut seen.bar, &mut seen.processes)
        else {
            return;
        };
        match self.blind {
            Some(Blind::UnitState) => {
                unit.active_state = "inactive".to_owned();
                unit.sub_state = "dead".to_owned();
                unit.main_pid = 0;
            }
            Some(Blind::Cgroup) => unit.cgroup_pids.retain(|pid| *pid == unit.main_pid),
            Some(Blind::Processes) => processes.validator.retain(|it| it.pid == unit.main_pid),
            Some(Blind::Lock) => {
                bar.lock.get_or_insert_with(|| "barred".to_owned());
                bar.lock_id.get_or_insert_with(|| "lock-0".to_owned());
            }
            Some(Blind::Gate) => {
                bar.gate = true;
                unit.asserts_absent = vec![LOCK.to_owned()];
            }
            Some(Blind::Disablement) => unit.file_state = "disabled".to_owned(),
            Some(Blind::LockId | Blind::Fingerprint | Blind::Expiry) | None => {}
        }
    }
}
