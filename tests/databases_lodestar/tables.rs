//! Tables made here, with checksums that fit: what is refused although no bit of it was changed, and what wins over what.

use failover::databases::{DatabaseError, Memory};
use failover::protection::Root;

use super::made::{Write, added, batch, block, edit, internal, key, table, value, with_manifest};
use super::read;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn keyed(slot: u64) -> Vec<u8> {
    key(20, &[1; 48], Some(slot))
}

/// A block of a slot, written at a sequence number.
fn put(slot: u64, sequence: u64, root: u8) -> (Vec<u8>, Vec<u8>) {
    (internal(&keyed(slot), sequence, 1), value(&[slot], &[root; 32]))
}

fn deleted(slot: u64, sequence: u64) -> (Vec<u8>, Vec<u8>) {
    (internal(&keyed(slot), sequence, 0), Vec::new())
}

/// A table on a level: number, and its blocks of entries.
struct Table(u8, u8, Vec<Entries>);

impl Table {
    fn bytes(&self) -> Vec<u8> {
        let Table(_, _, blocks) = self;
        let blocks: Vec<_> = blocks
            .iter()
            .map(|entries| (block(entries), 0, entries.last().unwrap().0.clone()))
            .collect();
        table(&blocks)
    }

    fn edit(&self, size: usize) -> Vec<u8> {
        let Table(level, number, blocks) = self;
        let entries = blocks.concat();
        added(*level, *number, size, &entries[0].0, &entries.last().unwrap().0)
    }
}

/// A database of these tables and of what its log holds, from write 100 on.
fn database(tables: &[Table], log: &[Write]) -> Memory {
    let mut edits = edit(&[(2, 3), (3, 200), (4, 99)]);
    for table in tables {
        edits.extend(table.edit(table.bytes().len()));
    }
    // Write 100, so that the newest write is there.
    let mut writes = log.to_vec();
    writes.push((key(41, b"GENESIS_TIME", None), Some(vec![0; 8])));
    let mut files = with_manifest(&[edits], &[batch(100, &writes)]);
    for table in tables {
        files.0.insert(format!("{:06}.ldb", table.1), table.bytes());
    }
    files
}

/// The slots that are read, each with the first byte of its root.
fn slots(files: &Memory) -> Vec<(u64, u8)> {
    let (_, read) = read(files).unwrap();
    let root = |root: Option<Root>| root.map_or(0, |root| root.as_bytes()[0]);
    let blocks = read.records.values().flat_map(|record| record.blocks.clone());
    blocks
        .map(|block| (block.slot, root(block.signing_root)))
        .collect()
}

