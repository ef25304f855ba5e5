//! When a condition that lasts has struck: it is in force, and the host is asked what it bears on. Counts only; the
//! conditions themselves are set and ended elsewhere.

use failover::demo::host::SimHost;
use failover::demo::transport::Dice;
use failover::demo::world::{Trigger, When, World};
use failover::transport::{Call, Op};

use crate::log::Log;
use crate::mishap::{Kind, Mishap, OPS, is_import};

/// Assumption A7 does not hold.
pub const FILES_LACK: &str = "the database's files lack the newest";

fn is_export(call: &Call) -> bool {
    call.op == Op::Run && call.args.iter().any(|arg| arg == "export")
}

fn writes(call: &Call) -> bool {
    matches!(
        call.op,
        Op::Claim | Op::Generation | Op::Bar | Op::WorkDir | Op::Archive | Op::Pack | Op::Put | Op::Copy
    )
}

/// Whether a call is of the operation at a position of [`OPS`].
const OF: [fn(&Call) -> bool; 12] = [
    |call| call.op == Op::Unit,
    |call| call.op == Op::Processes,
    |call| call.op == Op::Bar,
    |call| call.op == Op::Stop,
    |call| call.op == Op::Start,
    |call| call.op == Op::Http,
    |call| call.op == Op::Run,
    |call| call.op == Op::Pack,
    |call| call.op == Op::Archive,
    |call| call.op == Op::Fingerprint,
    |call| call.op == Op::Put,
    |call| call.op == Op::Generation,
];

/// A condition that lasts: it struck when the host is asked what it bears on.
struct Lasting {
    name: &'static str,
    on: fn(&Call) -> bool,
    holds: fn(&SimHost) -> bool,
}

impl Mishap {
    /// Arms the counters of the conditions that last: each counts once, when it is in force and the host is asked.
    pub fn arm_counters(self, world: &World, log: &Log) {
        for lasting in self.lasting() {
            let (log, host) = (log.clone(), self.host);
            world.arm(Trigger {
                host,
                on: lasting.on,
                when: When::Before,
                action: Box::new(move |hosts, _| {
                    if (lasting.holds)(&hosts[host]) {
                        log.struck(lasting.name);
                    }
                }),
                kills_coordinator: false,
            });
        }
    }

    fn lasting(self) -> Vec<Lasting> {
        let one = |name, on, holds| vec![Lasting { name, on, holds }];
        match self.kind {
            Kind::ImportDropsKey => one("import drops a key", is_import, |host| {
                host.quirks.import_drops_key.is_some()
            }),
            Kind::ExportFails => one("export fails", is_export, |host| host.quirks.export_fails),
            Kind::StartFails => one(
                "start fails",
                |call| call.op == Op::Start,
                |host| host.quirks.start_fails,
            ),
            Kind::StopFails => one(
                "stop fails",
                |call| call.op == Op::Stop,
                |host| host.quirks.stop_fails,
            ),
            Kind::DatabaseDamaged => one(
                "database damaged",
                |call| call.op == Op::Pack,
                |host| host.quirks.database_damaged,
            ),
            Kind::Hidepid => one(
                "hidepid",
                |call| call.op == Op::Processes,
                |host| host.quirks.hidepid,
            ),
            Kind::Missing => {
                let op = Dice(self.seed).below(OPS.len() as u64) as usize;
                one("command missing (127)", OF[op], |host| {
                    !host.quirks.missing.is_empty()
                })
            }
            Kind::NtpLost => one(
                "clock not synchronised",
                |call| call.op == Op::Identity,
                |host| host.quirks.ntp_lost,
            ),
            Kind::ReadOnly => one("read-only file system", writes, |host| host.quirks.read_only),
            Kind::DiskFull => one("full disk", writes, |host| host.disk_free < 4_096),
            Kind::Slow => {
                let op = Dice(self.seed).below(OPS.len() as u64) as usize;
                one("slow command", OF[op], |host| !host.quirks.slow.is_empty())
            }
            Kind::ClockJump => one(
                "host clock jumps",
                |call| call.op == Op::Identity,
                |host| host.clock_ahead_ms != 0,
            ),
            Kind::BeaconSyncing => one("beacon node syncing", asks, |host| host.beacon.syncing),
            Kind::BeaconBroken => one("beacon node gone", asks, |host| host.beacon.broken),
            Kind::BeaconWrongChain => one("beacon node on another chain", asks, |host| {
                host.beacon.other_chain.is_some()
            }),
            Kind::BeaconBlind => one("beacon node says nobody is live", asks, |host| host.beacon.blind),
            Kind::BeaconOptimistic => one("beacon node optimistic", asks, |host| host.beacon.optimistic),
            Kind::BeaconLate => one("beacon node sees late", asks, |host| {
                !host.beacon.sees_after.is_zero()
            }),
            _ => Vec::new(),
        }
    }
}

fn asks(call: &Call) -> bool {
    call.op == Op::Http
}
