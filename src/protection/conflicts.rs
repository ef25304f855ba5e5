//! Slashable pairs in the union of several histories: double proposals, double votes, surrounds.
//!
//! Must never call the same message a conflict because one client forgot its root (Teku erases
//! roots), nor call a pair proven when one of the two may be a synthetic record.

mod search;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::interchange::{Interchange, SignedAttestation, SignedBlock};
use super::pubkey::PublicKey;

/// Two messages of one key that must not both have been signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The key that signed both.
    pub key: PublicKey,
    /// Which rule they break.
    pub kind: ConflictKind,
    /// How sure it is.
    pub certainty: Certainty,
    /// For a surround: the surrounding one.
    pub first: Witness,
    /// For a surround: the surrounded one.
    pub second: Witness,
}

/// The slashing rules (EIP-3076 conditions 1 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Two different blocks for one slot.
    DoubleProposal,
    /// Two different attestations for one target epoch.
    DoubleVote,
    /// One attestation with an earlier source and a later target than another.
    Surround,
}

/// How sure a conflict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Both roots are known: both messages were signed.
    Proven,
    /// A root is unknown: the record may be a maximum put together from several messages, or the
    /// same message twice in one file. EIP-3076 treats it as a conflict.
    Possible,
}

/// A signed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A block.
    Block(SignedBlock),
    /// An attestation.
    Attestation(SignedAttestation),
}

/// A message and the input it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// Label of the input.
    pub input: String,
    /// What was signed.
    pub message: Message,
}

/// Finds slashable pairs over the union of the inputs, in O(n log n): every slot and target with two
/// signings and every surrounded attestation is named, each with one witness; not every pair is.
///
/// Two records with equal numbers are the same message when the roots are equal, and also when one
/// is unknown and they come from different inputs: the same history moved between hosts. Within one
/// input two rows are two signings, as in the official vectors.
pub fn conflicts(inputs: &[(&str, &Interchange)]) -> Vec<Conflict> {
    search::search(inputs)
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ConflictKind::DoubleProposal => "two blocks for one slot",
            ConflictKind::DoubleVote => "two attestations for one target",
            ConflictKind::Surround => "one attestation surrounds the other",
        };
        let sure = match self.certainty {
            Certainty::Proven => "",
            Certainty::Possible => " (not proven: a root is unknown)",
        };
        write!(
            f,
            "key {}: {what}{sure}: {} and {}",
            self.key.short(),
            self.first,
            self.second
        )
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message {
            Message::Block(block) => write!(f, "slot {}", block.slot)?,
            Message::Attestation(vote) => write!(f, "{} -> {}", vote.source_epoch, vote.target_epoch)?,
        }
        write!(f, " in {}", self.input)
    }
}
