//! A simulated host: machine and boot id, files, one validator under a service manager, its protection database and
//! its beacon node. It answers the operations of `remote.sh` with text of the form that the script prints.
//! It signs only through its database. It never reads a clock: the world tells it what time it is.

mod archive;
mod changing;
pub mod client;
pub mod files;
mod life;
mod looking;
mod mishaps;
pub mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::beacon::SimBeacon;
use super::chain::{Chain, Duty, Moment, bare_hex_from, hex_from};
use super::database::{Database, Records};
use super::referee::{Message, Period, Referee, Signed};
use crate::transport::{Op, Output};
use files::Files;
pub use mishaps::Frozen;
use unit::{Active, Cause, Unit};

/// The unit of every simulated validator.
pub const UNIT: &str = "validator.service";
/// The lock file of a barred host.
pub const LOCK: &str = "/etc/failover/VALIDATOR_LOCKED";
/// The validator's data directory.
pub const DATA_DIR: &str = "/var/lib/lodestar";
/// The validator's protection database.
pub const DATABASE: &str = "/var/lib/lodestar/validator-db";
/// Where `remote.sh` keeps its papers.
pub const STATE: &str = "/var/lib/failover";
/// The beacon node, as seen from the host; it stands on the validator's command line.
pub const BEACON_URL: &str = "http://127.0.0.1:9596";
/// The validator's metrics, as seen from the host.
pub const METRICS_URL: &str = "http://127.0.0.1:5064/metrics";
/// The user that the validator runs as.
pub const USER: &str = "lodestar";

/// A living validator process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Whether it belongs to the unit's cgroup; false: somebody started it by hand.
    pub in_unit: bool,
    /// How it came to run.
    pub cause: Cause,
    /// Unix time from which it signs.
    pub signs_from: Duration,
    /// Attestations published since it started.
    pub attestations: u64,
    /// Blocks published since it started.
    pub blocks: u64,
}

/// Whether the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It is off until somebody switches it on.
    Off,
    /// It is coming up, and will be there at this unix time.
    Booting(Duration),
}

/// Whether the coordinator can reach it. The validator's own network is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Reachable.
    Up,
    /// Nothing comes back: packets are dropped.
    Dark,
    /// Connections are refused.
    Refusing,
}

/// What is wrong with a host, for the named faults and the tests.
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    /// The client's export ends with an error.
    pub export_fails: bool,
    /// The database on disk is damaged.
    pub database_damaged: bool,
    /// The newest attestations are in the client's reach, but not in the files that are packed.
    pub pack_lacks_newest: bool,
    /// The client's export leaves out the newest attestations.
    pub export_lacks_newest: bool,
    /// The client's import says success but leaves out the key at this position.
    pub import_drops_key: Option<usize>,
    /// The unit's process ends at once whenever it is started by the service manager.
    pub start_fails: bool,
    /// `systemctl stop` and the kill after it do not end the process.
    pub stop_fails: bool,
    /// `/proc` shows a process only its own (mount option `hidepid`).
    pub hidepid: bool,
    /// Operations for which the host lacks a command: they end with 127.
    pub missing: BTreeSet<Op>,
    /// The clock is not synchronised.
    pub ntp_lost: bool,
    /// The state directory cannot be written to.
    pub read_only: bool,
    /// Operations that take so much longer than they should.
    pub slow: BTreeMap<Op, Duration>,
}

/// How long things take on a host.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From a start of the unit until it signs.
    pub start_to_signing: Duration,
    /// From a start by hand until it signs (a doppelganger watch of whole epochs, say).
    pub by_hand_to_signing: Duration,
    /// A stop of the unit.
    pub stop: Duration,
    /// A start of the unit.
    pub start: Duration,
    /// A command of the client.
    pub run: Duration,
    /// From power to a running service manager.
    pub boot: Duration,
}

/// What a host sees around it while it answers.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Unix time.
    pub now: Duration,
    /// The chain.
    pub chain: &'a Chain,
    /// What was signed by anybody, which is what a beacon node sees.
    pub referee: &'a Referee,
}

