//! Why a document could not be read: the place, what stood there, and what to do.
//!
//! Must never print text of the file unescaped (it may hold terminal codes) or at full length.

use std::fmt;

use super::interchange::LARGEST_NUMBER;
use super::pubkey::PublicKey;

/// A field of one message, as found in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index in `data`.
    pub entry: usize,
    /// The key of that entry.
    pub key: PublicKey,
    /// `signed_blocks` or `signed_attestations`.
    pub list: &'static str,
    /// Index in that list.
    pub index: usize,
    /// `slot`, `source_epoch`, `target_epoch` or `signing_root`.
    pub field: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entry,
            key,
            list,
            index,
            field,
        } = self;
        write!(f, "data[{entry}] (key {}), {list}[{index}].{field}", key.short())
    }
}

/// The document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Zero bytes, or only white space.
    #[error("the file is empty: the export failed. Export again and look at the client's own message")]
    Empty,
    /// The operating system failed to read it.
    #[error("it could not be read to its end: {error}. Read it again")]
    Io { error: String },
    /// JSON `null` or the text `"null"`.
    #[error(
        "the file says null: the export failed, this is not an empty history (Prysm writes it when one key \
         has attestations but no proposal history). Start the client once with all its keys loaded, or read \
         its database instead of its export"
    )]
    Null,
    /// The bytes are not JSON.
    #[error(
        "line {line}, column {column}: not JSON ({detail}). Export again; if it was copied, compare hashes"
    )]
    NotJson {
        line: usize,
        column: usize,
        detail: String,
    },
    /// The JSON ends in the middle.
    #[error("line {line}, column {column}: the file is cut off. Copy it again and compare size and hash")]
    Truncated { line: usize, column: usize },
    /// JSON, but not of the shape of an interchange.
    #[error(
        "line {line}, column {column}: not an EIP-3076 interchange ({detail}). Check that it is the right file"
    )]
    Shape {
        line: usize,
        column: usize,
        detail: String,
    },
    /// No `metadata` object.
    #[error("no metadata: not an EIP-3076 interchange. Check that it is the right file")]
    NoMetadata,
    /// Neither version "5" nor the legacy complete "4".
    #[error(
        "metadata.interchange_format_version is {found}, expected \"5\". Export again with a current client"
    )]
    Version { found: String },
    /// `metadata.genesis_validators_root` is there but is no root.
    #[error("metadata.genesis_validators_root is {found}, expected 0x and 64 hex digits. Export again")]
    GenesisRoot { found: String },
    /// `data` is missing or null.
    #[error(
        "no data list: the export failed, this is not an empty history. Export again and look at the \
         client's own message"
    )]
    NoData,
    /// A `pubkey` is missing or no hex.
    #[error(
        "data[{entry}].pubkey is {found}, expected hex digits. Without it the record protects no key: export again"
    )]
    Key { entry: usize, found: String },
    /// A number is missing, or is not a whole number of 64 bits.
    #[error(
        "{place} is {found}, expected a whole number in quotes. The record cannot be left out: export again"
    )]
    Number { place: Place, found: String },
    /// A number that not every client can hold.
    #[error(
        "{place} is {value}, above {LARGEST_NUMBER} (2^53 - 1): Lodestar cannot hold it exactly, above \
         2^63 - 1 neither can Lighthouse, Nimbus and Dirk. No real chain is that old: find out where the \
         record comes from"
    )]
    TooLarge { place: Place, value: u64 },
    /// A signing root that is no root.
    #[error("{place} is {found}, expected 0x and 64 hex digits or nothing. Export again")]
    Root { place: Place, found: String },
}
