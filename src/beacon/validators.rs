//! What the chain says of our keys: index, status, slashed. Must never let another validator's entry count for a key:
//! old nodes ignore the filter and answer with everybody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::guards::evidence::ValidatorStatus;
use crate::protection::PublicKey;
use crate::transport::{Call, Output};

use super::answer::{answer, field, flag, number, rows, text};
use super::{at, get};

/// The Beacon API's limit for ids in a GET.
const MOST_IDS: usize = 64;
/// Longest list of ids in a URL, bytes: common servers take 8 KiB of request line. Keys of 2592 bytes go one by one.
const LONGEST_IDS: usize = 7000;

/// One GET per 64 keys, fewer when the keys are long. By GET because old nodes know no other way.
pub fn validators_questions(
    url: &str,
    prefix: &str,
    keys: &BTreeSet<PublicKey>,
    timeout_s: u64,
) -> Vec<Call> {
    chunks(keys)
        .iter()
        .map(|ids| {
            get(
                &at(url, prefix, &format!("/beacon/states/head/validators?id={ids}")),
                timeout_s,
            )
        })
        .collect()
}

fn chunks(keys: &BTreeSet<PublicKey>) -> Vec<String> {
    let mut chunks: Vec<(usize, String)> = Vec::new();
    for key in keys {
        let id = format!("0x{}", key.hex());
        match chunks.last_mut() {
            Some((count, ids)) if *count < MOST_IDS && ids.len() + 1 + id.len() <= LONGEST_IDS => {
                *count += 1;
                ids.push(',');
                ids.push_str(&id);
            }
            _ => chunks.push((1, id)),
        }
    }
    chunks.into_iter().map(|(_, ids)| ids).collect()
}

/// The status of each key that the chain knows, from the answers to [`validators_questions`] for the same keys.
/// A key without an entry is unknown to the chain.
///
/// # Errors
/// An answer is missing or not understood, or two answers disagree about a key.
pub fn read_validators(
    keys: &BTreeSet<PublicKey>,
    outputs: &[Output],
) -> Result<BTreeMap<PublicKey, ValidatorStatus>, String> {
    let asked = chunks(keys).len();
    if outputs.len() != asked {
        return Err(format!(
            "{asked} questions for validators, but {} answers",
            outputs.len()
        ));
    }
    let mut found: BTreeMap<PublicKey, ValidatorStatus> = BTreeMap::new();
    for output in outputs {
        for row in rows(&answer(output)?)? {
            let (key, status) = validator(row)?;
            if !keys.contains(&key) {
                continue;
            }
            if found
                .insert(key, status.clone())
                .is_some_and(|other| other.index != status.index)
            {
                return Err(format!(
                    "the node gives two indices for one key, {} among them",
                    status.index
                ));
            }
        }
    }
    Ok(found)
}

fn validator(row: &Value) -> Result<(PublicKey, ValidatorStatus), String> {
    let inner = field(row, "validator")?;
    let key = PublicKey::parse(&text(inner, "pubkey")?).map_err(|why| format!("pubkey: {why}"))?;
    let slashed = flag(inner, "slashed")?.ok_or_else(|| "slashed is missing from the answer".to_string())?;
    Ok((
        key,
        ValidatorStatus {
            index: number(row, "index")?,
            status: text(row, "status")?,
            slashed,
        },
    ))
}
