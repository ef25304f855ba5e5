//! Watermarks beside messages. Readers of databases join a stored watermark in as a message without a root, which often has
//! the numbers of a message that is there as well; beside it, it would look like a second signing. Must never take away a
//! number, so that no floor falls, nor touch an interchange, in which two rows are two signings.

use crate::databases::{Format, Found};
use crate::protection::Interchange;

/// Leaves each message of a database once: a client's tables hold no slot and no target twice.
pub fn told_once(found: &Found, document: &mut Interchange) {
    match found.format {
        Format::Interchange => return,
        Format::Lighthouse
        | Format::Prysm
        | Format::PrysmMinimal
        | Format::Teku
        | Format::Nimbus
        | Format::Lodestar
        | Format::Web3Signer => {}
    }
    for record in document.records.values_mut() {
        // Without a root sorts before with one, so the later of two is the one that says more.
        record.blocks.sort_unstable();
        record.blocks.dedup_by(|later, held| {
            let again = held.slot == later.slot
                && (held.signing_root.is_none() || held.signing_root == later.signing_root);
            if again {
                held.signing_root = later.signing_root;
            }
            again
        });
        record.attestations.sort_unstable();
        record.attestations.dedup_by(|later, held| {
            let again = (held.source_epoch, held.target_epoch) == (later.source_epoch, later.target_epoch)
                && (held.signing_root.is_none() || held.signing_root == later.signing_root);
            if again {
                held.signing_root = later.signing_root;
            }
            again
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::{PublicKey, Record, Root, SignedAttestation, SignedBlock, fold};

    fn document() -> Interchange {
        let block = |slot, root: u8| SignedBlock {
            slot,
            signing_root: Root::known([root; 32]),
        };
        let vote = |source_epoch, target_epoch, root: u8| SignedAttestation {
            source_epoch,
            target_epoch,
            signing_root: Root::known([root; 32]),
        };
        let record = Record {
            blocks: vec![
                block(7, 1),
                block(5, 0),
                block(7, 0),
                block(5, 0),
                block(8, 1),
                block(8, 2),
            ],
            attestations: vec![
                vote(1, 2, 3),
                vote(1, 2, 0),
                vote(0, 2, 0),
                vote(4, 5, 1),
                vote(4, 5, 2),
            ],
        };
        Interchange {
            genesis_validators_root: None,
            records: [(PublicKey::parse("abab").unwrap(), record)].into(),
        }
    }

    /// Proves that only what another message of the same numbers tells is left out, no floor falls, and a real pair stays.
    #[test]
    fn leaves_each_message_once() {
        let mut once = document();
        told_once(&Found::new(Format::Web3Signer), &mut once);
        assert_eq!(fold(&once), fold(&document()));
        let record = once.records.values().next().unwrap();
        let slots: Vec<_> = record
            .blocks
            .iter()
            .map(|block| (block.slot, block.signing_root.is_some()))
            .collect();
        assert_eq!(slots, [(5, false), (7, true), (8, true), (8, true)]);
        let votes: Vec<_> = record
            .attestations
            .iter()
            .map(|vote| (vote.source_epoch, vote.target_epoch, vote.signing_root.is_some()))
            .collect();
        assert_eq!(votes, [(0, 2, false), (1, 2, true), (4, 5, true), (4, 5, true)]);
        let mut same = document();
        told_once(&Found::new(Format::Interchange), &mut same);
        assert_eq!(same, document());
    }
}
