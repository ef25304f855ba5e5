//! What a run knows in this process, and what of it survives in the journal's facts. After a resume only `Found` is
//! known; everything else is observed afresh. Must never let a fence proof outlive its validity or be used twice.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::guards::{FenceReading, Finding, Generation};
use crate::observe::{Answer, Unanswered};
use crate::protection::{FloorMap, Interchange, Merged};

/// Who a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// Run id.
    pub id: String,
    /// `primary->backup`.
    pub pair: String,
    /// user@machine of the coordinator.
    pub coordinator: String,
}

/// What the preflight found and a resumed run still has to know. Kept as facts of `PreflightPassed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Whether the primary's validator ran before the run.
    pub primary_ran: bool,
    /// Machine id of the primary; no other machine may answer in its name for the rest of the run.
    pub primary_machine: String,
    /// Machine id of the backup, likewise.
    pub backup_machine: String,
    /// The backup as it stood before the run.
    pub backup: FenceReading,
    /// Whether the primary's unit was enabled before the run.
    pub primary_enabled: bool,
    /// `0x` and 64 hex digits, from the backup's beacon node, compared with every other source.
    pub genesis_validators_root: String,
    /// Unix seconds.
    pub genesis_time: u64,
    /// Seconds.
    pub seconds_per_slot: f64,
    /// Slots.
    pub slots_per_epoch: u64,
    /// Validator indices of the keys on this chain.
    pub indices: Vec<u64>,
    /// How many keys the run is about.
    pub keys: usize,
}

/// Evidence that a host cannot sign, good for a while. Making a signer of the other host consumes it.
#[derive(Debug)]
pub struct FenceProof {
    /// What a later look is compared with.
    pub reading: FenceReading,
    /// How many consecutive readings it rests on.
    pub readings: u32,
    taken: Moment,
    valid_s: f64,
}

/// A moment on two clocks: the runtime's, and the machine's that goes on while it sleeps.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    ticking: Instant,
    booted_s: f64,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Seconds since boot are far below 2^53.
        Moment {
            ticking: Instant::now(),
            booted_s: time.tv_sec as f64 + time.tv_nsec as f64 / 1e9,
        }
    }

    /// Seconds since then, by the clock that says more.
    pub fn elapsed_s(self) -> f64 {
        self.ticking
            .elapsed()
            .as_secs_f64()
            .max(Moment::now().booted_s - self.booted_s)
    }
}

impl FenceProof {
    /// A proof from readings of which the last was asked for at `taken`.
    pub fn new(reading: FenceReading, readings: u32, taken: Moment, valid_s: f64) -> FenceProof {
        FenceProof {
            reading,
            readings,
            taken,
            valid_s,
        }
    }

    /// Seconds until it expires; negative when it has.
    pub fn left_s(&self) -> f64 {
        self.valid_s - self.taken.elapsed_s()
    }

    /// The proof itself, if it has not expired.
    pub fn unexpired(self) -> Option<FenceProof> {
        (self.left_s() > 0.0).then_some(self)
    }

    /// The same proof, confirmed by one more positive reading that was asked for at `taken`.
    pub fn confirmed(self, taken: Moment) -> FenceProof {
        FenceProof {
            taken,
            readings: self.readings + 1,
            ..self
        }
    }
}

/// What the run has found out in this process.
#[derive(Debug, Default)]
pub struct Memory {
    /// From the preflight, or from the journal after a resume.
    pub found: Option<Found>,
    /// Generation of this run, once claimed.
    pub generation: Option<u64>,
    /// Positive readings taken so far in a row, and what the last one saw.
    pub readings: Option<(u32, FenceReading)>,
    /// The reading with which the primary's history was collected; what any later proof is compared with.
    pub collected: Option<FenceReading>,
    /// What the primary's database looked like when it was collected.
    pub fingerprint: Option<String>,
    /// What the backup's database looks like as this run left it; none while that is not known.
    pub backup_fingerprint: Option<String>,
    /// Proof that the backup stands, until the primary's restart consumes it.
    pub backup_fence: Option<FenceProof>,
    /// Boot of the backup in which its database was read back.
    pub read_back_boot: Option<String>,
    /// The fence proof, until the start consumes it.
    pub fence: Option<FenceProof>,
    /// The primary's history after the fence.
    pub primary_history: Option<Interchange>,
    /// The backup's history after the fence.
    pub backup_history: Option<Interchange>,
    /// The answer that travelled behind the import; read once.
    pub after_import: Option<Result<Answer, Unanswered>>,
    /// Whether the primary's database was read directly: then its client's export is still to be compared.
    pub primary_direct: bool,
    /// Whether the backup's database was read directly: then it is read back so.
    pub backup_direct: bool,
    /// Whether the databases of primary and backup are of a format that keeps no chain.
    pub chain_not_kept: [bool; 2],
    /// The primary's floors as they were read directly.
    pub primary_floors: Option<FloorMap>,
    /// Hash of those floors that an earlier process of this run wrote.
    pub primary_floors_sha256: Option<String>,
    /// The merged floors.
    pub merged: Option<Merged>,
    /// Hash of the merged floors that an earlier process of this run wrote.
    pub floors_sha256: Option<String>,
    /// What is imported: the merged floors that are raised, as the backup's client takes them.
    pub given: Option<Merged>,
    /// Hash of those floors that an earlier process of this run wrote.
    pub given_sha256: Option<String>,
    /// The backup's floors as read back.
    pub read_back: Option<FloorMap>,
    /// When the primary was asked to stop, Unix seconds of the coordinator.
    pub stop_asked_s: Option<f64>,
    /// When the primary was proven stopped, Unix seconds of the coordinator.
    pub proven_s: Option<f64>,
    /// When the backup was started, Unix seconds of the backup.
    pub started_s: Option<f64>,
    /// The backup's clock minus ours, seconds.
    pub backup_offset_s: f64,
    /// The generations that lay on the hosts (primary, backup) before the claim.
    pub papers: Option<(Option<Generation>, Option<Generation>)>,
    /// Whether neither host carries this run's claim, as a resume found them.
    pub claims_gone: bool,
    /// The last judgement.
    pub findings: Vec<Finding>,
}