/// One simulated host.
#[derive(Debug)]
pub struct SimHost {
    /// Host name.
    pub name: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// Its files.
    pub files: Files,
    /// Its one unit.
    pub unit: Unit,
    /// The living validator process, if any.
    pub process: Option<Process>,
    /// When a validator process was alive.
    pub periods: Vec<Period>,
    /// The validator's protection database.
    pub database: Database,
    /// Copies of the database, by the path of the copy.
    pub copies: BTreeMap<String, Records>,
    /// Its beacon node.
    pub beacon: SimBeacon,
    /// Power.
    pub power: Power,
    /// The coordinator's way to it.
    pub link: Link,
    /// What is wrong with it.
    pub quirks: Quirks,
    /// How long things take.
    pub timing: Timing,
    /// How far its clock is ahead, milliseconds.
    pub clock_ahead_ms: i64,
    /// Free bytes on its disk.
    pub disk_free: u64,
    /// The unit's journal: unix time and line.
    pub journal: Vec<(Duration, String)>,
    /// Since when nothing on it moves, and whether its uptime stands still with it.
    pub frozen: Option<Frozen>,
    /// How often it was barred in this boot.
    pub bars: u64,
    /// Runs that have released it in this boot: a claim of theirs that arrives later counts for nothing.
    pub released: BTreeSet<String>,
    /// Whether a person has taken the lock away, past every check.
    pub gate_lifted: bool,
    boots: u64,
    booted_at: Duration,
    stood_still: Duration,
    next_pid: u32,
    seed: u64,
}

impl SimHost {
    /// A host that is up, its validator stopped and not enabled.
    pub fn new(name: &str, seed: u64, created_at: Duration, database: Database, timing: Timing) -> SimHost {
        SimHost {
            name: name.to_owned(),
            machine_id: bare_hex_from(seed, &format!("machine/{name}"), 16),
            files: Files::with(&["/etc/systemd/system", "/var/lib", "/tmp", "/run", DATABASE]),
            unit: default_unit(),
            process: None,
            periods: Vec::new(),
            database,
            copies: BTreeMap::new(),
            beacon: SimBeacon::default(),
            power: Power::On,
            link: Link::Up,
            quirks: Quirks::default(),
            timing,
            clock_ahead_ms: 0,
            disk_free: 200_000_000_000,
            journal: Vec::new(),
            frozen: None,
            bars: 0,
            released: BTreeSet::new(),
            gate_lifted: false,
            boots: 1,
            stood_still: Duration::ZERO,
            // It has been up for three days.
            booted_at: created_at.saturating_sub(Duration::from_secs(3 * 86_400)),
            next_pid: 700,
            seed,
        }
    }

    /// `/proc/sys/kernel/random/boot_id`: another one after every boot.
    pub fn boot_id(&self) -> String {
        let hex = bare_hex_from(self.seed, &format!("boot/{}/{}", self.name, self.boots), 16);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }

    /// Whether it is running and the coordinator can reach it.
    pub fn answers(&self) -> bool {
        self.power == Power::On && self.link == Link::Up
    }

    /// One operation of `remote.sh`. Those that wait give a single reading; the world repeats it.
    pub fn answer(&mut self, around: Around<'_>, op: Op, args: &[String]) -> Output {
        if self.quirks.missing.contains(&op) {
            return failed(127, "sh: systemctl: not found\n");
        }
        let arg = |position: usize| args.get(position).map_or("", String::as_str);
        match op {
            Op::Identity => self.identity(around.now),
            Op::Unit => self.show_unit(arg(0)),
            Op::BarState => self.bar_state(arg(0), arg(1)),
            Op::Processes => self.processes(arg(0)),
            Op::Papers => done(self.papers()),
            Op::Disk => self.disk(arg(0)),
            Op::Http => self.http(around, arg(0), arg(1), arg(2)),
            Op::Run => self.run(around, args.get(2..).unwrap_or_default()),
            Op::Get => self.get(arg(0), arg(1)),
            Op::Mine => self.mine(arg(0)),
            Op::Stands => self.stands(arg(0), arg(1)),
            Op::Sole => done(""),
            Op::Fingerprint => self.fingerprint(arg(0)),
            Op::Unchanged => self.unchanged(arg(0), arg(1)),
            Op::Settle => done(""),
            Op::AwaitMetric => self.await_metric(around.now, arg(0), arg(1), arg(2), arg(4)),
            Op::AwaitHead => self.await_head(around, arg(1)),
            Op::AwaitJournal => self.await_journal(arg(0), arg(1), arg(2)),
            Op::Claim => self.claim(arg(0), arg(1)),
            Op::Release => self.release(arg(0)),
            Op::Bar => self.bar(arg(0), arg(1), arg(2)),
            Op::Unbar => self.unbar(arg(0), arg(1), arg(2)),
            Op::Stop => self.stop(around.now, arg(0)),
            Op::Start => self.start(around.now, arg(0)),
            Op::Generation => self.generation(arg(0), arg(1)),
            Op::WorkDir => self.work_dir(arg(0)),
            Op::ClearWork => self.clear_work(arg(0)),
            Op::Copy => self.copy(arg(0), arg(1)),
            Op::Pack => self.pack(around, arg(0), arg(1), arg(2)),
            Op::Archive => self.archive(arg(0), arg(1)),
            Op::PutBack => self.put_back(arg(0), arg(1), arg(2), arg(3)),
            Op::Put => self.put(arg(0), arg(1), arg(3), arg(4)),
        }
    }

