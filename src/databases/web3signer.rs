//! Web3Signer. A place to be filled: its reader is on another branch. Must never read anything as empty.

use super::{DatabaseError, Found};
use crate::protection::Sink;

/// Not built yet.
///
/// # Errors
/// Always.
pub fn read<S: Sink>(_: &str, _: &mut S) -> Result<Found, DatabaseError> {
    Err(DatabaseError::Unsupported {
        place: "postgres".to_owned(),
        what: "no reader yet".to_owned(),
        remedy: "Export it with its client".to_owned(),
    })
}
