//! Why a database could not be read: where, what stood there, and what to do. Every kind blocks: a database that could
//! not be read is never an empty one.

use crate::protection::ReadError;

/// The database was refused, whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// The bytes contradict the format: a torn write, a bad disk, an incomplete copy.
    #[error(
        "{place}: damaged: {what}. It is not an empty history: copy it again with its client stopped, or use the \
         newest backup"
    )]
    Damaged {
        /// File and, where it is known, page, block, row or line.
        place: String,
        /// What does not fit.
        what: String,
    },
    /// It is whole, but not something this reader knows.
    #[error("{place}: {what}. {remedy}")]
    Unsupported {
        /// File or table.
        place: String,
        /// What it is.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// Another process has it open for writing.
    #[error(
        "{place}: another process has it open: a validator may be alive. Stop the validator, then read again"
    )]
    Locked {
        /// The file.
        place: String,
    },
    /// The operating system or the database server said no.
    #[error("{place}: {error}")]
    Io {
        /// The file or the address.
        place: String,
        /// In its own words.
        error: String,
    },
    /// Nothing here is a protection database.
    #[error("{place}: no slashing-protection database is recognised: {looked_for}")]
    NotRecognised {
        /// The path.
        place: String,
        /// What would have been one.
        looked_for: String,
    },
    /// An interchange that was refused.
    #[error("{place}: {error}")]
    Interchange {
        /// The file.
        place: String,
        /// Why.
        error: Box<ReadError>,
    },
}

impl DatabaseError {
    /// The bytes contradict the format.
    pub fn damaged(place: impl Into<String>, what: impl Into<String>) -> DatabaseError {
        DatabaseError::Damaged {
            place: place.into(),
            what: what.into(),
        }
    }

    /// The operating system said no.
    pub fn io(place: impl Into<String>, error: &impl ToString) -> DatabaseError {
        DatabaseError::Io {
            place: place.into(),
            error: error.to_string(),
        }
    }

    /// The same error with its place told otherwise: a private copy is not where the caller looks.
    #[must_use]
    pub fn elsewhere(mut self, told: impl Fn(&str) -> String) -> DatabaseError {
        let (DatabaseError::Damaged { place, .. }
        | DatabaseError::Unsupported { place, .. }
        | DatabaseError::Locked { place }
        | DatabaseError::Io { place, .. }
        | DatabaseError::NotRecognised { place, .. }
        | DatabaseError::Interchange { place, .. }) = &mut self;
        *place = told(place);
        self
    }
}
