//! Which network a chain is, and how long ago a slot was. Must never guess a network: without a genesis that is known or
//! given, there is no age.

use jiff::Timestamp;
use serde::Serialize;

use super::Failure;
use crate::cli::args::Clock;
use crate::protection::GenesisRoot;

/// A network's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Network {
    /// `None` for one that was given by its numbers.
    pub name: Option<&'static str>,
    #[serde(skip)]
    root: Option<&'static str>,
    /// Unix time, seconds.
    pub genesis_time: u64,
    pub seconds_per_slot: u64,
    pub slots_per_epoch: u64,
}

/// Public networks: name, genesis validators root, genesis time. From the files that the networks publish
/// (github.com/eth-clients/mainnet, sepolia, holesky, hoodi: metadata; github.com/gnosischain/configs: mainnet, chiado)
/// as Lodestar's and Erigon's network tables repeat them.
const NETWORKS: [Network; 6] = [
    ethereum(
        "mainnet",
        "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95",
        1_606_824_023,
    ),
    ethereum(
        "sepolia",
        "d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078",
        1_655_733_600,
    ),
    ethereum(
        "holesky",
        "9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1",
        1_695_902_400,
    ),
    ethereum(
        "hoodi",
        "212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f",
        1_742_213_400,
    ),
    gnosis(
        "gnosis",
        "f5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47",
        1_638_993_340,
    ),
    gnosis(
        "chiado",
        "9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e",
        1_665_396_300,
    ),
];

const fn ethereum(name: &'static str, root: &'static str, genesis_time: u64) -> Network {
    Network {
        name: Some(name),
        root: Some(root),
        genesis_time,
        seconds_per_slot: 12,
        slots_per_epoch: 32,
    }
}

const fn gnosis(name: &'static str, root: &'static str, genesis_time: u64) -> Network {
    Network {
        seconds_per_slot: 5,
        slots_per_epoch: 16,
        ..ethereum(name, root, genesis_time)
    }
}

/// The network whose chain this is, if it is one of the public ones.
pub fn known(root: GenesisRoot) -> Option<&'static Network> {
    let hex = const_hex::encode(root.0);
    NETWORKS.iter().find(|network| network.root == Some(hex.as_str()))
}

/// A chain for people: its name if it is known, and its root.
pub fn shown(root: Option<GenesisRoot>) -> String {
    match root {
        None => "not named".to_owned(),
        Some(root) => match known(root).and_then(|network| network.name) {
            Some(name) => format!("{name}, {root}"),
            None => root.to_string(),
        },
    }
}

/// The network that was asked for by the flags.
///
/// # Errors
/// The name is not known, or the numbers are no clock.
pub fn asked(clock: &Clock) -> Result<Option<Network>, Failure> {
    if let Some(name) = &clock.network {
        let network = NETWORKS.iter().find(|network| network.name == Some(name));
        return network.cloned().map(Some).ok_or_else(|| {
            let names: Vec<&str> = NETWORKS.iter().filter_map(|network| network.name).collect();
            Failure::usage(format!(
                "--network {}: known are {}. Give another one by --genesis-time, --seconds-per-slot and \
                 --slots-per-epoch",
                name.escape_debug(),
                names.join(", ")
            ))
        });
    }
    match (clock.genesis_time, clock.seconds_per_slot, clock.slots_per_epoch) {
        (Some(genesis_time), Some(seconds_per_slot @ 1..), Some(slots_per_epoch @ 1..)) => {
            Ok(Some(Network {
                name: None,
                root: None,
                genesis_time,
                seconds_per_slot,
                slots_per_epoch,
            }))
        }
        (Some(_), Some(_), Some(_)) => Err(Failure::usage(
            "--seconds-per-slot and --slots-per-epoch must be at least 1",
        )),
        (None, ..) | (_, None, _) | (.., None) => Ok(None),
    }
}

impl Network {
    /// Whether a source that names this chain is of another network.
    pub fn contradicts(&self, root: GenesisRoot) -> bool {
        self.root.is_some_and(|own| own != const_hex::encode(root.0))
    }

    /// The slot at a time; `None` before genesis.
    pub fn slot_at(&self, time: Timestamp) -> Option<u64> {
        let now = u64::try_from(time.as_second()).ok()?;
        now.checked_sub(self.genesis_time)?
            .checked_div(self.seconds_per_slot)
    }

    /// The epoch at a time; `None` before genesis.
    pub fn epoch_at(&self, time: Timestamp) -> Option<u64> {
        self.slot_at(time)?.checked_div(self.slots_per_epoch)
    }

    /// Seconds in an epoch.
    pub fn epoch_s(&self) -> u64 {
        self.seconds_per_slot.saturating_mul(self.slots_per_epoch)
    }
}

/// A span for people: `40 s`, `19 min`, `5 h`, `12 days`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that every network is found by its root and its name, that roots are whole, and that clocks count as the
    /// specification does: slot 0 begins at genesis.
    #[test]
    fn networks_are_known_and_count() {
        for network in &NETWORKS {
            let root = GenesisRoot::parse(network.root.unwrap()).unwrap();
            assert_eq!(known(root), Some(network));
            assert!(!network.contradicts(root) && network.contradicts(GenesisRoot([0; 32])));
            let at = |seconds: u64| {
                Timestamp::from_second(i64::try_from(network.genesis_time + seconds).unwrap()).unwrap()
            };
            assert_eq!(
                (network.slot_at(at(0)), network.epoch_at(at(0))),
                (Some(0), Some(0))
            );
            let epoch = network.epoch_s();
            assert_eq!(network.epoch_at(at(epoch - 1)), Some(0));
            assert_eq!(network.epoch_at(at(epoch)), Some(1));
            assert_eq!(network.slot_at(Timestamp::from_second(0).unwrap()), None);
        }
        assert_eq!(known(GenesisRoot([0; 32])), None);
    }

    /// Proves against a published fact: mainnet's merge was at epoch 146875, on 2022-09-15 (EIP-3675 activation).
    #[test]
    fn mainnet_counts_as_published() {
        let mainnet = &NETWORKS[0];
        let merge: Timestamp = "2022-09-15T06:42:59Z".parse().unwrap();
        assert_eq!(mainnet.slot_at(merge), Some(4_700_013));
        assert_eq!(mainnet.epoch_at(merge), Some(146_875));
    }
}
