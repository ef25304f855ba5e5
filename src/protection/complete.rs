//! What a signer that keeps every message would still sign: the complete strategy of EIP-3076.
//!
//! Must never answer more loosely than "Conditions" 1 to 5 of its text. "Lowest" is the lowest message that the record
//! holds: where histories were united, messages between an older and a newer one may be signable (the vector
//! `single_message_gap`); the floors of the minimal strategy leave no such gap.

use super::interchange::Record;
use super::root::Root;

impl Record {
    /// Conditions 1 and 2: no second block for a slot, none at or below the lowest slot held; the same block again, by
    /// an equal root, at any slot held. Slot 0 is never signed. Looks at every block: O(n).
    pub fn would_sign_block(&self, slot: u64, root: Option<Root>) -> bool {
        let mut lowest = None;
        let mut repeated = false;
        for block in &self.blocks {
            lowest = Some(lowest.map_or(block.slot, |lowest: u64| lowest.min(block.slot)));
            if block.slot == slot {
                if !same(block.signing_root, root) {
                    return false;
                }
                repeated = true;
            }
        }
        slot > 0 && (repeated || lowest.is_none_or(|lowest| slot > lowest))
    }

    /// Conditions 3, 4 and 5: no second attestation for a target, none that surrounds one held or is surrounded by it,
    /// no source below the lowest held, no target at or below the lowest held; the same attestation again, by an equal
    /// root. A source above the target is never signed. Looks at every attestation: O(n).
    pub fn would_sign_attestation(&self, source: u64, target: u64, root: Option<Root>) -> bool {
        let mut lowest: Option<(u64, u64)> = None;
        let mut repeated = false;
        for held in &self.attestations {
            let (held_source, held_target) = (held.source_epoch, held.target_epoch);
            lowest = Some(lowest.map_or((held_source, held_target), |(source, target)| {
                (source.min(held_source), target.min(held_target))
            }));
            let surrounds = source < held_source && held_target < target;
            let surrounded = held_source < source && target < held_target;
            if surrounds || surrounded {
                return false;
            }
            if held_target == target {
                if held_source != source || !same(held.signing_root, root) {
                    return false;
                }
                repeated = true;
            }
        }
        let above = lowest
            .is_none_or(|(lowest_source, lowest_target)| source >= lowest_source && target > lowest_target);
        source <= target && (repeated || above)
    }
}

/// Known to be the same message. An unknown root is no message's root.
fn same(held: Option<Root>, asked: Option<Root>) -> bool {
    held.is_some() && held == asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::{SignedAttestation, SignedBlock};

    fn root(byte: u8) -> Option<Root> {
        Root::known([byte; 32])
    }

    #[test]
    fn blocks_are_signed_once_and_above_the_lowest() {
        let blocks = [(10, 1), (12, 0), (20, 2), (20, 3)].map(|(slot, byte)| SignedBlock {
            slot,
            signing_root: root(byte),
        });
        let record = Record {
            blocks: blocks.to_vec(),
            attestations: Vec::new(),
        };
        for (slot, byte, signs) in [
            (0, 0, false),
            (9, 1, false),
            (10, 1, true),
            (10, 2, false),
            (10, 0, false),
            (11, 1, true),
            (11, 0, true),
            (12, 0, false),
            (12, 1, false),
            (15, 7, true),
            (20, 2, false),
            (20, 0, false),
            (21, 0, true),
        ] {
            assert_eq!(
                record.would_sign_block(slot, root(byte)),
                signs,
                "slot {slot} root {byte}"
            );
        }
        assert!(Record::default().would_sign_block(1, None));
        assert!(!Record::default().would_sign_block(0, None));
    }

    #[test]
    fn attestations_are_signed_once_and_never_around_another() {
        let votes =
            [(3, 4, 1), (5, 9, 2), (5, 7, 0)].map(|(source_epoch, target_epoch, byte)| SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root: root(byte),
            });
        let record = Record {
            blocks: Vec::new(),
            attestations: votes.to_vec(),
        };
        for (source, target, byte, signs) in [
            (3, 4, 1, true),
            (3, 4, 0, false),
            (3, 4, 2, false),
            (2, 4, 1, false),
            (2, 5, 1, false),
            (3, 3, 1, false),
            (3, 5, 1, true),
            (5, 9, 2, true),
            (6, 9, 2, false),
            (6, 8, 2, false),
            (5, 8, 0, true),
            (5, 7, 0, false),
            (4, 8, 0, false),
            (4, 10, 0, false),
            (5, 10, 0, true),
            (12, 11, 0, false),
        ] {
            let signed = record.would_sign_attestation(source, target, root(byte));
            assert_eq!(signed, signs, "{source} -> {target} root {byte}");
        }
        assert!(Record::default().would_sign_attestation(0, 0, None));
    }
}
