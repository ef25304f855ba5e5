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

/// How many conflicts of each kind and certainty are listed; beyond that they are only counted, so that two files with
/// millions of them do not take the memory.
pub const LISTED: u64 = 1_000;

/// What a search found: all are counted, the first [`LISTED`] of each kind and certainty are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conflicts {
    /// By key.
    pub listed: Vec<Conflict>,
    /// Two blocks for one slot.
    pub double_proposals: Tally,
    /// Two attestations for one target.
    pub double_votes: Tally,
    /// One attestation surrounds another.
    pub surrounds: Tally,
}

/// How many conflicts of a kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// See [`Certainty::Proven`].
    pub proven: u64,
    /// See [`Certainty::Possible`].
    pub possible: u64,
}

impl Conflicts {
    /// All of this certainty, listed or not.
    pub fn count(&self, certainty: Certainty) -> u64 {
        let of = |tally: &Tally| match certainty {
            Certainty::Proven => tally.proven,
            Certainty::Possible => tally.possible,
        };
        of(&self.double_proposals) + of(&self.double_votes) + of(&self.surrounds)
    }

    /// The first that is proven. There is one whenever [`Self::count`] says so.
    pub fn first_proven(&self) -> Option<&Conflict> {
        let proven = |conflict: &&Conflict| conflict.certainty == Certainty::Proven;
        self.listed.iter().find(proven)
    }

    fn count_mut(&mut self, kind: ConflictKind, certainty: Certainty) -> &mut u64 {
        let tally = match kind {
            ConflictKind::DoubleProposal => &mut self.double_proposals,
            ConflictKind::DoubleVote => &mut self.double_votes,
            ConflictKind::Surround => &mut self.surrounds,
        };
        match certainty {
            Certainty::Proven => &mut tally.proven,
            Certainty::Possible => &mut tally.possible,
        }
    }
}

/// Finds slashable pairs over the union of the inputs, in O(n log n): every slot and target with two
/// signings and every surrounded attestation is counted, each with one witness; not every pair is.
///
/// Two records with equal numbers are the same message when the roots are equal, and also when one
/// is unknown and they come from different inputs: the same history moved between hosts. Within one
/// input two rows are two signings, as in the official vectors.
pub fn find_conflicts(inputs: &[(&str, &Interchange)]) -> Conflicts {
    search::search(inputs)
}

/// The conflicts that [`find_conflicts`] lists. Where they are counted for people, ask it instead.
pub fn conflicts(inputs: &[(&str, &Interchange)]) -> Vec<Conflict> {
    find_conflicts(inputs).listed
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
