//! The clients' own protection databases, read without their clients' help from bytes or from a private copy: every
//! message into a [`Sink`](crate::protection::Sink). A further format is one file and one row of [`Format`].
//! Must never open a live file for writing, never read damage as "never signed", and never hold a whole database in
//! memory: pages, blocks and rows pass by.

pub mod archive;
pub mod bolt;
mod bytes;
mod error;
mod leveldb;
pub mod lighthouse;
pub mod lodestar;
pub mod nimbus;
pub mod prysm;
pub mod prysm_minimal;
mod read;
mod recognise;
mod shown;
pub mod sqlite;
pub mod teku;
pub mod web3signer;
mod yaml;

pub use bytes::{Directory, Memory, OnDisk, ReadAt};
pub use error::DatabaseError;
pub use read::{read, read_as, read_stream};
pub use recognise::{Lies, Located, locate, recognise};

use serde::Serialize;

use crate::protection::GenesisRoot;

/// A kind of protection database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// EIP-3076 interchange, JSON.
    Interchange,
    /// Lighthouse: SQLite, `slashing_protection.sqlite`.
    Lighthouse,
    /// Prysm and Qrysm, complete: bbolt, `validator.db`. Qrysm's keys have 2592 bytes.
    Prysm,
    /// Prysm, minimal: YAML files below `validator-client-data`.
    PrysmMinimal,
    /// Teku: YAML files in `slashprotection`.
    Teku,
    /// Nimbus: SQLite with a write-ahead log, `slashing_protection.sqlite3`.
    Nimbus,
    /// Lodestar: LevelDB, `validator-db`.
    Lodestar,
    /// Web3Signer: PostgreSQL.
    Web3Signer,
}

/// What a reader found beside the messages themselves, which went into the sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whose database it is.
    pub format: Format,
    /// The chain it names; `None` where the format keeps none (Lighthouse) or none is stored yet.
    pub genesis_validators_root: Option<GenesisRoot>,
    /// Signed blocks read, messages.
    pub blocks: u64,
    /// Signed attestations read, messages. A stored watermark counts as one.
    pub attestations: u64,
    /// What a person should know: blacklisted keys, leftovers, an older schema. Sorted, without repetition.
    pub notes: Vec<String>,
}

impl Found {
    /// Nothing read yet.
    pub fn new(format: Format) -> Found {
        Found {
            format,
            genesis_validators_root: None,
            blocks: 0,
            attestations: 0,
            notes: Vec::new(),
        }
    }
}

impl Format {
    /// For people and for `--json`: `lighthouse`, `prysm-minimal`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Interchange => "interchange",
            Format::Lighthouse => "lighthouse",
            Format::Prysm => "prysm",
            Format::PrysmMinimal => "prysm-minimal",
            Format::Teku => "teku",
            Format::Nimbus => "nimbus",
            Format::Lodestar => "lodestar",
            Format::Web3Signer => "web3signer",
        }
    }
}
