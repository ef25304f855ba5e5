//! Properties of merge, writer, reader and conflict search, over generated histories and documents.
//!
//! Must never weaken a generator to make a property pass: small numbers collide on purpose.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod complete;
mod generate;
mod spelling;

use failover::protection::{Floors, History, Input, Merged, fold, merge, read, write};
use generate::{ROOT, TOP, any_floors, histories, interchanges};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use spelling::spelled;

/// Of every property.
pub const CASES: u32 = 10_000;

fn merge_all(inputs: &[&History]) -> Merged {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|history| Input::new("input", history))
        .collect();
    merge(&inputs, ROOT).unwrap()
}

fn united(inputs: &[&History]) -> History {
    merge_all(inputs).to_history()
}

/// Everything `refusing` refuses, `refused` refuses too: every message is tried.
fn refuses_all_of(refused: &Floors, refusing: &Floors) -> bool {
    let numbers = || 0..=TOP + 1;
    numbers().all(|slot| refusing.would_sign_block(slot) || !refused.would_sign_block(slot))
        && numbers().all(|source| {
            numbers().all(|target| {
                refusing.would_sign_attestation(source, target)
                    || !refused.would_sign_attestation(source, target)
            })
        })
}

/// Bytes of any kind, or pieces of JSON in any order.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u",
        "5",
        "-1",
        "1e999",
        "null",
        "true",
        "\"5\"",
        "\"data\":[",
        "\u{e9}",
        "\"metadata\":{",
        "\"pubkey\":",
        "\"0xaa\"",
        "\"signed_blocks\":[{",
        "\"slot\":",
    ]);
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merge_is_commutative(a in histories(), b in histories()) {
        prop_assert_eq!(united(&[&a, &b]), united(&[&b, &a]));
    }

    #[test]
    fn merge_is_associative(a in histories(), b in histories(), c in histories()) {
        let left = united(&[&united(&[&a, &b]), &c]);
        let right = united(&[&a, &united(&[&b, &c])]);
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left, &united(&[&a, &b, &c]));
    }

    #[test]
    fn merge_is_idempotent(a in histories()) {
        let once = merge_all(&[&a]);
        let twice = merge_all(&[&once.to_history(), &once.to_history(), &a]);
        prop_assert_eq!(once.floors(), twice.floors());
        prop_assert!(merge_all(&[&once.to_history()]).raises().is_empty());
    }

    #[test]
    fn merge_is_monotone(a in histories(), b in histories(), more in histories()) {
        let lower = united(&[&a, &b]);
        let higher = united(&[&a, &united(&[&b, &more])]);
        for (key, floors) in &lower.floors {
            prop_assert!(higher.floors[key].covers(floors));
        }
    }

    #[test]
    fn what_any_input_refuses_the_merge_refuses(a in histories(), b in histories()) {
        let merged = merge_all(&[&a, &b]);
        for (key, floors) in a.floors.iter().chain(&b.floors) {
            prop_assert!(refuses_all_of(&merged.floors()[key], floors), "{key:?} {floors}");
        }
        for before in [&a, &b] {
            prop_assert!(merged.comparison(before).never_lower().is_ok());
            prop_assert!(merged.only_raised(before).stepped_over(before).unwrap().floors().iter()
                .all(|(key, floors)| floors.covers(&merged.floors()[key])));
        }
    }

    /// A floor above the plain maximum must have been announced.
    #[test]
    fn nothing_is_raised_in_silence(a in histories(), b in histories()) {
        let merged = merge_all(&[&a, &b]);
        for (key, floors) in merged.floors() {
            let plain = a.floors_of(key).join(b.floors_of(key));
            let said = merged.raises().iter().any(|raise| raise.key == *key && raise.to == *floors);
            prop_assert_eq!(!floors.same_as(&plain), said);
        }
    }

    #[test]
    fn covers_means_refuses_the_same_or_more(a in any_floors(), b in any_floors()) {
        prop_assert_eq!(a.covers(&b), refuses_all_of(&a, &b), "{} covers {}", a, b);
    }

    #[test]
    fn a_folded_history_refuses_every_signed_message_again(document in interchanges()) {
        let history = fold(&document);
        for (key, record) in &document.records {
            let floors = history.floors_of(key);
            prop_assert!(record.blocks.iter().all(|block| !floors.would_sign_block(block.slot)));
            prop_assert!(record.attestations.iter()
                .all(|vote| !floors.would_sign_attestation(vote.source_epoch, vote.target_epoch)));
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same(a in histories(), b in histories()) {
        let merged = merge_all(&[&a, &b]);
        let bytes = write(&merged);
        let back = fold(&read(&bytes).unwrap());
        prop_assert_eq!(&back, &merged.to_history());
        prop_assert_eq!(merged.verify_read_back(&back), Ok(()));
        prop_assert_eq!(write(&merge_all(&[&back])), bytes);
    }

    #[test]
    fn what_is_written_keeps_the_strict_profile(a in histories()) {
        let merged = merge_all(&[&a]);
        let document: Value = serde_json::from_slice(&write(&merged)).unwrap();
        prop_assert_eq!(&document, &strict(&merged));
    }

    #[test]
    fn every_spelling_of_a_document_is_read_the_same(
        document in interchanges(), spelling in any::<u64>(), pretty in any::<bool>()
    ) {
        let json = spelled(&document, spelling);
        let bytes = if pretty { serde_json::to_vec_pretty(&json) } else { serde_json::to_vec(&json) }.unwrap();
        prop_assert_eq!(read(&bytes).unwrap(), document);
    }

    #[test]
    fn the_reader_never_panics_on_bytes(bytes in soup()) {
        let _ = read(&bytes).map_err(|error| error.to_string());
    }

    #[test]
    fn the_reader_never_panics_on_damage(
        document in interchanges(), spelling in any::<u64>(),
        damage in vec((any::<prop::sample::Index>(), 0_u8..3, any::<u8>()), 1..4)
    ) {
        let mut bytes = serde_json::to_vec(&spelled(&document, spelling)).unwrap();
        for (at, how, byte) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let _ = read(&bytes).map_err(|error| error.to_string());
    }

    #[test]
    fn a_document_cut_off_anywhere_is_refused(document in interchanges(), at in any::<prop::sample::Index>()) {
        let bytes = serde_json::to_vec(&spelled(&document, 0)).unwrap();
        prop_assert!(read(&bytes[..at.index(bytes.len())]).is_err());
    }
}

/// The strict profile, spelled out once more: exactly these fields and no other.
fn strict(merged: &Merged) -> Value {
    let data: Vec<_> = merged.floors().iter().map(|(key, floors)| {
        let slot = floors.block_slot.unwrap_or(0).to_string();
        let attestations = match (floors.source_epoch, floors.target_epoch) {
            (Some(source), Some(target)) => {
                assert!(source < target || (source, target) == (0, 0), "{floors}");
                vec![json!({"source_epoch": source.to_string(), "target_epoch": target.to_string()})]
            }
            (None, None) => vec![],
            _ => panic!("{floors}"),
        };
        json!({"pubkey": key.to_string(), "signed_blocks": [{"slot": slot}], "signed_attestations": attestations})
    }).collect();
    json!({
        "metadata": {
            "interchange_format_version": "5",
            "genesis_validators_root": format!("0x{}", "07".repeat(32)),
        },
        "data": data,
    })
}
