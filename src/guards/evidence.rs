//! What was observed, as plain data: the only thing that guards may look at. Every fact is `Seen`: known, or unknown
//! with the reason. Must never hold a default that reads as good news.

use std::collections::{BTreeMap, BTreeSet};

use crate::protection::{FloorMap, PublicKey};

/// A fact, or why it is not known. Unknown blocks (promise P3).
#[derive(Debug, Clone, PartialEq)]
pub enum Seen<T> {
    /// It was read.
    Known(T),
    /// It was not read, and why.
    Unknown(String),
}

impl<T> Seen<T> {
    /// The fact, or why it is not known.
    pub fn known(&self) -> Result<&T, &str> {
        match self {
            Seen::Known(value) => Ok(value),
            Seen::Unknown(why) => Err(why),
        }
    }

    /// A fact from something that may have failed.
    pub fn from_result<E: std::fmt::Display>(result: Result<T, E>) -> Seen<T> {
        match result {
            Ok(value) => Seen::Known(value),
            Err(why) => Seen::Unknown(why.to_string()),
        }
    }
}

/// Which of the two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The host that signs now.
    Primary,
    /// The host that is to sign.
    Backup,
}

/// Everything that a judgement may look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was seen of the primary.
    pub primary: HostEvidence,
    /// What was seen of the backup.
    pub backup: HostEvidence,
    /// What the configuration demands or waives.
    pub policy: Policy,
    /// What this run has done so far; nothing in preflight and audit.
    pub run: RunEvidence,
}

/// What the configuration demands, and what it says a host does not have.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Keys that the operator declares; empty means: those that the databases hold.
    pub keys: BTreeSet<PublicKey>,
    /// Genesis validators root that the operator pinned, `0x` and 64 hex digits.
    pub genesis_validators_root: Option<String>,
    /// Fewest connected peers of the backup's beacon node.
    pub min_peers: u64,
    /// Largest distance in slots between the backup's head and its clock.
    pub max_sync_distance: u64,
    /// Largest difference in seconds between a host's clock and the coordinator's.
    pub max_clock_offset_s: f64,
    /// Whether an unsynchronised clock (NTP) blocks.
    pub require_clock_sync: bool,
    /// Whether the beacon node is asked for its execution layer (`el_offline`); a devnet without one says no.
    pub has_execution_layer: bool,
    /// Whether the node is too old to report `el_offline` and the operator said so.
    pub el_offline_absent_ok: bool,
    /// Whether the node is too old to report `is_optimistic` and the operator said so.
    pub optimistic_absent_ok: bool,
    /// Whether the execution client itself is asked (`eth_syncing`).
    pub ask_execution_client: bool,
    /// Free space in bytes demanded on the backup beyond three times the database.
    pub min_free_bytes: u64,
}

/// What the run knows about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunEvidence {
    /// This run's id; none in preflight before a claim, and in an audit.
    pub id: Option<String>,
    /// Runs of this coordinator that are over: a claim that one of them left behind does not block.
    pub ended_runs: Vec<String>,
    /// The generation that this run's claim carries.
    pub generation: Option<u64>,
    /// The reading at which the primary was proven stopped.
    pub fence: Option<FenceReading>,
    /// What the primary's database looked like when its history was collected.
    pub fingerprint: Option<String>,
    /// Boot of the backup in which its database was read back.
    pub read_back_boot: Option<String>,
    /// Seconds until the fence proof expires; negative when it has.
    pub fence_left_s: Option<f64>,
    /// The chain that the preflight established, `0x` and 64 hex digits.
    pub genesis_validators_root: Option<String>,
    /// The merged floors.
    pub merged: Option<FloorMap>,
    /// The backup's floors as read back after the import.
    pub read_back: Option<FloorMap>,
}

