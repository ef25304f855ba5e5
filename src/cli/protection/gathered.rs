//! A sink that folds to floors and, while the source is small, keeps every message too, so that a look at a small file
//! also finds what is slashable in it. Must never say that it kept everything when it did not.

use crate::protection::{
    Floors, History, Interchange, PublicKey, Record, SignedAttestation, SignedBlock, Sink,
};

/// Messages kept: with 56 bytes each, and a vector twice as large as its content, they stay below 64 MB.
const KEPT: usize = 500_000;

/// Floors of everything, and everything itself if it was little.
pub struct Gathered {
    /// Floors of all that was read.
    pub history: History,
    /// All that was read; `None` when it was too much to keep.
    pub whole: Option<Interchange>,
    kept: usize,
}

/// Of one key.
#[derive(Default)]
pub struct Messages {
    floors: Floors,
    record: Record,
    dropped: bool,
}

impl Gathered {
    pub fn new() -> Gathered {
        Gathered {
            history: History::default(),
            whole: Some(Interchange::default()),
            kept: 0,
        }
    }
}

impl Messages {
    fn held(&self) -> usize {
        self.record
            .blocks
            .len()
            .saturating_add(self.record.attestations.len())
    }

    fn has_room(&mut self) -> bool {
        if self.held() >= KEPT {
            self.dropped = true;
            self.record = Record::default();
        }
        !self.dropped
    }
}

impl Sink for Gathered {
    type Messages = Messages;

    fn block(messages: &mut Messages, block: SignedBlock) {
        <History as Sink>::block(&mut messages.floors, block);
        if messages.has_room() {
            messages.record.blocks.push(block);
        }
    }

    fn attestation(messages: &mut Messages, vote: SignedAttestation) {
        <History as Sink>::attestation(&mut messages.floors, vote);
        if messages.has_room() {
            messages.record.attestations.push(vote);
        }
    }

    fn key(&mut self, key: PublicKey, messages: Messages) {
        Sink::key(&mut self.history, key.clone(), messages.floors);
        self.kept = self.kept.saturating_add(messages.held());
        if messages.dropped || self.kept > KEPT {
            self.whole = None;
        }
        if let Some(whole) = &mut self.whole {
            Sink::key(whole, key, messages.record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes(&[byte; 4]).unwrap()
    }

    fn gather(counts: &[usize]) -> Gathered {
        let mut gathered = Gathered::new();
        for (at, count) in counts.iter().enumerate() {
            let mut messages = Messages::default();
            for slot in 1..=*count {
                let block = SignedBlock {
                    slot: slot as u64,
                    signing_root: None,
                };
                Gathered::block(&mut messages, block);
            }
            gathered.key(key(u8::try_from(at).unwrap()), messages);
        }
        gathered
    }

    /// Proves that the floors are of everything, and that what was not kept whole is not called whole.
    #[test]
    fn keeps_all_or_none() {
        for (counts, whole) in [
            (&[3, 4][..], true),
            (&[KEPT], true),
            (&[KEPT, 1], false),
            (&[KEPT + 1], false),
            (&[KEPT + 1, 1], false),
        ] {
            let gathered = gather(counts);
            assert_eq!(gathered.whole.is_some(), whole, "{counts:?}");
            for (at, count) in counts.iter().enumerate() {
                let floors = gathered.history.floors_of(&key(u8::try_from(at).unwrap()));
                assert_eq!(floors.block_slot, Some(*count as u64), "{counts:?}");
                if let Some(whole) = &gathered.whole {
                    let record = &whole.records[&key(u8::try_from(at).unwrap())];
                    assert_eq!(record.blocks.len(), *count, "{counts:?}");
                }
            }
        }
    }
}
