//! Is a database refused, and rightly named, whose rows or tables are not what its client writes?

use failover::databases::DatabaseError;

use crate::making::{Client, Lighthouse, Nimbus, make, read};

/// Runs each on a database of one key, and looks at what is said of it.
fn refused(client: Client, cases: &[(&str, &str)], kind: fn(&DatabaseError) -> bool) {
    for (sql, says) in cases {
        let made = make(client);
        made.add_some();
        made.run("PRAGMA foreign_keys = OFF");
        made.run(sql);
        let error = read(client, &made.path).expect_err(sql);
        assert!(kind(&error) && error.to_string().contains(says), "{sql}: {error}");
    }
}

fn damaged(client: Client, cases: &[(&str, &str)]) {
    refused(client, cases, |error| {
        matches!(error, DatabaseError::Damaged { .. })
    });
}

fn unknown(client: Client, cases: &[(&str, &str)]) {
    refused(client, cases, |error| {
        matches!(error, DatabaseError::Unsupported { .. })
    });
}

#[test]
fn rows_that_no_client_writes() {
    let cases = [
        (
            "UPDATE signed_blocks SET slot = -1",
            "table signed_blocks, row 1: damaged: slot -1 is out of range",
        ),
        (
            "UPDATE signed_blocks SET slot = 9007199254740992",
            "slot 9007199254740992 is out of range",
        ),
        (
            "UPDATE signed_blocks SET slot = 'x'",
            "slot is Text, not a number",
        ),
        ("UPDATE signed_blocks SET slot = 1.5", "slot is Real"),
        (
            "UPDATE signed_attestations SET source_epoch = -5",
            "table signed_attestations, row 1: damaged: source epoch",
        ),
        (
            "UPDATE signed_attestations SET target_epoch = x'00' WHERE target_epoch = 3",
            "target epoch is Blob",
        ),
        (
            "UPDATE signed_blocks SET signing_root = x'0102'",
            "a signing root of 2 bytes",
        ),
        (
            "UPDATE signed_attestations SET signing_root = x''",
            "a signing root of 0 bytes",
        ),
        (
            "UPDATE signed_attestations SET signing_root = '0x'",
            "a signing root that is Text",
        ),
        (
            "UPDATE signed_blocks SET validator_id = 9",
            "it refers to validator 9, which there is not",
        ),
        (
            "UPDATE signed_attestations SET validator_id = NULL",
            "a validator that is Null",
        ),
        ("DELETE FROM validators", "which there is not"),
        (
            "UPDATE validators SET public_key = 7",
            "table validators, row 1: damaged: a public key that is Integer",
        ),
        ("UPDATE validators SET public_key = x'01'", "public key"),
    ];
    damaged(Lighthouse, &cases);
    damaged(Nimbus, &cases);
}

#[test]
fn rows_that_this_client_does_not_write() {
    damaged(
        Lighthouse,
        &[
            (
                "UPDATE validators SET public_key = '0x12'",
                "a public key of 1 bytes, not 48",
            ),
            ("UPDATE validators SET public_key = 'zz'", "hex digits"),
            ("UPDATE validators SET enabled = 'no'", "`enabled` is Text"),
        ],
    );
    damaged(
        Nimbus,
        &[
            ("DELETE FROM metadata", "neither version nor chain are known"),
            ("INSERT INTO metadata SELECT * FROM metadata", "a second row"),
            (
                "UPDATE metadata SET genesis_validators_root = x'01'",
                "not 32 bytes",
            ),
            (
                "UPDATE metadata SET slashing_db_version = NULL",
                "version is Null",
            ),
            (
                "UPDATE validators SET public_key = 'text'",
                "a public key that is Text",
            ),
        ],
    );
}

#[test]
fn null_where_the_schema_forbids_it() {
    // The schema itself is loosened, as another tool may do.
    for column in ["slot", "signing_root"] {
        let sql = format!(
            "DROP TABLE signed_blocks; CREATE TABLE signed_blocks (validator_id, slot, signing_root);
             INSERT INTO signed_blocks VALUES (1, 5, zeroblob(32)); UPDATE signed_blocks SET {column} = NULL"
        );
        damaged(Lighthouse, &[(&sql, "Null")]);
        damaged(Nimbus, &[(&sql, "Null")]);
    }
}

#[test]
fn other_versions() {
    let cases = [
        (
            "CREATE TABLE more (a)",
            "it has a table more that is not known. Export it by its own client",
        ),
        ("CREATE VIEW v AS SELECT 1", "a table view v that is not known"),
        (
            "CREATE TRIGGER t AFTER INSERT ON validators BEGIN SELECT 1; END",
            "a table trigger t",
        ),
        ("DROP TABLE signed_blocks", "it has no table signed_blocks"),
        (
            "ALTER TABLE signed_blocks RENAME COLUMN slot TO s",
            "table signed_blocks has no column slot",
        ),
        (
            "ALTER TABLE signed_attestations ADD COLUMN extra",
            "has a column extra that is not known",
        ),
        (
            "ALTER TABLE signed_blocks ADD COLUMN g GENERATED ALWAYS AS (slot + 1)",
            "a column g",
        ),
        ("PRAGMA user_version = 4", "it is of version 4"),
    ];
    unknown(Lighthouse, &cases);
    unknown(Nimbus, &cases);
    unknown(
        Lighthouse,
        &[(
            "PRAGMA user_version = 1",
            "it is of version 1, versions up to 0 are known",
        )],
    );
    unknown(
        Nimbus,
        &[
            (
                "UPDATE metadata SET slashing_db_version = 3",
                "it is of version 3, 2 is known",
            ),
            (
                "UPDATE metadata SET slashing_db_version = 1",
                "it is of version 1",
            ),
            (
                "CREATE TABLE kvstore (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID; INSERT INTO kvstore VALUES (x'01', x'02')",
                "a history of version 1 (2021) in its table kvstore",
            ),
            (
                "DROP TABLE metadata; CREATE TABLE kvstore (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
                "version 1 (2021)",
            ),
        ],
    );
}

#[test]
fn the_other_clients_database() {
    for (client, other) in [(Lighthouse, Nimbus), (Nimbus, Lighthouse)] {
        let made = make(client);
        made.add_some();
        let error = read(other, &made.path).unwrap_err();
        assert!(matches!(error, DatabaseError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn messages_do_not_repeat_what_was_read_raw() {
    let made = make(Lighthouse);
    made.run(&format!("CREATE TABLE \"\x1b[31m{}\" (a)", "x".repeat(500)));
    let error = read(Lighthouse, &made.path).unwrap_err().to_string();
    assert!(error.contains(r"\u{1b}[31mxx") && error.len() < 500, "{error}");
}
