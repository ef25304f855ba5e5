//! Prysm's and Qrysm's `validator.db`, made by the real bbolt (tests/fixtures/databases/make-bolt), read to the last
//! message; and, in `damage`, every kind of damage refused. Must never compare the reader with itself: what was put in was written
//! down by the program that made the files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod crafted;
mod damage;
mod second_writer;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use failover::databases::{DatabaseError, Format, Found, ReadAt, prysm};
use failover::protection::{self, History, Interchange, fold};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/databases/bolt");

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn database(name: &str) -> Vec<u8> {
    unpacked(&Path::new(FIXTURES).join(format!("{name}.db.gz")))
}

/// What was put in, each key's messages sorted.
fn truth(name: &str) -> Interchange {
    sorted(protection::read(&unpacked(&Path::new(FIXTURES).join(format!("{name}.json.gz")))).unwrap())
}

fn sorted(mut document: Interchange) -> Interchange {
    for record in document.records.values_mut() {
        record.blocks.sort();
        record.attestations.sort();
    }
    document
}

fn read(bytes: &[u8]) -> Result<(Found, Interchange), DatabaseError> {
    let mut document = Interchange::default();
    let found = prysm::read(bytes, "validator.db", &mut document)?;
    document.genesis_validators_root = found.genesis_validators_root;
    Ok((found, sorted(document)))
}

fn floors(bytes: &[u8]) -> Result<(Found, History), DatabaseError> {
    let mut history = History::default();
    let found = prysm::read(bytes, "validator.db", &mut history)?;
    history.genesis_validators_root = found.genesis_validators_root;
    Ok((found, history))
}

fn page_size(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize
}

/// Names of the fixtures that have a truth beside them.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(FIXTURES)
        .unwrap()
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json.gz")?
                    .to_owned(),
            )
        })
        .filter(|name| name != "newer-schema")
        .collect();
    names.sort();
    names
}

/// Proves that every message comes out as it was put in: page sizes 4, 16 and 64 KiB, inline and nested buckets,
/// overflow pages of 2592-byte keys, trees of three levels, pages freed and used again, copies, the ring of before 2021.
#[test]
fn what_bbolt_wrote_is_read_to_the_last_message() {
    let names = names();
    assert_eq!(names.len(), 14, "{names:?}");
    for name in names {
        let bytes = database(&name);
        let truth = truth(&name);
        let (found, document) = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            document.records.keys().collect::<Vec<_>>(),
            truth.records.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (key, record) in &truth.records {
            assert_eq!(&document.records[key], record, "{name}: {key:?}");
        }
        assert_eq!(document, truth, "{name}");
        let (blocks, attestations) = truth.counts();
        assert_eq!(
            (found.blocks, found.attestations),
            (blocks as u64, attestations as u64),
            "{name}"
        );
        assert_eq!(found.format, Format::Prysm);
        let (_, history) = floors(&bytes).unwrap();
        assert_eq!(history, fold(&truth), "{name}");
    }
}

/// Proves the same of databases made at random by hand: `make-bolt/run DIRECTORY SEED…`, then
/// `FAILOVER_BOLT=DIRECTORY cargo test --test databases_bolt -- --ignored`.
#[test]
#[ignore = "needs a directory of databases, named by FAILOVER_BOLT"]
fn a_directory_of_databases_is_read_too() {
    let directory =
        PathBuf::from(std::env::var_os("FAILOVER_BOLT").expect("FAILOVER_BOLT names no directory"));
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let truth = sorted(protection::read(&std::fs::read(&path).unwrap()).unwrap());
            let bytes = std::fs::read(path.with_extension("db")).unwrap();
            let (_, document) = read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(document == truth, "{}", path.display());
            count += 1;
        }
    }
    println!("{count} databases");
    assert!(count > 0);
}

