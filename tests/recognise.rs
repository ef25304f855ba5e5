//! What lies at a path: each client's layout is found where its client keeps it, by content where that decides; nothing
//! broken is overlooked, and of two databases none is chosen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use failover::databases::{self, DatabaseError, Format, Lies, locate, recognise};
use failover::protection::{History, Interchange};

const INTERCHANGE: &str = r#"{"metadata":{"interchange_format_version":"5","genesis_validators_root":"0x1111111111111111111111111111111111111111111111111111111111111111"},"data":[{"pubkey":"0xabab","signed_blocks":[{"slot":"7"}],"signed_attestations":[]}]}"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        std::fs::canonicalize(self.0.path()).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn sqlite(&self, name: &str, schema: &str) -> PathBuf {
        let path = self.at(name);
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(schema)
            .unwrap();
        path
    }
}

const LIGHTHOUSE: &str = "CREATE TABLE validators (id INTEGER); CREATE TABLE signed_blocks (slot INTEGER); \
                          CREATE TABLE signed_attestations (target_epoch INTEGER);";
const NIMBUS: &str = "PRAGMA journal_mode = WAL; CREATE TABLE metadata (slashing_db_version INTEGER); \
                      CREATE TABLE signed_blocks (slot INTEGER);";

/// A file whose meta page at `at` is bbolt's.
fn bolt(at: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; 4 * 65536];
    bytes[at + 16..at + 24].copy_from_slice(&[0xed, 0xda, 0x0c, 0xed, 2, 0, 0, 0]);
    bytes
}

fn found(path: &Path) -> (Format, PathBuf) {
    match recognise(path).unwrap() {
        Lies::Database(located) => (located.format, located.path),
        other @ (Lies::Archive(_) | Lies::PackedInterchange(_) | Lies::Stream(_)) => panic!("{other:?}"),
    }
}

fn refused(path: &Path) -> String {
    recognise(path).unwrap_err().to_string()
}

/// Proves that a file is what its content says, whatever it is called.
#[test]
fn files_are_recognised_by_content() {
    let place = Place::new();
    let lighthouse = place.sqlite("copy-of-monday", LIGHTHOUSE);
    let nimbus = place.sqlite("copy of monday?#%.db", NIMBUS);
    for (path, format) in [
        (lighthouse, Format::Lighthouse),
        (nimbus, Format::Nimbus),
        (place.write("first-meta", bolt(0)), Format::Prysm),
        (place.write("second-meta-4", bolt(4096)), Format::Prysm),
        (place.write("second-meta-16", bolt(16384)), Format::Prysm),
        (place.write("second-meta-64", bolt(65536)), Format::Prysm),
        (place.write("export", INTERCHANGE), Format::Interchange),
        (
            place.write("blanks", format!("\n\t {INTERCHANGE}")),
            Format::Interchange,
        ),
        (place.write("failed", "null"), Format::Interchange),
        (place.write("empty.json", ""), Format::Interchange),
        (place.write("slashing_protection.sqlite", ""), Format::Lighthouse),
        (place.write("slashing_protection.sqlite3", "torn"), Format::Nimbus),
        (place.write("validator.db", [0; 64]), Format::Prysm),
    ] {
        assert_eq!(found(&path), (format, path.clone()), "{}", path.display());
    }
    for bytes in [
        b"\x1f\x8b\x08\x00".to_vec(),
        [vec![0; 257], b"ustar\0".to_vec()].concat(),
    ] {
        let path = place.write("packed", bytes);
        assert_eq!(recognise(&path).unwrap(), Lies::Archive(path));
    }
}

/// Proves that a Nimbus whose tables still stand in the log alone is not taken for something else.
#[test]
fn a_write_ahead_log_is_nimbus() {
    let place = Place::new();
    let path = place.at("slashing_protection.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA wal_autocheckpoint = 0;")
        .unwrap();
    connection.execute_batch(NIMBUS).unwrap();
    assert_eq!(found(&path).0, Format::Nimbus);
}

