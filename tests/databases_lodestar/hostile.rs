//! Bytes that nobody wrote, inside checksums that fit: an answer or a refusal, never a panic.

use failover::databases::Memory;
use proptest::prelude::*;

use super::made::{added, batch, block, edit, internal, key, log, table, value, with_manifest};
use super::read;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Proves it of whole files.
    #[test]
    fn any_files(files in proptest::collection::btree_map("CURRENT|MANIFEST-000002|00000[3-5].(log|ldb|sst)", bytes(200), 0..6)) {
        let mut files = files;
        files.insert("CURRENT".to_owned(), b"MANIFEST-000002\n".to_vec());
        let _ = read(&Memory(files));
    }

    /// Proves it of edits, batches of writes and their sequence numbers.
    #[test]
    fn any_records(edits in bytes(60), sequence in any::<u64>(), writes in bytes(60), last in any::<u64>()) {
        let first = edit(&[(2, 3), (3, 4), (4, last)]);
        let _ = read(&with_manifest(&[[first.clone(), edits].concat()], &[]));
        let batch = [&sequence.to_le_bytes()[..], &[1, 0, 0, 0], &writes].concat();
        let _ = read(&with_manifest(std::slice::from_ref(&first), &[batch, writes.clone()]));
        let raw = log(&[first]);
        let _ = read(&Memory([
            ("CURRENT".to_owned(), b"MANIFEST-000002\n".to_vec()),
            ("MANIFEST-000002".to_owned(), raw),
            ("000003.log".to_owned(), writes),
        ].into()));
    }

    /// Proves it of blocks, and of keys and values of entries.
    #[test]
    fn any_blocks(block in bytes(200), compression in 0..3_u8, bucket in 19..43_u8, rest in bytes(70), value in bytes(70)) {
        let (first, last) = (internal(&[], 9, 1), internal(&[255; 60], 1, 1));
        let table = table(&[(block, compression, last.clone())]);
        let edits = [edit(&[(2, 3), (3, 9), (4, 0)]), added(1, 5, table.len(), &first, &last)].concat();
        let write = (key(bucket, &rest, None), Some(value));
        let mut files = with_manifest(&[edits], &[batch(1, &[write])]);
        files.0.insert("000005.ldb".to_owned(), table);
        let _ = read(&files);
        files.0.insert("000005.ldb".to_owned(), files.0["000003.log"].clone());
        let _ = read(&files);
    }

    /// Proves it of what is almost right: a few bytes of a block, an edit and a batch are others, the checksums fit.
    #[test]
    fn almost_right(changes in proptest::collection::vec((0..3_u8, any::<usize>(), any::<u8>()), 1..4)) {
        let keyed = |slot| key(20, &[1; 48], Some(slot));
        let put = |slot| (internal(&keyed(slot), slot, 1), value(&[slot], &[3; 32]));
        let entries: Vec<_> = (1..9).map(put).collect();
        let (first, last) = (entries[0].0.clone(), entries[7].0.clone());
        let size = table(&[(block(&entries), 0, last.clone())]).len();
        let adds = [edit(&[(2, 3), (3, 9), (4, 8)]), added(1, 5, size, &first, &last)].concat();
        let writes = batch(9, &[(keyed(9), Some(value(&[9], &[3; 32]))), (keyed(1), None)]);
        let mut parts = [block(&entries), adds, writes];
        for (part, at, to) in changes {
            let part = &mut parts[usize::from(part)];
            let at = at % part.len();
            part[at] = to;
        }
        let [block, adds, writes] = parts;
        let mut files = with_manifest(&[adds], &[writes]);
        files.0.insert("000005.ldb".to_owned(), table(&[(block, 0, last)]));
        if let Ok((found, interchange)) = read(&files) {
            prop_assert_eq!((found.blocks as usize, found.attestations as usize), interchange.counts());
        }
    }
}
