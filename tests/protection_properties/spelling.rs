//! A document in one of the ways the clients write it.
//!
//! Must never leave out a record, whatever the spelling.

use failover::protection::{Interchange, Root};
use serde_json::{Value, json};

/// The document in one of the ways the clients write it; `spelling` chooses for every value.
pub fn spelled(document: &Interchange, spelling: u64) -> Value {
    let mut seed = spelling;
    let mut choose = |of: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if spelling == 0 { 0 } else { (seed >> 33) % of }
    };
    let mut data = Vec::new();
    for (key, record) in &document.records {
        let blocks: Vec<_> = record
            .blocks
            .iter()
            .map(|block| {
                let mut json = json!({"slot": number(block.slot, choose(2))});
                add_root(&mut json, block.signing_root, choose(4));
                json
            })
            .collect();
        let votes: Vec<_> = record
            .attestations
            .iter()
            .map(|vote| {
                let mut json = json!({
                    "source_epoch": number(vote.source_epoch, choose(2)),
                    "target_epoch": number(vote.target_epoch, choose(2)),
                    "extra": {"nested": [1, null]},
                });
                add_root(&mut json, vote.signing_root, choose(4));
                json
            })
            .collect();
        let pubkey = match choose(3) {
            0 => key.to_string(),
            1 => key.hex(),
            _ => key.hex().to_uppercase(),
        };
        if choose(2) == 0 {
            data.push(json!({
                "pubkey": pubkey, "signed_blocks": list(blocks, choose(3)), "signed_attestations": list(votes, choose(3))
            }));
        } else {
            data.push(json!({"pubkey": pubkey, "signed_blocks": blocks}));
            data.push(json!({"pubkey": key.to_string(), "signed_attestations": votes}));
        }
    }
    if choose(2) == 1 {
        // Whole entries may stand in any order; the two of one key then swap too, which is the same.
        data.reverse();
    }
    let mut metadata = json!({"genesis_validators_root": format!("0x{}", "07".repeat(32)), "extra": 1});
    match choose(3) {
        0 => metadata["interchange_format_version"] = json!("5"),
        1 => metadata["interchange_format_version"] = json!(5),
        _ => {
            metadata["interchange_format_version"] = json!("4");
            metadata["interchange_format"] = json!("complete");
        }
    }
    json!({"metadata": metadata, "data": data, "extra": []})
}

fn number(value: u64, spelling: u64) -> Value {
    if spelling == 0 {
        json!(value.to_string())
    } else {
        json!(value)
    }
}

/// An empty list may be left out or be null.
fn list(items: Vec<Value>, spelling: u64) -> Value {
    if items.is_empty() && spelling > 0 {
        Value::Null
    } else {
        Value::Array(items)
    }
}

fn add_root(json: &mut Value, root: Option<Root>, spelling: u64) {
    match (root, spelling) {
        (Some(root), 0 | 1) => json["signing_root"] = json!(root.to_string()),
        (Some(root), _) => json["signing_root"] = json!(const_hex::encode_upper(root.as_bytes())),
        (None, 0) => {}
        (None, 1) => json["signing_root"] = Value::Null,
        (None, 2) => json["signing_root"] = json!(""),
        (None, _) => json["signing_root"] = json!(format!("0x{}", "00".repeat(32))),
    }
}
