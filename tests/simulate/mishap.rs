//! What happens to the hosts: power, freezes, persons, crashes, disks, clocks, clients, beacon nodes. One table of kinds;
//! each is counted when it really struck, not when it was drawn. Must never touch a coordinator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use failover::demo::host::unit::Active;
use failover::demo::host::{Link, SimHost};
use failover::demo::transport::Dice;
use failover::transport::{Call, Op};

use crate::lasting::FILES_LACK;
use crate::log::Log;

/// What ends a mishap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending {
    /// The power is back.
    PowerOn,
    /// The host goes on; whether its validator has the vote of then in hand.
    Thaw(bool),
    /// The line is back.
    LinkUp,
    /// What was started by hand is stopped by hand.
    StopByHand,
    /// Everything else that was wrong with the host is right again.
    Healed,
    /// The clock is set right.
    ClockRight,
    /// No end: what it is that lasts is counted from now on, once the host is asked what it bears on.
    Counted(Mishap),
}

/// What is still to come: when, where, what.
pub type Due = Arc<Mutex<Vec<(Duration, usize, Ending)>>>;

/// A mishap: its kind, and what its size is drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mishap {
    /// Which kind.
    pub kind: Kind,
    /// The host.
    pub host: usize,
    /// How long it lasts.
    pub lasts: Duration,
    /// For what else is random in it.
    pub seed: u64,
}

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Reboot,
    PowerCut,
    Freeze,
    Partition,
    Refusing,
    SystemctlStart,
    ByHand,
    LiftGate,
    SystemctlStop,
    SystemctlRestart,
    Crash,
    CrashForGood,
    ImportDropsKey,
    ExportFails,
    StartFails,
    StopFails,
    DatabaseDamaged,
    FilesLackNewest,
    Hidepid,
    Missing,
    NtpLost,
    ReadOnly,
    DiskFull,
    Slow,
    ClockJump,
    BeaconSyncing,
    BeaconBroken,
    BeaconWrongChain,
    BeaconBlind,
    BeaconOptimistic,
    BeaconLate,
}

/// All kinds.
pub const KINDS: [Kind; 31] = [
    Kind::Reboot,
    Kind::PowerCut,
    Kind::Freeze,
    Kind::Partition,
    Kind::Refusing,
    Kind::SystemctlStart,
    Kind::ByHand,
    Kind::LiftGate,
    Kind::SystemctlStop,
    Kind::SystemctlRestart,
    Kind::Crash,
    Kind::CrashForGood,
    Kind::ImportDropsKey,
    Kind::ExportFails,
    Kind::StartFails,
    Kind::StopFails,
    Kind::DatabaseDamaged,
    Kind::FilesLackNewest,
    Kind::Hidepid,
    Kind::Missing,
    Kind::NtpLost,
    Kind::ReadOnly,
    Kind::DiskFull,
    Kind::Slow,
    Kind::ClockJump,
    Kind::BeaconSyncing,
    Kind::BeaconBroken,
    Kind::BeaconWrongChain,
    Kind::BeaconBlind,
    Kind::BeaconOptimistic,
    Kind::BeaconLate,
];

/// Operations on which something may be hung: those that mark a place in a run.
pub const PLACES: [fn(&Call) -> bool; 16] = [
    |call| call.op == Op::Claim,
    |call| call.op == Op::Generation,
    |call| call.op == Op::Bar,
    |call| call.op == Op::Stop,
    |call| call.op == Op::Stands,
    |call| call.op == Op::Archive,
    |call| call.op == Op::Pack,
    |call| call.op == Op::Put,
    |call| is_import(call),
    |call| call.op == Op::Settle,
    |call| call.op == Op::Unbar,
    |call| call.op == Op::Start,
    |call| call.op == Op::AwaitMetric,
    |call| call.op == Op::AwaitHead,
    |call| call.op == Op::Release,
    |call| call.op == Op::PutBack,
];

/// The places where [`PLACES`] asks a host that is the backup of the run; the others are asked of both, or the primary.
pub const PLACE_NAMES: [&str; 16] = [
    "claim",
    "generation",
    "bar",
    "stop",
    "stands",
    "archive",
    "pack",
    "put",
    "import",
    "settle",
    "unbar",
    "start",
    "await_metric",
    "await_head",
    "release",
    "put_back",
];

pub fn is_import(call: &Call) -> bool {
    call.op == Op::Run && call.args.iter().any(|arg| arg == "import")
}

/// Operations that a host may lack the command for, or take long over.
pub const OPS: [Op; 12] = [
    Op::Unit,
    Op::Processes,
    Op::Bar,
    Op::Stop,
    Op::Start,
    Op::Http,
    Op::Run,
    Op::Pack,
    Op::Archive,
    Op::Fingerprint,
    Op::Put,
    Op::Generation,
];

impl Mishap {
    /// Draws one.
    pub fn draw(dice: &mut Dice, kinds: &[Kind]) -> Mishap {
        let most = [3_000, 20_000, 90_000][dice.below(3) as usize];
        Mishap {
            kind: kinds[dice.below(kinds.len() as u64) as usize],
            host: dice.below(2) as usize,
            lasts: Duration::from_millis(200 + dice.below(most)),
            seed: dice.below(u64::MAX),
        }
    }

