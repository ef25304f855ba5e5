//! What a run refuses, and that refusing touches nothing.

use failover::config::Answer;
use failover::demo::host::{LOCK, Link, STATE};
use failover::protocol::{Outcome, State};
use failover::transport::Op;

use crate::support::{A, B, How, Rig, rig};

/// The run is refused for this reason, both hosts are as they were, and the primary goes on signing.
async fn refused(rig: &Rig, how: How, why: &str) {
    rig.pass(3).await;
    let before = rig.snapshots();
    let state = rig.run_with("r1", how).await.unwrap();
    assert_eq!(state, State::Ended(Outcome::Refused), "{}", rig.story("r1"));
    assert!(
        rig.why("r1").contains(why),
        "{why:?} is not in {:?}",
        rig.why("r1")
    );
    let after = rig.snapshots();
    for (after, before) in after.iter().zip(&before) {
        assert_eq!(after, before, "a host was changed");
    }
    assert_eq!(rig.records("r1").len(), 1, "nothing beyond the preflight");
    rig.pass(30).await;
    assert!(rig.serves(A) && rig.verdict().offences.is_empty());
}

/// Proves that a backup whose validator runs is refused.
#[tokio::test(start_paused = true)]
async fn backup_running() {
    let rig = rig();
    rig.world.with_host(B, |host, now| {
        host.timing.by_hand_to_signing = std::time::Duration::from_secs(86_400);
        host.start_by_hand(now);
    });
    refused(&rig, How::default(), "val-b: process").await;
}

/// Proves that a client of which a run cannot keep and put back the database, or whose import goes astray, is refused
/// before anything is touched, with what to do instead.
#[tokio::test(start_paused = true)]
async fn a_backup_that_is_not_offered() {
    let lines = [
        (
            "/opt/web3signer/bin/web3signer --data-path=/var/lib/web3signer eth2",
            "client-offered: val-b: web3signer: its database is PostgreSQL",
        ),
        (
            "/usr/local/bin/validator --datadir=/var/lib/prysm --enable-minimal-slashing-protection",
            "client-offered: val-b: prysm-minimal: the import of Prysm's minimal database",
        ),
    ];
    for (line, why) in lines {
        let rig = rig();
        rig.change(B, |host| {
            host.unit.argv = line.split(' ').map(str::to_owned).collect()
        });
        refused(&rig, How::default(), why).await;
    }
}

/// Proves that a second validator's unit is not passed over because it cannot be read: it may hold the same keys.
#[tokio::test(start_paused = true)]
async fn a_second_validator_that_cannot_be_read() {
    let how = How::edited(|host, call, output| {
        if host == "val-b" && call.op == Op::Unit && call.args[0] == "teku.service" {
            let other = include_str!("../transcripts/unit/lodestar-running.txt");
            output.stdout = other.replace(
                "/usr/local/bin/lodestar validator",
                "/opt/teku/bin/teku -c /t.yaml",
            );
        }
    });
    refused(
        &rig(),
        how,
        "so does another unit, which could not be read (teku.service",
    )
    .await;
}

/// Proves that a backup without its lock is refused.
#[tokio::test(start_paused = true)]
async fn backup_not_barred() {
    let rig = rig();
    rig.change(B, |host| host.files.remove(LOCK));
    refused(&rig, How::default(), "backup-barred: val-b: the lock file").await;
}

/// Proves that a lock without a loaded gate does not count as a bar.
#[tokio::test(start_paused = true)]
async fn backup_with_a_lock_but_no_gate() {
    let rig = rig();
    rig.change(B, |host| host.unit.loaded_asserts.clear());
    refused(&rig, How::default(), "backup-barred: val-b: systemd has no gate").await;
}

/// Proves that another chain is refused.
#[tokio::test(start_paused = true)]
async fn wrong_chain() {
    let rig = rig();
    rig.change(B, |host| {
        host.beacon.other_chain = Some(format!("0x{}", "5a".repeat(32)))
    });
    refused(
        &rig,
        How::default(),
        "same-chain: val-b: the beacon node is on 0x5a5a",
    )
    .await;
}

/// Proves that a syncing beacon node is refused.
#[tokio::test(start_paused = true)]
async fn unsynced() {
    let rig = rig();
    rig.change(B, |host| (host.beacon.syncing, host.beacon.behind) = (true, 900));
    refused(&rig, How::default(), "beacon-synced: val-b: syncing, 900 slots").await;
}

