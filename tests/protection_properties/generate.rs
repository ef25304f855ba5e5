//! Histories and documents at random: small numbers, so that they collide.
//!
//! Must never be weakened to make a property pass.

use failover::protection::{
    Floors, History, Interchange, PublicKey, Record, Root, SignedAttestation, SignedBlock,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

pub const ROOT: [u8; 32] = [7; 32];
/// Highest slot or epoch generated; tried messages go one further.
pub const TOP: u64 = 8;

pub fn keys() -> impl Strategy<Value = PublicKey> {
    (0_u8..4).prop_map(|byte| PublicKey::from_bytes(&[byte; 48]).unwrap())
}

/// Floors of any kind, also those no valid signer can hold.
pub fn any_floors() -> impl Strategy<Value = Floors> {
    (option::of(0..=TOP), option::of(0..=TOP), option::of(0..=TOP)).prop_map(
        |(block_slot, source_epoch, target_epoch)| Floors {
            block_slot,
            source_epoch,
            target_epoch,
        },
    )
}

pub fn histories() -> impl Strategy<Value = History> {
    btree_map(keys(), any_floors(), 0..4).prop_map(|floors| History {
        genesis_validators_root: Some(ROOT.into()),
        floors,
    })
}

pub fn roots() -> impl Strategy<Value = Option<Root>> {
    (0_u8..3).prop_map(|byte| Root::known([byte; 32]))
}

pub fn records() -> impl Strategy<Value = Record> {
    let block = (0..=TOP, roots()).prop_map(|(slot, signing_root)| SignedBlock { slot, signing_root });
    let vote = (0..=TOP, 0..=TOP, roots()).prop_map(|(source_epoch, target_epoch, signing_root)| {
        SignedAttestation {
            source_epoch,
            target_epoch,
            signing_root,
        }
    });
    (vec(block, 0..6), vec(vote, 0..6)).prop_map(|(blocks, attestations)| Record { blocks, attestations })
}

pub fn interchanges() -> impl Strategy<Value = Interchange> {
    btree_map(keys(), records(), 0..4).prop_map(|records| Interchange {
        genesis_validators_root: Some(ROOT.into()),
        records,
    })
}
