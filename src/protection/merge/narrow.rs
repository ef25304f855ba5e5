//! The part of a merge to import into clients that take an equal record for a conflict.
//!
//! Must never lower a floor: keys are left out or raised, nothing else. What is left out here is
//! still required when the backup is read back.

use std::collections::BTreeSet;

use super::{MergeError, Merged, check_size};
use crate::protection::floors::History;

impl Merged {
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
}

#[cfg(test)]
mod tests {
    use super::super::sample::{floors, history, key, merged};

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
