//! Floors made from the clock alone, for a key whose history is lost.
//!
//! Must never leave anything signable that may have been signed up to that moment: where the time is in doubt, the
//! later one counts.

use super::floors::Floors;
use super::interchange::LARGEST_NUMBER;

/// Why no floors can be made from these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntheticError {
    /// An epoch without slots.
    #[error("an epoch has at least one slot: check slots_per_epoch")]
    NoSlots,
    /// See [`LARGEST_NUMBER`].
    #[error(
        "slot {slot} and a margin of {margin_slots} slots are beyond {LARGEST_NUMBER} (2^53 - 1): check the clock"
    )]
    TooLarge { slot: u64, margin_slots: u64 },
}

/// The lowest floors that refuse everything a validator may have signed up to and in `slot`, the current one by this
/// host's clock, when the clock that it signed by was at most `margin_slots` ahead of ours.
///
/// A block is signed for the slot it is in, an attestation for the epoch its slot is in, from a source before its
/// target (phase0, the honest validator's guide). So the highest target is the epoch of
/// the last of these slots and the highest source the epoch before it. While the chain does not justify epochs, that
/// source refuses honest attestations too: that is the price of a lost history, and it ends with the next justified
/// epoch.
///
/// # Errors
/// [`SyntheticError`] when the numbers make no sense.
pub fn synthetic_floors(
    slot: u64,
    slots_per_epoch: u64,
    margin_slots: u64,
) -> Result<Floors, SyntheticError> {
    let last = slot
        .checked_add(margin_slots)
        .filter(|last| *last <= LARGEST_NUMBER)
        .ok_or(SyntheticError::TooLarge { slot, margin_slots })?;
    let target = last.checked_div(slots_per_epoch).ok_or(SyntheticError::NoSlots)?;
    Ok(Floors {
        block_slot: Some(last),
        source_epoch: Some(target.saturating_sub(1)),
        target_epoch: Some(target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_by_the_clock() {
        for (slot, slots_per_epoch, margin, floors) in [
            (0, 32, 0, (0, 0, 0)),
            (31, 32, 0, (31, 0, 0)),
            (31, 32, 1, (32, 0, 1)),
            (32, 32, 0, (32, 0, 1)),
            (95, 32, 0, (95, 1, 2)),
            (96, 32, 0, (96, 2, 3)),
            (96, 32, 64, (160, 4, 5)),
            (7, 1, 0, (7, 6, 7)),
            (1_000, 128, 0, (1_000, 6, 7)),
            (
                LARGEST_NUMBER,
                32,
                0,
                (LARGEST_NUMBER, (1 << 48) - 2, (1 << 48) - 1),
            ),
        ] {
            let (block, source, target) = floors;
            let expected = Floors {
                block_slot: Some(block),
                source_epoch: Some(source),
                target_epoch: Some(target),
            };
            let made = synthetic_floors(slot, slots_per_epoch, margin);
            assert_eq!(
                made,
                Ok(expected),
                "slot {slot}, {slots_per_epoch} per epoch, margin {margin}"
            );
        }
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        assert_eq!(synthetic_floors(5, 0, 0), Err(SyntheticError::NoSlots));
        for (slot, margin_slots) in [(LARGEST_NUMBER, 1), (u64::MAX, 1), (LARGEST_NUMBER + 1, 0)] {
            let refused = SyntheticError::TooLarge { slot, margin_slots };
            assert_eq!(synthetic_floors(slot, 32, margin_slots), Err(refused));
        }
    }

    /// Every message of every slot up to the floor's, and every message that would be slashable beside one of them.
    #[test]
    fn nothing_signed_before_and_nothing_slashable_with_it_is_signable_after() {
        for (now, margin) in [(0, 0), (3, 0), (4, 0), (17, 3), (20, 0), (23, 1)] {
            let floors = synthetic_floors(now, 4, margin).unwrap();
            let last = now + margin;
            for slot in 0..=last {
                assert!(!floors.would_sign_block(slot), "slot {slot} at {now}");
            }
            let votes =
                (0..=last / 4).flat_map(|target| (0..target.max(1)).map(move |source| (source, target)));
            for (source, target) in votes {
                assert!(
                    !floors.would_sign_attestation(source, target),
                    "{source} -> {target} at {now}"
                );
                let later = (0..12_u64).flat_map(|s| (0..12_u64).map(move |t| (s, t)));
                for (s, t) in later.filter(|(s, t)| floors.would_sign_attestation(*s, *t)) {
                    assert!(t != target && !(s < source && target < t) && !(source < s && t < target));
                }
            }
            let next = (last / 4 + 1) * 4;
            assert!(
                floors.would_sign_block(last + 1) && floors.would_sign_attestation(next / 4 - 1, next / 4)
            );
        }
    }
}