/// Where each client keeps its database below its data directory: a file of it, whose it is, and what is to be found.
const LAYOUTS: [(&str, Format, &str); 8] = [
    (
        "validators/slashing_protection.sqlite",
        Format::Lighthouse,
        "validators/slashing_protection.sqlite",
    ),
    (
        "validators/slashing_protection.sqlite3",
        Format::Nimbus,
        "validators/slashing_protection.sqlite3",
    ),
    ("validator.db", Format::Prysm, "validator.db"),
    (
        "validator-client-data/configuration.yaml",
        Format::PrysmMinimal,
        "validator-client-data/slashing-protection",
    ),
    (
        "slashing-protection/0xKEY.yaml",
        Format::PrysmMinimal,
        "slashing-protection",
    ),
    (
        "validator/slashprotection/KEY.yml",
        Format::Teku,
        "validator/slashprotection",
    ),
    ("validator-db/CURRENT", Format::Lodestar, "validator-db"),
    ("validator-db/MANIFEST-000004", Format::Lodestar, "validator-db"),
];

/// What lies beside a database in a real data directory.
const BESIDE: [&str; 7] = [
    "validators/validator_definitions.yml",
    "validators/api-token.txt",
    "validators/0xabab/voting-keystore.json",
    "keystore-m_12381.json",
    "beacon/chain_db/CURRENT",
    "chain-db/CURRENT",
    "beaconchaindata/beaconchain.db",
];

/// Proves that each client's database is found below its data directory, at any depth it may have in a backup.
#[test]
fn data_directories() {
    for (file, format, at) in LAYOUTS {
        for above in ["", "var/lib/docker/volumes/v/_data/"] {
            let place = Place::new();
            let name = format!("{above}{}", file.replace("KEY", &"ab".repeat(48)));
            match format {
                Format::Lighthouse => drop(place.sqlite(&name, LIGHTHOUSE)),
                Format::Nimbus => drop(place.sqlite(&name, NIMBUS)),
                Format::Prysm => drop(place.write(&name, bolt(0))),
                Format::PrysmMinimal
                | Format::Teku
                | Format::Lodestar
                | Format::Interchange
                | Format::Web3Signer => drop(place.write(&name, "x")),
            }
            for beside in BESIDE {
                place.write(&format!("{above}{beside}"), "{}");
            }
            let expected = place.path().join(format!("{above}{at}"));
            assert_eq!(found(&place.path()), (format, expected.clone()), "{above}{file}");
            assert_eq!(locate(format, &place.path()).unwrap(), expected, "{above}{file}");
            if expected.exists() {
                assert_eq!(
                    found(&expected),
                    (format, expected.clone()),
                    "{above}{file}, named itself"
                );
            }
        }
    }
}

