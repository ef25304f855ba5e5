//! The merge: several histories of one chain become the one floor per key that the backup must hold.
//!
//! Must never lower a component, never mix chains, and never let a `Merged` be built any other way:
//! the type is the proof that what is imported is at least as high as everything known.

mod judge;
mod narrow;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod union;

pub use union::{CompleteInput, Gap, MergedComplete, merge_complete};

use serde::Serialize;

use super::floors::{FloorMap, Floors, History};
use super::interchange::LARGEST_NUMBER;
use super::pubkey::PublicKey;
use super::root::GenesisRoot;

/// One history to merge.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it comes from, for messages: `primary`, `backup`, a file name.
    pub label: &'a str,
    /// What was signed there.
    pub history: &'a History,
    /// True when the caller vouches for the chain of a history that names none (Teku, Lighthouse's
    /// and Dirk's databases). A history that names another chain is refused all the same.
    pub root_vouched: bool,
}

/// Floors that are safe to import: only [`merge`] makes one. Each key's floors have a form every
/// client accepts: block slot absent or above 0; source and target both absent, or source < target,
/// or 0 and 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    genesis_validators_root: GenesisRoot,
    floors: FloorMap,
    raises: Vec<Raise>,
}

/// A key whose floors the merge raised above the plain maximum, because no valid signer can hold
/// them as they were and not every client would import them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Raise {
    /// The key.
    pub key: PublicKey,
    /// The plain component-wise maximum.
    pub from: Floors,
    /// What stands in the merge.
    pub to: Floors,
}

/// Why the merge was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No input at all: an empty merge would protect nothing.
    #[error("nothing to merge: no history was given")]
    NoInput,
    /// The input belongs to another chain.
    #[error(
        "{label} belongs to another chain: its genesis validators root is {found}, expected {expected}. \
         Check that both hosts and the file are of the same network; a root of zeros was exported without \
         a beacon node"
    )]
    OtherChain {
        label: String,
        found: GenesisRoot,
        expected: GenesisRoot,
    },
    /// The input does not say which chain it belongs to.
    #[error(
        "{label} does not say which chain it belongs to (no genesis_validators_root). Make sure that it is \
         {expected} and vouch for it, or export it again"
    )]
    UnknownChain { label: String, expected: GenesisRoot },
    /// A floor that not every client can hold, see [`LARGEST_NUMBER`].
    #[error(
        "{label}: {field} of key {} is {value}, above {LARGEST_NUMBER} (2^53 - 1), which Lodestar cannot hold \
         exactly. No real chain is that old: find out where the record comes from",
        key.short()
    )]
    TooLarge {
        label: String,
        key: PublicKey,
        field: &'static str,
        value: u64,
    },
}

impl<'a> Input<'a> {
    /// An input that must name its chain itself.
    pub fn new(label: &'a str, history: &'a History) -> Self {
        Self {
            label,
            history,
            root_vouched: false,
        }
    }

    /// An input for whose chain the caller vouches when it names none.
    pub fn vouched(label: &'a str, history: &'a History) -> Self {
        Self {
            label,
            history,
            root_vouched: true,
        }
    }
}

/// Unites the inputs key by key, the highest value of each component (EIP-3076, minimal strategy).
///
/// A target that is missing or not above the source, as only damaged data has it, is raised to
/// source + 1 and listed in [`Merged::raises`]: Nimbus skips the attestations of such a key with
/// exit 0. Raising only ever refuses more, at most one epoch of duty.
///
/// # Errors
/// [`MergeError`] names the input that belongs to another or an unknown chain, or holds a number
/// that not every client can hold.
pub fn merge(inputs: &[Input<'_>], expected_root: impl Into<GenesisRoot>) -> Result<Merged, MergeError> {
    let expected = expected_root.into();
    if inputs.is_empty() {
        return Err(MergeError::NoInput);
    }
    let mut united = History {
        genesis_validators_root: Some(expected),
        floors: FloorMap::new(),
    };
    for input in inputs {
        let found = input.history.genesis_validators_root;
        check_chain(input.label, found, input.root_vouched, expected)?;
        for (key, floors) in &input.history.floors {
            check_size(input.label, key, importable(*floors))?;
            united.raise(key.clone(), *floors);
        }
    }
    let mut raises = Vec::new();
    let mut floors = united.floors;
    for (key, held) in &mut floors {
        let (from, to) = (*held, importable(*held));
        check_size("the merge", key, to)?;
        if !from.covers(&to) {
            raises.push(Raise {
                key: key.clone(),
                from,
                to,
            });
        }
        *held = to;
    }
    Ok(Merged {
        genesis_validators_root: expected,
        floors,
        raises,
    })
}

fn check_chain(
    label: &str,
    found: Option<GenesisRoot>,
    vouched: bool,
    expected: GenesisRoot,
) -> Result<(), MergeError> {
    let label = || label.to_owned();
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(MergeError::OtherChain {
            label: label(),
            found,
            expected,
        }),
        None if vouched => Ok(()),
        None => Err(MergeError::UnknownChain {
            label: label(),
            expected,
        }),
    }
}

fn check_size(label: &str, key: &PublicKey, floors: Floors) -> Result<(), MergeError> {
    let fields = [
        ("block slot", floors.block_slot),
        ("source epoch", floors.source_epoch),
        ("target epoch", floors.target_epoch),
    ];
    match fields
        .into_iter()
        .find_map(|(field, value)| Some((field, value.filter(|v| *v > LARGEST_NUMBER)?)))
    {
        Some((field, value)) => Err(MergeError::TooLarge {
            label: label.to_owned(),
            key: key.clone(),
            field,
            value,
        }),
        None => Ok(()),
    }
}

/// The lowest floors that cover `floors` and that every client imports, see [`Merged`].
fn importable(floors: Floors) -> Floors {
    let block_slot = floors.block_slot.filter(|slot| *slot > 0);
    let (source_epoch, target_epoch) = match (floors.source_epoch, floors.target_epoch) {
        (None, None) => (None, None),
        (None | Some(0), target) => (Some(0), Some(target.unwrap_or(0))),
        (Some(source), Some(target)) if source < target => (Some(source), Some(target)),
        (Some(source), _) => (Some(source), Some(source.saturating_add(1))),
    };
    Floors {
        block_slot,
        source_epoch,
        target_epoch,
    }
}

impl Merged {
    /// The merged floors, sorted by key.
    pub fn floors(&self) -> &FloorMap {
        &self.floors
    }

    /// The chain.
    pub fn genesis_validators_root(&self) -> GenesisRoot {
        self.genesis_validators_root
    }

    /// Keys raised above the plain maximum. Say so in the report.
    pub fn raises(&self) -> &[Raise] {
        &self.raises
    }

    /// The same floors as a history, to merge or compare again.
    pub fn to_history(&self) -> History {
        History {
            genesis_validators_root: Some(self.genesis_validators_root),
            floors: self.floors.clone(),
        }
    }
}