/// What a later look is compared with to see that the primary's validator was not started since the proof.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FenceReading {
    /// Machine id of the primary.
    pub machine_id: String,
    /// Boot in which the proof was taken.
    pub boot_id: String,
    /// When systemd last started the unit's main process, microseconds since that boot. 0 also for a unit that systemd
    /// has unloaded since, so that 0 proves little by itself.
    pub main_start_us: u64,
    /// Which lock barred it: as long as it is this one, the gate was never lifted.
    pub lock_id: String,
}

/// What was seen of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostEvidence {
    /// The host as the operator named it.
    pub name: String,
    /// Machine and boot that answered; unknown when nothing did. The reason names the class of failure.
    pub identity: Seen<Identity>,
    /// The validator's unit.
    pub unit: Seen<Unit>,
    /// Lock file and gate drop-in.
    pub bar: Seen<Bar>,
    /// The validator's processes, wherever they run on the host.
    pub processes: Seen<Processes>,
    /// Claim and generation lying on the host.
    pub papers: Seen<Papers>,
    /// Room for the database and for a copy of it.
    pub disk: Seen<Disk>,
    /// The beacon node that this host's validator uses.
    pub beacon: Seen<Beacon>,
    /// The execution client, when the configuration names one.
    pub execution: Seen<Execution>,
    /// What its database looks like from outside; asked of the primary before the start.
    pub fingerprint: Seen<String>,
    /// Whether a run hands over from, or into, this host's client; the refusal says what to do instead.
    pub hand_over: Seen<Result<(), String>>,
    /// The host's protection as its client exports it; asked only where that is safe (stopped and barred).
    pub protection: Seen<Protection>,
}

/// Who answered, and its clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Effective user id of the held shell.
    pub uid: u32,
    /// Host clock minus coordinator clock, seconds, at the middle of the round trip.
    pub clock_offset_s: f64,
    /// Half the round trip, seconds: what the offset may be wrong by.
    pub clock_uncertainty_s: f64,
    /// Whether the clock is synchronised; unknown when `timedatectl` is missing.
    pub clock_synchronised: Seen<bool>,
}

/// A systemd unit as `systemctl show`, D-Bus and the cgroup tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Unit name, with its suffix.
    pub name: String,
    /// `LoadState`: loaded, not-found, masked…
    pub load_state: String,
    /// `ActiveState`: active, inactive, failed, activating…
    pub active_state: String,
    /// `SubState`: running, dead, auto-restart…
    pub sub_state: String,
    /// `UnitFileState`: enabled, disabled, static, masked…
    pub file_state: String,
    /// `MainPID`; 0 means none.
    pub main_pid: u64,
    /// `InvocationID`.
    pub invocation: String,
    /// `ExecMainStartTimestampMonotonic`, microseconds since boot; 0 means never in this boot.
    pub main_start_us: u64,
    /// `Restart`.
    pub restart: String,
    /// `KillMode`.
    pub kill_mode: String,
    /// `User`; empty means root.
    pub user: String,
    /// `FragmentPath`.
    pub fragment: String,
    /// `ExecStart` as argv; empty when it cannot be read.
    pub exec_start: Vec<String>,
    /// `WorkingDirectory`; empty means `/`.
    pub working_directory: String,
    /// Units that could start it by themselves: triggers, wants, requires, upholds, binds.
    pub revived_by: Vec<String>,
    /// `AssertPathExists` paths with a leading `!` that the running manager has loaded.
    pub asserts_absent: Vec<String>,
    /// Members of the unit's cgroup and of those below it.
    pub cgroup_pids: Vec<u64>,
}

/// The bar as it lies on disk. Whether the manager has loaded the gate is in [`Unit::asserts_absent`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bar {
    /// Path of the lock file.
    pub lock_path: String,
    /// Content of the lock file when it is there.
    pub lock: Option<String>,
    /// Which file it is (device, inode, change time); a lock that was taken away and put back is another.
    pub lock_id: Option<String>,
    /// Whether the drop-in lies in its place.
    pub gate: bool,
}

