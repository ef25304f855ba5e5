//! Conflicts in tables, and against the slow way of comparing every pair.
//!
//! Must never share code with the search: the slow way states the rules once more.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::protection::{Record, Root};

fn root(byte: u8) -> Option<Root> {
    Root::known([byte; 32])
}

fn block(slot: u64, byte: u8) -> SignedBlock {
    SignedBlock {
        slot,
        signing_root: root(byte),
    }
}

fn vote(source_epoch: u64, target_epoch: u64, byte: u8) -> SignedAttestation {
    SignedAttestation {
        source_epoch,
        target_epoch,
        signing_root: root(byte),
    }
}

fn document(blocks: &[SignedBlock], attestations: &[SignedAttestation]) -> Interchange {
    let record = Record {
        blocks: blocks.to_vec(),
        attestations: attestations.to_vec(),
    };
    let records = [(PublicKey::parse("0xaa").unwrap(), record)].into();
    Interchange {
        genesis_validators_root: None,
        records,
    }
}

fn kinds(primary: &Interchange, backup: &Interchange) -> Vec<(ConflictKind, Certainty)> {
    let found = conflicts(&[("primary", primary), ("backup", backup)]);
    found
        .iter()
        .map(|conflict| (conflict.kind, conflict.certainty))
        .collect()
}

const NONE: [(ConflictKind, Certainty); 0] = [];

#[test]
fn the_same_history_on_both_sides_is_no_conflict() {
    let rooted = document(&[block(5, 1), block(6, 2)], &[vote(1, 2, 1), vote(2, 3, 2)]);
    let rootless = document(&[block(5, 0), block(6, 0)], &[vote(1, 2, 0), vote(2, 3, 0)]);
    for (primary, backup) in [
        (&rooted, &rooted),
        (&rooted, &rootless),
        (&rootless, &rooted),
        (&rootless, &rootless),
    ] {
        assert_eq!(kinds(primary, backup), NONE);
    }
}

#[test]
fn two_signings_are_a_conflict() {
    use Certainty::{Possible, Proven};
    use ConflictKind::{DoubleProposal, DoubleVote, Surround};
    let empty = document(&[], &[]);
    for (primary, backup, expected) in [
        (
            document(&[block(5, 1)], &[]),
            document(&[block(5, 2)], &[]),
            (DoubleProposal, Proven),
        ),
        (
            document(&[block(5, 0), block(5, 0)], &[]),
            empty.clone(),
            (DoubleProposal, Possible),
        ),
        (
            document(&[block(5, 0), block(5, 1)], &[]),
            empty.clone(),
            (DoubleProposal, Possible),
        ),
        (
            document(&[], &[vote(1, 2, 1)]),
            document(&[], &[vote(1, 2, 2)]),
            (DoubleVote, Proven),
        ),
        (
            document(&[], &[vote(0, 2, 1)]),
            document(&[], &[vote(1, 2, 1)]),
            (DoubleVote, Proven),
        ),
        (
            document(&[], &[vote(0, 2, 0)]),
            document(&[], &[vote(1, 2, 1)]),
            (DoubleVote, Possible),
        ),
        (
            document(&[], &[vote(1, 5, 1)]),
            document(&[], &[vote(2, 4, 2)]),
            (Surround, Proven),
        ),
        (
            document(&[], &[vote(2, 4, 0)]),
            document(&[], &[vote(1, 5, 2)]),
            (Surround, Possible),
        ),
    ] {
        assert_eq!(kinds(&primary, &backup), [expected]);
        assert_eq!(kinds(&backup, &primary), [expected]);
    }
}

#[test]
fn touching_attestations_are_no_surround() {
    let one = document(&[], &[vote(1, 5, 1)]);
    for other in [
        vote(1, 4, 2),
        vote(1, 6, 2),
        vote(5, 6, 2),
        vote(2, 6, 2),
        vote(0, 1, 2),
    ] {
        assert_eq!(kinds(&one, &document(&[], &[other])), NONE, "{other:?}");
    }
}

#[test]
fn says_who_signed_what_where() {
    let primary = document(&[], &[vote(3, 4, 1)]);
    let backup = document(&[], &[vote(2, 9, 0)]);
    let found = conflicts(&[("primary", &primary), ("backup", &backup)]);
    assert_eq!(
        found[0].to_string(),
        "key 0xaa: one attestation surrounds the other (not proven: a root is unknown): \
         2 -> 9 in backup and 3 -> 4 in primary"
    );
}

