//! A simulated validator's records as Lodestar's client keeps them on disk: a LevelDB of one write-ahead log, packed as
//! `remote.sh` packs one. It is written from LevelDB's description (`doc/log_format.md`, `doc/impl.md`), not with the reader
//! that runs use, so that the demo is a test of that reader too. Must never write what LevelDB would not.

use std::io::Write;

use crc::{CRC_32_ISCSI, Crc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::database::Records;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Bytes of a block of a log.
const BLOCK: usize = 32 * 1024;
/// Checksum, length, kind.
const HEADER: usize = 7;

/// A tar.gz with the database's files below `name/`. A damaged one has a byte that its disk has spoilt.
///
/// # Errors
/// A key or a root of the records is no hex.
pub fn packed(
    name: &str,
    records: &Records,
    genesis_validators_root: &str,
    damaged: bool,
) -> Result<Vec<u8>, String> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (file, mut content) in files(records, genesis_validators_root)? {
        if let (true, "000003.log", Some(byte)) = (damaged, file, content.get_mut(HEADER + 20)) {
            *byte ^= 1;
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        archive
            .append_data(&mut header, format!("{name}/{file}"), content.as_slice())
            .map_err(|error| error.to_string())?;
    }
    let gzip = archive.into_inner().map_err(|error| error.to_string())?;
    gzip.finish().map_err(|error| error.to_string())
}

/// The files of the database.
///
/// # Errors
/// As [`packed`].
pub fn files(
    records: &Records,
    genesis_validators_root: &str,
) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let mut log = Log::default();
    for (sequence, (key, value)) in (1_u64..).zip(entries(records, genesis_validators_root)?) {
        let mut batch = sequence.to_le_bytes().to_vec();
        batch.extend(1_u32.to_le_bytes());
        batch.push(1);
        prefixed(&mut batch, &key);
        prefixed(&mut batch, &value);
        log.append(&batch);
    }
    let mut edit = vec![1];
    prefixed(&mut edit, b"leveldb.BytewiseComparator");
    // The log is file 3, the next file is 5, no write had happened, and there is no log before.
    edit.extend([2, 3, 3, 5, 4, 0, 9, 0]);
    let mut manifest = Log::default();
    manifest.append(&edit);
    Ok(vec![
        ("000003.log", log.0),
        ("CURRENT", b"MANIFEST-000002\n".to_vec()),
        ("MANIFEST-000002", manifest.0),
    ])
}

type Entry = (Vec<u8>, Vec<u8>);

/// Lodestar's keys and values: a bucket first, numbers big-endian in keys and little-endian in values.
fn entries(records: &Records, genesis_validators_root: &str) -> Result<Vec<Entry>, String> {
    let metadata = [&[41][..], b"GENESIS_VALIDATORS_ROOT"].concat();
    let mut entries = vec![(metadata, hex(genesis_validators_root)?)];
    for (key, record) in records {
        let key = hex(key)?;
        for (slot, root) in &record.blocks {
            let value = [&slot.to_le_bytes()[..], &root_of(root.as_deref())?].concat();
            entries.push(([&[20], &key[..], &slot.to_be_bytes()].concat(), value));
        }
        for (target, (source, root)) in &record.attestations {
            let numbers = [source.to_le_bytes(), target.to_le_bytes()].concat();
            let value = [numbers, root_of(root.as_deref())?].concat();
            entries.push(([&[21], &key[..], &target.to_be_bytes()].concat(), value));
        }
        if let Some((source, target)) = record.lower_bound {
            let value = [source.to_le_bytes(), target.to_le_bytes()].concat();
            entries.push(([&[22], &key[..]].concat(), value));
        }
    }
    Ok(entries)
}

/// A missing root is 32 zero bytes.
fn root_of(root: Option<&str>) -> Result<Vec<u8>, String> {
    root.map_or_else(|| Ok(vec![0; 32]), hex)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    const_hex::decode(text).map_err(|error| error.to_string())
}

/// A varint length and the bytes.
fn prefixed(into: &mut Vec<u8>, bytes: &[u8]) {
    let mut left = bytes.len();
    while left >= 0x80 {
        into.push((left % 0x80) as u8 | 0x80);
        left /= 0x80;
    }
    into.push(left as u8);
    into.extend_from_slice(bytes);
}

/// Records in blocks, whole or in fragments.
#[derive(Default)]
struct Log(Vec<u8>);

impl Log {
    fn append(&mut self, record: &[u8]) {
        let mut rest = record;
        let mut first = true;
        loop {
            let mut room = BLOCK - self.0.len() % BLOCK;
            if room < HEADER {
                self.0.resize(self.0.len() + room, 0);
                room = BLOCK;
            }
            let (body, behind) = rest.split_at(rest.len().min(room - HEADER));
            let kind = match (first, behind.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            self.fragment(kind, body);
            (rest, first) = (behind, false);
            if rest.is_empty() {
                return;
            }
        }
    }

    fn fragment(&mut self, kind: u8, body: &[u8]) {
        let mut digest = CRC32C.digest();
        digest.update(&[kind]);
        digest.update(body);
        let masked = digest.finalize().rotate_right(15).wrapping_add(0xa282_ead8);
        // A body is shorter than a block.
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        // Writing into memory does not fail.
        let _ = self.0.write_all(&masked.to_le_bytes());
        let _ = self.0.write_all(&length.to_le_bytes());
        self.0.push(kind);
        self.0.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::{Memory, lodestar};
    use crate::demo::database::KeyRecord;
    use crate::protection::Interchange;

    /// Proves that the reader of runs finds in it every message that was put in, over many blocks and with long keys.
    #[test]
    fn the_reader_finds_every_record() {
        for key_bytes in [48, 2592] {
            let mut records = Records::new();
            for key in 0..20_u8 {
                let record: &mut KeyRecord = records
                    .entry(format!("0x{}", const_hex::encode(vec![key + 1; key_bytes])))
                    .or_default();
                record.blocks.insert(u64::from(key) + 7, None);
                for target in 1..40 {
                    let root = format!("0x{}", const_hex::encode([key + 1; 32]));
                    record.attestations.insert(target, (target - 1, Some(root)));
                }
                record.lower_bound = Some((3, 50));
            }
            let root = format!("0x{}", "5a".repeat(32));
            let files = files(&records, &root).unwrap();
            let memory = Memory(
                files
                    .into_iter()
                    .map(|(name, it)| (name.to_owned(), it))
                    .collect(),
            );
            let mut read = Interchange::default();
            let found = lodestar::read(&memory, &mut read).unwrap();
            assert_eq!((found.blocks, found.attestations), (20, 20 * 40));
            assert_eq!(found.genesis_validators_root.unwrap().to_string(), root);
            assert_eq!(read.records.len(), 20);
            for record in read.records.values() {
                assert_eq!((record.blocks.len(), record.attestations.len()), (1, 40));
            }
        }
    }
}
