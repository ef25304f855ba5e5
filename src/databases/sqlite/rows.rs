//! The rows of `signed_blocks` and `signed_attestations`, which Lighthouse and Nimbus keep alike: numbers are signed
//! 64-bit, roots 32 raw bytes of which zeros mean unknown. Rows pass by; only what the sink gathers is kept.
//! Must never take a NULL, a negative number or a root of another length for anything but damage.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ValueRef;

use super::{Database, told};
use crate::databases::{DatabaseError, Found};
use crate::protection::{LARGEST_NUMBER, PublicKey, Root, SignedAttestation, SignedBlock, Sink};

/// A row's values, decoded by column.
pub(crate) struct Row<'a>(&'a rusqlite::Row<'a>);

impl Row<'_> {
    /// The value of a column, as it is stored.
    pub(crate) fn value(&self, column: usize) -> Result<ValueRef<'_>, String> {
        self.0.get_ref(column).map_err(|error| error.to_string())
    }

    fn root(&self, column: usize) -> Result<Option<Root>, String> {
        let value = self.value(column)?;
        let ValueRef::Blob(bytes) = value else {
            return Err(format!("a signing root that is {}", value.data_type()));
        };
        match <[u8; 32]>::try_from(bytes) {
            Ok(root) => Ok(Root::known(root)),
            Err(_) => Err(format!("a signing root of {} bytes", bytes.len())),
        }
    }
}

/// A number as stored: never negative (`what`: for the message).
pub(crate) fn number(value: ValueRef, what: &str) -> Result<u64, String> {
    let ValueRef::Integer(number) = value else {
        return Err(format!("{what} is {}, not a number", value.data_type()));
    };
    let within = u64::try_from(number)
        .ok()
        .filter(|number| *number <= LARGEST_NUMBER);
    within.ok_or_else(|| format!("{what} {number} is out of range"))
}

/// A public key as hex.
pub(crate) fn key_text(text: &[u8]) -> Result<PublicKey, String> {
    let text = std::str::from_utf8(text).map_err(|_| "a public key that is not UTF-8".to_owned())?;
    PublicKey::parse(text).map_err(|error| error.to_string())
}

impl Database {
    /// Goes through a table, row by row, in the order of the file: an index that lies does not matter. The first column
    /// must be the row's id.
    pub(crate) fn each(
        &self,
        table: &str,
        columns: &str,
        mut take: impl FnMut(&Row) -> Result<(), String>,
    ) -> Result<(), DatabaseError> {
        let failed = |error: rusqlite::Error| told(&self.place, &error);
        let statement = format!("SELECT rowid, {columns} FROM {table} NOT INDEXED");
        let mut query = self.connection.prepare(&statement).map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(&Row(row)).map_err(|what| {
                let id = row.get::<_, i64>(0).unwrap_or_default();
                DatabaseError::damaged(format!("{}, table {table}, row {id}", self.place), what)
            })?;
        }
        Ok(())
    }

    /// The validators by id. `decode` reads the column `public_key`.
    pub(crate) fn keys(
        &self,
        found: &mut Found,
        decode: fn(ValueRef) -> Result<PublicKey, String>,
    ) -> Result<BTreeMap<i64, PublicKey>, DatabaseError> {
        let mut keys = BTreeMap::new();
        self.each("validators", "id, public_key", |row| {
            let ValueRef::Integer(id) = row.value(1)? else {
                return Err("a validator without an id".to_owned());
            };
            keys.insert(id, decode(row.value(2)?)?);
            Ok(())
        })?;
        let different: BTreeSet<&PublicKey> = keys.values().collect();
        if different.len() < keys.len() {
            found.notes.push(format!(
                "{} validators share a public key with another; their messages are united",
                keys.len() - different.len()
            ));
        }
        Ok(keys)
    }
}

/// Reads all messages into the sink: each key once for each id it has, also when it has no messages.
pub(crate) fn read_messages<S: Sink>(
    database: &Database,
    keys: BTreeMap<i64, PublicKey>,
    found: &mut Found,
    sink: &mut S,
) -> Result<(), DatabaseError> {
    let mut gathered: BTreeMap<i64, (PublicKey, S::Messages)> = keys
        .into_iter()
        .map(|(id, key)| (id, (key, S::Messages::default())))
        .collect();
    let mut of = |row: &Row, take: &mut dyn FnMut(&mut S::Messages)| {
        let value = row.value(1)?;
        let ValueRef::Integer(id) = value else {
            return Err(format!("it refers to a validator that is {}", value.data_type()));
        };
        let Some((_, messages)) = gathered.get_mut(&id) else {
            return Err(format!("it refers to validator {id}, which there is not"));
        };
        take(messages);
        Ok(())
    };
    database.each("signed_blocks", "validator_id, slot, signing_root", |row| {
        let block = SignedBlock {
            slot: number(row.value(2)?, "slot")?,
            signing_root: row.root(3)?,
        };
        found.blocks += 1;
        of(row, &mut |messages| S::block(messages, block))
    })?;
    let columns = "validator_id, source_epoch, target_epoch, signing_root";
    database.each("signed_attestations", columns, |row| {
        let vote = SignedAttestation {
            source_epoch: number(row.value(2)?, "source epoch")?,
            target_epoch: number(row.value(3)?, "target epoch")?,
            signing_root: row.root(4)?,
        };
        found.attestations += 1;
        of(row, &mut |messages| S::attestation(messages, vote))
    })?;
    for (key, messages) in gathered.into_values() {
        sink.key(key, messages);
    }
    found.notes.sort();
    found.notes.dedup();
    Ok(())
}
