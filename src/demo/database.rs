//! The protection database of a simulated validator: it decides what may be signed, with the rules of Lodestar's, and
//! is kept in memory (tests) or in an SQLite file (demo). It must never allow what its own records forbid; the
//! referee, who sees every host, judges whether that was enough.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

/// What is kept for one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRecord {
    /// Signed blocks: slot to signing root (none: unknown).
    pub blocks: BTreeMap<u64, Option<String>>,
    /// Signed attestations: target epoch to source epoch and signing root.
    pub attestations: BTreeMap<u64, (u64, Option<String>)>,
    /// Lodestar's lower bound after an import: source and target epoch.
    pub lower_bound: Option<(u64, u64)>,
}

impl KeyRecord {
    /// Whether a block may be signed.
    pub fn allows_block(&self, slot: u64, root: &str) -> bool {
        match self.blocks.get(&slot) {
            Some(signed) => signed.as_deref() == Some(root),
            None => self.blocks.keys().next().is_none_or(|lowest| slot > *lowest),
        }
    }

    /// Whether an attestation may be signed.
    pub fn allows_attestation(&self, source: u64, target: u64, root: &str) -> bool {
        if let Some((signed_source, signed)) = self.attestations.get(&target) {
            return *signed_source == source && signed.as_deref() == Some(root);
        }
        let above_bound = self
            .lower_bound
            .is_none_or(|(low_source, low_target)| source >= low_source && target > low_target);
        above_bound && !self.surrounds_or_is_surrounded(source, target)
    }

    /// Whether an attestation surrounds one of the records or is surrounded by one.
    pub fn surrounds_or_is_surrounded(&self, source: u64, target: u64) -> bool {
        self.attestations.iter().any(|(other_target, (other_source, _))| {
            (source < *other_source && *other_target < target)
                || (*other_source < source && target < *other_target)
        })
    }
}

/// All keys' records, by public key (0x, lower-case).
pub type Records = BTreeMap<String, KeyRecord>;

/// Where the records are kept.
#[derive(Debug)]
pub enum Database {
    /// In memory: the tests.
    Memory(Records),
    /// In an SQLite file: the demo.
    Sqlite(Connection),
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS signed_blocks (
        pubkey TEXT NOT NULL, slot INTEGER NOT NULL, signing_root TEXT, PRIMARY KEY (pubkey, slot)) STRICT;
    CREATE TABLE IF NOT EXISTS signed_attestations (
        pubkey TEXT NOT NULL, target_epoch INTEGER NOT NULL, source_epoch INTEGER NOT NULL, signing_root TEXT,
        PRIMARY KEY (pubkey, target_epoch)) STRICT;
    CREATE TABLE IF NOT EXISTS lower_bounds (
        pubkey TEXT PRIMARY KEY, source_epoch INTEGER NOT NULL, target_epoch INTEGER NOT NULL) STRICT;
";

impl Database {
    /// An SQLite database in a file, created if it is not there.
    pub fn open(path: &Path) -> rusqlite::Result<Database> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Database::Sqlite(connection))
    }

    /// Signs a block if the records allow it, and records it first. False: refused.
    pub fn sign_block(&mut self, key: &str, slot: u64, root: &str) -> Result<bool, String> {
        if !self.record_of(key)?.allows_block(slot, root) {
            return Ok(false);
        }
        match self {
            Database::Memory(records) => {
                records
                    .entry(key.to_owned())
                    .or_default()
                    .blocks
                    .insert(slot, Some(root.to_owned()));
            }
            Database::Sqlite(connection) => {
                insert_block(connection, key, slot, Some(root)).map_err(|error| error.to_string())?;
            }
        }
        Ok(true)
    }

    /// Signs an attestation if the records allow it, and records it first. False: refused.
    pub fn sign_attestation(
        &mut self,
        key: &str,
        source: u64,
        target: u64,
        root: &str,
    ) -> Result<bool, String> {
        if !self.record_of(key)?.allows_attestation(source, target, root) {
            return Ok(false);
        }
        match self {
            Database::Memory(records) => {
                let attestations = &mut records.entry(key.to_owned()).or_default().attestations;
                attestations.insert(target, (source, Some(root.to_owned())));
            }
            Database::Sqlite(connection) => {
                insert_attestation(connection, key, source, target, Some(root))
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(true)
    }

    /// Everything that is recorded.
    pub fn records(&self) -> Result<Records, String> {
        match self {
            Database::Memory(records) => Ok(records.clone()),
            Database::Sqlite(connection) => {
                let mut records = Records::new();
                for key in keys_in(connection).map_err(|error| error.to_string())? {
                    let record = load(connection, &key).map_err(|error| error.to_string())?;
                    records.insert(key, record);
                }
                Ok(records)
            }
        }
    }

    /// Puts other records in place of all that is there.
    pub fn replace(&mut self, new: Records) -> Result<(), String> {
        match self {
            Database::Memory(records) => *records = new,
            Database::Sqlite(connection) => store(connection, &new).map_err(|error| error.to_string())?,
        }
        Ok(())
    }

    fn record_of(&self, key: &str) -> Result<KeyRecord, String> {
        match self {
            Database::Memory(records) => Ok(records.get(key).cloned().unwrap_or_default()),
            Database::Sqlite(connection) => load(connection, key).map_err(|error| error.to_string()),
        }
    }
}

fn keys_in(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT pubkey FROM signed_blocks UNION SELECT pubkey FROM signed_attestations
               UNION SELECT pubkey FROM lower_bounds ORDER BY 1";
    connection
        .prepare_cached(sql)?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn load(connection: &Connection, key: &str) -> rusqlite::Result<KeyRecord> {
    let mut record = KeyRecord::default();
    let mut blocks =
        connection.prepare_cached("SELECT slot, signing_root FROM signed_blocks WHERE pubkey = ?1")?;
    for row in blocks.query_map([key], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))? {
        let (slot, root) = row?;
        record.blocks.insert(slot, root);
    }
    let mut attestations = connection.prepare_cached(
        "SELECT target_epoch, source_epoch, signing_root FROM signed_attestations WHERE pubkey = ?1",
    )?;
    let rows = attestations.query_map([key], |row| {
        Ok((unsigned(row.get(0)?), (unsigned(row.get(1)?), row.get(2)?)))
    })?;
    for row in rows {
        let (target, source_and_root) = row?;
        record.attestations.insert(target, source_and_root);
    }
    record.lower_bound = connection
        .prepare_cached("SELECT source_epoch, target_epoch FROM lower_bounds WHERE pubkey = ?1")?
        .query_row([key], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))
        .optional()?;
    Ok(record)
}

