//! Short histories for the tests of the merge, here and in the modules below.
//!
//! Must never be compiled into the program: its `unwrap` is for tests.

use super::*;

pub const ROOT: [u8; 32] = [1; 32];

pub fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 48]).unwrap()
}

pub fn floors(block_slot: Option<u64>, source_epoch: Option<u64>, target_epoch: Option<u64>) -> Floors {
    Floors {
        block_slot,
        source_epoch,
        target_epoch,
    }
}

pub fn history(floors: &[(u8, Floors)]) -> History {
    let floors = floors
        .iter()
        .map(|(byte, floors)| (key(*byte), *floors))
        .collect();
    History {
        genesis_validators_root: Some(ROOT.into()),
        floors,
    }
}

pub fn merged(inputs: &[&History]) -> Merged {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|history| Input::new("input", history))
        .collect();
    merge(&inputs, ROOT).unwrap()
}
