//! Nimbus's database, version 2: SQLite with a write-ahead log, `slashing_protection.sqlite3`. A kill leaves rows in the
//! log alone, so all parts are read together.
//! Must never read version 1, whose history lies in a table `kvstore`, as an empty version 2.

use std::path::Path;

use rusqlite::types::ValueRef;

use super::sqlite::{Database, number, read_messages};
use super::{DatabaseError, Format, Found};
use crate::protection::{GenesisRoot, PublicKey, Sink};

/// Nimbus's keys are BLS keys, bytes.
const KEY_BYTES: usize = 48;

/// `metadata.slashing_db_version`.
const VERSION: u64 = 2;

/// Reads a private copy of the database and of its write-ahead log.
///
/// # Errors
/// Any damage, a log that is cut or spoilt, rows that refer to nothing, other tables or columns, another version, or a
/// file that another process holds or changes.
pub fn read<S: Sink>(file: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    read_opened(&Database::open(file)?, sink)
}

pub(super) fn read_opened<S: Sink>(database: &Database, sink: &mut S) -> Result<Found, DatabaseError> {
    refuse_version_1(database)?;
    database.version_at_most(3)?;
    database.only(&[
        "metadata",
        "validators",
        "signed_blocks",
        "signed_attestations",
        "kvstore",
    ])?;
    database.columns(
        "metadata",
        &["slashing_db_version", "genesis_validators_root"],
        &[],
    )?;
    database.columns("validators", &["id", "public_key"], &[])?;
    database.columns("signed_blocks", &["validator_id", "slot", "signing_root"], &[])?;
    database.columns(
        "signed_attestations",
        &["validator_id", "source_epoch", "target_epoch", "signing_root"],
        &[],
    )?;
    let mut found = Found::new(Format::Nimbus);
    found.notes.clone_from(&database.notes);
    found.genesis_validators_root = Some(chain(database)?);
    let keys = database.keys(&mut found, key)?;
    read_messages(database, keys, &mut found, sink)?;
    Ok(found)
}

/// Nimbus's own export leaves an empty `kvstore` in a database of version 2: only its content tells of version 1.
fn refuse_version_1(database: &Database) -> Result<(), DatabaseError> {
    if !database.tables.contains_key("kvstore") {
        return Ok(());
    }
    let rows: i64 = database
        .connection
        .query_row(
            "SELECT count(*) FROM (SELECT 1 FROM kvstore LIMIT 1)",
            [],
            |row| row.get(0),
        )
        .map_err(|error| super::sqlite::told(&database.place, &error))?;
    if rows == 0 && database.tables.contains_key("metadata") {
        return Ok(());
    }
    Err(DatabaseError::Unsupported {
        place: database.place.clone(),
        what: "it holds a history of version 1 (2021) in its table kvstore".to_owned(),
        remedy:
            "Let a Nimbus release of 2022 take it over into version 2, and export it with `slashingdb export`"
                .to_owned(),
    })
}

/// The one row of `metadata`.
fn chain(database: &Database) -> Result<GenesisRoot, DatabaseError> {
    let mut rows = Vec::new();
    database.each(
        "metadata",
        "slashing_db_version, genesis_validators_root",
        |row| {
            let version = number(row.value(1)?, "version")?;
            let root = match row.value(2)? {
                ValueRef::Blob(bytes) => <[u8; 32]>::try_from(bytes).ok(),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
            };
            let root = root.ok_or("a genesis validators root that is not 32 bytes")?;
            rows.push((version, GenesisRoot(root)));
            if rows.len() > 1 {
                return Err("a second row, where one names version and chain".to_owned());
            }
            Ok(())
        },
    )?;
    match rows.first() {
        None => Err(DatabaseError::damaged(
            format!("{}, table metadata", database.place),
            "it is empty: neither version nor chain are known",
        )),
        Some((VERSION, root)) => Ok(*root),
        Some((version, _)) => {
            Err(database.unknown(format!("it is of version {version}, {VERSION} is known")))
        }
    }
}

/// 48 raw bytes.
fn key(value: ValueRef) -> Result<PublicKey, String> {
    match value {
        ValueRef::Blob(bytes) if bytes.len() == KEY_BYTES => {
            PublicKey::from_bytes(bytes).map_err(|error| error.to_string())
        }
        ValueRef::Blob(bytes) => Err(format!("a public key of {} bytes, not {KEY_BYTES}", bytes.len())),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
            Err(format!("a public key that is {}", value.data_type()))
        }
    }
}
