//! The search for conflicts: sort once, walk once, per key, in memory that is used again for the next key.
//!
//! Must never compare every pair: a key has hundreds of thousands of attestations, and the quadratic
//! walk is what made imports take hours. Must never copy all records: the order of them is 24 bytes each.

use std::collections::BTreeSet;

use super::{Certainty, Conflict, ConflictKind, Conflicts, LISTED, Message, Witness};
use crate::protection::interchange::{Interchange, Record, SignedAttestation, SignedBlock};
use crate::protection::pubkey::PublicKey;
use crate::protection::root::Root;

/// See [`super::find_conflicts`].
pub(super) fn search(inputs: &[(&str, &Interchange)]) -> Conflicts {
    let keys: BTreeSet<_> = inputs
        .iter()
        .flat_map(|(_, interchange)| interchange.records.keys())
        .collect();
    let mut found = Found {
        inputs,
        conflicts: Conflicts::default(),
    };
    let mut order = Vec::new();
    for key in keys {
        let records: Vec<(usize, &Record)> = inputs
            .iter()
            .enumerate()
            .filter_map(|(input, (_, interchange))| Some((input, interchange.records.get(key)?)))
            .collect();
        let blocks = Signings::of(&records, |record| &record.blocks);
        blocks.sort_into(&mut order);
        found.double(key, ConflictKind::DoubleProposal, &blocks, &order);
        let votes = Signings::of(&records, |record| &record.attestations);
        votes.sort_into(&mut order);
        found.double(key, ConflictKind::DoubleVote, &votes, &order);
        found.surrounds(key, &votes, &order);
    }
    found.conflicts
}

#[derive(Clone, Copy)]
struct Tagged<M> {
    message: M,
    input: usize,
}

/// A message's place in the order, and where the message itself is. Ordered by the former.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    place: u64,
    source: u64,
    part: u32,
    index: u32,
}

/// All messages of one kind and one key, where they are.
struct Signings<'a, M> {
    parts: Vec<(usize, &'a [M])>,
}

impl<'a, M: Signed> Signings<'a, M> {
    fn of(records: &[(usize, &'a Record)], list: impl Fn(&'a Record) -> &'a Vec<M>) -> Self {
        // Parts of a size that an index of 32 bits can name.
        let parts = records.iter().flat_map(|(input, record)| {
            let parts = list(record).chunks(u32::MAX as usize);
            parts.map(|part| (*input, part))
        });
        let parts = parts.collect();
        Self { parts }
    }

    /// Sorts by place and source, in time that is linear when every list is sorted already.
    fn sort_into(&self, order: &mut Vec<Placed>) {
        order.clear();
        order.reserve_exact(self.parts.iter().map(|(_, part)| part.len()).sum());
        for ((_, messages), part) in self.parts.iter().zip(0_u32..) {
            order.extend(messages.iter().zip(0_u32..).map(|(message, index)| Placed {
                place: message.place(),
                source: message.source(),
                part,
                index,
            }));
        }
        if !order.is_sorted() {
            // The stable sort takes runs that are sorted as they are.
            order.sort();
        }
    }

    fn at(&self, placed: &Placed) -> Option<Tagged<M>> {
        let (input, messages) = self.parts.get(placed.part as usize)?;
        Some(Tagged {
            message: *messages.get(placed.index as usize)?,
            input: *input,
        })
    }
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
    conflicts: Conflicts,
}

impl Found<'_> {
    fn double<M: Signed>(
        &mut self,
        key: &PublicKey,
        kind: ConflictKind,
        messages: &Signings<'_, M>,
        order: &[Placed],
    ) {
        let mut group = Vec::new();
        for placed in order.chunk_by(|a, b| a.place == b.place) {
            if placed.len() < 2 {
                continue;
            }
            group.clear();
            group.extend(placed.iter().filter_map(|placed| messages.at(placed)));
            group.sort_unstable_by_key(|m| (m.message.source(), m.input, m.message.root()));
            let [first, rest @ ..] = group.as_slice() else {
                continue;
            };
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
    fn surrounds(&mut self, key: &PublicKey, votes: &Signings<'_, SignedAttestation>, order: &[Placed]) {
        let mut widest: [Option<Tagged<SignedAttestation>>; 2] = [None, None];
        for group in order.chunk_by(|a, b| a.place == b.place).rev() {
            for placed in group {
                let surrounds =
                    |outer: &&Tagged<SignedAttestation>| outer.message.source_epoch < placed.source;
                if let Some(outer) = widest.iter().flatten().find(surrounds).copied()
                    && let Some(inner) = votes.at(placed)
                {
                    self.add(key, ConflictKind::Surround, &outer, &inner);
                }
            }
            let [known, any] = &mut widest;
            // By source: who is no wider than what is held need not be looked at.
            for placed in group {
                let wider = |held: &Option<Tagged<SignedAttestation>>| {
                    held.is_none_or(|held| placed.source < held.message.source_epoch)
                };
                if !(wider(known) || wider(any)) {
                    continue;
                }
                let Some(vote) = votes.at(placed) else { continue };
                if wider(any) {
                    *any = Some(vote);
                }
                if wider(known) && vote.message.signing_root.is_some() {
                    *known = Some(vote);
                }
            }
        }
    }

    fn add<M: Signed>(&mut self, key: &PublicKey, kind: ConflictKind, first: &Tagged<M>, second: &Tagged<M>) {
        let certainty = match (first.message.root(), second.message.root()) {
            (Some(_), Some(_)) => Certainty::Proven,
            (None, _) | (_, None) => Certainty::Possible,
        };
        let count = self.conflicts.count_mut(kind, certainty);
        *count += 1;
        if *count > LISTED {
            return;
        }
        let conflict = Conflict {
            key: key.clone(),
            kind,
            certainty,
            first: self.witness(first),
            second: self.witness(second),
        };
        self.conflicts.listed.push(conflict);
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
