//! Is Web3Signer's database read as its schema of version 12 says, and everything else refused? Needs a PostgreSQL
//! server, so all of it is left out of `cargo test`; tests/lab/test_web3signer.py starts one and runs this.
//!
//!   FAILOVER_POSTGRES=postgres:///postgres?host=/DIRECTORY&user=USER cargo test --test databases_web3signer -- --ignored

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use failover::databases::{DatabaseError, Format, Found, web3signer};
use failover::protection::{
    GenesisRoot, History, Interchange, PublicKey, Record, Root, SignedAttestation, SignedBlock, fold,
};
use postgres::{Client, NoTls};

const SCHEMA: &str = include_str!("lab/web3signer.sql");

/// A database of its own, dropped at the end of the test.
struct Made {
    url: String,
    name: String,
    client: Option<Client>,
}

fn server() -> String {
    std::env::var("FAILOVER_POSTGRES").expect("FAILOVER_POSTGRES names a server where databases may be made")
}

fn make() -> Made {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("w{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut first = Client::connect(&server(), NoTls).unwrap();
    first.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = server().replacen("/postgres?", &format!("/{name}?"), 1);
    let mut client = Client::connect(&url, NoTls).unwrap();
    client.batch_execute(SCHEMA).unwrap();
    Made {
        url,
        name,
        client: Some(client),
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.client = None;
        let mut first = Client::connect(&server(), NoTls).unwrap();
        let _ = first.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

impl Made {
    fn run(&mut self, sql: &str) {
        self.client.as_mut().unwrap().batch_execute(sql).unwrap();
    }

    fn read(&self) -> Result<(Found, Interchange), DatabaseError> {
        let mut sink = Interchange::default();
        let found = web3signer::read(&self.url, &mut sink)?;
        Ok((found, sink))
    }
}

const SOME: &str = "
    INSERT INTO metadata VALUES (1, decode(repeat('ab', 32), 'hex'));
    INSERT INTO validators (public_key) VALUES (decode(repeat('01', 48), 'hex')), (decode(repeat('02', 48), 'hex'));
    INSERT INTO signed_blocks (validator_id, slot, signing_root) VALUES
        (1, 100, decode(repeat('07', 32), 'hex')), (1, 101, NULL);
    INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch, signing_root) VALUES
        (1, 2, 3, decode(repeat('07', 32), 'hex')), (1, 3, 4, decode(repeat('00', 32), 'hex'));
    INSERT INTO low_watermarks (validator_id, slot, target_epoch, source_epoch) VALUES
        (1, 90, 2, 1), (2, 5, NULL, NULL);";

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 48]).unwrap()
}

fn block(slot: u64, known: bool) -> SignedBlock {
    SignedBlock {
        slot,
        signing_root: Root::known([7; 32]).filter(|_| known),
    }
}

fn vote(source_epoch: u64, target_epoch: u64, known: bool) -> SignedAttestation {
    SignedAttestation {
        source_epoch,
        target_epoch,
        signing_root: Root::known([7; 32]).filter(|_| known),
    }
}

#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn every_row_and_watermark_is_read() {
    let mut made = make();
    made.run(SOME);
    made.run("UPDATE validators SET enabled = false WHERE id = 2");
    made.run("UPDATE metadata SET high_watermark_slot = 5000, high_watermark_epoch = 150");
    let (found, messages) = made.read().unwrap();
    let expected = BTreeMap::from([
        (
            key(1),
            Record {
                blocks: vec![block(100, true), block(101, false), block(90, false)],
                attestations: vec![vote(2, 3, true), vote(3, 4, false), vote(1, 2, false)],
            },
        ),
        (
            key(2),
            Record {
                blocks: vec![block(5, false)],
                attestations: vec![],
            },
        ),
    ]);
    assert_eq!(messages.records, expected);
    assert_eq!(
        (found.format, found.blocks, found.attestations),
        (Format::Web3Signer, 4, 3)
    );
    assert_eq!(found.genesis_validators_root, Some(GenesisRoot([0xab; 32])));
    let notes = [
        "1 keys are disabled; what they signed is read",
        "1 other connections to this database are open: a signer may be alive, and what it signs from now on is not in this reading",
        "a high watermark forbids attestations of epoch 150 and above",
        "a high watermark forbids blocks of slot 5000 and above",
    ];
    assert_eq!(found.notes, notes);
    let mut floors = History::default();
    made.client = None;
    let found = web3signer::read(&made.url, &mut floors).unwrap();
    assert_eq!(floors.floors, fold(&messages).floors);
    assert!(
        !found.notes.iter().any(|note| note.contains("other connections")),
        "{:?}",
        found.notes
    );
}