/// Proves that an optimistic head is refused.
#[tokio::test(start_paused = true)]
async fn optimistic() {
    let rig = rig();
    rig.change(B, |host| host.beacon.optimistic = true);
    refused(&rig, How::default(), "beacon-not-optimistic: val-b").await;
}

/// Proves that a beacon node without peers is refused.
#[tokio::test(start_paused = true)]
async fn no_peers() {
    let rig = rig();
    rig.change(B, |host| host.beacon.peers = 0);
    refused(&rig, How::default(), "beacon-peers: val-b: 0 peers").await;
}

/// Proves that an execution client that is offline is refused.
#[tokio::test(start_paused = true)]
async fn execution_offline() {
    let rig = rig();
    rig.change(B, |host| host.beacon.el_offline = true);
    refused(
        &rig,
        How::default(),
        "execution-online: val-b: the execution layer is offline",
    )
    .await;
}

/// Proves that a node which does not say `el_offline` is unknown and blocks, and that the waiver lets it pass.
#[tokio::test(start_paused = true)]
async fn execution_unknown_blocks_without_a_waiver() {
    let silent = || {
        How::edited(|_, call, output| {
            if call.op == Op::Http && call.args[1].ends_with("/node/syncing") {
                let text = output.stdout.replace("\"el_offline\":false", "\"nothing\":0");
                output.stdout = text;
            }
        })
    };
    refused(&rig(), silent(), "execution-online: val-b: the node does not say").await;
    let mut rig = rig();
    rig.config.chain.el_offline = Answer::AbsentOk;
    let state = rig.run_with("r1", silent()).await.unwrap();
    assert_eq!(state, State::Ended(Outcome::Completed), "{}", rig.story("r1"));
}

/// Proves that two names of one machine are refused.
#[tokio::test(start_paused = true)]
async fn same_machine() {
    let rig = rig();
    let machine = rig.look(A, |host| host.machine_id.clone());
    rig.change(B, |host| host.machine_id = machine);
    refused(&rig, How::default(), "distinct-machines: val-a and val-b").await;
}

/// Proves that a primary that cannot be reached is not dead.
#[tokio::test(start_paused = true)]
async fn primary_unreachable() {
    for link in [Link::Dark, Link::Refusing] {
        let rig = rig();
        rig.change(A, |host| host.link = link);
        refused(&rig, How::default(), "reached: val-a").await;
    }
}

/// Proves that a run which holds a host is left alone and named.
#[tokio::test(start_paused = true)]
async fn foreign_claim() {
    for host in [A, B] {
        let rig = rig();
        let claim = r#"{"run":"r0","pair":"val-a->val-b","generation":4,"coordinator":"bob@far","since":"2027-01-15T08:00:00Z"}"#;
        rig.change(host, |host| {
            host.files.make_directory(STATE);
            host.files
                .write(&format!("{STATE}/claim.json"), format!("{claim}\n"))
                .unwrap();
        });
        refused(&rig, How::default(), "run r0 of bob@far").await;
    }
}

/// Proves that a host whose process list hides others' processes cannot pass for stopped.
#[tokio::test(start_paused = true)]
async fn hidden_processes() {
    for host in [A, B] {
        let rig = rig();
        rig.change(host, |host| host.quirks.hidepid = true);
        refused(&rig, How::default(), "").await;
    }
}

/// Proves that a missing command (127) is unknown, whichever command it is.
#[tokio::test(start_paused = true)]
async fn missing_commands() {
    for op in [Op::Identity, Op::Unit, Op::BarState, Op::Processes, Op::Papers] {
        for host in [A, B] {
            let rig = rig();
            rig.change(host, |host| host.quirks.missing.insert(op));
            refused(&rig, How::default(), "").await;
        }
    }
}

/// Proves that a wrong or unsynchronised clock is refused, on either host.
#[tokio::test(start_paused = true)]
async fn clocks() {
    for host in [A, B] {
        let ahead = rig();
        ahead.change(host, |host| host.clock_ahead_ms = 2_000);
        refused(&ahead, How::default(), "clocks:").await;
        let lost = rig();
        lost.change(host, |host| host.quirks.ntp_lost = true);
        refused(&lost, How::default(), "clocks:").await;
    }
}

/// Proves that a slashed key and a full disk are refused.
#[tokio::test(start_paused = true)]
async fn slashed_key_and_full_disk() {
    let slashed = rig();
    slashed.change(B, |host| host.beacon.slashed = vec![2]);
    refused(&slashed, How::default(), "SLASHED").await;
    let full = rig();
    full.change(B, |host| host.disk_free = 1 << 20);
    refused(&full, How::default(), "disk: val-b: 1 MB free").await;
}