    /// Makes it happen now.
    pub fn happen(self, hosts: &mut [SimHost], now: Duration, log: &Log, due: &Due) {
        let host = &mut hosts[self.host];
        let mut dice = Dice(self.seed);
        let (struck, ending) = self.strike(host, now, &mut dice);
        let until = now + self.lasts;
        log.tell_at(now, &format!("  {}: {:?} {struck}", host.name, self.kind));
        if !struck.is_empty() {
            log.struck(struck);
        }
        let mut due = due.lock().unwrap();
        due.push((now, self.host, Ending::Counted(self)));
        if let Some(ending) = ending {
            due.push((until, self.host, ending));
        }
    }

    /// What it does to the host; what has struck at once, and what ends it.
    fn strike(self, host: &mut SimHost, now: Duration, dice: &mut Dice) -> (&'static str, Option<Ending>) {
        match self.kind {
            Kind::Reboot => {
                host.reboot(now);
                ("host reboot", None)
            }
            Kind::PowerCut => {
                host.power_cut(now);
                ("power cut", Some(Ending::PowerOn))
            }
            Kind::Freeze => {
                host.freeze(now, dice.below(2) == 0);
                ("freeze", Some(Ending::Thaw(dice.below(2) == 0)))
            }
            Kind::Partition => {
                host.link = Link::Dark;
                ("partition", Some(Ending::LinkUp))
            }
            Kind::Refusing => {
                host.link = Link::Refusing;
                ("connections refused for a while", Some(Ending::LinkUp))
            }
            Kind::SystemctlStart => (started(host, now), None),
            Kind::ByHand if host.process.is_none() => {
                // Most wait through a doppelganger watch; some client or flag does not.
                host.timing.by_hand_to_signing =
                    Duration::from_millis(500 + dice.below(2) * dice.below(30_000));
                host.start_by_hand(now);
                ("started by hand past the gate", Some(Ending::StopByHand))
            }
            Kind::LiftGate if host.process.is_none() => {
                host.lift_gate_and_start(now);
                ("lock taken away by a person", None)
            }
            Kind::ByHand | Kind::LiftGate => ("", None),
            Kind::SystemctlStop => {
                host.systemctl_stop(now);
                ("systemctl stop by a person", None)
            }
            Kind::SystemctlRestart => {
                host.systemctl_stop(now);
                started(host, now);
                ("systemctl restart by a person", None)
            }
            Kind::Crash | Kind::CrashForGood => (self.crash(host, now), Some(Ending::Healed)),
            Kind::FilesLackNewest => {
                // Counted at once: an excuse hangs on it.
                host.quirks.pack_lacks_newest = true;
                (FILES_LACK, Some(Ending::Healed))
            }
            _ => {
                self.spoil(host, dice);
                (
                    "",
                    Some(if self.kind == Kind::ClockJump {
                        Ending::ClockRight
                    } else {
                        Ending::Healed
                    }),
                )
            }
        }
    }

    /// The validator's process dies, and is brought back by its unit, or not.
    fn crash(self, host: &mut SimHost, now: Duration) -> &'static str {
        host.unit.restart = self.kind == Kind::Crash;
        let lives = host.process.is_some();
        host.crash_validator(now);
        match (lives, self.kind) {
            (false, _) => "",
            (true, Kind::Crash) => "validator crash, Restart=always",
            (true, _) => "validator crash, Restart=no",
        }
    }

    /// Conditions that last, and strike when the host is asked.
    fn spoil(self, host: &mut SimHost, dice: &mut Dice) {
        let op = dice.below(OPS.len() as u64) as usize;
        match self.kind {
            Kind::ImportDropsKey => host.quirks.import_drops_key = Some(dice.below(3) as usize),
            Kind::ExportFails => host.quirks.export_fails = true,
            Kind::StartFails => host.quirks.start_fails = true,
            Kind::StopFails => host.quirks.stop_fails = true,
            Kind::DatabaseDamaged => host.quirks.database_damaged = true,
            Kind::Hidepid => host.quirks.hidepid = true,
            Kind::Missing => {
                host.quirks.missing.insert(OPS[op]);
            }
            Kind::NtpLost => host.quirks.ntp_lost = true,
            Kind::ReadOnly => host.quirks.read_only = true,
            Kind::DiskFull => host.disk_free = dice.below(2) * 4_000,
            Kind::Slow => {
                let most = [2_000, 30_000, 100_000][dice.below(3) as usize];
                host.quirks
                    .slow
                    .insert(OPS[op], Duration::from_millis(dice.below(most)));
            }
            Kind::ClockJump => {
                let most = [400, 3_000, 40_000, 7_200_000][dice.below(4) as usize];
                let by = 1 + dice.below(most) as i64;
                host.clock_ahead_ms = if dice.below(2) == 0 { by } else { -by };
            }
            Kind::BeaconSyncing => {
                host.beacon.syncing = true;
                host.beacon.behind = 3 + dice.below(900);
            }
            Kind::BeaconBroken => host.beacon.broken = true,
            Kind::BeaconWrongChain => host.beacon.other_chain = Some(format!("0x{}", "5a".repeat(32))),
            Kind::BeaconBlind => host.beacon.blind = true,
            Kind::BeaconOptimistic => host.beacon.optimistic = true,
            Kind::BeaconLate => host.beacon.sees_after = Duration::from_millis(dice.below(20_000)),
            _ => {}
        }
    }
}

/// A person's `systemctl start`.
fn started(host: &mut SimHost, now: Duration) -> &'static str {
    let barred = host.process.is_none() && host.unit.active != Active::Active;
    match host.systemctl_start(now) {
        Some(output) if output.stderr.contains("Assertion failed") => {
            "systemctl start by a person: the gate held"
        }
        Some(_) if barred => "systemctl start by a person: it ran",
        Some(_) | None => "",
    }
}
