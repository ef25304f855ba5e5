//! Databases made here, from the documented format: one log and its manifest. For what Lodestar itself never writes.

use std::collections::BTreeMap;

use failover::databases::Memory;

const BLOCK: usize = 32 * 1024;

/// A write: key and value, or a deletion.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// Records in LevelDB's log format.
pub fn log(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let mut rest = &record[..];
        let mut first = true;
        loop {
            let room = BLOCK - bytes.len() % BLOCK;
            if room < 7 {
                bytes.resize(bytes.len() + room, 0);
                continue;
            }
            let (body, behind) = rest.split_at(rest.len().min(room - 7));
            let kind = match (first, behind.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            bytes.extend(masked_crc32c(&[&[kind], body].concat()).to_le_bytes());
            bytes.extend((body.len() as u16).to_le_bytes());
            bytes.push(kind);
            bytes.extend(body);
            (rest, first) = (behind, false);
            if rest.is_empty() {
                break;
            }
        }
    }
    bytes
}

/// A batch of writes from a sequence number on.
pub fn batch(sequence: u64, writes: &[Write]) -> Vec<u8> {
    let mut bytes = sequence.to_le_bytes().to_vec();
    bytes.extend((writes.len() as u32).to_le_bytes());
    for (key, value) in writes {
        bytes.push(u8::from(value.is_some()));
        for part in std::iter::once(key).chain(value) {
            bytes.extend(varint(part.len() as u64));
            bytes.extend(part);
        }
    }
    bytes
}

/// An edit of a manifest: the comparator, and numbers by their tags (2 log, 3 next file, 4 last sequence, 9 previous log).
pub fn edit(numbers: &[(u64, u64)]) -> Vec<u8> {
    let comparator = b"leveldb.BytewiseComparator";
    let mut bytes = vec![1, comparator.len() as u8];
    bytes.extend(comparator);
    for (tag, number) in numbers {
        bytes.extend(varint(*tag));
        bytes.extend(varint(*number));
    }
    bytes
}

/// A database: log 3 with these batches.
pub fn database(batches: &[Vec<u8>]) -> Memory {
    with_manifest(&[edit(&[(2, 3), (9, 0), (3, 4), (4, 0)])], batches)
}

/// A database: a manifest with these edits, log 3 with these batches.
pub fn with_manifest(edits: &[Vec<u8>], batches: &[Vec<u8>]) -> Memory {
    Memory(BTreeMap::from([
        ("CURRENT".to_owned(), b"MANIFEST-000002\n".to_vec()),
        ("MANIFEST-000002".to_owned(), log(edits)),
        ("000003.log".to_owned(), log(batches)),
    ]))
}

/// A database that holds these entries.
pub fn holding(entries: &[(Vec<u8>, Vec<u8>)]) -> Memory {
    let writes: Vec<Write> = entries
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    database(&[batch(1, &writes)])
}

pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// CRC32C bit by bit, masked as LevelDB does.
pub fn masked_crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A key of Lodestar's: bucket, public key and, where there is one, a number.
pub fn key(bucket: u8, pubkey: &[u8], number: Option<u64>) -> Vec<u8> {
    let number = number.map(|number| number.to_be_bytes().to_vec());
    [&[bucket], pubkey, &number.unwrap_or_default()].concat()
}

/// A value of Lodestar's: numbers and a root.
pub fn value(numbers: &[u64], root: &[u8]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    numbers.chain(root.iter().copied()).collect()
}

/// A key as tables hold it: with sequence number and kind (0 deletion, 1 value).
pub fn internal(user: &[u8], sequence: u64, kind: u8) -> Vec<u8> {
    let tag = sequence << 8 | u64::from(kind);
    [user, &tag.to_le_bytes()].concat()
}

/// A block of a table: entries with whole keys, one restart point.
pub fn block(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        bytes.push(0);
        bytes.extend(varint(key.len() as u64));
        bytes.extend(varint(value.len() as u64));
        bytes.extend(key);
        bytes.extend(value);
    }
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes
}

/// A table: blocks as they lie there, each with the kind of its compression and its last key.
pub fn table(blocks: &[(Vec<u8>, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut append = |block: &[u8], compression: u8| {
        let handle = [varint(bytes.len() as u64), varint(block.len() as u64)].concat();
        let checksum = masked_crc32c(&[block, &[compression]].concat());
        bytes.extend(block);
        bytes.push(compression);
        bytes.extend(checksum.to_le_bytes());
        handle
    };
    let index: Vec<_> = blocks
        .iter()
        .map(|(bytes, compression, last)| (last.clone(), append(bytes, *compression)))
        .collect();
    let filters = append(&block(&[]), 0);
    let index = append(&block(&index), 0);
    let mut footer = [filters, index].concat();
    footer.resize(40, 0);
    bytes.extend(footer);
    bytes.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    bytes
}

/// The part of an edit that adds a table.
pub fn added(level: u8, number: u8, size: usize, smallest: &[u8], largest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![7, level, number];
    bytes.extend(varint(size as u64));
    for key in [smallest, largest] {
        bytes.extend(varint(key.len() as u64));
        bytes.extend(key);
    }
    bytes
}
