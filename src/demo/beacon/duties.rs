//! Who has which duty, as the simulated beacon nodes tell it: committees, duties, and the attestations in blocks.

use serde_json::{Value, json};

use super::{Answer, block_root, data, error, other_key, parameter};
use crate::demo::chain::{Chain, FIRST_INDEX, hex_from};
use crate::demo::host::Around;

/// The one attestation that a block includes: the committee of the slot before it, a bit for each that signed.
pub(super) fn included(around: Around<'_>, slot: u64) -> Vec<Value> {
    let Some(voted) = slot.checked_sub(1) else {
        return Vec::new();
    };
    let chain = around.chain;
    let (epoch, until) = (chain.epoch_of(voted), chain.slot_start(slot).min(around.now));
    let signed: Vec<bool> = committee(chain, voted)
        .iter()
        .map(
            |index| match chain.find(&index.to_string()).and_then(|key| chain.keys.get(key)) {
                Some(key) => around.referee.attested(key, epoch, until),
                None => true,
            },
        )
        .collect();
    vec![json!({
        "aggregation_bits": bitlist(&signed),
        "data": {
            "slot": voted.to_string(), "index": "0", "beacon_block_root": block_root(voted),
            "source": { "epoch": epoch.saturating_sub(1).to_string(), "root": block_root(0) },
            "target": { "epoch": epoch.to_string(), "root": block_root(epoch * chain.slots_per_epoch) },
        },
        "signature": hex_from(voted, "signature", 96),
    })]
}

pub(super) fn committees(around: Around<'_>, query: &str) -> Answer {
    let chain = around.chain;
    let epoch = parameter(query, "epoch")
        .and_then(|epoch| epoch.parse().ok())
        .unwrap_or_else(|| chain.epoch_of(chain.slot_at(around.now)));
    let first = epoch * chain.slots_per_epoch;
    let committees = (first..first + chain.slots_per_epoch).map(|slot| {
        let members: Vec<String> = committee(chain, slot).iter().map(u64::to_string).collect();
        json!({ "index": "0", "slot": slot.to_string(), "validators": members })
    });
    data(Value::Array(committees.collect()))
}

/// The members of a slot's one committee: our keys whose turn it is, then the others whose turn it is.
fn committee(chain: &Chain, slot: u64) -> Vec<u64> {
    let ours = chain
        .attesters(slot)
        .into_iter()
        .map(|key| FIRST_INDEX + key as u64);
    let after_ours = FIRST_INDEX + chain.keys.len() as u64;
    let others = (after_ours..after_ours + chain.others)
        .filter(|index| index % chain.slots_per_epoch == slot % chain.slots_per_epoch);
    ours.chain(others).collect()
}

/// An SSZ bitlist as 0x hex: little-endian bits, then the bit that marks the length.
fn bitlist(bits: &[bool]) -> String {
    let mut bytes = vec![0u8; bits.len() / 8 + 1];
    for (position, bit) in bits.iter().copied().chain([true]).enumerate() {
        if let Some(byte) = bytes.get_mut(position / 8) {
            *byte |= u8::from(bit) << (position % 8);
        }
    }
    format!("0x{}", const_hex::encode(bytes))
}

pub(super) fn attester_duties(chain: &Chain, epoch: &str, body: &str) -> Answer {
    let (Ok(epoch), Ok(indices)) = (epoch.parse::<u64>(), serde_json::from_str::<Vec<String>>(body)) else {
        return error(400, "Invalid epoch or body");
    };
    let duties = indices.iter().filter_map(|index| {
        let key = chain.find(index)?;
        let slot = chain.duty_slot(key, epoch);
        let members = committee(chain, slot);
        let place = members.iter().position(|member| member.to_string() == *index)?;
        Some(json!({
            "pubkey": chain.keys.get(key)?, "validator_index": index, "committee_index": "0",
            "committee_length": members.len().to_string(), "committees_at_slot": "1",
            "validator_committee_index": place.to_string(), "slot": slot.to_string(),
        }))
    });
    let duties: Vec<Value> = duties.collect();
    (
        200,
        json!({ "dependent_root": block_root(epoch), "execution_optimistic": false, "data": duties })
            .to_string(),
    )
}

pub(super) fn proposer_duties(chain: &Chain, epoch: &str) -> Answer {
    let Ok(epoch) = epoch.parse::<u64>() else {
        return error(400, "Invalid epoch");
    };
    let first = epoch * chain.slots_per_epoch;
    let duties = (first..first + chain.slots_per_epoch).map(|slot| {
        let index = proposer_index(chain, slot);
        let pubkey = match chain.proposer(slot).and_then(|key| chain.keys.get(key)) {
            Some(key) => key.clone(),
            None => other_key(chain, index.parse().unwrap_or_default()),
        };
        json!({ "pubkey": pubkey, "validator_index": index, "slot": slot.to_string() })
    });
    let duties: Vec<Value> = duties.collect();
    (
        200,
        json!({ "dependent_root": block_root(epoch), "execution_optimistic": false, "data": duties })
            .to_string(),
    )
}

pub(super) fn proposer_index(chain: &Chain, slot: u64) -> String {
    let index = match chain.proposer(slot) {
        Some(key) => FIRST_INDEX + key as u64,
        None => FIRST_INDEX + chain.keys.len() as u64 + slot % chain.others.max(1),
    };
    index.to_string()
}
