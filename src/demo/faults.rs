//! The faults of `failover demo --fault NAME`: each arms the world so that one thing goes wrong, and says how the run
//! is expected to end. Must never help the coordinator: a fault only does to the hosts what could happen to real ones.

use std::time::Duration;

use super::host::Link;
use super::world::{Trigger, When, World};
use crate::transport::{Call, Op};

const A: usize = 0;
const B: usize = 1;

/// How a run with a fault is expected to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Refused in preflight; nothing was touched.
    Refused,
    /// Undone; the primary signs again.
    Restored,
    /// Parked; neither host signs. A resume does not help while the fault lasts.
    Parked,
    /// Parked; after [`World::heal_links`], `resume` completes.
    ParkedThenCompleted,
    /// The coordinator dies in mid-run ([`World::killed`]); `resume` completes.
    KilledThenCompleted,
    /// Completed in spite of it.
    Completed,
}

impl Expected {
    /// The exit code of the first run; none when it is killed.
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Expected::Refused => Some(1),
            Expected::Restored => Some(3),
            Expected::Parked | Expected::ParkedThenCompleted => Some(4),
            Expected::KilledThenCompleted => None,
            Expected::Completed => Some(0),
        }
    }

    /// The exit code of the resume that follows; none when none follows.
    pub fn exit_code_of_resume(self) -> Option<u8> {
        match self {
            Expected::ParkedThenCompleted | Expected::KilledThenCompleted => Some(0),
            Expected::Refused | Expected::Restored | Expected::Parked | Expected::Completed => None,
        }
    }
}

/// One fault.
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What goes wrong, one sentence.
    pub what: &'static str,
    /// What is to come of it, one sentence.
    pub outcome: &'static str,
    /// How the run is expected to end.
    pub expected: Expected,
    /// Arms a world that has just begun.
    pub arm: fn(&World),
}

/// Every fault, in the order in which they are listed.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "backup-unsynced",
        what: "The backup's beacon node is syncing, 900 slots behind.",
        outcome: "Refused before anything is touched; the primary goes on signing.",
        expected: Expected::Refused,
        arm: backup_unsynced,
    },
    Fault {
        name: "wrong-chain",
        what: "The backup's beacon node follows another chain.",
        outcome: "Refused before anything is touched; the primary goes on signing.",
        expected: Expected::Refused,
        arm: wrong_chain,
    },
    Fault {
        name: "same-machine",
        what: "Both names lead to the same machine.",
        outcome: "Refused before anything is touched; the primary goes on signing.",
        expected: Expected::Refused,
        arm: same_machine,
    },
    Fault {
        name: "backup-running",
        what: "Somebody has started the backup's validator by hand; it is in its doppelganger watch and does not sign yet.",
        outcome: "Refused before anything is touched; the primary goes on signing.",
        expected: Expected::Refused,
        arm: backup_running,
    },
    Fault {
        name: "database-damaged",
        what: "The primary's protection database has a bad byte on its disk.",
        outcome: "Undone: damage is not an empty history; the primary signs again, the backup stays barred.",
        expected: Expected::Restored,
        arm: database_damaged,
    },
    Fault {
        name: "export-fails",
        what: "The primary's client cannot export its slashing protection.",
        outcome: "Completes: its database is read without it; the cross-check says that it could not be made.",
        expected: Expected::Completed,
        arm: export_fails,
    },
    Fault {
        name: "history-hidden",
        what: "The primary's client exports newer history than its database's files hold.",
        outcome: "Parked: the backup lacks that history, so it is stopped and barred at once.",
        expected: Expected::Parked,
        arm: history_hidden,
    },
    Fault {
        name: "import-drops-key",
        what: "The backup's client prints success but leaves one key out of the import.",
        outcome: "Caught by reading the database back; undone, the primary signs again.",
        expected: Expected::Restored,
        arm: import_drops_key,
    },
    Fault {
        name: "connection-lost",
        what: "The connection to the primary breaks right after its validator was told to stop, before that is proven.",
        outcome: "Parked: no answer is not a stopped validator. Once the network is back, resume completes.",
        expected: Expected::ParkedThenCompleted,
        arm: connection_lost,
    },
    Fault {
        name: "primary-revives",
        what: "Right after the backup has started, somebody runs the primary's validator by hand, past the gate.",
        outcome: "The backup is stopped and barred at once; parked.",
        expected: Expected::Parked,
        arm: primary_revives,
    },
    Fault {
        name: "start-fails",
        what: "The backup's validator ends at once when it is started.",
        outcome: "The backup is stopped and barred again; parked.",
        expected: Expected::Parked,
        arm: start_fails,
    },
    Fault {
        name: "coordinator-killed",
        what: "The coordinator is killed (-9) while the backup imports.",
        outcome: "Neither host signs; resume reads the journal, looks again and completes.",
        expected: Expected::KilledThenCompleted,
        arm: coordinator_killed,
    },
    Fault {
        name: "primary-crashed",
        what: "The primary's validator has crashed and its beacon node is gone.",
        outcome: "Completes: the host itself still answers, so the fence can be proven.",
        expected: Expected::Completed,
        arm: primary_crashed,
    },
];

