//! Where readers put what they read: message by message, key by key, so that the same reader folds to floors in little
//! memory or keeps everything.
//!
//! Must never drop a message: what a sink does not keep, it has counted into a floor.

use std::collections::btree_map::Entry;

use super::floors::{Floors, History};
use super::interchange::{Interchange, Record, SignedAttestation, SignedBlock};
use super::pubkey::PublicKey;

/// Takes up messages. Readers gather one key's messages in a [`Sink::Messages`] and hand it over with the key, which
/// may only be known at the end. A key may come several times, and its messages in any order.
pub trait Sink {
    /// What is gathered of one key.
    type Messages: Default;

    /// Takes up one block.
    fn block(messages: &mut Self::Messages, block: SignedBlock);

    /// Takes up one attestation.
    fn attestation(messages: &mut Self::Messages, attestation: SignedAttestation);

    /// Unites what was gathered with what is known of the key. A key without messages is known all the same.
    fn key(&mut self, key: PublicKey, messages: Self::Messages);
}

/// Folds to floors (EIP-3076, minimal strategy): memory for the keys, not for the messages.
impl Sink for History {
    type Messages = Floors;

    fn block(floors: &mut Floors, block: SignedBlock) {
        // Slot 0 reads as never proposed, see `Floors::block_slot`.
        floors.block_slot = floors.block_slot.max(Some(block.slot).filter(|slot| *slot > 0));
    }

    fn attestation(floors: &mut Floors, vote: SignedAttestation) {
        floors.source_epoch = floors.source_epoch.max(Some(vote.source_epoch));
        floors.target_epoch = floors.target_epoch.max(Some(vote.target_epoch));
    }

    fn key(&mut self, key: PublicKey, floors: Floors) {
        self.raise(key, floors);
    }
}

/// Keeps everything.
impl Sink for Interchange {
    type Messages = Record;

    fn block(record: &mut Record, block: SignedBlock) {
        record.blocks.push(block);
    }

    fn attestation(record: &mut Record, vote: SignedAttestation) {
        record.attestations.push(vote);
    }

    fn key(&mut self, key: PublicKey, mut record: Record) {
        match self.records.entry(key) {
            // Without the room that growing lists are given ahead: over a large file that is a third of all memory.
            Entry::Vacant(vacant) => {
                record.blocks.shrink_to_fit();
                record.attestations.shrink_to_fit();
                vacant.insert(record);
            }
            // A key may come in millions of entries: then its lists grow as lists do.
            Entry::Occupied(mut held) => {
                held.get_mut().blocks.append(&mut record.blocks);
                held.get_mut().attestations.append(&mut record.attestations);
            }
        }
    }
}
