//! The floor of a key: the highest block slot, source epoch and target epoch it ever signed, and
//! what a signer that holds it would still sign.
//!
//! Must never answer more loosely than the minimal strategy of EIP-3076 ("Conditions", 2, 4 and 5):
//! a message allowed here is a message a validator may really sign.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::pubkey::PublicKey;
use super::root::GenesisRoot;

/// Per key: the highest values signed. `None` means nothing of that kind was ever signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Floors {
    /// Highest slot of a signed block. Slot 0 is the genesis block, which nobody proposes: it means
    /// the same as `None` (Teku exports it for a key that never proposed, Nimbus reads it as none).
    pub block_slot: Option<u64>,
    /// Highest source epoch of a signed attestation. 0 refuses nothing that `None` allows.
    pub source_epoch: Option<u64>,
    /// Highest target epoch of a signed attestation, perhaps of another one than the source.
    pub target_epoch: Option<u64>,
}

/// The floors of many keys, sorted by key.
pub type FloorMap = BTreeMap<PublicKey, Floors>;

/// What one host, file or database says was signed, reduced to floors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The chain it belongs to; `None` when the source does not say (Teku, Lighthouse's database).
    pub genesis_validators_root: Option<GenesisRoot>,
    /// Keys with nothing signed are listed too, with empty floors.
    pub floors: FloorMap,
}

impl Floors {
    /// The higher of both, component by component (EIP-3076, minimal strategy, import).
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            block_slot: self.block_slot.max(other.block_slot),
            source_epoch: self.source_epoch.max(other.source_epoch),
            target_epoch: self.target_epoch.max(other.target_epoch),
        }
    }

    /// True when everything `other` refuses to sign is refused here too: at least as high in every
    /// component that `other` has. Block slot 0 and source epoch 0 refuse nothing, so they need
    /// nothing; target epoch 0 refuses the genesis attestation 0 -> 0, so it does.
    pub fn covers(&self, other: &Self) -> bool {
        self.block_slot.unwrap_or(0) >= other.block_slot.unwrap_or(0)
            && self.source_epoch.unwrap_or(0) >= other.source_epoch.unwrap_or(0)
            && self.target_epoch >= other.target_epoch
    }

    /// True when both refuse exactly the same messages.
    pub fn same_as(&self, other: &Self) -> bool {
        self.covers(other) && other.covers(self)
    }

    /// Condition 2: only a slot above the highest signed one. Slot 0 is never signed.
    pub fn would_sign_block(&self, slot: u64) -> bool {
        slot > self.block_slot.unwrap_or(0)
    }

    /// Conditions 4 and 5: source not below the highest source, target above the highest target.
    /// No repeat signing: the minimal strategy keeps no roots.
    pub fn would_sign_attestation(&self, source: u64, target: u64) -> bool {
        source >= self.source_epoch.unwrap_or(0) && self.target_epoch.is_none_or(|highest| target > highest)
    }
}

impl fmt::Display for Floors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<u64>| value.map_or("none".to_owned(), |value| value.to_string());
        let Self {
            block_slot,
            source_epoch,
            target_epoch,
        } = *self;
        write!(
            f,
            "slot {}, source {}, target {}",
            shown(block_slot),
            shown(source_epoch),
            shown(target_epoch)
        )
    }
}

impl History {
    /// The floors of a key; empty floors for a key this history does not know.
    pub fn floors_of(&self, key: &PublicKey) -> Floors {
        self.floors.get(key).copied().unwrap_or_default()
    }

    /// Raises a key's floors to at least `floors`; never lowers one.
    pub fn raise(&mut self, key: PublicKey, floors: Floors) {
        let held = self.floors.entry(key).or_default();
        *held = held.join(floors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floors(block_slot: Option<u64>, source_epoch: Option<u64>, target_epoch: Option<u64>) -> Floors {
        Floors {
            block_slot,
            source_epoch,
            target_epoch,
        }
    }

    #[test]
    fn signs_only_above_the_floor() {
        let held = floors(Some(10), Some(3), Some(5));
        for (slot, signs) in [(0, false), (9, false), (10, false), (11, true), (u64::MAX, true)] {
            assert_eq!(held.would_sign_block(slot), signs, "slot {slot}");
        }
        for (source, target, signs) in [
            (3, 6, true),
            (4, 6, true),
            (2, 6, false),
            (3, 5, false),
            (3, 4, false),
            (2, 5, false),
        ] {
            assert_eq!(
                held.would_sign_attestation(source, target),
                signs,
                "{source} -> {target}"
            );
        }
    }

    #[test]
    fn an_empty_floor_signs_everything_but_the_genesis_block() {
        let none = Floors::default();
        assert!(!none.would_sign_block(0) && none.would_sign_block(1));
        assert!(none.would_sign_attestation(0, 0));
        assert!(!floors(None, Some(0), Some(0)).would_sign_attestation(0, 0));
    }

    #[test]
    fn covers_needs_every_component() {
        let held = floors(Some(10), Some(3), Some(5));
        assert!(held.covers(&held) && held.covers(&Floors::default()));
        for higher in [
            floors(Some(11), Some(3), Some(5)),
            floors(Some(10), Some(4), Some(5)),
            floors(Some(10), Some(3), Some(6)),
        ] {
            assert!(!held.covers(&higher) && higher.covers(&held), "{higher:?}");
        }
        assert!(!Floors::default().covers(&floors(None, None, Some(0))));
        assert!(Floors::default().same_as(&floors(Some(0), Some(0), None)));
    }
}
