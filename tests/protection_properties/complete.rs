//! Properties of the complete merge and its writer.
//!
//! Must never ask the merge what slashable means: that is written out here once more.

use failover::protection::{
    CompleteInput, Input, Interchange, MergedComplete, Record, Root, SignedAttestation, SignedBlock, fold,
    merge, merge_complete, read, write_complete,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::CASES;
use crate::generate::{ROOT, TOP, interchanges};

fn unite(inputs: &[&Interchange]) -> MergedComplete {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|interchange| CompleteInput::new("input", interchange))
        .collect();
    merge_complete(&inputs, ROOT).unwrap()
}

fn united(inputs: &[&Interchange]) -> Interchange {
    unite(inputs).into_interchange()
}

fn written(merged: &MergedComplete) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_complete(merged, &mut bytes).unwrap();
    bytes
}

/// The roots that records have (1 and 2), one that none has, and none at all.
fn asked_roots() -> impl Iterator<Item = Option<Root>> {
    [0, 1, 2, 9].into_iter().map(|byte| Root::known([byte; 32]))
}

fn blocks() -> impl Iterator<Item = SignedBlock> {
    (0..=TOP + 1).flat_map(|slot| asked_roots().map(move |signing_root| SignedBlock { slot, signing_root }))
}

fn votes() -> impl Iterator<Item = SignedAttestation> {
    let numbers = (0..=TOP + 1).flat_map(|source| (0..=TOP + 1).map(move |target| (source, target)));
    numbers.flat_map(|(source_epoch, target_epoch)| {
        asked_roots().map(move |signing_root| SignedAttestation {
            source_epoch,
            target_epoch,
            signing_root,
        })
    })
}

fn signs_block(record: &Record, block: SignedBlock) -> bool {
    record.would_sign_block(block.slot, block.signing_root)
}

fn signs_vote(record: &Record, vote: SignedAttestation) -> bool {
    record.would_sign_attestation(vote.source_epoch, vote.target_epoch, vote.signing_root)
}

/// EIP-3076, conditions 1 and 3: not the same message by its root, and not allowed beside it.
fn slashable_blocks(a: SignedBlock, b: SignedBlock) -> bool {
    a.slot == b.slot && (a.signing_root.is_none() || a.signing_root != b.signing_root)
}

fn slashable_votes(a: SignedAttestation, b: SignedAttestation) -> bool {
    let around = |a: SignedAttestation, b: SignedAttestation| {
        a.source_epoch < b.source_epoch && b.target_epoch < a.target_epoch
    };
    let same = a.signing_root.is_some() && a == b;
    (a.target_epoch == b.target_epoch && !same) || around(a, b) || around(b, a)
}

