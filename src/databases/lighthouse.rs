//! Lighthouse's database: SQLite with a rollback journal, `slashing_protection.sqlite`. It names no chain.
//! Must never read a database whose tables are not exactly the known ones.

use std::path::Path;

use rusqlite::types::ValueRef;

use super::sqlite::{Database, key_text, read_messages};
use super::{DatabaseError, Format, Found};
use crate::protection::{PublicKey, Sink};

/// Lighthouse's keys are BLS keys, bytes.
const KEY_BYTES: usize = 48;

/// Reads a private copy of the database and of its journal, with which SQLite undoes a transaction that was cut off.
///
/// # Errors
/// Any damage, rows that refer to nothing, other tables or columns, or a file that another process holds or changes.
pub fn read<S: Sink>(file: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    read_opened(&Database::open(file)?, sink)
}

pub(super) fn read_opened<S: Sink>(database: &Database, sink: &mut S) -> Result<Found, DatabaseError> {
    database.version_at_most(0)?;
    database.only(&["validators", "signed_blocks", "signed_attestations"])?;
    database.columns("validators", &["id", "public_key"], &["enabled"])?;
    database.columns("signed_blocks", &["validator_id", "slot", "signing_root"], &[])?;
    database.columns(
        "signed_attestations",
        &["validator_id", "source_epoch", "target_epoch", "signing_root"],
        &[],
    )?;
    let mut found = Found::new(Format::Lighthouse);
    found.notes.clone_from(&database.notes);
    note_disabled(database, &mut found)?;
    let keys = database.keys(&mut found, key)?;
    read_messages(database, keys, &mut found, sink)?;
    Ok(found)
}

/// Written as text, `0x` and 96 digits, into a column declared BLOB. Raw bytes and text stored as bytes are taken too.
fn key(value: ValueRef) -> Result<PublicKey, String> {
    let key = match value {
        ValueRef::Blob(bytes) if bytes.len() == KEY_BYTES => {
            PublicKey::from_bytes(bytes).map_err(|error| error.to_string())
        }
        ValueRef::Text(text) | ValueRef::Blob(text) => key_text(text),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {
            Err(format!("a public key that is {}", value.data_type()))
        }
    }?;
    match key.as_bytes().len() {
        KEY_BYTES => Ok(key),
        bytes => Err(format!("a public key of {bytes} bytes, not {KEY_BYTES}")),
    }
}

/// A disabled key signs no more, but what it signed counts. Databases made before the column was added have none.
fn note_disabled(database: &Database, found: &mut Found) -> Result<(), DatabaseError> {
    let columns = database.tables.get("validators");
    if !columns.is_some_and(|columns| columns.iter().any(|column| column == "enabled")) {
        found
            .notes
            .push("an older schema, without the column `enabled`: all keys count as enabled".to_owned());
        return Ok(());
    }
    let mut disabled = 0;
    database.each("validators", "enabled", |row| {
        let value = row.value(1)?;
        let ValueRef::Integer(enabled) = value else {
            return Err(format!("`enabled` is {}", value.data_type()));
        };
        disabled += u64::from(enabled == 0);
        Ok(())
    })?;
    if disabled > 0 {
        found
            .notes
            .push(format!("{disabled} keys are disabled; what they signed is read"));
    }
    Ok(())
}