/// Every block of a slot but the first is one more: all are counted, some are listed, and those that prove something are
/// not crowded out by those that do not.
#[test]
fn millions_of_conflicts_are_counted_and_some_are_listed() {
    let many: Vec<_> = (0..5_000).map(|_| block(5, 0)).collect();
    let two: Vec<_> = (1..=3).map(|byte| block(6, byte)).collect();
    let found = find_conflicts(&[("a", &document(&[many, two].concat(), &[]))]);
    assert_eq!(
        found.double_proposals,
        Tally {
            proven: 2,
            possible: 4_999
        }
    );
    assert_eq!(
        (found.count(Certainty::Proven), found.count(Certainty::Possible)),
        (2, 4_999)
    );
    assert_eq!(found.listed.len() as u64, 2 + LISTED);
    assert_eq!(found.first_proven().unwrap().kind, ConflictKind::DoubleProposal);
    assert_eq!(
        (found.double_votes, found.surrounds),
        (Tally::default(), Tally::default())
    );
}

fn documents() -> impl Strategy<Value = Interchange> {
    let block = (0_u64..6, 0_u8..3).prop_map(|(slot, byte)| block(slot, byte));
    let vote = (0_u64..8, 0_u64..8, 0_u8..3).prop_map(|(source, target, byte)| vote(source, target, byte));
    let record = (vec(block, 0..6), vec(vote, 0..6))
        .prop_map(|(blocks, attestations)| Record { blocks, attestations });
    let key = (0_u8..2).prop_map(|byte| PublicKey::from_bytes(&[byte]).unwrap());
    btree_map(key, record, 0..3).prop_map(|records| Interchange {
        genesis_validators_root: None,
        records,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conflicts_are_those_of_comparing_every_pair(a in documents(), b in documents()) {
        let found = conflicts(&[("a", &a), ("b", &b)]);
        for key in a.records.keys().chain(b.records.keys()) {
            for kind in [ConflictKind::DoubleProposal, ConflictKind::DoubleVote, ConflictKind::Surround] {
                let mine: Vec<_> = found.iter().filter(|c| c.key == *key && c.kind == kind).collect();
                same_conflicts(kind, &mine, &pairs(&a, &b, key, kind))?;
            }
        }
    }
}

/// Only true conflicts are found; none is overlooked, by slot, target or surrounded message; and
/// what can be proven is.
fn same_conflicts(
    kind: ConflictKind,
    mine: &[&Conflict],
    slow: &[(Message, Message)],
) -> Result<(), TestCaseError> {
    for conflict in mine {
        prop_assert!(
            slow.contains(&(conflict.first.message, conflict.second.message)),
            "{conflict}"
        );
    }
    let place = |message: &Message| match (kind, message) {
        (ConflictKind::Surround, message) => format!("{message:?}"),
        (_, Message::Block(block)) => block.slot.to_string(),
        (_, Message::Attestation(vote)) => vote.target_epoch.to_string(),
    };
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    let mut expected: BTreeMap<String, bool> = BTreeMap::new();
    for conflict in mine {
        *found.entry(place(&conflict.second.message)).or_default() |= conflict.certainty == Certainty::Proven;
    }
    for (first, second) in slow {
        *expected.entry(place(second)).or_default() |= root_of(first).and(root_of(second)).is_some();
    }
    prop_assert_eq!(found, expected, "{:?}", kind);
    Ok(())
}

fn root_of(message: &Message) -> Option<Root> {
    match message {
        Message::Block(block) => block.signing_root,
        Message::Attestation(vote) => vote.signing_root,
    }
}

/// Every conflicting pair of one key, found the slow way, in both orders where the kind has no order.
fn pairs(a: &Interchange, b: &Interchange, key: &PublicKey, kind: ConflictKind) -> Vec<(Message, Message)> {
    let mut messages = Vec::new();
    for (input, document) in [a, b].into_iter().enumerate() {
        let Some(record) = document.records.get(key) else {
            continue;
        };
        messages.extend(record.blocks.iter().map(|block| (input, Message::Block(*block))));
        messages.extend(
            record
                .attestations
                .iter()
                .map(|vote| (input, Message::Attestation(*vote))),
        );
    }
    let mut pairs = Vec::new();
    for (i, (first_input, first)) in messages.iter().enumerate() {
        for (j, (second_input, second)) in messages.iter().enumerate() {
            if i != j && is_conflict(first, second, first_input == second_input, kind) {
                pairs.push((*first, *second));
            }
        }
    }
    pairs
}

fn is_conflict(first: &Message, second: &Message, same_input: bool, kind: ConflictKind) -> bool {
    let two_signings = match (root_of(first), root_of(second)) {
        (Some(first), Some(second)) => first != second,
        _ => same_input,
    };
    match (first, second) {
        (Message::Block(first), Message::Block(second)) => {
            kind == ConflictKind::DoubleProposal && first.slot == second.slot && two_signings
        }
        (Message::Attestation(first), Message::Attestation(second)) => match kind {
            ConflictKind::DoubleVote => {
                first.target_epoch == second.target_epoch
                    && (first.source_epoch != second.source_epoch || two_signings)
            }
            ConflictKind::Surround => {
                first.source_epoch < second.source_epoch && second.target_epoch < first.target_epoch
            }
            ConflictKind::DoubleProposal => false,
        },
        _ => false,
    }
}