/// The validator's processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processes {
    /// Those that are the validator: by executable and words, by data directory, or by open files below it.
    pub validator: Vec<Process>,
    /// How many processes the listing held in all; the positive control.
    pub listed: usize,
    /// Whether a running validator of this client must be seen to hold its database open. Some open it for each
    /// signature and close it again.
    pub must_hold: bool,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u64,
    /// Executable, as `/proc/PID/exe` names it; empty when it cannot be read.
    pub exe: String,
    /// Command line, spaces between arguments. May hold secrets: never shown, never journalled.
    pub command: String,
    /// Whether it holds the database open.
    pub holds_database: bool,
    /// Why it counts as the validator.
    pub because: String,
}

/// Claim and generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Papers {
    /// The claim lying on the host.
    pub claim: Option<Claim>,
    /// The generation lying on the host.
    pub generation: Option<Generation>,
}

/// `claim.json`: who is acting on this host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claim {
    /// The run's id.
    pub run: String,
    /// The pair, `primary->backup`.
    pub pair: String,
    /// The generation that the run carries.
    pub generation: u64,
    /// user@machine of the coordinator.
    pub coordinator: String,
    /// RFC 3339.
    pub since: String,
}

/// `generation.json`: what this host is since which run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Generation {
    /// The pair, `primary->backup` of that run.
    pub pair: String,
    /// Only ever grows.
    pub generation: u64,
    /// `signer` or `fenced`.
    pub role: String,
    /// The run that wrote it.
    pub run: String,
}

/// Room on the host, bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Free where the database lies.
    pub free_bytes: u64,
    /// Free where copies are archived.
    pub state_free_bytes: u64,
    /// What the database takes; none when it is absent.
    pub database_bytes: Option<u64>,
    /// Whether the archive can be written.
    pub writable: bool,
}

/// A beacon node, as the Beacon API tells it. Each answer is known or unknown by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Beacon {
    /// The URL that was asked, on the host.
    pub url: String,
    /// `/eth/v1/node/version`.
    pub version: Seen<String>,
    /// `/eth/v1/beacon/genesis`.
    pub genesis: Seen<Genesis>,
    /// `/eth/v1/config/spec`.
    pub spec: Seen<Spec>,
    /// `/eth/v1/node/syncing`.
    pub syncing: Seen<Syncing>,
    /// `/eth/v1/node/peer_count`, connected.
    pub peers: Seen<u64>,
    /// `/eth/v1/beacon/states/head/validators` for the keys known at the time.
    pub validators: Seen<BTreeMap<PublicKey, ValidatorStatus>>,
}

/// Genesis of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Unix seconds.
    pub time: u64,
    /// `0x` and 64 lower-case hex digits.
    pub validators_root: String,
}

/// The parameters that are never assumed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// `SECONDS_PER_SLOT`.
    pub seconds_per_slot: f64,
    /// `SLOTS_PER_EPOCH`.
    pub slots_per_epoch: u64,
}

/// `data` of `/eth/v1/node/syncing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syncing {
    /// `head_slot`.
    pub head_slot: u64,
    /// `sync_distance`, slots.
    pub sync_distance: u64,
    /// `is_syncing`.
    pub is_syncing: bool,
    /// `is_optimistic`; none when the node does not say.
    pub is_optimistic: Option<bool>,
    /// `el_offline`; none when the node does not say.
    pub el_offline: Option<bool>,
}

/// What the chain says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorStatus {
    /// Validator index.
    pub index: u64,
    /// Status word of the Beacon API.
    pub status: String,
    /// Whether it was slashed.
    pub slashed: bool,
}

/// The execution client, asked with `eth_syncing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Whether it says that it is syncing.
    pub syncing: bool,
}

/// A host's protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// `0x` and 64 hex digits, when the export says it.
    pub genesis_validators_root: Option<String>,
    /// Floors per key.
    pub floors: FloorMap,
}
