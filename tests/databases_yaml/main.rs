//! Prysm's minimal database and Teku's, written by the YAML libraries that those clients write with
//! (tests/fixtures/databases/make-yaml). Must never let a file that was cut, emptied or zeroed pass for a key that never
//! signed: every cut of every file is tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod odd;

use std::path::{Path, PathBuf};

use failover::databases::{DatabaseError, Directory, Found, Memory, OnDisk, prysm_minimal, teku};
use failover::protection::{Floors, GenesisRoot, History, Interchange, PublicKey};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/databases")
        .join(name)
}

fn held(path: &Path) -> Memory {
    let disk = OnDisk(path.to_owned());
    let names = disk.names().unwrap();
    Memory(
        names
            .into_iter()
            .map(|name| (name.clone(), disk.read(&name, 1 << 20).unwrap()))
            .collect(),
    )
}

fn files(files: &[(&str, &str)]) -> Memory {
    Memory(
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect(),
    )
}

fn key(index: u8) -> PublicKey {
    PublicKey::from_bytes(&[0x80 | index, index, 0x77].repeat(16)).unwrap()
}

fn floors(block_slot: Option<u64>, vote: Option<(u64, u64)>) -> Floors {
    Floors {
        block_slot,
        source_epoch: vote.map(|vote| vote.0),
        target_epoch: vote.map(|vote| vote.1),
    }
}

fn minimal(top: &dyn Directory, keys: &dyn Directory) -> Result<(Found, History), DatabaseError> {
    let mut history = History::default();
    let found = prysm_minimal::read(top, keys, &mut history)?;
    Ok((found, history))
}

fn of_teku(dir: &dyn Directory) -> Result<(Found, History), DatabaseError> {
    let mut history = History::default();
    let found = teku::read(dir, &mut history)?;
    Ok((found, history))
}

/// One record of each client, alone in its directory.
fn minimal_record(text: &[u8]) -> Result<(Found, History), DatabaseError> {
    minimal(
        &Memory::default(),
        &Memory([("0xab.yaml".to_owned(), text.to_vec())].into()),
    )
}

fn teku_record(text: &[u8]) -> Result<(Found, History), DatabaseError> {
    of_teku(&Memory([("ab.yml".to_owned(), text.to_vec())].into()))
}

const SLOT: &str = "latestSignedBlockSlot";
const SOURCE: &str = "lastSignedAttestationSourceEpoch";
const TARGET: &str = "lastSignedAttestationTargetEpoch";

/// Proves that what yaml.v3 wrote is read: every field that may be left out, the largest numbers, the chain among
/// settings.
#[test]
fn prysm_minimal_reads_what_its_library_wrote() {
    let top = fixture("prysm-minimal");
    let (found, history) = minimal(&OnDisk(top.clone()), &OnDisk(top.join("slashing-protection"))).unwrap();
    let largest = (1 << 53) - 1;
    let expected = [
        floors(Some(12345), Some((383, 384))),
        floors(None, None),
        floors(Some(320), None),
        floors(None, Some((99, 100))),
        floors(None, Some((0, 0))),
        floors(Some(largest), Some((largest - 1, largest))),
    ];
    assert_eq!(history.floors, (0..).map(key).zip(expected).collect());
    assert_eq!(found.genesis_validators_root, Some(GenesisRoot([0x4b; 32])));
    assert_eq!(
        (found.blocks, found.attestations, found.notes),
        (3, 4, Vec::<String>::new())
    );
}

/// Proves the same of Jackson, and that null and 2^64-1 both mean never.
#[test]
fn teku_reads_what_its_library_wrote() {
    let (found, history) = of_teku(&OnDisk(fixture("teku"))).unwrap();
    let expected = [
        floors(Some(12345), Some((383, 384))),
        floors(None, None),
        floors(Some(320), None),
        floors(None, Some((99, 100))),
        floors(Some(71090), Some((2290, 3247))),
        floors(Some(11), None),
        floors(None, Some((0, 0))),
    ];
    assert_eq!(history.floors, (0..).map(key).zip(expected).collect());
    assert_eq!(found.genesis_validators_root, Some(GenesisRoot([0x4b; 32])));
    assert_eq!((found.blocks, found.attestations), (5, 4));
    let notes = ["2 record(s) name no chain: old ones, or of an import without a genesis validators root"];
    assert_eq!(found.notes, notes);
    let mut document = Interchange::default();
    teku::read(&OnDisk(fixture("teku")), &mut document).unwrap();
    assert_eq!(document.counts(), (5, 4));
}

