//! The merge: several histories of one chain become the one floor per key that the backup must hold.
//!
//! Must never lower a component, never mix chains, and never let a `Merged` be built any other way:
//! the type is the proof that what is imported is at least as high as everything known.

use std::collections::BTreeSet;

use serde::Serialize;

use super::compare::{Comparison, LowerFloor, ReadBackError};
use super::floors::{FloorMap, Floors, History};
use super::interchange::LARGEST_NUMBER;
use super::pubkey::PublicKey;
use super::root::GenesisRoot;

/// One history to merge.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it comes from, for messages: `primary`, `backup`, a file name.
    pub label: &'a str,
    /// What was signed there.
    pub history: &'a History,
    /// True when the caller vouches for the chain of a history that names none (Teku, Lighthouse's
    /// and Dirk's databases). A history that names another chain is refused all the same.
    pub root_vouched: bool,
}

/// Floors that are safe to import: only [`merge`] makes one. Each key's floors have a form every
/// client accepts: block slot absent or above 0; source and target both absent, or source < target,
/// or 0 and 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    genesis_validators_root: GenesisRoot,
    floors: FloorMap,
    raises: Vec<Raise>,
}

/// A key whose floors the merge raised above the plain maximum, because no valid signer can hold
/// them as they were and not every client would import them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Raise {
    /// The key.
    pub key: PublicKey,
    /// The plain component-wise maximum.
    pub from: Floors,
    /// What stands in the merge.
    pub to: Floors,
}

/// Why the merge was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No input at all: an empty merge would protect nothing.
    #[error("nothing to merge: no history was given")]
    NoInput,
    /// The input belongs to another chain.
    #[error(
        "{label} belongs to another chain: its genesis validators root is {found}, expected {expected}. \
         Check that both hosts and the file are of the same network; a root of zeros was exported without \
         a beacon node"
    )]
    OtherChain {
        label: String,
        found: GenesisRoot,
        expected: GenesisRoot,
    },
    /// The input does not say which chain it belongs to.
    #[error(
        "{label} does not say which chain it belongs to (no genesis_validators_root). Make sure that it is \
         {expected} and vouch for it, or export it again"
    )]
    UnknownChain { label: String, expected: GenesisRoot },
    /// A floor that not every client can hold, see [`LARGEST_NUMBER`].
    #[error(
        "{label}: {field} of key {} is {value}, above {LARGEST_NUMBER} (2^53 - 1), which Lodestar cannot hold \
         exactly. No real chain is that old: find out where the record comes from",
        key.short()
    )]
    TooLarge {
        label: String,
        key: PublicKey,
        field: &'static str,
        value: u64,
    },
}

impl<'a> Input<'a> {
    /// An input that must name its chain itself.
    pub fn new(label: &'a str, history: &'a History) -> Self {
        Self {
            label,
            history,
            root_vouched: false,
        }
    }

    /// An input for whose chain the caller vouches when it names none.
    pub fn vouched(label: &'a str, history: &'a History) -> Self {
        Self {
            label,
            history,
            root_vouched: true,
        }
    }
}

