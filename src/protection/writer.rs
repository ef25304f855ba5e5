//! The strict writer: the one form of an interchange that every client imports.
//!
//! Must never write a signing root (the record is made from maxima, no such message was signed),
//! null, an unknown field, or a key without a block entry. Give the file a name ending in `.json`.

use super::floors::Floors;
use super::merge::Merged;
use super::pubkey::PublicKey;

/// Writes one entry per key, sorted, compact, byte for byte the same for the same floors:
/// exactly one block (slot "0" for a key that never proposed, since Prysm's exporter returns
/// nothing for all keys when one lacks it) and exactly one attestation (an empty list for a key that
/// never attested). Lighthouse and Nimbus refuse unknown fields, Teku a root that is null or empty.
pub fn write(merged: &Merged) -> Vec<u8> {
    let root = merged.genesis_validators_root();
    let entries: Vec<_> = merged
        .floors()
        .iter()
        .map(|(key, floors)| entry(key, *floors))
        .collect();
    format!(
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{root}"}},"data":[{}]}}"#,
        entries.join(",")
    )
    .into_bytes()
}

fn entry(key: &PublicKey, floors: Floors) -> String {
    let slot = floors.block_slot.unwrap_or(0);
    let attestation = match (floors.source_epoch, floors.target_epoch) {
        (Some(source), Some(target)) => {
            format!(r#"{{"source_epoch":"{source}","target_epoch":"{target}"}}"#)
        }
        // The merge leaves both or none.
        (None, _) | (_, None) => String::new(),
    };
    format!(
        r#"{{"pubkey":"{key}","signed_blocks":[{{"slot":"{slot}"}}],"signed_attestations":[{attestation}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::{History, Input, merge};

    #[test]
    fn writes_the_strict_form() {
        let mut history = History {
            genesis_validators_root: Some([0xab; 32].into()),
            ..History::default()
        };
        let key = |text| PublicKey::parse(text).unwrap();
        history.raise(
            key("BB"),
            Floors {
                block_slot: None,
                source_epoch: Some(7),
                target_epoch: Some(9),
            },
        );
        history.raise(
            key("aa"),
            Floors {
                block_slot: Some(12),
                source_epoch: None,
                target_epoch: None,
            },
        );
        let merged = merge(&[Input::new("a", &history)], [0xab; 32]).unwrap();
        let expected = format!(
            "{}{}{}{}{}",
            r#"{"metadata":{"interchange_format_version":"5","genesis_validators_root":"0x"#,
            "ab".repeat(32),
            r#""},"data":[{"pubkey":"0xaa","signed_blocks":[{"slot":"12"}],"signed_attestations":[]},"#,
            r#"{"pubkey":"0xbb","signed_blocks":[{"slot":"0"}],"#,
            r#""signed_attestations":[{"source_epoch":"7","target_epoch":"9"}]}]}"#,
        );
        assert_eq!(String::from_utf8(write(&merged)).unwrap(), expected);
    }
}