/// Proves that of several databases none is chosen: reading one would hide what the other knows.
#[test]
fn several_are_refused_by_name() {
    for (one, two) in [
        ("slashing_protection.sqlite", "slashing_protection.sqlite.bak"),
        (
            "validators/slashing_protection.sqlite",
            "old/slashing_protection.sqlite",
        ),
    ] {
        let place = Place::new();
        place.sqlite(one, LIGHTHOUSE);
        place.sqlite(two, LIGHTHOUSE);
        let told = refused(&place.path());
        assert!(told.contains(one) && told.contains(two), "{told}");
        assert!(locate(Format::Nimbus, &place.path()).is_err());
    }
    let both: [&[(&str, &[u8])]; 5] = [
        &[
            ("validator.db", b""),
            ("validator-client-data/configuration.yaml", b""),
        ],
        &[
            ("slashing_protection.sqlite", b""),
            ("slashing_protection.json", b""),
        ],
        &[
            ("validator.db", b""),
            ("export-of-monday.json", INTERCHANGE.as_bytes()),
        ],
        &[("validator-db/CURRENT", b""), ("validator-db.old/CURRENT", b"")],
        // Prysm's importer does that: prysm#17514.
        &[
            ("validator-client-data/configuration.yaml", b""),
            (
                "validator-client-data/validator-client-data/configuration.yaml",
                b"",
            ),
        ],
    ];
    for files in both {
        let place = Place::new();
        for (name, bytes) in files {
            place.write(name, bytes);
        }
        let told = refused(&place.path());
        assert!(told.contains("2 protection databases lie here"), "{told}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    /// Proves that of any databases and anything beside them, one is found, and none and several are refused.
    #[test]
    fn exactly_one(databases in proptest::collection::vec(proptest::bool::ANY, 7), beside in proptest::collection::vec(proptest::bool::ANY, BESIDE.len())) {
        let place = Place::new();
        // The last of the layouts is the same database once more, and so is the second of Prysm minimal.
        let layouts = LAYOUTS.iter().filter(|(file, ..)| !file.starts_with("slashing-protection"));
        let chosen: Vec<_> = layouts.zip(&databases).filter(|(_, chosen)| **chosen).map(|(layout, _)| *layout).collect();
        for (file, ..) in &chosen {
            place.write(&file.replace("KEY", &"ab".repeat(48)), "x");
        }
        for (name, _) in BESIDE.iter().zip(&beside).filter(|(_, chosen)| **chosen) {
            place.write(name, "{}");
        }
        let mut places: Vec<_> = chosen.iter().map(|(_, format, at)| (*format, place.path().join(at))).collect();
        places.dedup();
        match (places.as_slice(), recognise(&place.path())) {
            ([one], found) => assert_eq!(found.unwrap(), Lies::Database(databases::Located { format: one.0, path: one.1.clone() })),
            ([], found) => assert!(matches!(found, Err(DatabaseError::NotRecognised { .. }))),
            (several, found) => {
                let told = found.unwrap_err().to_string();
                assert!(told.contains(&format!("{} protection databases lie here", several.len())), "{told}");
            }
        }
    }
}

/// Proves that a link below the path is neither followed nor passed by, while the path itself may be one.
#[test]
fn links() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let real = place.sqlite("elsewhere/validators/slashing_protection.sqlite", LIGHTHOUSE);
    symlink(place.at("elsewhere"), place.at("named")).unwrap();
    assert_eq!(
        found(&place.path().join("named")),
        (Format::Lighthouse, real.clone())
    );
    for (link, target) in [
        ("a/slashing_protection.sqlite", real.clone()),
        ("b/validators", real.parent().unwrap().to_owned()),
    ] {
        let path = place.at(link);
        symlink(target, &path).unwrap();
        let told = refused(path.parent().unwrap());
        assert!(told.contains("a link, which is not followed"), "{told}");
    }
}

/// Proves that what is no database is refused with what would have been one, and parts with where they belong.
#[test]
fn refusals() {
    let place = Place::new();
    assert!(refused(&place.path()).contains("looked for"));
    assert!(refused(&place.write("notes.txt", "hello")).contains("looked for"));
    assert!(refused(&place.sqlite("other.db", "CREATE TABLE t (a)")).contains("looked for"));
    assert!(refused(&place.write("zero", "")).contains("not an empty history"));
    for part in ["CURRENT", "MANIFEST-000001", "000003.log", "000005.ldb"] {
        let path = place.write(&format!("level/{part}"), "x");
        assert!(refused(&path).contains("Name the directory"), "{part}");
    }
    let teku = place.write(&format!("{}.yml", "ab".repeat(48)), "x");
    assert!(refused(&teku).contains("Name the directory"));
    assert!(matches!(
        recognise(&place.path().join("nowhere")),
        Err(DatabaseError::Io { .. })
    ));
}

/// Proves that what may be a key or a password is not opened.
#[test]
fn secrets_are_not_opened() {
    let place = Place::new();
    let database = place.sqlite("validators/slashing_protection.sqlite", LIGHTHOUSE);
    for name in ["keystore.json", "api-token.json", "Passwords.db", "wallet.json"] {
        // Were it opened, it would be a second database.
        place.write(name, INTERCHANGE);
    }
    assert_eq!(found(&place.path()), (Format::Lighthouse, database));
}

/// Proves that an interchange is read to the same floors by its path, through a pipe and folded or whole.
#[test]
fn an_interchange_is_read() {
    let place = Place::new();
    let path = place.write("exports/slashing_protection.json", INTERCHANGE);
    let mut history = History::default();
    let read = databases::read(&path, &mut history).unwrap();
    assert_eq!(
        (read.format, read.blocks, read.attestations),
        (Format::Interchange, 1, 0)
    );
    assert!(read.notes.is_empty(), "{:?}", read.notes);
    let mut again = Interchange::default();
    let below = databases::read(&place.path(), &mut again).unwrap();
    assert_eq!(below.notes, ["read from exports/slashing_protection.json"]);
    assert_eq!(failover::protection::fold(&again).floors, history.floors);
    let mut piped = History::default();
    databases::read_stream(INTERCHANGE.as_bytes(), "pipe", &mut piped).unwrap();
    assert_eq!(piped.floors, history.floors);
}

/// Proves that an error names the path as it was given.
#[test]
fn errors_name_the_path_as_given() {
    let place = Place::new();
    place.write("real/torn.json", &INTERCHANGE[..50]);
    std::os::unix::fs::symlink(place.at("real"), place.at("link")).unwrap();
    let given = place.path().join("link/torn.json");
    let told = databases::read(&given, &mut History::default())
        .unwrap_err()
        .to_string();
    assert!(told.starts_with(&format!("{}: ", given.display())), "{told}");
}
