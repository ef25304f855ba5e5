//! How a simulated world begins: the chain's parameters, what was signed before, and who runs and who is barred.

use std::time::Duration;

use super::WorldConfig;
use crate::demo::chain::{Chain, Duty, Moment, hex_from};
use crate::demo::database::Records;
use crate::demo::host::{self, LOCK, SimHost, UNIT, unit::Unit};
use crate::demo::referee::{Message, Referee, Signed};

pub(super) fn chain_of(config: &WorldConfig) -> Chain {
    let slot_ms = (config.seconds_per_slot.max(0.05) * 1000.0).round() as u64;
    let slots_per_epoch = config.slots_per_epoch.max(1);
    let age_s = config.start_epoch * slots_per_epoch * slot_ms / 1000;
    Chain {
        genesis_time_s: config.starts_at.as_secs().saturating_sub(age_s),
        slot_ms,
        slots_per_epoch,
        genesis_validators_root: hex_from(config.seed, "genesis validators root", 32),
        keys: (0..config.keys)
            .map(|key| hex_from(config.seed, &format!("key/{key}"), config.key_bytes))
            .collect(),
        others: config.others,
    }
}

/// What was signed before the beginning. The second host signed from eight to four epochs ago, the first ever since:
/// so the first has the higher floors, but for the last key's blocks, which only the second has ever proposed.
pub(super) fn write_history(
    chain: &Chain,
    now: Duration,
    hosts: &mut [SimHost],
    referee: &mut Referee,
) -> Result<(), String> {
    let slot = chain.slot_at(now);
    let back = |epochs: u64| chain.slot_start(slot.saturating_sub(epochs * chain.slots_per_epoch));
    let before = now.saturating_sub(Duration::from_nanos(1));
    for (position, host) in hosts.iter_mut().enumerate() {
        let (from, to) = match position {
            0 => (back(4), before),
            1 => (back(8), back(4)),
            _ => continue,
        };
        let mut records = Records::new();
        let mut messages = history(&host.name, chain, &chain.moments(from, to));
        if let (1, Some(last)) = (position, chain.keys.last()) {
            let moment = Moment {
                at: from,
                slot: chain.slot_at(from),
                duty: Duty::Propose,
            };
            messages.push(host::message(&host.name, chain, last, moment));
        }
        for message in messages {
            let record = records.entry(message.key.clone()).or_default();
            match &message.signed {
                Signed::Block { slot, root } => {
                    record.blocks.insert(*slot, Some(root.clone()));
                }
                Signed::Attestation {
                    source, target, root, ..
                } => {
                    record.attestations.insert(*target, (*source, Some(root.clone())));
                }
            }
            referee.remember(message);
        }
        host.database.replace(records)?;
    }
    Ok(())
}

fn history(host: &str, chain: &Chain, moments: &[Moment]) -> Vec<Message> {
    let mut messages = Vec::new();
    for moment in moments {
        let keys = match moment.duty {
            Duty::Propose => chain.proposer(moment.slot).into_iter().collect(),
            Duty::Attest => chain.attesters(moment.slot),
        };
        for key in keys.into_iter().filter_map(|key| chain.keys.get(key)) {
            messages.push(host::message(host, chain, key, *moment));
        }
    }
    messages
}

/// The first host runs and has been signing for long; every other one is stopped, disabled and barred.
pub(super) fn arrange(hosts: &mut [SimHost], now: Duration) {
    for (position, host) in hosts.iter_mut().enumerate() {
        if position == 0 {
            host.unit.enabled = true;
            host.run_since_long(now);
        } else {
            host.bar_from_the_start();
        }
    }
}

impl SimHost {
    fn run_since_long(&mut self, now: Duration) {
        self.start_at_beginning(now);
        if let Some(process) = &mut self.process {
            process.signs_from = now;
        }
    }

    fn bar_from_the_start(&mut self) {
        let gate = Unit::gate_path(UNIT);
        self.files.make_directory(host::files::parent(&gate));
        self.files.make_directory(host::files::parent(LOCK));
        let lines = format!(
            "# Written by failover: refuses to start the validator while the host is barred.\n\
             [Unit]\nAssertPathExists=!{LOCK}\n"
        );
        // Both directories were made two lines above, so neither write can fail.
        let _ = self.files.write(&gate, lines);
        let _ = self
            .files
            .write(LOCK, "barred: the validator runs on another host\n");
        self.reload();
    }
}