/// Proves that what a person should know is said: blacklisted keys by name, leftovers, oddities; and nothing else.
#[test]
fn notes_say_what_is_odd() {
    let expected: BTreeMap<&str, &[&str]> = [
        ("small-4k", &["blacklisted by an earlier import (`slashable-public-keys`), Prysm refuses to sign with: 0x8101…0111, 0x8505…0515"][..]),
        ("qrysm-small", &["blacklisted"]),
        ("churn", &[]),
        ("deep", &[]),
        ("no-keys", &[]),
        ("ring", &["2 key(s) have attestations in the bucket of before 2021"]),
        ("ring-migrated", &["2 key(s) have migrated attestations left"]),
        ("odd", &["1 attestation(s) have a signing root but no source", "1 key(s) with messages but no watermarks, or the reverse, the first of them 0x8404…0414"]),
        ("never-written", &["a new file: nothing was ever written to it"]),
    ]
    .into();
    for (name, expected) in expected {
        let (found, _) = read(&database(name)).unwrap();
        assert_eq!(found.notes.len(), expected.len(), "{name}: {:?}", found.notes);
        for (note, expected) in found.notes.iter().zip(expected) {
            assert!(note.starts_with(expected), "{name}: {note}");
        }
    }
}

/// Proves that a bolt file of something else, or of a schema that is not known, is never an empty history.
#[test]
fn another_schema_is_refused() {
    for (name, expected) in [
        (
            "foreign",
            "a bolt file without `proposal-history-bucket-interchange` and `pubkeys-bucket`",
        ),
        (
            "newer-schema",
            "holds data in a bucket `signed-things-v8` that is not known",
        ),
    ] {
        let error = read(&database(name)).unwrap_err();
        assert!(
            matches!(error, DatabaseError::Unsupported { .. }),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    for bytes in [&b""[..], b"SQLite format 3\0", &[0; 8192], &[0xff; 70000]] {
        let error = read(bytes).unwrap_err();
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error:?}");
    }
}

/// Counts what is read of a file.
struct Counted<'a> {
    bytes: &'a [u8],
    largest: Cell<usize>,
    total: Cell<usize>,
}

impl ReadAt for Counted<'_> {
    fn length(&self) -> std::io::Result<u64> {
        self.bytes.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.largest.set(self.largest.get().max(buffer.len()));
        self.total.set(self.total.get() + buffer.len());
        ReadAt::read_at(self.bytes, offset, buffer)
    }
}

/// Proves that pages pass by: never more than one is asked for at a time, and the whole is read about twice, not once
/// for each key.
#[test]
fn one_page_is_read_at_a_time() {
    for (name, largest) in [
        ("deep", 4096),
        ("many-64k", 65536),
        ("churn", 4096),
        ("qrysm", 4 * 4096),
    ] {
        let bytes = database(name);
        let counted = Counted {
            bytes: &bytes,
            largest: Cell::new(0),
            total: Cell::new(0),
        };
        let mut history = History::default();
        prysm::read(&counted, name, &mut history).unwrap();
        let (read, most) = (counted.largest.get(), 3 * bytes.len());
        assert!(read <= largest, "{name}: {read} bytes at once");
        assert!(
            counted.total.get() < most,
            "{name}: {} of {}",
            counted.total.get(),
            bytes.len()
        );
    }
}

/// Proves that a database that a validator has open is not read, and that reading it keeps no reader out.
#[test]
fn a_writers_lock_is_respected() {
    use rustix::fs::{FlockOperation, flock};
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), database("small-4k")).unwrap();
    let read = || prysm::read_file(file.path(), &mut History::default());
    let other = std::fs::File::open(file.path()).unwrap();
    flock(&other, FlockOperation::NonBlockingLockShared).unwrap();
    assert_eq!(read().unwrap().blocks, 4);
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = read().unwrap_err();
    assert!(matches!(error, DatabaseError::Locked { .. }), "{error:?}");
    drop(other);
    assert_eq!(read().unwrap().attestations, 5);
}
