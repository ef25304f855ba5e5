//! The complete merge: every message of every input, once.
//!
//! Must never leave out a message that says more than another one does, and never unite chains. What it cannot carry
//! over, that an input refused what lies below its own lowest message, it says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{MergeError, check_chain, check_size};
use crate::protection::floors::Floors;
use crate::protection::interchange::{Interchange, Record, SignedAttestation, SignedBlock};
use crate::protection::pubkey::PublicKey;
use crate::protection::root::GenesisRoot;

/// One document to merge completely.
#[derive(Clone, Copy, Debug)]
pub struct CompleteInput<'a> {
    /// Where it comes from, for messages.
    pub label: &'a str,
    /// What was signed there.
    pub interchange: &'a Interchange,
    /// True when the caller vouches for the chain of a document that names none, see [`super::Input`].
    pub root_vouched: bool,
}

/// The union of documents of one chain: only [`merge_complete`] makes one. Per key, blocks by slot and attestations by
/// source and target, each message once. Whether they are slashable beside each other is asked with
/// [`find_conflicts`](crate::protection::find_conflicts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedComplete {
    genesis_validators_root: GenesisRoot,
    records: BTreeMap<PublicKey, Record>,
    gaps: Vec<Gap>,
}

/// A key of which an input refused more than the union does: it signs nothing at or below its lowest message, and
/// another input brought lower ones (EIP-3076, conditions 2, 4 and 5 by "lowest"). Between them the union would sign
/// what neither holds. The floors of [`merge`](super::merge) have no gaps: import those where there are any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The key.
    pub key: PublicKey,
    /// The lowest slot, source and target of the union.
    pub lowest: Floors,
    /// The highest of the inputs' lowest, where that is higher.
    pub refused: Floors,
}

impl<'a> CompleteInput<'a> {
    /// An input that must name its chain itself.
    pub fn new(label: &'a str, interchange: &'a Interchange) -> Self {
        Self {
            label,
            interchange,
            root_vouched: false,
        }
    }
}

/// Unites the messages key by key. Of messages with equal numbers one without a root is left out when one with a root
/// is there: it is the same message (Teku and Nimbus forget roots), or else it is slashable already. A block of slot 0
/// without a root is left out: it says that the key never proposed.
///
/// # Errors
/// As [`merge`](super::merge): another or an unknown chain, or a number that not every client can hold.
pub fn merge_complete(
    inputs: &[CompleteInput<'_>],
    expected_root: impl Into<GenesisRoot>,
) -> Result<MergedComplete, MergeError> {
    let genesis_validators_root = expected_root.into();
    if inputs.is_empty() {
        return Err(MergeError::NoInput);
    }
    let mut of_key: BTreeMap<&PublicKey, Vec<&Record>> = BTreeMap::new();
    for input in inputs {
        let found = input.interchange.genesis_validators_root;
        check_chain(input.label, found, input.root_vouched, genesis_validators_root)?;
        for (key, record) in &input.interchange.records {
            check_size(input.label, key, record.floors())?;
            of_key.entry(key).or_default().push(record);
        }
    }
    let mut merged = MergedComplete {
        genesis_validators_root,
        records: BTreeMap::new(),
        gaps: Vec::new(),
    };
    for (key, records) in of_key {
        let united = Record {
            blocks: unite(records.iter().map(|record| &record.blocks), unsaid),
            attestations: unite(records.iter().map(|record| &record.attestations), |_| false),
        };
        merged.gaps.extend(gap(key, &united, &records));
        merged.records.insert(key.clone(), united);
    }
    Ok(merged)
}

/// A message for the union: ordered by its numbers, then by its root, an unknown one first.
trait Message: Copy + Ord {
    fn says_same_numbers(&self, other: &Self) -> bool;
    fn has_root(&self) -> bool;
}

impl Message for SignedBlock {
    fn says_same_numbers(&self, other: &Self) -> bool {
        self.slot == other.slot
    }
    fn has_root(&self) -> bool {
        self.signing_root.is_some()
    }
}

impl Message for SignedAttestation {
    fn says_same_numbers(&self, other: &Self) -> bool {
        (self.source_epoch, self.target_epoch) == (other.source_epoch, other.target_epoch)
    }
    fn has_root(&self) -> bool {
        self.signing_root.is_some()
    }
}

/// Slot 0 without a root: never proposed (Teku, and our own writer).
fn unsaid(block: &SignedBlock) -> bool {
    block.slot == 0 && block.signing_root.is_none()
}

fn unite<'a, M: Message + 'a>(
    lists: impl Iterator<Item = &'a Vec<M>> + Clone,
    left_out: impl Fn(&M) -> bool,
) -> Vec<M> {
    let mut all = Vec::with_capacity(lists.clone().map(Vec::len).sum());
    for list in lists {
        all.extend(list.iter().filter(|message| !left_out(message)));
    }
    if !all.is_sorted() {
        // The stable sort takes runs that are sorted as they are.
        all.sort();
    }
    all.dedup();
    // What follows is of the same numbers and has a root: by the order, and since equal ones are gone.
    let rooted_follows = |pair: &[M]| matches!(pair, [a, b] if a.says_same_numbers(b) && !a.has_root());
    let mut copies = all.windows(2).map(rooted_follows).collect::<Vec<_>>().into_iter();
    all.retain(|_| !copies.next().unwrap_or(false));
    all.shrink_to_fit();
    all
}

fn lowest(record: &Record) -> Floors {
    let votes = &record.attestations;
    Floors {
        block_slot: record
            .blocks
            .iter()
            .filter(|block| !unsaid(block))
            .map(|block| block.slot)
            .min(),
        source_epoch: votes.iter().map(|vote| vote.source_epoch).min(),
        target_epoch: votes.iter().map(|vote| vote.target_epoch).min(),
    }
}

fn gap(key: &PublicKey, united: &Record, records: &[&Record]) -> Option<Gap> {
    let (lowest, mut refused) = (
        lowest(united),
        records.iter().map(|record| lowest(record)).reduce(Floors::join)?,
    );
    for (refused, lowest) in [
        (&mut refused.block_slot, lowest.block_slot),
        (&mut refused.source_epoch, lowest.source_epoch),
        (&mut refused.target_epoch, lowest.target_epoch),
    ] {
        *refused = refused.filter(|refused| Some(*refused) > lowest);
    }
    let key = key.clone();
    (refused != Floors::default()).then_some(Gap { key, lowest, refused })
}

impl MergedComplete {
    /// Every message, by key.
    pub fn records(&self) -> &BTreeMap<PublicKey, Record> {
        &self.records
    }

    /// The chain.
    pub fn genesis_validators_root(&self) -> GenesisRoot {
        self.genesis_validators_root
    }

    /// Keys of which an input refused more. Say so before it is imported anywhere.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The same messages as a document, to merge, search or fold again.
    pub fn into_interchange(self) -> Interchange {
        Interchange {
            genesis_validators_root: Some(self.genesis_validators_root),
            records: self.records,
        }
    }
}
