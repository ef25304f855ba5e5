//! Whether our validators were seen to attest: by the liveness question, or, for nodes that do not know it, by the
//! attestations in blocks. Must never read "not found" out of an answer that was not understood, and never give
//! silence as proof: whoever uses it needs a positive control.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::transport::{Call, Output};

use super::answer::{answer, cut, data, field, json, number, rows, status, text};
use super::{at, get, post};

/// An attestation of one of our validators that a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Included {
    /// Slot that it attests to.
    pub slot: u64,
    /// Validator index.
    pub index: u64,
}

/// Who of these validators was live in an epoch. Nodes without this question answer 404.
pub fn liveness_question(
    url: &str,
    prefix: &str,
    epoch: u64,
    indices: &BTreeSet<u64>,
    timeout_s: u64,
) -> Call {
    post(
        &at(url, prefix, &format!("/validator/liveness/{epoch}")),
        &quoted(indices),
        timeout_s,
    )
}

/// The live ones among those that were asked for.
///
/// # Errors
/// No answer, or one that leaves out an index that was asked for.
pub fn read_liveness(indices: &BTreeSet<u64>, output: &Output) -> Result<BTreeSet<u64>, String> {
    let value = answer(output)?;
    let mut said = BTreeSet::new();
    let mut live = BTreeSet::new();
    for row in rows(&value)? {
        let index = number(row, "index")?;
        said.insert(index);
        if super::answer::flag(row, "is_live")?
            .ok_or_else(|| "is_live is missing from the answer".to_string())?
        {
            live.insert(index);
        }
    }
    match indices.difference(&said).next() {
        Some(silent) => Err(format!("the node says nothing of validator {silent}")),
        None => Ok(live.intersection(indices).copied().collect()),
    }
}

/// When and in which committee these validators attest in an epoch.
pub fn duties_question(url: &str, prefix: &str, epoch: u64, indices: &BTreeSet<u64>, timeout_s: u64) -> Call {
    post(
        &at(url, prefix, &format!("/validator/duties/attester/{epoch}")),
        &quoted(indices),
        timeout_s,
    )
}

/// The attestations in the block of each slot, first to last. An attestation is in a block after its own slot.
pub fn block_questions(
    url: &str,
    prefix: &str,
    first_slot: u64,
    last_slot: u64,
    timeout_s: u64,
) -> Vec<Call> {
    (first_slot..=last_slot)
        .map(|slot| {
            get(
                &at(url, prefix, &format!("/beacon/blocks/{slot}/attestations")),
                timeout_s,
            )
        })
        .collect()
}

/// Every attestation of ours to a slot at or after `since_slot`, from the duties of the epochs in question and the
/// blocks that were asked for. A slot without a block (404) holds none.
///
/// # Errors
/// An answer that is not understood, or attestations of a fork that packs several committees into one (ask liveness).
pub fn read_inclusion(
    duties: &[Output],
    blocks: &[Output],
    since_slot: u64,
) -> Result<BTreeSet<Included>, String> {
    let mut ours = Vec::new();
    for output in duties {
        for row in rows(&answer(output)?)? {
            ours.push(duty(row)?);
        }
    }
    let mut included = BTreeSet::new();
    for output in blocks {
        let (code, body) = status(output)?;
        let value = match code {
            200 => json(body)?,
            404 => continue,
            _ => return Err(format!("the node answers with status {code}: {}", cut(body))),
        };
        for row in rows(&value)? {
            let vote = vote(row)?;
            for duty in ours
                .iter()
                .filter(|duty| duty.slot >= since_slot && vote.holds(duty))
            {
                included.insert(Included {
                    slot: duty.slot,
                    index: duty.index,
                });
            }
        }
    }
    Ok(included)
}

/// Where one validator's bit is.
struct Duty {
    slot: u64,
    index: u64,
    committee: u64,
    place: usize,
    length: usize,
}

fn duty(row: &Value) -> Result<Duty, String> {
    let size = |name| {
        number(row, name)?
            .try_into()
            .map_err(|_| format!("{name} is larger than any committee"))
    };
    let duty = Duty {
        slot: number(row, "slot")?,
        index: number(row, "validator_index")?,
        committee: number(row, "committee_index")?,
        place: size("validator_committee_index")?,
        length: size("committee_length")?,
    };
    if duty.place >= duty.length {
        return Err(format!(
            "validator {} has place {} of {}",
            duty.index, duty.place, duty.length
        ));
    }
    Ok(duty)
}

/// One aggregate attestation.
struct Vote {
    slot: u64,
    committee: u64,
    bits: Vec<bool>,
}

impl Vote {
    fn holds(&self, duty: &Duty) -> bool {
        self.slot == duty.slot
            && self.committee == duty.committee
            && self.bits.len() == duty.length
            && self.bits.get(duty.place) == Some(&true)
    }
}

fn vote(row: &Value) -> Result<Vote, String> {
    if row.get("committee_bits").is_some() {
        return Err("the attestations hold several committees each: ask the node for liveness".to_string());
    }
    let data = data(row)?;
    Ok(Vote {
        slot: number(data, "slot")?,
        committee: number(field(row, "data")?, "index")?,
        bits: bitlist(&text(row, "aggregation_bits")?)?,
    })
}

/// An SSZ bitlist in hex: bits from the lowest of each byte, the highest set bit marks the end.
fn bitlist(hex: &str) -> Result<Vec<bool>, String> {
    let broken = || format!("aggregation_bits is no bitlist: {}", cut(hex));
    let bytes = const_hex::decode(hex).map_err(|_| broken())?;
    let mut bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let end = bits.iter().rposition(|bit| *bit).ok_or_else(broken)?;
    if end + 8 < bits.len() {
        return Err(broken());
    }
    bits.truncate(end);
    Ok(bits)
}

fn quoted(indices: &BTreeSet<u64>) -> String {
    let quoted: Vec<String> = indices.iter().map(|index| format!("\"{index}\"")).collect();
    format!("[{}]", quoted.join(","))
}