#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn many_rows_pass_by() {
    let mut made = make();
    made.run(SOME);
    made.run("INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) SELECT 2, i, i + 1 FROM generate_series(10, 30009) i");
    let (found, messages) = made.read().unwrap();
    assert_eq!(
        (found.attestations, messages.records[&key(2)].attestations.len()),
        (30_003, 30_000)
    );
}

#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn an_empty_database_names_no_chain() {
    let mut made = make();
    let (found, messages) = made.read().unwrap();
    assert_eq!(
        (found.genesis_validators_root, messages),
        (None, Interchange::default())
    );
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("no chain is named yet"))
    );
    made.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    assert!(matches!(made.read(), Err(DatabaseError::Unsupported { .. })));
}

#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn what_web3signer_does_not_write_is_refused() {
    let loose = "ALTER TABLE signed_blocks DROP CONSTRAINT signed_blocks_validator_id_fkey;";
    for (sql, says) in [
        (
            "UPDATE database_version SET version = 11",
            "of version 11, 12 is known. Export it",
        ),
        ("UPDATE database_version SET version = 13", "of version 13"),
        ("DELETE FROM database_version", "names no version"),
        ("DROP TABLE database_version", "not Web3Signer's schema"),
        ("DROP TABLE low_watermarks", "not Web3Signer's schema"),
        (
            "ALTER TABLE signed_blocks RENAME COLUMN slot TO s",
            "not Web3Signer's schema",
        ),
        (
            "INSERT INTO metadata SELECT 2, genesis_validators_root FROM metadata",
            "several rows",
        ),
        (
            "UPDATE metadata SET genesis_validators_root = 'x'",
            "not 32 bytes",
        ),
        (
            "UPDATE signed_blocks SET slot = -1 WHERE slot = 100",
            "table signed_blocks: damaged: slot -1 is out of range",
        ),
        (
            "UPDATE signed_blocks SET slot = 9007199254740992 WHERE slot = 100",
            "slot 9007199254740992",
        ),
        (
            "UPDATE signed_blocks SET slot = 'NaN' WHERE slot = 100",
            "slot NaN",
        ),
        (
            "UPDATE signed_attestations SET source_epoch = 18446744073709551615",
            "source epoch 18446744073709551615",
        ),
        (
            "UPDATE signed_attestations SET signing_root = 'ab'",
            "a signing root of 2 bytes",
        ),
        (
            "UPDATE signed_attestations SET validator_id = NULL",
            "refers to no validator",
        ),
        ("UPDATE validators SET public_key = '' WHERE id = 1", "empty"),
        (
            &format!("{loose} UPDATE signed_blocks SET validator_id = 77"),
            "refers to validator 77, which there is not",
        ),
        (
            "ALTER TABLE low_watermarks DROP CONSTRAINT both_epochs_set_or_null; UPDATE low_watermarks SET source_epoch = NULL",
            "a row without source epoch",
        ),
    ] {
        let mut made = make();
        made.run(SOME);
        made.run(sql);
        let error = made.read().expect_err(sql).to_string();
        assert!(error.contains(says), "{sql}: {error}");
    }
}

/// One reading is one moment: what is signed while it runs is in all of it or in none.
#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn nothing_can_be_written_by_a_reading_and_a_held_table_is_not_waited_for_for_ever() {
    let mut made = make();
    made.run(SOME);
    // A rule that writes when it is read would be the only way to write; a function that does so is refused.
    made.run(
        "CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO validators (public_key) VALUES ('x'); RETURN 1; END $$;
         ALTER TABLE low_watermarks RENAME TO kept;
         CREATE VIEW low_watermarks AS SELECT writes() AS validator_id, slot, source_epoch, target_epoch FROM kept",
    );
    let error = made.read().unwrap_err().to_string();
    assert!(error.contains("read-only transaction"), "{error}");
    made.run("BEGIN; LOCK TABLE signed_blocks IN ACCESS EXCLUSIVE MODE");
    let error = made.read().unwrap_err().to_string();
    assert!(error.contains("lock timeout"), "{error}");
    made.run("ROLLBACK");
}

#[test]
#[ignore = "needs PostgreSQL: tests/lab/test_web3signer.py"]
fn no_password_is_told_when_the_server_refuses() {
    let url = server().replacen("user=", "password=s3cret&user=nobody_", 1);
    let error = web3signer::read(&url, &mut History::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nobody_") && error.contains("FATAL") && !error.contains("s3cret"),
        "{error}"
    );
}
