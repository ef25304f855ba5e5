//! tar.gz. A place to be filled: its reader is on another branch. Must never read anything as empty.

use std::io::Read;
use std::path::Path;

use super::DatabaseError;

/// How large it may be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes, unpacked.
    pub bytes: u64,
}

/// Not built yet.
///
/// # Errors
/// Always.
pub fn unpack(_: impl Read, into: &Path, _: &Limits) -> Result<(), DatabaseError> {
    Err(DatabaseError::Unsupported {
        place: into.display().to_string(),
        what: "no reader of archives yet".to_owned(),
        remedy: "Unpack it first".to_owned(),
    })
}
