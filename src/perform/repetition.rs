//! What the backup's client is given to import: where it takes a repeated slot or target without a root for a double vote
//! (rules R4 and R5), a number above its own. Must never give a lower number than the merge came to.

use crate::clients::Client;
use crate::protection::{History, Merged};

/// The import for this client. `before` is what its database holds.
///
/// # Errors
/// A number at the very end of the range.
pub(super) fn without_repetition(
    client: &Client,
    import: Merged,
    before: &History,
) -> Result<Merged, String> {
    if client.rules.skip_when_covered() {
        import
            .stepped_over(before)
            .map_err(|error| format!("for {}: {error}", client.name))
    } else {
        Ok(import)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::clients::{CLIENTS, named};
    use crate::protection::{Floors, Input, PublicKey, merge};

    fn history(block_slot: u64) -> History {
        let mut history = History {
            genesis_validators_root: Some([7; 32].into()),
            ..History::default()
        };
        let floors = Floors {
            block_slot: Some(block_slot),
            source_epoch: Some(3),
            target_epoch: Some(4),
        };
        history.raise(PublicKey::parse("0xaa").unwrap(), floors);
        history
    }

    /// Proves that a key which is raised for its block alone does not bring its old target a second time to a client
    /// that would blacklist it, and that all others get the merge itself.
    #[test]
    fn no_client_that_punishes_it_is_given_a_target_twice() {
        let (before, primary) = (history(8), history(9));
        let merged = merge(&[Input::new("a", &primary), Input::new("b", &before)], [7; 32]).unwrap();
        for client in CLIENTS {
            let given = without_repetition(client, merged.only_raised(&before), &before).unwrap();
            let floors: Vec<_> = given.floors().values().copied().collect();
            let twice = ["prysm", "qrysm", "web3signer"].contains(&client.name);
            let target = if twice { 5 } else { 4 };
            assert_eq!(
                (floors[0].block_slot, floors[0].target_epoch),
                (Some(9), Some(target)),
                "{}",
                client.name
            );
        }
        assert!(named("prysm").unwrap().rules.skip_when_covered());
    }
}