    /// Signs what is due at a moment, as far as the process is ready, the beacon node works and the database allows.
    pub fn sign(&mut self, chain: &Chain, moment: Moment) -> Vec<Message> {
        let ready = self
            .process
            .as_ref()
            .is_some_and(|process| process.signs_from <= moment.at);
        // What cannot be recorded must not be signed.
        if !ready || !self.beacon.usable() || self.frozen.is_some() || self.unwritable().is_some() {
            return Vec::new();
        }
        let moment = self.as_it_seems(chain, moment);
        let keys = match moment.duty {
            Duty::Propose => chain.proposer(moment.slot).into_iter().collect(),
            Duty::Attest => chain.attesters(moment.slot),
        };
        let mut signed = Vec::new();
        for key in keys.into_iter().filter_map(|key| chain.keys.get(key)) {
            let message = message(&self.name, chain, key, moment);
            let allowed = match &message.signed {
                Signed::Block { slot, root } => self.database.sign_block(key, *slot, root),
                Signed::Attestation {
                    source, target, root, ..
                } => self.database.sign_attestation(key, *source, *target, root),
            };
            // A database that cannot be read allows nothing.
            if allowed == Ok(true) {
                self.published(&message);
                signed.push(message);
            }
        }
        signed
    }

    fn published(&mut self, message: &Message) {
        let Some(process) = &mut self.process else { return };
        let words = match &message.signed {
            Signed::Block { slot, .. } => {
                process.blocks += 1;
                format!("Published block slot={slot}")
            }
            Signed::Attestation { slot, .. } => {
                process.attestations += 1;
                format!("Published attestations slot={slot}, count=1")
            }
        };
        let line = format!("{} lodestar[{}]: info: {words}", self.name, process.pid);
        self.journal.push((message.at, line));
    }
}

fn default_unit() -> Unit {
    let argv = [
        "/usr/bin/node",
        "/usr/bin/lodestar",
        "validator",
        "--dataDir",
        DATA_DIR,
        "--beaconNodes",
        BEACON_URL,
        "--metrics",
    ];
    Unit {
        name: UNIT.to_owned(),
        enabled: false,
        active: Active::Inactive,
        restart: true,
        restart_after: Duration::from_secs(5),
        restarts: 0,
        starts: 0,
        started_monotonic: Duration::ZERO,
        loaded_asserts: Vec::new(),
        user: USER.to_owned(),
        argv: argv.map(str::to_owned).to_vec(),
        directory: DATA_DIR.to_owned(),
    }
}

/// What a host signs for a duty. The root differs from host to host, as two blocks or votes made at two places do.
pub fn message(host: &str, chain: &Chain, key: &str, moment: Moment) -> Message {
    let slot = moment.slot;
    let root = hex_from(slot, &format!("root/{host}/{key}/{:?}", moment.duty), 32);
    let signed = match moment.duty {
        Duty::Propose => Signed::Block { slot, root },
        Duty::Attest => {
            let target = chain.epoch_of(slot);
            Signed::Attestation {
                slot,
                source: target.saturating_sub(1),
                target,
                root,
            }
        }
    };
    Message {
        host: host.to_owned(),
        at: moment.at,
        key: key.to_owned(),
        signed,
    }
}

/// A call that ended well.
fn done(stdout: impl Into<String>) -> Output {
    Output {
        status: 0,
        stdout: stdout.into(),
        stderr: String::new(),
    }
}

/// A call that did not.
fn failed(status: i32, stderr: impl Into<String>) -> Output {
    Output {
        status,
        stdout: String::new(),
        stderr: stderr.into(),
    }
}
