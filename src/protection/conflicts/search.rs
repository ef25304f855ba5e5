//! The search for conflicts: sort once, walk once, per key.
//!
//! Must never compare every pair: a key has hundreds of thousands of attestations, and the quadratic
//! walk is what made imports take hours.

use std::collections::BTreeSet;

use super::{Certainty, Conflict, ConflictKind, Message, Witness};
use crate::protection::interchange::{Interchange, SignedAttestation, SignedBlock};
use crate::protection::pubkey::PublicKey;
use crate::protection::root::Root;

/// See [`super::conflicts`].
pub(super) fn search(inputs: &[(&str, &Interchange)]) -> Vec<Conflict> {
    let keys: BTreeSet<_> = inputs
        .iter()
        .flat_map(|(_, interchange)| interchange.records.keys())
        .collect();
    let mut found = Found {
        inputs,
        conflicts: Vec::new(),
    };
    for key in keys {
        let (mut blocks, mut votes) = (Vec::new(), Vec::new());
        for (input, (_, interchange)) in inputs.iter().enumerate() {
            let Some(record) = interchange.records.get(key) else {
                continue;
            };
            blocks.extend(record.blocks.iter().map(|block| Tagged {
                message: *block,
                input,
            }));
            votes.extend(record.attestations.iter().map(|vote| Tagged {
                message: *vote,
                input,
            }));
        }
        found.double(key, ConflictKind::DoubleProposal, &mut blocks);
        found.double(key, ConflictKind::DoubleVote, &mut votes);
        found.surrounds(key, &mut votes);
    }
    found.conflicts
}

#[derive(Clone, Copy)]
struct Tagged<M> {
    message: M,
    input: usize,
}

/// What the search needs to know of a message.
trait Signed: Copy + Ord {
    /// Slot or target epoch: one message per key and place is allowed.
    fn place(&self) -> u64;
    /// Source epoch; the same for all blocks.
    fn source(&self) -> u64;
    fn root(&self) -> Option<Root>;
    fn message(self) -> Message;
}

impl Signed for SignedBlock {
    fn place(&self) -> u64 {
        self.slot
    }
    fn source(&self) -> u64 {
        0
    }
    fn root(&self) -> Option<Root> {
        self.signing_root
    }
    fn message(self) -> Message {
        Message::Block(self)
    }
}

impl Signed for SignedAttestation {
    fn place(&self) -> u64 {
        self.target_epoch
    }
    fn source(&self) -> u64 {
        self.source_epoch
    }
    fn root(&self) -> Option<Root> {
        self.signing_root
    }
    fn message(self) -> Message {
        Message::Attestation(self)
    }
}

struct Found<'a> {
    inputs: &'a [(&'a str, &'a Interchange)],
    conflicts: Vec<Conflict>,
}

impl Found<'_> {
    fn double<M: Signed>(&mut self, key: &PublicKey, kind: ConflictKind, messages: &mut [Tagged<M>]) {
        messages.sort_unstable_by_key(|m| (m.message.place(), m.message.source(), m.input, m.message.root()));
        for group in messages.chunk_by(|a, b| a.message.place() == b.message.place()) {
            let [first, rest @ ..] = group else { continue };
            let known = group.iter().find(|m| m.message.root().is_some()).unwrap_or(first);
            let mut previous = first;
            for second in rest {
                if let Some(witness) = [known, previous].into_iter().find(|m| clash(m, second)) {
                    self.add(key, kind, witness, second);
                }
                previous = second;
            }
        }
    }

    /// Walks down from the highest target with the lowest source seen above it: O(n log n). A
    /// witness with a known root is preferred, since it may prove the conflict.
    fn surrounds(&mut self, key: &PublicKey, votes: &mut [Tagged<SignedAttestation>]) {
        votes.sort_unstable_by_key(|vote| std::cmp::Reverse(vote.message.target_epoch));
        let mut widest: [Option<Tagged<SignedAttestation>>; 2] = [None, None];
        for group in votes.chunk_by(|a, b| a.message.target_epoch == b.message.target_epoch) {
            for inner in group {
                let surrounds = |outer: &&Tagged<SignedAttestation>| {
                    outer.message.source_epoch < inner.message.source_epoch
                };
                if let Some(outer) = widest.iter().flatten().find(surrounds).copied() {
                    self.add(key, ConflictKind::Surround, &outer, inner);
                }
            }
            let [known, any] = &mut widest;
            for vote in group {
                if vote.message.signing_root.is_some() {
                    widen(known, vote);
                }
                widen(any, vote);
            }
        }
    }

    fn add<M: Signed>(&mut self, key: &PublicKey, kind: ConflictKind, first: &Tagged<M>, second: &Tagged<M>) {
        let proven = first.message.root().is_some() && second.message.root().is_some();
        self.conflicts.push(Conflict {
            key: key.clone(),
            kind,
            certainty: if proven {
                Certainty::Proven
            } else {
                Certainty::Possible
            },
            first: self.witness(first),
            second: self.witness(second),
        });
    }

    fn witness<M: Signed>(&self, tagged: &Tagged<M>) -> Witness {
        let input = self
            .inputs
            .get(tagged.input)
            .map_or("", |(label, _)| label)
            .to_owned();
        Witness {
            input,
            message: tagged.message.message(),
        }
    }
}

/// Whether two messages for the same slot or target are two signings.
fn clash<M: Signed>(a: &Tagged<M>, b: &Tagged<M>) -> bool {
    if a.message.source() != b.message.source() {
        return true;
    }
    match (a.message.root(), b.message.root()) {
        (Some(a), Some(b)) => a != b,
        (None, _) | (_, None) => a.input == b.input,
    }
}

fn widen(widest: &mut Option<Tagged<SignedAttestation>>, vote: &Tagged<SignedAttestation>) {
    if widest.is_none_or(|held| vote.message.source_epoch < held.message.source_epoch) {
        *widest = Some(*vote);
    }
}
