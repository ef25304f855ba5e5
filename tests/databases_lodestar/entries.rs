//! What single entries mean: Lodestar's buckets, values that do not fit, lower bounds.

use failover::databases::{DatabaseError, Memory};
use failover::protection::{PublicKey, Root, SignedAttestation, SignedBlock};

use super::made::{batch, database, edit, holding, key, value, with_manifest};
use super::read;

const ROOT: [u8; 32] = [7; 32];

fn refusal(files: &Memory) -> String {
    match read(files) {
        Err(error @ (DatabaseError::Damaged { .. } | DatabaseError::NotRecognised { .. })) => {
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn vote(source_epoch: u64, target_epoch: u64, root: [u8; 32]) -> SignedAttestation {
    SignedAttestation {
        source_epoch,
        target_epoch,
        signing_root: Root::known(root),
    }
}

/// Proves that keys of any length are kept whole, and that a zero root is an unknown one.
#[test]
fn entries_are_read_for_keys_of_any_length() {
    for length in [1, 48, 2592] {
        let pubkey = vec![0xab; length];
        let files = holding(&[
            (key(20, &pubkey, Some(9)), value(&[9], &ROOT)),
            (key(20, &pubkey, Some(10)), value(&[10], &[0; 32])),
            (key(21, &pubkey, Some(5)), value(&[4, 5], &ROOT)),
            (key(23, &pubkey, Some(4)), value(&[2], &[])),
            (key(41, b"GENESIS_TIME", None), value(&[1], &[])),
        ]);
        let (found, read) = read(&files).unwrap();
        let record = &read.records[&PublicKey::from_bytes(&pubkey).unwrap()];
        let known = Root::known(ROOT);
        assert_eq!(record.blocks, [block(9, known), block(10, None)], "{length}");
        assert_eq!(record.attestations, [vote(4, 5, ROOT)], "{length}");
        assert_eq!((found.blocks, found.attestations), (2, 1));
        assert_eq!(found.genesis_validators_root, None);
        assert_eq!(found.notes, Vec::<String>::new());
        assert_eq!(read.records.len(), 1);
    }
}

fn block(slot: u64, signing_root: Option<Root>) -> SignedBlock {
    SignedBlock { slot, signing_root }
}

/// Proves that a lower bound counts as a message unless that very message is there: else every database that was imported
/// into would hold a double vote.
#[test]
fn a_lower_bound_is_a_message_unless_it_is_one_already() {
    let (a, b) = ([0xaa; 48], [0xbb; 48]);
    let held = (key(21, &a, Some(20)), value(&[10, 20], &ROOT));
    let bound = |pubkey: &[u8], source, target| (key(22, pubkey, None), value(&[source, target], &[]));
    for (entries, expected) in [
        (vec![held.clone(), bound(&a, 10, 20)], vec![vote(10, 20, ROOT)]),
        (
            vec![held.clone(), bound(&a, 11, 20)],
            vec![vote(10, 20, ROOT), vote(11, 20, [0; 32])],
        ),
        (
            vec![held.clone(), bound(&a, 12, 22)],
            vec![vote(10, 20, ROOT), vote(12, 22, [0; 32])],
        ),
        (vec![bound(&a, 12, 22)], vec![vote(12, 22, [0; 32])]),
        (vec![held.clone(), bound(&b, 10, 20)], vec![vote(10, 20, ROOT)]),
    ] {
        let (found, read) = read(&holding(&entries)).unwrap();
        let of_a = &read.records[&PublicKey::from_bytes(&a).unwrap()];
        assert_eq!(of_a.attestations, expected, "{entries:?}");
        let all: usize = read
            .records
            .values()
            .map(|record| record.attestations.len())
            .sum();
        assert_eq!(found.attestations as usize, all);
        let of_b = read.records.get(&PublicKey::from_bytes(&b).unwrap());
        let b_has_a_bound = entries.iter().any(|(key, _)| key.ends_with(&b));
        assert_eq!(
            of_b.map(|record| record.attestations.clone()),
            b_has_a_bound.then(|| vec![vote(10, 20, [0; 32])])
        );
    }
}

/// Proves that an entry which contradicts its format is refused with its key, whatever else is there.
#[test]
fn an_entry_that_does_not_fit_is_refused() {
    let pubkey = [0xcd; 48];
    let at = |bucket, number| key(bucket, &pubkey, number);
    let large = (1 << 53) - 1;
    for (entry, says) in [
        (
            (at(20, Some(9)), value(&[8], &ROOT)),
            "slot 8 below the key of slot 9",
        ),
        (
            (at(20, Some(9)), value(&[9], &ROOT[1..])),
            "39 bytes instead of 40",
        ),
        ((at(20, Some(9)), value(&[9, 9], &ROOT)), "48 bytes instead of 40"),
        ((at(20, Some(9)), Vec::new()), "0 bytes instead of 40"),
        ((at(20, Some(large + 1)), value(&[large + 1], &ROOT)), "2^53 - 1"),
        ((at(20, Some(u64::MAX)), value(&[u64::MAX], &ROOT)), "2^53 - 1"),
        ((key(20, &[], Some(9)), value(&[9], &ROOT)), "too short"),
        ((vec![20], value(&[9], &ROOT)), "too short"),
        (
            (at(21, Some(9)), value(&[8, 10], &ROOT)),
            "target 10 below the key of target 9",
        ),
        ((at(21, Some(9)), value(&[9], &ROOT)), "40 bytes instead of 48"),
        ((at(21, Some(9)), value(&[large + 1, 9], &ROOT)), "2^53 - 1"),
        ((key(21, &[], Some(9)), value(&[8, 9], &ROOT)), "too short"),
        ((at(22, None), value(&[8], &[])), "8 bytes instead of 16"),
        ((at(22, None), value(&[8, u64::MAX], &[])), "2^53 - 1"),
        ((vec![22], value(&[8, 9], &[])), "no public key"),
        (
            (key(41, b"GENESIS_VALIDATORS_ROOT", None), vec![1; 31]),
            "31 bytes instead of 32",
        ),
    ] {
        let whole = (key(20, &[1; 48], Some(1)), value(&[1], &ROOT));
        let refusal = refusal(&holding(&[whole, entry.clone()]));
        assert!(refusal.contains(says), "{refusal}");
        if entry.0.len() > 56 {
            assert!(refusal.contains("0xcdcd…cdcd"), "{refusal}");
        }
    }
    let (_, largest) = read(&holding(&[(at(20, Some(large)), value(&[large], &ROOT))])).unwrap();
    assert_eq!(largest.counts(), (1, 0));
}

/// Proves that other buckets are told, and that a LevelDB which has nothing else is not taken for an empty history.
#[test]
fn a_stranger_is_not_empty() {
    let whole = (key(20, &[1; 48], Some(1)), value(&[1], &ROOT));
    let strange = (key(2, &[1; 8], None), vec![1]);
    let (found, _) = read(&holding(&[whole, strange.clone()])).unwrap();
    assert_eq!(found.notes.len(), 1);
    assert!(
        found.notes[0].contains("bucket 2 was not read: 1 entries"),
        "{:?}",
        found.notes
    );
    assert!(refusal(&holding(&[strange])).contains("none of the buckets"));
    let (found, read) = read(&holding(&[])).unwrap();
    assert!(found.notes[0].contains("no entry at all"), "{:?}", found.notes);
    assert_eq!(read.counts(), (0, 0));
}

/// Proves that the newest write of a key is the one that counts, also over records that span blocks, and that a deletion
/// counts as one.
#[test]
fn the_newest_write_counts() {
    let keyed = |slot| key(20, &[1; 48], Some(slot));
    let put = |slot: u64, root: u8| (keyed(slot), Some(value(&[slot], &[root; 32])));
    let large: Vec<_> = (0..2000).map(|slot| put(slot, 1)).collect();
    let files = database(&[
        batch(1, &large),
        batch(2001, &[put(5, 2), (keyed(6), None), put(7, 2), (keyed(8), None)]),
        batch(2005, &[put(8, 3)]),
    ]);
    let (_, read) = read(&files).unwrap();
    let record = read.records.values().next().unwrap();
    assert_eq!(record.blocks.len(), 1999);
    for (slot, root) in [(4, Some(1)), (5, Some(2)), (6, None), (7, Some(2)), (8, Some(3))] {
        let held = record.blocks.iter().find(|block| block.slot == slot);
        let expected = root.and_then(|root| Root::known([root; 32]));
        assert_eq!(held.and_then(|block| block.signing_root), expected, "slot {slot}");
    }
}

/// Proves that writes which are missing between, before or behind those that are there are damage.
#[test]
fn a_gap_between_writes_is_damage() {
    let put = |slot: u64| vec![(key(20, &[1; 48], Some(slot)), Some(value(&[slot], &ROOT)))];
    let manifest = |last| edit(&[(2, 3), (3, 4), (4, last)]);
    for (last, sequences, says) in [
        (0, vec![1, 3], "write 3 where 2 should be"),
        (0, vec![1, 2, 2], "write 2 where 3 should be"),
        (5, vec![7], "write 7 where 6 should be"),
        (5, vec![3, 4], "its logs end before write 5"),
        (5, vec![], "write 5, which its manifest knows of"),
        (u64::MAX, vec![3, 4], "its logs end before write"),
        (0, vec![u64::MAX], "where 1 should be"),
        (u64::MAX, vec![u64::MAX], "does not fit"),
    ] {
        let batches: Vec<_> = sequences.iter().map(|at| batch(*at, &put(*at & 0xff))).collect();
        let refusal = refusal(&with_manifest(&[manifest(last)], &batches));
        assert!(refusal.contains(says), "{refusal}");
    }
    for (last, sequences) in [(5, vec![6, 7]), (5, vec![4, 5]), (5, vec![5])] {
        let batches: Vec<_> = sequences.iter().map(|at| batch(*at, &put(*at))).collect();
        let (_, read) = read(&with_manifest(&[manifest(last)], &batches)).unwrap();
        assert_eq!(read.counts(), (sequences.len(), 0));
    }
}