/// Unites the inputs key by key, the highest value of each component (EIP-3076, minimal strategy).
///
/// A target that is missing or not above the source, as only damaged data has it, is raised to
/// source + 1 and listed in [`Merged::raises`]: Nimbus skips the attestations of such a key with
/// exit 0. Raising only ever refuses more, at most one epoch of duty.
///
/// # Errors
/// [`MergeError`] names the input that belongs to another or an unknown chain, or holds a number
/// that not every client can hold.
pub fn merge(inputs: &[Input<'_>], expected_root: impl Into<GenesisRoot>) -> Result<Merged, MergeError> {
    let expected = expected_root.into();
    if inputs.is_empty() {
        return Err(MergeError::NoInput);
    }
    let mut united = History {
        genesis_validators_root: Some(expected),
        floors: FloorMap::new(),
    };
    for input in inputs {
        check_chain(input, expected)?;
        for (key, floors) in &input.history.floors {
            check_size(input.label, key, importable(*floors))?;
            united.raise(key.clone(), *floors);
        }
    }
    let mut raises = Vec::new();
    let mut floors = united.floors;
    for (key, held) in &mut floors {
        let (from, to) = (*held, importable(*held));
        check_size("the merge", key, to)?;
        if !from.covers(&to) {
            raises.push(Raise {
                key: key.clone(),
                from,
                to,
            });
        }
        *held = to;
    }
    Ok(Merged {
        genesis_validators_root: expected,
        floors,
        raises,
    })
}

fn check_chain(input: &Input<'_>, expected: GenesisRoot) -> Result<(), MergeError> {
    let label = || input.label.to_owned();
    match input.history.genesis_validators_root {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(MergeError::OtherChain {
            label: label(),
            found,
            expected,
        }),
        None if input.root_vouched => Ok(()),
        None => Err(MergeError::UnknownChain {
            label: label(),
            expected,
        }),
    }
}

fn check_size(label: &str, key: &PublicKey, floors: Floors) -> Result<(), MergeError> {
    let fields = [
        ("block slot", floors.block_slot),
        ("source epoch", floors.source_epoch),
        ("target epoch", floors.target_epoch),
    ];
    match fields
        .into_iter()
        .find_map(|(field, value)| Some((field, value.filter(|v| *v > LARGEST_NUMBER)?)))
    {
        Some((field, value)) => Err(MergeError::TooLarge {
            label: label.to_owned(),
            key: key.clone(),
            field,
            value,
        }),
        None => Ok(()),
    }
}

/// The lowest floors that cover `floors` and that every client imports, see [`Merged`].
fn importable(floors: Floors) -> Floors {
    let block_slot = floors.block_slot.filter(|slot| *slot > 0);
    let (source_epoch, target_epoch) = match (floors.source_epoch, floors.target_epoch) {
        (None, None) => (None, None),
        (None | Some(0), target) => (Some(0), Some(target.unwrap_or(0))),
        (Some(source), Some(target)) if source < target => (Some(source), Some(target)),
        (Some(source), _) => (Some(source), Some(source.saturating_add(1))),
    };
    Floors {
        block_slot,
        source_epoch,
        target_epoch,
    }
}

impl Merged {
    /// The merged floors, sorted by key.
    pub fn floors(&self) -> &FloorMap {
        &self.floors
    }

    /// The chain.
    pub fn genesis_validators_root(&self) -> GenesisRoot {
        self.genesis_validators_root
    }

    /// Keys raised above the plain maximum. Say so in the report.
    pub fn raises(&self) -> &[Raise] {
        &self.raises
    }

    /// The same floors as a history, to merge or compare again.
    pub fn to_history(&self) -> History {
        History {
            genesis_validators_root: Some(self.genesis_validators_root),
            floors: self.floors.clone(),
        }
    }

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

    /// Only the keys that stand higher here than in `before`, or are new. Import this into a client
    /// that treats an equal record without root as a conflict (Prysm, Qrysm, Web3Signer); read back
    /// and verify with the whole merge.
    #[must_use]
    pub fn only_raised(&self, before: &History) -> Self {
        let raised: BTreeSet<_> = self.comparison(before).raised.into_iter().collect();
        let mut only = self.clone();
        only.floors.retain(|key, _| raised.contains(key));
        only.raises.retain(|raise| raised.contains(&raise.key));
        only
    }

    /// Raises a slot or target that would repeat one `before` already holds to one above it, so that
    /// Prysm and Qrysm insert the record without a conflict. A key that never proposed gets slot 1,
    /// since its slot "0" may be there from an earlier import. Costs such a key at most one slot or
    /// epoch of duty. Use after [`Merged::only_raised`].
    ///
    /// # Errors
    /// [`MergeError::TooLarge`] at the very end of the range.
    pub fn stepped_over(&self, before: &History) -> Result<Self, MergeError> {
        let mut above = self.clone();
        for (key, floors) in &mut above.floors {
            let held = before.floors_of(key);
            let slot = floors.block_slot.unwrap_or(0);
            if slot == held.block_slot.unwrap_or(0) {
                floors.block_slot = Some(slot.saturating_add(1));
            }
            if floors.target_epoch == held.target_epoch {
                floors.target_epoch = floors.target_epoch.map(|target| target.saturating_add(1));
            }
            check_size("the merge", key, *floors)?;
        }
        Ok(above)
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
    use super::*;

    const ROOT: [u8; 32] = [1; 32];

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes(&[byte; 48]).unwrap()
    }

    fn floors(block_slot: Option<u64>, source_epoch: Option<u64>, target_epoch: Option<u64>) -> Floors {
        Floors {
            block_slot,
            source_epoch,
            target_epoch,
        }
    }

    fn history(floors: &[(u8, Floors)]) -> History {
        let floors = floors
            .iter()
            .map(|(byte, floors)| (key(*byte), *floors))
            .collect();
        History {
            genesis_validators_root: Some(ROOT.into()),
            floors,
        }
    }

    fn merged(inputs: &[&History]) -> Merged {
        let inputs: Vec<_> = inputs
            .iter()
            .map(|history| Input::new("input", history))
            .collect();
        merge(&inputs, ROOT).unwrap()
    }

    #[test]
    fn takes_the_highest_of_each_component_and_all_keys() {
        let a = history(&[(1, floors(Some(10), Some(3), Some(9))), (2, Floors::default())]);
        let b = history(&[
            (1, floors(Some(9), Some(5), Some(8))),
            (3, floors(Some(4), None, None)),
        ]);
        let merged = merged(&[&a, &b]);
        assert_eq!(
            merged
                .floors()
                .iter()
                .map(|(key, floors)| (key.clone(), *floors))
                .collect::<Vec<_>>(),
            [
                (key(1), floors(Some(10), Some(5), Some(9))),
                (key(2), Floors::default()),
                (key(3), floors(Some(4), None, None))
            ]
        );
        assert_eq!(merged.raises(), []);
        assert_eq!(
            merged.missing_keys([&key(1), &key(9), &key(9)].into_iter()),
            [key(9)]
        );
    }

    #[test]
    fn raises_what_no_signer_can_hold_and_says_so() {
        for (from, to, said) in [
            (floors(Some(0), None, None), floors(None, None, None), false),
            (
                floors(None, Some(0), Some(0)),
                floors(None, Some(0), Some(0)),
                false,
            ),
            (floors(None, None, Some(7)), floors(None, Some(0), Some(7)), false),
            (floors(None, Some(0), None), floors(None, Some(0), Some(0)), true),
            (floors(None, Some(4), None), floors(None, Some(4), Some(5)), true),
            (
                floors(None, Some(4), Some(4)),
                floors(None, Some(4), Some(5)),
                true,
            ),
            (
                floors(None, Some(5), Some(2)),
                floors(None, Some(5), Some(6)),
                true,
            ),
        ] {
            let merged = merged(&[&history(&[(1, from)])]);
            assert_eq!(merged.floors()[&key(1)], to, "{from}");
            let raises = if said {
                vec![Raise {
                    key: key(1),
                    from,
                    to,
                }]
            } else {
                Vec::new()
            };
            assert_eq!(merged.raises(), raises, "{from}");
        }
    }

    #[test]
    fn refuses_another_or_an_unknown_chain_and_names_the_input() {
        let mut other = history(&[]);
        other.genesis_validators_root = Some([2; 32].into());
        let mut silent = history(&[]);
        silent.genesis_validators_root = None;
        let fine = history(&[]);
        let error = merge(
            &[Input::new("primary", &fine), Input::vouched("backup", &other)],
            ROOT,
        );
        let expected = GenesisRoot(ROOT);
        assert_eq!(
            error,
            Err(MergeError::OtherChain {
                label: "backup".to_owned(),
                found: [2; 32].into(),
                expected
            })
        );
        let error = merge(&[Input::new("primary", &silent)], ROOT);
        assert_eq!(
            error,
            Err(MergeError::UnknownChain {
                label: "primary".to_owned(),
                expected
            })
        );
        assert!(merge(&[Input::vouched("primary", &silent)], ROOT).is_ok());
        assert_eq!(merge(&[], ROOT), Err(MergeError::NoInput));
    }

    #[test]
    fn refuses_numbers_lodestar_cannot_hold() {
        let limit = LARGEST_NUMBER;
        for (held, field) in [
            (floors(Some(limit + 1), None, None), "block slot"),
            (floors(None, Some(limit), Some(limit)), "target epoch"),
            (floors(None, Some(u64::MAX), None), "source epoch"),
        ] {
            match merge(&[Input::new("primary", &history(&[(1, held)]))], ROOT) {
                Err(MergeError::TooLarge {
                    label, field: found, ..
                }) => {
                    assert_eq!((label.as_str(), found), ("primary", field));
                }
                other => panic!("{held}: {other:?}"),
            }
        }
        assert!(
            merge(
                &[Input::new(
                    "a",
                    &history(&[(1, floors(Some(limit), Some(1), Some(limit)))])
                )],
                ROOT
            )
            .is_ok()
        );
    }

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

    #[test]
    fn steps_over_slots_and_targets_the_backup_already_holds() {
        let before = history(&[
            (1, floors(Some(5), Some(1), Some(2))),
            (2, floors(Some(5), Some(1), Some(2))),
            (3, floors(None, Some(1), Some(2))),
        ]);
        let primary = history(&[
            (1, floors(Some(6), Some(1), Some(2))),
            (2, floors(Some(5), Some(1), Some(2))),
            (3, floors(None, Some(2), Some(3))),
        ]);
        let whole = merged(&[&before, &primary]);
        let above = whole.only_raised(&before).stepped_over(&before).unwrap();
        assert_eq!(
            above.floors().clone().into_iter().collect::<Vec<_>>(),
            [
                (key(1), floors(Some(6), Some(1), Some(3))),
                (key(3), floors(Some(1), Some(2), Some(3)))
            ]
        );
        let mut after = before.clone();
        above
            .floors()
            .iter()
            .for_each(|(key, floors)| after.raise(key.clone(), *floors));
        assert_eq!(whole.verify_read_back(&after), Ok(()));
    }
}
