//! Lighthouse. A place to be filled: its reader is on another branch. Must never read anything as empty.

use super::{DatabaseError, Found};
use crate::protection::Sink;

/// Not built yet.
///
/// # Errors
/// Always.
pub fn read<S: Sink>(file: &std::path::Path, _: &mut S) -> Result<Found, DatabaseError> {
    Err(DatabaseError::Unsupported {
        place: file.display().to_string(),
        what: "no reader yet".to_owned(),
        remedy: "Export it with its client".to_owned(),
    })
}