fn store(connection: &mut Connection, records: &Records) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "DELETE FROM signed_blocks; DELETE FROM signed_attestations; DELETE FROM lower_bounds",
    )?;
    for (key, record) in records {
        for (slot, root) in &record.blocks {
            insert_block(&transaction, key, *slot, root.as_deref())?;
        }
        for (target, (source, root)) in &record.attestations {
            insert_attestation(&transaction, key, *source, *target, root.as_deref())?;
        }
        if let Some((source, target)) = record.lower_bound {
            let sql = "INSERT INTO lower_bounds VALUES (?1, ?2, ?3)";
            transaction
                .prepare_cached(sql)?
                .execute(params![key, signed(source), signed(target)])?;
        }
    }
    transaction.commit()
}

fn insert_block(connection: &Connection, key: &str, slot: u64, root: Option<&str>) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO signed_blocks (pubkey, slot, signing_root) VALUES (?1, ?2, ?3)";
    connection
        .prepare_cached(sql)?
        .execute(params![key, signed(slot), root])
        .map(drop)
}

fn insert_attestation(
    connection: &Connection,
    key: &str,
    source: u64,
    target: u64,
    root: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO signed_attestations (pubkey, target_epoch, source_epoch, signing_root)
               VALUES (?1, ?2, ?3, ?4)";
    connection
        .prepare_cached(sql)?
        .execute(params![key, signed(target), signed(source), root])
        .map(drop)
}

/// SQLite holds signed numbers only; the simulated chain stays far below the limit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Vec<(Database, tempfile::TempDir)> {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = Database::open(&other.path().join("protection.sqlite")).unwrap();
        vec![(Database::Memory(Records::new()), one), (file, other)]
    }

    #[test]
    fn nothing_slashable_is_signed_in_either_form() {
        for (mut database, _dir) in both() {
            assert!(database.sign_attestation("0xaa", 4, 5, "r1").unwrap());
            assert!(
                database.sign_attestation("0xaa", 4, 5, "r1").unwrap(),
                "the same again is no offence"
            );
            assert!(
                !database.sign_attestation("0xaa", 4, 5, "r2").unwrap(),
                "double vote"
            );
            assert!(
                !database.sign_attestation("0xaa", 3, 6, "r3").unwrap(),
                "surrounds"
            );
            assert!(
                database.sign_attestation("0xbb", 4, 5, "r2").unwrap(),
                "another key"
            );
            assert!(database.sign_block("0xaa", 40, "b1").unwrap());
            assert!(!database.sign_block("0xaa", 40, "b2").unwrap(), "double proposal");
            assert!(
                !database.sign_block("0xaa", 39, "b3").unwrap(),
                "below the lowest"
            );
        }
    }

    #[test]
    fn records_come_back_as_they_were_put() {
        for (mut database, _dir) in both() {
            let mut records = Records::new();
            let record = records.entry("0xaa".to_owned()).or_default();
            record.blocks.insert(9, None);
            record.attestations.insert(5, (4, Some("r".to_owned())));
            record.lower_bound = Some((4, 5));
            database.replace(records.clone()).unwrap();
            assert_eq!(database.records().unwrap(), records);
            assert!(!database.sign_attestation("0xaa", 4, 5, "x").unwrap());
        }
    }
}