/// Proves that a record cut at any byte, or zeroed from any byte on, is damage; but for one cut that no reader can see.
#[test]
fn every_cut_is_damage() {
    let minimal_keys = held(&fixture("prysm-minimal/slashing-protection"));
    let records = held(&fixture("teku"));
    let mut unseen = Vec::new();
    let mut tried = 0;
    for (read, client, all) in [
        (minimal_record as fn(&[u8]) -> _, "prysm", minimal_keys),
        (teku_record, "teku", records),
    ] {
        for bytes in all.0.values() {
            let whole = read(bytes).unwrap().1;
            for at in 0..bytes.len() {
                let mut zeroed = bytes.clone();
                zeroed[at..].fill(0);
                for (damaged, how) in [(&bytes[..at], "cut"), (&zeroed[..], "zeroed")] {
                    tried += 1;
                    match read(damaged) {
                        Err(error) => assert!(matches!(error, DatabaseError::Damaged { .. }), "{error:?}"),
                        Ok((_, less)) if less == whole => {}
                        Ok(_) => {
                            unseen.push((client, how, String::from_utf8_lossy(&bytes[at..]).into_owned()))
                        }
                    }
                }
            }
        }
    }
    // Source epoch 0 and no target is what Prysm writes for a key that never attested.
    assert_eq!(unseen, [("prysm", "cut", format!("{TARGET}: 0\n"))]);
    assert!(tried > 2000, "{tried}");
}

/// Proves the same of Prysm's configuration.
#[test]
fn a_cut_configuration_is_damage_or_says_no_chain() {
    let text = std::fs::read(fixture("prysm-minimal/configuration.yaml")).unwrap();
    let read = |text: &[u8]| {
        minimal(
            &Memory([("configuration.yaml".to_owned(), text.to_vec())].into()),
            &Memory::default(),
        )
    };
    assert_eq!(
        read(&text).unwrap().0.genesis_validators_root,
        Some(GenesisRoot([0x4b; 32]))
    );
    for at in 0..text.len() {
        if let Ok((found, _)) = read(&text[..at]) {
            assert_eq!(
                found.genesis_validators_root,
                Some(GenesisRoot([0x4b; 32])),
                "{at}"
            );
            assert_eq!(text[at - 1], b'\n');
        }
    }
}

/// Proves that a directory of something else is not an empty database, and that what lies beside the records is told of.
#[test]
fn other_files_are_told_of() {
    let record = format!("{SOURCE}: 1\n{TARGET}: 2\n");
    let keys = files(&[("0xab.yaml", &record), ("0xcd.yaml.swp", "x"), ("notes.txt", "x")]);
    let (found, history) = minimal(&files(&[("validator.db", "")]), &keys).unwrap();
    assert_eq!(history.floors.len(), 1);
    let notes = [
        "no genesis validators root is stored",
        "not a part of the database, passed over: validator.db",
        "not a record, passed over: 0xcd.yaml.swp",
        "not a record, passed over: notes.txt",
    ];
    assert_eq!(found.notes, notes);
    let error = minimal(&files(&[]), &files(&[("notes.txt", "x")])).unwrap_err();
    assert!(matches!(error, DatabaseError::NotRecognised { .. }), "{error:?}");
    let error = minimal(&files(&[]), &files(&[("0xabc.yaml", &record)])).unwrap_err();
    assert!(error.to_string().contains("its name is no key"), "{error}");

    let record = "---\nlastSignedBlockSlot: 1\nlastSignedAttestationSourceEpoch: null\nlastSignedAttestationTargetEpoch: null\n";
    let (found, history) = of_teku(&files(&[
        ("ab.yml", record),
        ("ab.yml.tmp", ""),
        ("ab.yml1.tmp", "x"),
    ]))
    .unwrap();
    assert_eq!(history.floors.len(), 1);
    assert_eq!(found.notes.len(), 3, "{:?}", found.notes);
    let (found, history) = of_teku(&Memory::default()).unwrap();
    assert!(history.floors.is_empty() && found.notes == ["the directory is empty: no key ever signed"]);
    let error = of_teku(&files(&[("ab.yml.tmp", record)])).unwrap_err();
    assert!(matches!(error, DatabaseError::NotRecognised { .. }), "{error:?}");
    let error = of_teku(&files(&[("key.yml", record)])).unwrap_err();
    assert!(error.to_string().contains("its name is no key"), "{error}");
}

