//! Judgements of a merge: which keys it lacks, what it changes, and whether it has arrived.
//!
//! Must never trust that an import worked: only floors that were read back count.

use std::collections::BTreeSet;

use super::Merged;
use crate::protection::compare::{Comparison, LowerFloor, ReadBackError};
use crate::protection::floors::{Floors, History};
use crate::protection::pubkey::PublicKey;

impl Merged {
    /// Those of `keys` (the keys a host has keystores for) of which no input knew anything. A host
    /// that had keys and exported nothing for them did not export its history (Prysm, Web3Signer).
    pub fn missing_keys<'k>(&self, keys: impl Iterator<Item = &'k PublicKey>) -> Vec<PublicKey> {
        let missing: BTreeSet<_> = keys
            .filter(|key| !self.floors.contains_key(*key))
            .cloned()
            .collect();
        missing.into_iter().collect()
    }

    /// Compares with what the backup held before. `before` must be one of the merged inputs, so
    /// [`Comparison::lower`] is empty; [`Comparison::never_lower`] makes that an error.
    pub fn comparison(&self, before: &History) -> Comparison {
        let mut comparison = Comparison::default();
        for (key, merged) in &self.floors {
            match before.floors.get(key) {
                Some(held) if !merged.covers(held) => {
                    comparison.lower.push(LowerFloor {
                        key: key.clone(),
                        expected: *held,
                        found: *merged,
                    });
                }
                Some(held) if held.covers(merged) => comparison.equal.push(key.clone()),
                Some(_) | None => comparison.raised.push(key.clone()),
            }
        }
        let lost = before
            .floors
            .iter()
            .filter(|(key, _)| !self.floors.contains_key(*key));
        comparison.lower.extend(lost.map(|(key, held)| LowerFloor {
            key: key.clone(),
            expected: *held,
            found: Floors::default(),
        }));
        comparison
    }

    /// Judges what the backup holds after the import: every key, every component at least as high
    /// as merged, and the same chain where the read-back names one. The exit status of an import
    /// proves nothing (Teku, Nimbus, Web3Signer, Dirk and Prysm exit 0 with records lost).
    ///
    /// # Errors
    /// [`ReadBackError`] lists every missing and every lower key.
    pub fn verify_read_back(&self, found: &History) -> Result<(), ReadBackError> {
        let mut error = ReadBackError {
            expected_root: self.genesis_validators_root,
            other_root: found
                .genesis_validators_root
                .filter(|root| *root != self.genesis_validators_root),
            missing: Vec::new(),
            lower: Vec::new(),
        };
        for (key, expected) in &self.floors {
            match found.floors.get(key) {
                None => error.missing.push(key.clone()),
                Some(held) if held.covers(expected) => {}
                Some(held) => {
                    error.lower.push(LowerFloor {
                        key: key.clone(),
                        expected: *expected,
                        found: *held,
                    });
                }
            }
        }
        let bad = error.other_root.is_some() || !error.missing.is_empty() || !error.lower.is_empty();
        if bad { Err(error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{floors, history, key, merged};
    use super::*;

    #[test]
    fn compares_with_what_was_held_before() {
        let before = history(&[
            (1, floors(Some(5), Some(1), Some(2))),
            (2, floors(None, Some(1), Some(2))),
            (3, floors(None, Some(9), Some(10))),
            (4, Floors::default()),
        ]);
        let after = history(&[
            (1, floors(Some(6), Some(1), Some(2))),
            (2, floors(Some(0), Some(1), Some(2))),
            (3, floors(Some(7), Some(8), Some(11))),
            (5, Floors::default()),
        ]);
        let comparison = merged(&[&after]).comparison(&before);
        assert_eq!(comparison.raised, [key(1), key(5)]);
        assert_eq!(comparison.equal, [key(2)]);
        let lower: Vec<_> = comparison.lower.iter().map(|lower| lower.key.clone()).collect();
        assert_eq!(lower, [key(3), key(4)]);
        let said = comparison.never_lower().unwrap_err().to_string();
        assert!(
            said.contains(&key(3).short()) && said.contains("source 8"),
            "{said}"
        );
        assert!(
            merged(&[&after, &before])
                .comparison(&before)
                .never_lower()
                .is_ok()
        );
    }

    #[test]
    fn reads_back_only_when_every_component_of_every_key_is_held() {
        let whole = floors(Some(6), Some(3), Some(4));
        let merged = merged(&[&history(&[(1, whole), (2, whole)])]);
        let held = |floors| history(&[(1, whole), (2, floors), (3, Floors::default())]);
        assert_eq!(merged.verify_read_back(&held(whole)), Ok(()));
        assert_eq!(
            merged.verify_read_back(&held(floors(Some(7), Some(4), Some(9)))),
            Ok(())
        );
        for low in [
            floors(Some(5), Some(3), Some(4)),
            floors(Some(6), Some(2), Some(4)),
            floors(Some(6), Some(3), Some(3)),
            floors(None, Some(3), Some(4)),
            Floors::default(),
        ] {
            let error = merged.verify_read_back(&held(low)).unwrap_err();
            assert_eq!(
                error.lower,
                [LowerFloor {
                    key: key(2),
                    expected: whole,
                    found: low
                }]
            );
        }
        let error = merged.verify_read_back(&history(&[(1, whole)])).unwrap_err();
        assert_eq!(
            (error.missing.as_slice(), error.lower.as_slice()),
            ([key(2)].as_slice(), [].as_slice())
        );
        let mut other = held(whole);
        other.genesis_validators_root = Some([2; 32].into());
        assert!(
            merged
                .verify_read_back(&other)
                .unwrap_err()
                .to_string()
                .contains("of chain 0x0202")
        );
        other.genesis_validators_root = None;
        assert_eq!(merged.verify_read_back(&other), Ok(()));
    }
}