fn refusal(files: &Memory) -> String {
    match read(files) {
        Err(error @ (DatabaseError::Damaged { .. } | DatabaseError::Unsupported { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Proves that of a key the newest write wins, wherever it lies, and that a deletion hides what is older.
#[test]
fn the_newest_wins_wherever_it_lies() {
    let files = database(
        &[
            Table(2, 10, vec![vec![put(1, 1, 1), put(2, 2, 1)], vec![put(3, 3, 1)]]),
            Table(2, 11, vec![vec![put(4, 4, 1), put(5, 5, 1), put(6, 6, 1)]]),
            Table(1, 12, vec![vec![put(2, 12, 2), deleted(3, 13), put(6, 16, 2)]]),
            Table(
                0,
                13,
                vec![vec![put(4, 24, 3), put(4, 23, 9), put(5, 25, 3), deleted(6, 26)]],
            ),
            Table(0, 14, vec![vec![put(3, 33, 4), put(4, 22, 8)]]),
        ],
        &[(keyed(5), None), (keyed(7), Some(value(&[7], &[5; 32])))],
    );
    assert_eq!(slots(&files), [(1, 1), (2, 2), (3, 4), (4, 3), (7, 5)]);
    let mut older_name = files.clone();
    let bytes = older_name.0.remove("000012.ldb").unwrap();
    older_name.0.insert("000012.sst".to_owned(), bytes);
    assert_eq!(slots(&older_name), slots(&files));
}

/// Proves that lower bounds are found wherever they lie: in the midst of a block, alone in a table, in the log.
#[test]
fn lower_bounds_are_found_wherever_they_lie() {
    let bound = |who: u8, sequence| {
        let user = key(22, &[who; 48], None);
        (internal(&user, sequence, 1), value(&[3, 4], &[]))
    };
    let later = (internal(&key(23, &[1; 48], Some(1)), 9, 1), value(&[2], &[]));
    let files = database(
        &[
            Table(
                1,
                10,
                vec![vec![put(1, 1, 1)], vec![put(2, 2, 1), bound(1, 3), bound(2, 4)]],
            ),
            Table(1, 11, vec![vec![bound(3, 5)], vec![later]]),
            Table(0, 12, vec![vec![put(5, 6, 1)]]),
        ],
        &[(key(22, &[4; 48], None), Some(value(&[3, 4], &[])))],
    );
    let (found, read) = read(&files).unwrap();
    assert_eq!((found.blocks, found.attestations), (3, 4));
    assert_eq!(read.records.len(), 4);
    for record in read.records.values() {
        assert_eq!(record.attestations[0].target_epoch, 4);
    }
}

/// Proves that tables which contradict the manifest, each other or themselves are refused.
#[test]
fn a_table_out_of_order_is_refused() {
    for (tables, says) in [
        (
            vec![Table(0, 10, vec![vec![put(2, 1, 1), put(1, 2, 1)]])],
            "impossible bounds",
        ),
        (
            vec![Table(
                0,
                10,
                vec![vec![put(1, 1, 1), put(3, 2, 1), put(2, 2, 1), put(4, 2, 1)]],
            )],
            "keys out of order",
        ),
        (
            vec![Table(0, 10, vec![vec![put(1, 1, 1), put(1, 2, 1), put(4, 2, 1)]])],
            "keys out of order",
        ),
        (
            vec![Table(
                0,
                10,
                vec![vec![put(1, 1, 1), put(3, 2, 1)], vec![put(3, 2, 1), put(4, 2, 1)]],
            )],
            "keys out of order",
        ),
        (
            vec![Table(
                0,
                10,
                vec![vec![put(1, 1, 1), (vec![20; 7], vec![]), put(4, 2, 1)]],
            )],
            "a key without its sequence number",
        ),
        (
            vec![Table(
                0,
                10,
                vec![vec![
                    put(1, 1, 1),
                    (internal(&keyed(2), 2, 2), vec![]),
                    put(4, 2, 1),
                ]],
            )],
            "a key without its sequence number",
        ),
        (
            vec![
                Table(1, 10, vec![vec![put(1, 1, 1), put(3, 3, 1)]]),
                Table(1, 11, vec![vec![put(2, 2, 1), put(4, 4, 1)]]),
            ],
            "overlap",
        ),
        (
            vec![
                Table(1, 10, vec![vec![put(1, 1, 1)]]),
                Table(2, 10, vec![vec![put(2, 2, 1)]]),
            ],
            "added twice",
        ),
    ] {
        let refusal = refusal(&database(&tables, &[]));
        assert!(refusal.contains(says), "{refusal}");
    }
}

/// Proves that a table is the one that the manifest means: it begins and ends with the same keys.
#[test]
fn another_table_is_refused() {
    let good = || database(&[Table(1, 10, vec![vec![put(1, 1, 1), put(2, 2, 1)]])], &[]);
    assert_eq!(slots(&good()), [(1, 1), (2, 1)]);
    let mut longer = good();
    longer.0.get_mut("000010.ldb").unwrap().push(0);
    assert!(refusal(&longer).contains("the manifest says"));
    for other in [[put(0, 1, 1), put(2, 2, 1)], [put(1, 1, 1), put(3, 2, 1)]] {
        let mut files = good();
        files.0.insert(
            "000010.ldb".to_owned(),
            Table(1, 10, vec![other.to_vec()]).bytes(),
        );
        assert!(refusal(&files).contains("is not the one in the manifest"));
    }
}

/// Proves that blocks which claim too much, or are compressed in a way that Lodestar's LevelDB does not know, are refused
/// before anything is allocated for them.
#[test]
fn a_block_that_claims_too_much_is_refused() {
    let entries = vec![put(1, 1, 1), put(2, 2, 1)];
    let (first, last) = (entries[0].0.clone(), entries[1].0.clone());
    let plain = block(&entries);
    let snapped = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    let with = |bytes: Vec<u8>, compression| {
        let bytes = table(&[(bytes, compression, last.clone())]);
        let edits = [
            edit(&[(2, 3), (3, 200), (4, 2)]),
            added(1, 10, bytes.len(), &first, &last),
        ]
        .concat();
        let mut files = with_manifest(&[edits], &[]);
        files.0.insert("000010.ldb".to_owned(), bytes);
        files
    };
    assert_eq!(slots(&with(plain.clone(), 0)), [(1, 1), (2, 1)]);
    assert_eq!(slots(&with(snapped.clone(), 1)), [(1, 1), (2, 1)]);
    let restarts = |count: u32| [&plain[..plain.len() - 4], &count.to_le_bytes()].concat();
    let claims = |length: &[u8]| [length, &snapped[2..]].concat();
    let shares = [&[9], &plain[1..]].concat();
    let runs_on = [&plain[..1], &[0xff, 0xff, 0xff, 0xff, 0x0f], &plain[2..]].concat();
    for (bytes, compression, says) in [
        (plain.clone(), 2, "compression 2"),
        (plain.clone(), 1, "cannot be uncompressed"),
        (snapped.clone(), 0, "does not fit its format"),
        (
            claims(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            1,
            "cannot be uncompressed",
        ),
        (claims(&[0xff, 0xff, 0x7f]), 1, "cannot be uncompressed"),
        (Vec::new(), 0, "does not fit its format"),
        (restarts(0), 0, "does not fit its format"),
        (restarts(u32::MAX), 0, "does not fit its format"),
        (restarts(1000), 0, "does not fit its format"),
        (shares, 0, "does not fit its format"),
        (runs_on, 0, "does not fit its format"),
    ] {
        let refusal = refusal(&with(bytes, compression));
        assert!(refusal.contains(says), "{refusal}");
    }
}

/// Proves that the newest write which the manifest knows of must be somewhere: a log whose end is lost just behind a record
/// leaves no other trace.
#[test]
fn the_newest_write_must_be_somewhere() {
    let tables = || [Table(1, 10, vec![vec![put(1, 1, 1), put(2, 2, 1)]])];
    for (known, refused) in [(1, false), (2, false), (3, true)] {
        let [table] = &tables();
        let bytes = table.bytes();
        let edits = [edit(&[(2, 3), (3, 200), (4, known)]), table.edit(bytes.len())].concat();
        let mut files = with_manifest(&[edits], &[]);
        files.0.insert("000010.ldb".to_owned(), bytes);
        assert_eq!(read(&files).is_err(), refused, "{known}");
    }
}
