//! Faults of a pair's surroundings, one for every guard that is for such. Must never break what another guard is for.

use failover::guards::{Evidence, Seen, Syncing};

use crate::healthy::{self, key, unknown};

/// What is wrong with a pair's surroundings.
type Break = fn(&mut Evidence);

fn known<T>(seen: &mut Seen<T>) -> Option<&mut T> {
    match seen {
        Seen::Known(value) => Some(value),
        Seen::Unknown(_) => None,
    }
}

fn syncing(evidence: &mut Evidence, change: fn(&mut Syncing)) {
    if let Some(syncing) = known(&mut evidence.backup.beacon).and_then(|beacon| known(&mut beacon.syncing)) {
        change(syncing);
    }
}

/// Faults of the surroundings, each with the guard that is for it alone.
#[rustfmt::skip]
pub const SURROUNDINGS: &[(&str, Break)] = &[
    ("distinct-machines", |e| {
        if let (Some(a), Some(b)) = (known(&mut e.primary.identity), known(&mut e.backup.identity)) {
            b.machine_id.clone_from(&a.machine_id);
            if let Some(fence) = &mut e.run.fence { fence.machine_id.clone_from(&a.machine_id); }
        }
    }),
    ("privileged", |e| if let Some(it) = known(&mut e.backup.identity) { it.uid = 1000; }),
    ("unit-found", |e| if let Some(it) = known(&mut e.backup.unit) { it.load_state = "bad-setting".to_owned(); }),
    ("client-offered", |e| e.backup.hand_over = Seen::Known(Err("not offered".to_owned()))),
    ("primary-barrable", |e| if let Some(it) = known(&mut e.primary.unit) { it.file_state = "masked".to_owned(); }),
    ("same-chain", |e| {
        if let Some(genesis) = known(&mut e.backup.beacon).and_then(|it| known(&mut it.genesis)) {
            genesis.validators_root = healthy::OTHER_ROOT.to_owned();
        }
    }),
    ("beacon-synced", |e| syncing(e, |it| it.is_syncing = true)),
    ("beacon-not-optimistic", |e| syncing(e, |it| it.is_optimistic = Some(true))),
    ("execution-online", |e| syncing(e, |it| it.el_offline = Some(true))),
    ("execution-synced", |e| if let Some(it) = known(&mut e.backup.execution) { it.syncing = true; }),
    ("beacon-peers", |e| if let Some(it) = known(&mut e.backup.beacon) { it.peers = Seen::Known(1); }),
    ("clocks", |e| if let Some(it) = known(&mut e.backup.identity) { it.clock_offset_s = 30.0; }),
    ("disk", |e| if let Some(it) = known(&mut e.backup.disk) { it.writable = false; }),
    ("client-usable", |e| e.backup.protection = unknown()),
    ("keys-known", |e| {
        e.policy.keys.clear();
        if let Some(it) = known(&mut e.backup.protection) { it.floors.clear(); }
    }),
    ("keys-alive", |e| {
        if let Some(it) = known(&mut e.backup.beacon).and_then(|it| known(&mut it.validators)) {
            it.remove(&key(1));
        }
    }),
    ("keys-covered", |e| {
        e.policy.keys.insert(key(3));
        if let Some(it) = known(&mut e.backup.beacon).and_then(|it| known(&mut it.validators)) {
            it.extend(it.get(&key(1)).cloned().map(|status| (key(3), status)));
        }
    }),
    ("history-not-ahead", |e| syncing(e, |it| it.head_slot = 3_200)),
];
