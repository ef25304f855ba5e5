//! Evidence of a healthy pair, for the tests of the guards and for the model. Must never hold a fault: whoever wants one
//! breaks it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "test code; each test binary uses a part of it"
)]

use failover::guards::{
    Bar, Beacon, Claim, Disk, Evidence, Execution, FenceReading, Genesis, HostEvidence, Identity, Papers,
    Policy, Process, Processes, Protection, RunEvidence, Seen, Spec, Stage, Syncing, Unit, ValidatorStatus,
};
use failover::protection::{FloorMap, Floors, PublicKey};
use std::collections::{BTreeMap, BTreeSet};

/// The lock file of both hosts.
pub const LOCK: &str = "/etc/failover/VALIDATOR_LOCKED";
/// The chain.
pub const ROOT: &str = "0x00000000000000000000000000000000000000000000000000000000000000aa";
/// Another chain.
pub const OTHER_ROOT: &str = "0x00000000000000000000000000000000000000000000000000000000000000bb";
/// The key of a number.
pub fn key(number: u8) -> PublicKey {
    PublicKey::parse(&format!("0x{}", format!("{number:02x}").repeat(48))).unwrap()
}

/// Two keys at the floors of a slot.
pub fn floors(slot: u64) -> FloorMap {
    let floors = Floors {
        block_slot: Some(slot),
        source_epoch: Some(slot / 32 - 1),
        target_epoch: Some(slot / 32),
    };
    [1, 2].map(|number| (key(number), floors)).into_iter().collect()
}

/// A fact that was not had.
pub fn unknown<T>() -> Seen<T> {
    Seen::Unknown("it was not answered".to_owned())
}

/// The unit, running or resting behind its gate.
pub fn unit(running: bool) -> Unit {
    let word = |yes: &str, no: &str| if running { yes } else { no }.to_owned();
    Unit {
        name: "validator.service".to_owned(),
        load_state: "loaded".to_owned(),
        active_state: word("active", "inactive"),
        sub_state: word("running", "dead"),
        file_state: word("enabled", "disabled"),
        main_pid: if running { 70 } else { 0 },
        main_start_us: 5_000_000,
        asserts_absent: if running { vec![] } else { vec![LOCK.to_owned()] },
        cgroup_pids: if running { vec![70] } else { vec![] },
        ..Unit::default()
    }
}

/// The validator.
pub fn process() -> Process {
    Process {
        pid: 70,
        exe: "/usr/bin/validator".to_owned(),
        command: "validator".to_owned(),
        holds_database: true,
        because: "its words".to_owned(),
    }
}

/// A synced beacon node.
pub fn beacon() -> Beacon {
    let status = |index| ValidatorStatus {
        index,
        status: "active_ongoing".to_owned(),
        slashed: false,
    };
    Beacon {
        url: "http://127.0.0.1:5052".to_owned(),
        version: Seen::Known("v1".to_owned()),
        genesis: Seen::Known(Genesis {
            time: 1_000,
            validators_root: ROOT.to_owned(),
        }),
        spec: Seen::Known(Spec {
            seconds_per_slot: 12.0,
            slots_per_epoch: 32,
        }),
        syncing: Seen::Known(Syncing {
            head_slot: 6_400,
            sync_distance: 0,
            is_syncing: false,
            is_optimistic: Some(false),
            el_offline: Some(false),
        }),
        peers: Seen::Known(50),
        validators: Seen::Known(BTreeMap::from([(key(1), status(10)), (key(2), status(11))])),
    }
}

/// A host that signs, or one that is barred.
pub fn host(name: &str, running: bool) -> HostEvidence {
    let root = Some(ROOT.to_owned());
    let protection = Protection {
        genesis_validators_root: root,
        floors: floors(6_300),
    };
    HostEvidence {
        name: name.to_owned(),
        identity: Seen::Known(Identity {
            machine_id: format!("machine of {name}"),
            boot_id: format!("boot of {name}"),
            uid: 0,
            clock_offset_s: 0.01,
            clock_uncertainty_s: 0.02,
            clock_synchronised: Seen::Known(true),
        }),
        unit: Seen::Known(unit(running)),
        bar: Seen::Known(Bar {
            lock_path: LOCK.to_owned(),
            lock: (!running).then(|| "barred".to_owned()),
            lock_id: (!running).then(|| "1:2:3".to_owned()),
            gate: !running,
        }),
        processes: Seen::Known(Processes {
            validator: if running { vec![process()] } else { vec![] },
            listed: 40,
            must_hold: true,
        }),
        papers: Seen::Known(Papers::default()),
        disk: Seen::Known(Disk {
            free_bytes: 1 << 40,
            state_free_bytes: 1 << 40,
            database_bytes: Some(1 << 20),
            writable: true,
        }),
        beacon: Seen::Known(beacon()),
        execution: Seen::Known(Execution { syncing: false }),
        fingerprint: Seen::Known("as collected".to_owned()),
        hand_over: Seen::Known(Ok(())),
        protection: Seen::Known(protection),
    }
}

/// A claim of a run.
pub fn claim(run: &str) -> Claim {
    Claim {
        run: run.to_owned(),
        pair: "a->b".to_owned(),
        generation: 3,
        coordinator: "root@desk".to_owned(),
        since: "2027-01-15T08:00:00Z".to_owned(),
    }
}

/// What a guard of that stage sees when all is well.
pub fn healthy(stage: Stage) -> Evidence {
    let starting = stage == Stage::Start;
    let mut evidence = Evidence {
        primary: host("a", !starting),
        backup: host("b", false),
        policy: Policy {
            keys: BTreeSet::from([key(1), key(2)]),
            genesis_validators_root: None,
            min_peers: 3,
            max_sync_distance: 2,
            max_clock_offset_s: 0.5,
            require_clock_sync: true,
            has_execution_layer: true,
            el_offline_absent_ok: false,
            optimistic_absent_ok: false,
            ask_execution_client: true,
            min_free_bytes: 64 << 20,
        },
        run: RunEvidence::default(),
    };
    if starting {
        for host in [&mut evidence.primary, &mut evidence.backup] {
            host.papers = Seen::Known(Papers {
                claim: Some(claim("r1")),
                generation: None,
            });
        }
        let reading = FenceReading {
            machine_id: "machine of a".to_owned(),
            boot_id: "boot of a".to_owned(),
            main_start_us: 5_000_000,
            lock_id: "1:2:3".to_owned(),
        };
        evidence.run = RunEvidence {
            id: Some("r1".to_owned()),
            ended_runs: vec!["r0".to_owned()],
            fingerprint: Some("as collected".to_owned()),
            read_back_boot: Some("boot of b".to_owned()),
            generation: Some(3),
            genesis_validators_root: Some(ROOT.to_owned()),
            fence: Some(reading),
            fence_left_s: Some(50.0),
            merged: Some(floors(6_310)),
            read_back: Some(floors(6_310)),
        };
    }
    evidence
}
