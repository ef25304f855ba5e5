//! `failover protection` over the clients' own databases: each is found below a data directory as its client keeps it, is
//! shown, written as an interchange, and covered by what was written. Databases are those of `tests/fixtures/databases`;
//! SQLite's are made here.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::protection::ROOT;
use crate::{Sandbox, assert_shown};

const MESSAGES: &str = "
    CREATE TABLE signed_blocks (
        validator_id INTEGER NOT NULL, slot INTEGER NOT NULL, signing_root BLOB NOT NULL,
        FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, slot));
    CREATE TABLE signed_attestations (
        validator_id INTEGER, source_epoch INTEGER NOT NULL, target_epoch INTEGER NOT NULL, signing_root BLOB NOT NULL,
        FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, target_epoch));
    INSERT INTO signed_blocks VALUES (1, 100, x'0a'), (1, 90, zeroblob(32));
    UPDATE signed_blocks SET signing_root = zeroblob(32);
    INSERT INTO signed_attestations VALUES (1, 10, 11, zeroblob(32)), (1, 11, 12, zeroblob(32));";

/// Each client's database in a data directory of its own, `NAME-data`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::fresh();
    let key = "ab".repeat(48);
    let at = |name: &str| {
        let path = sandbox.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    sqlite(
        &at("lighthouse-data/validators/slashing_protection.sqlite"),
        &format!(
            "CREATE TABLE validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE, enabled BOOL NOT NULL \
             DEFAULT TRUE); INSERT INTO validators (id, public_key) VALUES (1, '0x{key}');"
        ),
    );
    sqlite(
        &at("nimbus-data/validators/slashing_protection.sqlite3"),
        &format!(
            "PRAGMA journal_mode = WAL; PRAGMA user_version = 3; CREATE TABLE metadata (slashing_db_version INTEGER, \
             genesis_validators_root BLOB NOT NULL); INSERT INTO metadata VALUES (2, x'{}'); CREATE TABLE validators \
             (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE); INSERT INTO validators VALUES (1, x'{key}');",
            "11".repeat(32)
        ),
    );
    for (client, fixture) in [
        ("prysm", "bolt/small-16k.db.gz"),
        ("qrysm", "bolt/qrysm-small.db.gz"),
    ] {
        std::fs::write(at(&format!("{client}-data/validator.db")), gunzip(fixture)).unwrap();
    }
    for (fixture_name, to) in [
        ("teku", "teku-data/validator/slashprotection"),
        ("prysm-minimal", "minimal-data/validator-client-data"),
        (
            "prysm-minimal/slashing-protection",
            "minimal-data/validator-client-data/slashing-protection",
        ),
    ] {
        let from = std::fs::read_dir(fixture(fixture_name)).unwrap();
        for file in from
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
        {
            let name = file.file_name().unwrap().to_str().unwrap();
            std::fs::copy(&file, at(&format!("{to}/{name}"))).unwrap();
        }
    }
    let lodestar = fixture("lodestar/classic.tar.gz");
    std::fs::copy(lodestar, at("lodestar-backup.tar.gz")).unwrap();
    sandbox
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/databases")
        .join(name)
}

fn gunzip(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(fixture(name)).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn sqlite(path: &Path, schema: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(schema).unwrap();
    connection.execute_batch(MESSAGES).unwrap();
}

/// What is named, and whether its chain must be vouched for.
const SOURCES: [(&str, bool); 7] = [
    ("lighthouse-data", true),
    ("nimbus-data", false),
    ("prysm-data", false),
    ("qrysm-data", false),
    ("minimal-data", false),
    ("teku-data", false),
    ("lodestar-backup.tar.gz", false),
];

/// Proves that a database of each client is recognised by its data directory or backup, and shown.
#[test]
fn each_client_is_shown() {
    let sandbox = sandbox();
    let shown: Vec<String> = SOURCES
        .iter()
        .map(|(source, _)| sandbox.says(&["protection", "inspect", source]))
        .collect();
    assert!(
        shown.iter().all(|shown| shown.contains("\nexit 0\n")),
        "{shown:#?}"
    );
    assert_shown("protection-databases", &shown.join("\n\n"));
}

/// Proves that what is written of a database covers it and is covered by it: no floor is lost and none invented.
#[test]
fn what_is_written_is_what_was_read() {
    let sandbox = sandbox();
    for (source, vouched) in SOURCES {
        let vouch: &[&str] = if vouched {
            &["--genesis-validators-root", ROOT]
        } else {
            &[]
        };
        let (valid, told) = sandbox.run(&["protection", "validate", source]);
        assert_eq!(valid, 0, "{source}: {told}");
        for strategy in [&[][..], &["--complete"]] {
            let output = format!("{source}{}.json", strategy.len());
            let convert = ["protection", "convert", source, "-o", &output];
            let unvouched = sandbox.run(&[&convert[..], strategy].concat()).0;
            assert_eq!(
                unvouched,
                i32::from(vouched),
                "{source}: an unknown chain must be vouched for"
            );
            if vouched {
                assert_eq!(
                    sandbox.run(&[&convert[..], strategy, vouch].concat()).0,
                    0,
                    "{source}"
                );
            }
            for (a, b) in [(source, output.as_str()), (output.as_str(), source)] {
                let (code, told) = sandbox.run(&[&["protection", "diff", a, b], vouch].concat());
                assert_eq!(code, 0, "{told}");
            }
        }
    }
}

/// Proves that a database that a validator may have open is not read, and that one lost byte is no smaller history.
#[test]
fn in_use_or_damaged() {
    let sandbox = sandbox();
    let path = sandbox.path().join("prysm-data/validator.db");
    let held = std::fs::File::open(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let locked = sandbox.says(&["protection", "inspect", "prysm-data"]);
    drop(held);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let shown = [locked, sandbox.says(&["protection", "inspect", "prysm-data"]), {
        std::fs::write(&path, "").unwrap();
        sandbox.says(&[
            "protection",
            "merge",
            "qrysm-data",
            "prysm-data",
            "-o",
            "merged.json",
        ])
    }];
    for one in &shown {
        assert!(one.contains("\nexit 1\n") && !one.contains("stdout"), "{one}");
    }
    assert!(!sandbox.path().join("merged.json").exists());
    assert_shown("protection-databases-refused", &shown.join("\n\n"));
}