/// The fault of that name.
pub fn named(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

fn backup_unsynced(world: &World) {
    world.with_host(B, |host, _| {
        host.beacon.syncing = true;
        host.beacon.behind = 900;
    });
}

fn wrong_chain(world: &World) {
    world.with_host(B, |host, _| {
        host.beacon.other_chain = Some(format!("0x{}", "5a".repeat(32)))
    });
}

fn same_machine(world: &World) {
    world.with(|inside, _| {
        if let [a, b, ..] = inside.hosts.as_mut_slice() {
            b.machine_id.clone_from(&a.machine_id);
        }
    });
}

fn backup_running(world: &World) {
    world.with_host(B, |host, now| {
        // It waits for as long as the demo lasts: nobody signs twice for the sake of a demonstration.
        host.timing.by_hand_to_signing = Duration::from_secs(86_400);
        host.start_by_hand(now);
    });
}

fn export_fails(world: &World) {
    world.with_host(A, |host, _| host.quirks.export_fails = true);
}

fn database_damaged(world: &World) {
    world.with_host(A, |host, _| host.quirks.database_damaged = true);
}

fn history_hidden(world: &World) {
    world.with_host(A, |host, _| host.quirks.pack_lacks_newest = true);
    // The backup does not sign before the cross-check: nobody signs twice for the sake of a demonstration.
    world.with_host(B, |host, _| {
        host.timing.start_to_signing = Duration::from_secs(86_400)
    });
}

fn import_drops_key(world: &World) {
    world.with_host(B, |host, _| host.quirks.import_drops_key = Some(1));
}

fn connection_lost(world: &World) {
    world.arm(Trigger {
        host: A,
        on: |call| call.op == Op::Stop,
        when: When::After,
        action: Box::new(|hosts, _| {
            if let Some(host) = hosts.get_mut(A) {
                host.link = Link::Refusing;
            }
        }),
        kills_coordinator: false,
    });
}

fn primary_revives(world: &World) {
    // Two days, so that only the coordinator's own watch can notice it in the demo, not a double signature.
    world.with_host(A, |host, _| {
        host.timing.by_hand_to_signing = Duration::from_secs(2 * 86_400)
    });
    world.arm(Trigger {
        host: B,
        on: |call| call.op == Op::Start,
        when: When::After,
        action: Box::new(|hosts, now| {
            if let Some(host) = hosts.get_mut(A) {
                host.start_by_hand(now);
            }
        }),
        kills_coordinator: false,
    });
}

fn start_fails(world: &World) {
    world.with_host(B, |host, _| host.quirks.start_fails = true);
}

fn coordinator_killed(world: &World) {
    world.arm(Trigger {
        host: B,
        on: is_import,
        when: When::After,
        action: Box::new(|_, _| ()),
        kills_coordinator: true,
    });
}

fn primary_crashed(world: &World) {
    world.with_host(A, |host, now| {
        host.beacon.broken = true;
        host.unit.restart = false;
        host.crash_validator(now);
    });
}

/// Whether a call is the client's import.
pub fn is_import(call: &Call) -> bool {
    call.op == Op::Run && call.args.iter().any(|arg| arg == "import")
}
