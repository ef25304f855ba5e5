//! The EIP-3076 interchange document as records: every message a file says was signed, and the fold
//! that reduces them to floors.
//!
//! Must never drop a record that was read, and never invent one: what is not understood is an
//! error of the reader, since a message left out here is a message that may be signed twice.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use super::floors::{Floors, History};
use super::pubkey::PublicKey;
use super::read_error::ReadError;
use super::reader;
use super::root::{GenesisRoot, Root};
use super::sink::Sink;

/// The largest slot or epoch read, merged or written: 2^53 - 1. Lodestar parses numbers as doubles,
/// which are exact only up to here (Lighthouse, Nimbus and Dirk end at 2^63 - 1, and Teku reads
/// 2^64 - 1 as "never"). Real slots stay below 2^24 for decades, so a larger one is damage.
pub const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// One signed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SignedBlock {
    /// Slot of the block.
    pub slot: u64,
    /// What was signed; `None` when the client did not keep it.
    pub signing_root: Option<Root>,
}

/// One signed attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SignedAttestation {
    /// Epoch of the source checkpoint.
    pub source_epoch: u64,
    /// Epoch of the target checkpoint.
    pub target_epoch: u64,
    /// What was signed; `None` when the client did not keep it.
    pub signing_root: Option<Root>,
}

/// All messages of one key, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Record {
    /// `signed_blocks`
    pub blocks: Vec<SignedBlock>,
    /// `signed_attestations`
    pub attestations: Vec<SignedAttestation>,
}

/// A whole document. Entries of the same key are already united (EIP-3076, official vectors
/// `duplicate_pubkey_*`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interchange {
    /// `metadata.genesis_validators_root`; `None` when the file has none (Teku).
    pub genesis_validators_root: Option<GenesisRoot>,
    /// A key with empty lists is kept: the host knows it and says that it signed nothing.
    pub records: BTreeMap<PublicKey, Record>,
}

/// What a document says beside its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// `metadata.genesis_validators_root`; `None` when the document has none (Teku).
    pub genesis_validators_root: Option<GenesisRoot>,
    /// Signed blocks read, messages.
    pub blocks: u64,
    /// Signed attestations read, messages.
    pub attestations: u64,
}

/// Reads a document as any client writes it: version "5", or Lodestar's older complete "4"; numbers
/// quoted or not; lists missing or null; roots missing, null, empty or zero; keys twice, without
/// `0x`, in any order; unknown fields. A missing genesis validators root is left to the merge.
///
/// # Errors
/// [`ReadError`] names the place and the remedy. JSON `null`, the text `"null"`, an empty file and
/// a document without `data` are failed exports, never "no history".
pub fn read(bytes: &[u8]) -> Result<Interchange, ReadError> {
    let mut interchange = Interchange::default();
    let summary = read_from(bytes, &mut interchange)?;
    interchange.genesis_validators_root = summary.genesis_validators_root;
    Ok(interchange)
}

/// Reads as [`read`] does, but from a stream and straight into `sink`, in memory of its own that does not grow with the
/// document: 256 KiB, and no buffered reader is needed. Give a [`History`] to fold to floors, an [`Interchange`] to keep
/// every message; their `genesis_validators_root` is the caller's to set, from the [`Summary`].
///
/// # Errors
/// As [`read`], and [`ReadError::Io`]. What the sink holds then is a part of the document: throw it away.
pub fn read_from<S: Sink>(mut reader: impl Read, sink: &mut S) -> Result<Summary, ReadError> {
    reader::read_from(&mut reader, sink)
}

/// Reduces a document to its floors: per key the highest slot, source and target, each on its own
/// (EIP-3076, minimal strategy). Slot 0 reads as never proposed, see [`Floors::block_slot`].
pub fn fold(interchange: &Interchange) -> History {
    let floors = interchange
        .records
        .iter()
        .map(|(key, record)| (key.clone(), record.floors()))
        .collect();
    History {
        genesis_validators_root: interchange.genesis_validators_root,
        floors,
    }
}

impl Record {
    /// The floors of this key.
    pub fn floors(&self) -> Floors {
        Floors {
            block_slot: self
                .blocks
                .iter()
                .map(|block| block.slot)
                .max()
                .filter(|slot| *slot > 0),
            source_epoch: self.attestations.iter().map(|vote| vote.source_epoch).max(),
            target_epoch: self.attestations.iter().map(|vote| vote.target_epoch).max(),
        }
    }
}

impl Interchange {
    /// How many messages it holds: blocks, attestations.
    pub fn counts(&self) -> (usize, usize) {
        self.records.values().fold((0, 0), |(blocks, votes), record| {
            (blocks + record.blocks.len(), votes + record.attestations.len())
        })
    }
}
