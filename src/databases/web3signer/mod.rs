//! Web3Signer's database: PostgreSQL, schema version 12, read in one read-only transaction over a Unix socket, loopback
//! or an SSH tunnel. Rows pass by; only what the sink gathers is kept.
//! Must never write, never read a server that may lag behind, never send a password in the clear over a network, and
//! never show one.

mod address;
mod pgpass;
mod rows;

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use postgres::error::SqlState;

use super::shown::shown;
use super::{DatabaseError, Found};
use crate::protection::{PublicKey, Sink};
use address::Address;
use rows::Item;

/// Rows that are handed over at a time, and how many such hands may wait.
const BATCH: usize = 1024;
const WAITING: usize = 16;

/// Reads the database at `postgres://USER@HOST:PORT/NAME` (`postgres:///NAME?host=/run/postgresql` for a socket; a
/// leading `jdbc:` is taken off). The password is taken from the address, `PGPASSWORD`, or the file `PGPASSFILE` names
/// (`~/.pgpass`), in this order. Low watermarks are read as messages, since Web3Signer refuses what lies below them.
///
/// # Errors
/// A server that cannot be reached, is a standby, or is remote (TLS is not built in: use an SSH tunnel); another version
/// of the schema; rows that are damaged or refer to nothing.
pub fn read<S: Sink>(url: &str, sink: &mut S) -> Result<Found, DatabaseError> {
    let address = Address::read(url)?;
    // The driver brings its own runtime, which must not start inside another one: it gets a thread to itself.
    std::thread::scope(|scope| {
        let (give, take) = sync_channel(WAITING);
        let place = address.shown.clone();
        let reading = scope.spawn(move || rows::read(&address, give));
        let mut keys: BTreeMap<i32, (PublicKey, S::Messages)> = BTreeMap::new();
        let mut refused = None;
        for item in take.into_iter().flatten() {
            if let Err(error) = gather::<S>(&mut keys, item, &place) {
                refused = Some(error);
                // What else comes has nowhere to go, which ends the reading.
                break;
            }
        }
        let read = reading
            .join()
            .map_err(|_| DatabaseError::io(&place, &"the reading thread ended abnormally"))?;
        let mut found = match refused {
            Some(error) => return Err(error),
            None => read?,
        };
        for (key, messages) in keys.into_values() {
            sink.key(key, messages);
        }
        found.notes.sort();
        found.notes.dedup();
        Ok(found)
    })
}

/// Takes up one row. Keys come before what refers to them.
fn gather<S: Sink>(
    keys: &mut BTreeMap<i32, (PublicKey, S::Messages)>,
    item: Item,
    place: &str,
) -> Result<(), DatabaseError> {
    let (id, of) = match &item {
        Item::Key(id, _) => (*id, "validators"),
        Item::Block(id, _) => (*id, "signed_blocks or low_watermarks"),
        Item::Vote(id, _) => (*id, "signed_attestations or low_watermarks"),
    };
    if let Item::Key(id, key) = item {
        keys.insert(id, (key, S::Messages::default()));
        return Ok(());
    }
    let Some((_, messages)) = keys.get_mut(&id) else {
        return Err(DatabaseError::damaged(
            format!("{place}, table {of}"),
            format!("a row refers to validator {id}, which there is not"),
        ));
    };
    match item {
        Item::Key(..) => {}
        Item::Block(_, block) => S::block(messages, block),
        Item::Vote(_, vote) => S::attestation(messages, vote),
    }
    Ok(())
}

/// An error of the server or of the driver, with its causes, in our kinds.
fn told(place: &str, error: &postgres::Error) -> DatabaseError {
    let Some(said) = error.as_db_error() else {
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        return DatabaseError::io(place, &text.escape_debug());
    };
    let text = format!("{}: {}", said.severity(), shown(said.message().as_bytes()));
    let of_schema = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_FUNCTION,
    ];
    let of_damage = [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED];
    if of_schema.contains(said.code()) {
        DatabaseError::Unsupported {
            place: place.to_owned(),
            what: format!("not Web3Signer's schema of version 12: {text}"),
            remedy: "Name Web3Signer's own database and user; or export it by `web3signer eth2 export`"
                .to_owned(),
        }
    } else if of_damage.contains(said.code()) {
        DatabaseError::damaged(place, text)
    } else {
        DatabaseError::io(place, &text)
    }
}