/// The strict profile: per key one entry, both lists, numbers in quotes, no other field.
fn strict(merged: &MergedComplete) -> Value {
    let rooted = |mut json: Value, root: Option<Root>| {
        if let Some(root) = root {
            json["signing_root"] = json!(root.to_string());
        }
        json
    };
    let entry = |record: &Record| {
        let block = |block: &SignedBlock| rooted(json!({"slot": block.slot.to_string()}), block.signing_root);
        let vote = |vote: &SignedAttestation| {
            let (source, target) = (vote.source_epoch.to_string(), vote.target_epoch.to_string());
            rooted(
                json!({"source_epoch": source, "target_epoch": target}),
                vote.signing_root,
            )
        };
        let mut blocks: Vec<_> = record.blocks.iter().map(block).collect();
        if blocks.is_empty() {
            blocks.push(json!({"slot": "0"}));
        }
        let votes: Vec<_> = record.attestations.iter().map(vote).collect();
        (blocks, votes)
    };
    let data: Vec<_> = merged
        .records()
        .iter()
        .map(|(key, record)| {
            let (blocks, votes) = entry(record);
            json!({"pubkey": key.to_string(), "signed_blocks": blocks, "signed_attestations": votes})
        })
        .collect();
    let chain = format!("0x{}", "07".repeat(32));
    json!({"metadata": {"interchange_format_version": "5", "genesis_validators_root": chain}, "data": data})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_complete_merge_is_commutative(a in interchanges(), b in interchanges()) {
        prop_assert_eq!(unite(&[&a, &b]), unite(&[&b, &a]));
    }

    #[test]
    fn the_complete_merge_is_associative(a in interchanges(), b in interchanges(), c in interchanges()) {
        let left = united(&[&united(&[&a, &b]), &c]);
        prop_assert_eq!(&left, &united(&[&a, &united(&[&b, &c])]));
        prop_assert_eq!(&left, &united(&[&a, &b, &c]));
    }

    #[test]
    fn the_complete_merge_is_idempotent(a in interchanges()) {
        let once = united(&[&a]);
        prop_assert_eq!(&united(&[&once, &once, &a]), &once);
        prop_assert!(unite(&[&once, &once]).gaps().is_empty());
    }

    /// Nothing is left out but what another message says as well, and nothing is invented.
    #[test]
    fn every_message_is_in_the_union_once(a in interchanges(), b in interchanges()) {
        let union = unite(&[&a, &b]);
        for (key, united) in union.records() {
            let of = |document: &Interchange| document.records.get(key).cloned().unwrap_or_default();
            let blocks = [of(&a).blocks, of(&b).blocks].concat();
            let votes = [of(&a).attestations, of(&b).attestations].concat();
            prop_assert!(united.blocks.is_sorted_by(|a, b| a < b) && united.attestations.is_sorted_by(|a, b| a < b));
            prop_assert!(united.blocks.iter().all(|block| blocks.contains(block)));
            prop_assert!(united.attestations.iter().all(|vote| votes.contains(vote)));
            for block in blocks {
                let said = |by: &SignedBlock| by.slot == block.slot && by.signing_root.is_some();
                let none = block.signing_root.is_none();
                prop_assert!(united.blocks.contains(&block)
                    || none && (block.slot == 0 || united.blocks.iter().any(said)));
            }
            for vote in votes {
                let said = |by: &SignedAttestation| (by.source_epoch, by.target_epoch) == (vote.source_epoch, vote.target_epoch)
                    && by.signing_root.is_some();
                prop_assert!(united.attestations.contains(&vote)
                    || vote.signing_root.is_none() && united.attestations.iter().any(said));
            }
        }
    }

    /// The heart of it: beside any message of any input, the union signs nothing slashable.
    #[test]
    fn the_union_signs_nothing_slashable(a in interchanges(), b in interchanges()) {
        let union = unite(&[&a, &b]);
        for (key, record) in a.records.iter().chain(&b.records) {
            let united = &union.records()[key];
            for block in blocks().filter(|block| signs_block(united, *block)) {
                // The same message without its root is no second signing.
                let again = |held: &SignedBlock| united.blocks.contains(&block) && held.slot == block.slot
                    && held.signing_root.is_none();
                prop_assert!(record.blocks.iter()
                    .all(|held| !slashable_blocks(block, *held) || again(held)), "{key:?} {block:?}");
            }
            for vote in votes().filter(|vote| signs_vote(united, *vote)) {
                let again = |held: &SignedAttestation| united.attestations.contains(&vote)
                    && (held.source_epoch, held.target_epoch) == (vote.source_epoch, vote.target_epoch)
                    && held.signing_root.is_none();
                prop_assert!(record.attestations.iter()
                    .all(|held| !slashable_votes(vote, *held) || again(held)), "{key:?} {vote:?}");
            }
        }
    }

    /// What an input refuses and the union signs lies in a gap that was named, or is a message signed before.
    #[test]
    fn the_union_refuses_less_only_in_gaps_that_are_named(a in interchanges(), b in interchanges()) {
        let union = unite(&[&a, &b]);
        for (key, record) in a.records.iter().chain(&b.records) {
            let united = &union.records()[key];
            let gap = union.gaps().iter().find(|gap| gap.key == *key);
            let refused = gap.map(|gap| gap.refused).unwrap_or_default();
            for block in blocks().filter(|block| signs_block(united, *block) && !signs_block(record, *block)) {
                let in_gap = refused.block_slot.is_some_and(|slot| block.slot <= slot);
                prop_assert!(in_gap || united.blocks.contains(&block), "{key:?} {block:?} {gap:?}");
            }
            for vote in votes().filter(|vote| signs_vote(united, *vote) && !signs_vote(record, *vote)) {
                let in_gap = refused.source_epoch.is_some_and(|source| vote.source_epoch < source)
                    || refused.target_epoch.is_some_and(|target| vote.target_epoch <= target);
                prop_assert!(in_gap || united.attestations.contains(&vote), "{key:?} {vote:?} {gap:?}");
            }
        }
    }

    /// The minimal strategy refuses all that the complete one refuses, of the same inputs.
    #[test]
    fn the_floors_refuse_all_that_the_union_refuses(a in interchanges(), b in interchanges()) {
        let union = unite(&[&a, &b]);
        let (fold_a, fold_b) = (fold(&a), fold(&b));
        let merged = merge(&[Input::new("a", &fold_a), Input::new("b", &fold_b)], ROOT).unwrap();
        for (key, floors) in merged.floors() {
            let united = &union.records()[key];
            for block in blocks().filter(|block| floors.would_sign_block(block.slot)) {
                prop_assert!(signs_block(united, block), "{key:?} {block:?}");
            }
            let allowed = |vote: &SignedAttestation| vote.source_epoch <= vote.target_epoch
                && floors.would_sign_attestation(vote.source_epoch, vote.target_epoch);
            for vote in votes().filter(allowed) {
                prop_assert!(signs_vote(united, vote), "{key:?} {vote:?}");
            }
        }
    }

    #[test]
    fn what_is_written_completely_is_read_back_the_same(a in interchanges(), b in interchanges()) {
        let union = unite(&[&a, &b]);
        let bytes = written(&union);
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), strict(&union));
        let back = unite(&[&read(&bytes).unwrap()]);
        prop_assert_eq!(back.records(), union.records());
        prop_assert_eq!(written(&back), bytes);
    }
}

/// Many chunks, and a writer that takes little at a time and then fails.
#[test]
fn long_histories_are_written_in_chunks() {
    struct Slow(Vec<u8>, usize);
    impl std::io::Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            assert!(bytes.len() < 200_000, "{} bytes at once", bytes.len());
            if self.0.len() > self.1 {
                return Err(std::io::Error::other("the disk is full"));
            }
            let count = bytes.len().min(10_000);
            self.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let attestations = (0..20_000_u64).map(|epoch| SignedAttestation {
        source_epoch: epoch,
        target_epoch: epoch + 1,
        signing_root: Root::known([(epoch % 251) as u8; 32]),
    });
    let record = Record {
        blocks: Vec::new(),
        attestations: attestations.collect(),
    };
    let keys = (1..4_u8).map(|byte| {
        (
            failover::protection::PublicKey::from_bytes(&[byte; 48]).unwrap(),
            record.clone(),
        )
    });
    let document = Interchange {
        genesis_validators_root: Some(ROOT.into()),
        records: keys.collect(),
    };
    let union = unite(&[&document]);
    let mut whole = Slow(Vec::new(), usize::MAX);
    write_complete(&union, &mut whole).unwrap();
    assert!(whole.0.len() > 6_000_000);
    assert_eq!(unite(&[&read(&whole.0).unwrap()]).records(), union.records());
    let error = write_complete(&union, &mut Slow(Vec::new(), 1_000_000)).unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
}