/// Proves that records of two chains are not mixed.
#[test]
fn two_chains_are_refused() {
    let record = |byte: &str| {
        let root = byte.repeat(32);
        format!(
            "---\ngenesisValidatorsRoot: \"0x{root}\"\nlastSignedBlockSlot: 1\n{SOURCE}: null\n{TARGET}: null\n"
        )
    };
    let error = of_teku(&files(&[("aa.yml", &record("11")), ("bb.yml", &record("22"))])).unwrap_err();
    assert!(matches!(error, DatabaseError::Unsupported { .. }), "{error:?}");
    assert!(of_teku(&files(&[("aa.yml", &record("11")), ("bb.yml", &record("11"))])).is_ok());
}

/// Proves that a name of any length is a key: nothing is cut or padded to 48 bytes.
#[test]
fn keys_may_be_long() {
    let name = "ab".repeat(2592);
    let record = "---\nlastSignedBlockSlot: 1\nlastSignedAttestationSourceEpoch: 2\nlastSignedAttestationTargetEpoch: 3\n";
    let (_, history) = of_teku(&files(&[(&format!("{name}.yml"), record)])).unwrap();
    assert_eq!(
        history.floors_of(&PublicKey::parse(&name).unwrap()),
        floors(Some(1), Some((2, 3)))
    );
}

proptest! {
    /// Proves that neither reader panics on any file.
    #[test]
    fn no_file_makes_them_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = minimal_record(&bytes);
        let _ = teku_record(&bytes);
        let mut line = bytes;
        line.push(b'\n');
        let _ = minimal_record(&line);
        let _ = teku_record(&line);
    }

    /// Proves the same of files that are nearly right.
    #[test]
    fn no_damage_makes_them_panic(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let all = held(&fixture("teku"));
        let mut bytes = all.0.values().nth(which.index(all.0.len())).unwrap().clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = teku_record(&bytes);
        let _ = minimal_record(&bytes);
        let _ = minimal(&Memory([("configuration.yaml".to_owned(), bytes)].into()), &Memory::default());
    }

    /// Proves that any numbers come back as they were written.
    #[test]
    fn numbers_come_back(slot in prop::option::of(0u64..1 << 53), vote in prop::option::of((0u64..1 << 53, 0u64..1 << 53))) {
        let shown = |number: Option<u64>| number.map_or("null".to_owned(), |number| number.to_string());
        let (source, target) = (shown(vote.map(|vote| vote.0)), shown(vote.map(|vote| vote.1)));
        let text = format!("---\nlastSignedBlockSlot: {}\n{SOURCE}: {source}\n{TARGET}: {target}\n", shown(slot));
        let (_, history) = teku_record(text.as_bytes()).unwrap();
        let key = PublicKey::parse("ab").unwrap();
        let expected = floors(slot.filter(|slot| *slot > 0), vote);
        prop_assert_eq!(history.floors_of(&key), expected);

        let line = |field: &str, number: Option<u64>| number.map_or(String::new(), |number| format!("{field}: {number}\n"));
        let text = line(SLOT, slot) + &line(SOURCE, Some(vote.map_or(0, |vote| vote.0))) + &line(TARGET, vote.map(|vote| vote.1));
        let (_, history) = minimal_record(text.as_bytes()).unwrap();
        prop_assert_eq!(history.floors_of(&key), expected);
    }
}
