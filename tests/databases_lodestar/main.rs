//! Lodestar's databases, made by Lodestar's own classes (`fixtures/databases/make-lodestar`): what is read is what Lodestar
//! itself exports, whole or damaged in every way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod entries;
mod hostile;
mod lock;
mod made;
mod random;
mod tables;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use failover::databases::{DatabaseError, Found, Memory, lodestar};
use failover::protection::{self, History, Interchange, Record, fold};

/// By Lodestar 0.34 on leveldown 6.1, and on classic-level 3.0 (`classic`); by Lodestar 1.5 (`newer`); by plyvel 1.5
/// (`plain`, `large-keys`).
const DATABASES: [&str; 10] = [
    "log",
    "reopened",
    "levels",
    "classic",
    "deleted",
    "newer",
    "killed",
    "compacting",
    "plain",
    "large-keys",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/databases/lodestar")
        .join(name)
}

fn gunzipped(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(fixture(name)).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn database(name: &str) -> Memory {
    let bytes = gunzipped(&format!("{name}.tar.gz"));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let file = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(file, content);
    }
    Memory(files)
}

/// Lodestar's export, without the names of metadata that it takes for keys.
fn export(name: &str) -> Interchange {
    let mut export = protection::read(&gunzipped(&format!("{name}.json.gz"))).unwrap();
    export.records.retain(|key, record| {
        let a_key = key.as_bytes().len() >= 48;
        assert!(a_key || *record == Record::default(), "{key}");
        a_key
    });
    sorted(export)
}

fn sorted(mut interchange: Interchange) -> Interchange {
    for record in interchange.records.values_mut() {
        record.blocks.sort();
        record.attestations.sort();
    }
    interchange
}

fn read(files: &Memory) -> Result<(Found, Interchange), DatabaseError> {
    let mut interchange = Interchange::default();
    let found = lodestar::read(files, &mut interchange)?;
    interchange.genesis_validators_root = found.genesis_validators_root;
    Ok((found, sorted(interchange)))
}

/// Proves that every message that Lodestar says was signed is read, and no other, whatever files it lies in.
#[test]
fn what_is_read_is_what_lodestar_exports() {
    for name in DATABASES {
        let files = database(name);
        let (found, read) = read(&files).unwrap_or_else(|error| panic!("{name}: {error}"));
        let export = export(name);
        assert!(!export.records.is_empty(), "{name}");
        assert_eq!(read, export, "{name}");
        let counts = (found.blocks as usize, found.attestations as usize);
        assert_eq!(counts, export.counts(), "{name}");
        assert_eq!(found.notes, Vec::<String>::new(), "{name}");
        let mut floors = History {
            genesis_validators_root: found.genesis_validators_root,
            ..History::default()
        };
        lodestar::read(&files, &mut floors).unwrap();
        assert_eq!(floors, fold(&export), "{name}");
    }
}

/// Proves that the databases are as awkward as they are said to be: logs, two logs at once, tables on several levels.
#[test]
fn the_databases_are_awkward() {
    let count = |name: &str, ending: &str| {
        let Memory(files) = database(name);
        files.keys().filter(|file| file.ends_with(ending)).count()
    };
    assert_eq!((count("log", ".log"), count("log", ".ldb")), (1, 0));
    assert_eq!(count("compacting", ".log"), 2);
    assert_eq!(count("reopened", ".log"), 1);
    for name in ["reopened", "levels", "large-keys", "plain"] {
        assert!(count(name, ".ldb") > 1, "{name}");
    }
}

/// Proves that a database into which was only imported names no chain, and that the client's row says that this happens:
/// else a hand-over to a standby that never ran is refused once a first one was undone. (Found by the lab, F26.)
#[test]
fn an_imported_database_names_no_chain() {
    let vote = (made::key(21, &[7; 48], Some(9)), made::value(&[8, 9], &[0; 32]));
    let (found, read) = read(&made::holding(&[vote])).unwrap();
    assert_eq!((found.attestations, found.genesis_validators_root), (1, None));
    assert_eq!(read.genesis_validators_root, None);
    assert!(!failover::clients::named("lodestar").unwrap().names_its_chain);
}
