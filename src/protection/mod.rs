//! Slashing protection as pure data: read every client's interchange, fold it to floors or keep it whole, find
//! conflicts, merge, write the one form every client accepts, and judge what was read back.
//!
//! Must never touch the world (no file, no clock, no async; readers and writers are given), never lower a floor, and
//! never let anything but a `Merged` or a `MergedComplete` become bytes for import. Rules are those of EIP-3076; `docs/`
//! and the doc comments name the section or the client's quirk behind each one.

pub mod compare;
mod complete;
mod complete_writer;
pub mod conflicts;
pub mod floors;
pub mod interchange;
pub mod merge;
pub mod pubkey;
pub mod read_error;
mod reader;
pub mod root;
pub mod sink;
pub mod synthetic;
pub mod writer;

pub use compare::{Comparison, LowerFloor, LoweredFloors, ReadBackError};
pub use complete_writer::write_complete;
pub use conflicts::{
    Certainty, Conflict, ConflictKind, Conflicts, LISTED, Message, Tally, Witness, conflicts, find_conflicts,
};
pub use floors::{FloorMap, Floors, History};
pub use interchange::{
    Interchange, LARGEST_NUMBER, Record, SignedAttestation, SignedBlock, Summary, fold, read, read_from,
};
pub use merge::{
    CompleteInput, Gap, Input, MergeError, Merged, MergedComplete, Raise, merge, merge_complete,
};
pub use pubkey::{PublicKey, PublicKeyError};
pub use read_error::{Place, ReadError};
pub use root::{GenesisRoot, Root, RootError};
pub use sink::Sink;
pub use synthetic::{SyntheticError, synthetic_floors};
pub use writer::write;
