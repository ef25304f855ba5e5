//! The simulated chain: its parameters, its keys, and which key has which duty when.
//! Pure arithmetic on unix time; it never reads a clock and knows nothing of hosts.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// The index that the chain gives to our first key; the control group comes after our last.
pub const FIRST_INDEX: u64 = 100;

/// Parameters of the simulated chain and the validators on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Genesis, whole unix seconds.
    pub genesis_time_s: u64,
    /// Length of a slot in milliseconds.
    pub slot_ms: u64,
    /// Slots per epoch.
    pub slots_per_epoch: u64,
    /// 0x and 64 hex digits.
    pub genesis_validators_root: String,
    /// Our validators' public keys, 0x and lower-case hex, in the order of their indices.
    pub keys: Vec<String>,
    /// How many validators of other people are on the chain: the control group for liveness.
    pub others: u64,
}

/// What is due at one moment of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// At the start of the slot: the proposer signs a block.
    Propose,
    /// A third into the slot: the committee signs attestations.
    Attest,
}

/// One moment at which something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Unix time.
    pub at: Duration,
    /// The slot it belongs to.
    pub slot: u64,
    /// What is due.
    pub duty: Duty,
}

impl Chain {
    /// The slot that a unix time lies in; slot 0 before genesis.
    pub fn slot_at(&self, unix: Duration) -> u64 {
        let since = unix.saturating_sub(Duration::from_secs(self.genesis_time_s));
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX) / self.slot_ms
    }

    /// Unix time of the start of a slot.
    pub fn slot_start(&self, slot: u64) -> Duration {
        Duration::from_secs(self.genesis_time_s) + Duration::from_millis(slot.saturating_mul(self.slot_ms))
    }

    /// The epoch of a slot.
    pub fn epoch_of(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch
    }

    /// The slot in which a key attests in an epoch. Few keys are spread evenly over the epoch, so that a signer
    /// shows itself soon; more keys than slots go round.
    pub fn duty_slot(&self, key: usize, epoch: u64) -> u64 {
        let (key, keys) = (key as u64, (self.keys.len() as u64).max(1));
        let within = if keys < self.slots_per_epoch {
            key * self.slots_per_epoch / keys
        } else {
            key % self.slots_per_epoch
        };
        epoch * self.slots_per_epoch + within
    }

    /// The keys (by position) that attest in a slot.
    pub fn attesters(&self, slot: u64) -> Vec<usize> {
        let epoch = self.epoch_of(slot);
        (0..self.keys.len())
            .filter(|key| self.duty_slot(*key, epoch) == slot)
            .collect()
    }

    /// The key (by position) that proposes in a slot: round robin, every second round by other people's validators.
    /// The last of several keys never proposes, so that its history of blocks stays as old as the world makes it.
    pub fn proposer(&self, slot: u64) -> Option<usize> {
        let proposing = match self.keys.len() {
            0 => return None,
            1 => 1,
            keys => keys - 1,
        };
        let turn = usize::try_from(slot % (2 * proposing as u64)).unwrap_or(usize::MAX);
        (turn < proposing).then_some(turn)
    }

    /// Every moment after `from` up to and including `to`, in order of time.
    pub fn moments(&self, from: Duration, to: Duration) -> Vec<Moment> {
        let mut moments = Vec::new();
        for slot in self.slot_at(from)..=self.slot_at(to) {
            let start = self.slot_start(slot);
            moments.push(Moment {
                at: start,
                slot,
                duty: Duty::Propose,
            });
            moments.push(Moment {
                at: start + Duration::from_millis(self.slot_ms / 3),
                slot,
                duty: Duty::Attest,
            });
        }
        moments.retain(|moment| moment.at > from && moment.at <= to);
        moments
    }

    /// The position of the key that carries a chain index or is written as that public key.
    pub fn find(&self, id: &str) -> Option<usize> {
        if id.starts_with("0x") {
            return self.keys.iter().position(|key| key.eq_ignore_ascii_case(id));
        }
        let position = id.parse::<u64>().ok()?.checked_sub(FIRST_INDEX)?;
        usize::try_from(position)
            .ok()
            .filter(|position| *position < self.keys.len())
    }

    /// Whether an index belongs to the control group.
    pub fn is_other(&self, index: u64) -> bool {
        let after_ours = FIRST_INDEX + self.keys.len() as u64;
        (after_ours..after_ours + self.others).contains(&index)
    }
}

/// 0x and as many hex bytes as asked for, drawn from a seed and a label: equal for equal input.
pub fn hex_from(seed: u64, label: &str, bytes: usize) -> String {
    format!("0x{}", bare_hex_from(seed, label, bytes))
}

/// As [`hex_from`], without 0x: machine ids, boot ids, roots.
pub fn bare_hex_from(seed: u64, label: &str, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes * 2);
    let mut block = 0u64;
    while out.len() < bytes * 2 {
        out.push_str(&sha256_hex(format!("{seed}/{label}/{block}").as_bytes()));
        block += 1;
    }
    out.truncate(bytes * 2);
    out
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const_hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(keys: usize) -> Chain {
        Chain {
            genesis_time_s: 1_000,
            slot_ms: 500,
            slots_per_epoch: 8,
            genesis_validators_root: hex_from(1, "gvr", 32),
            keys: (0..keys)
                .map(|key| hex_from(1, &format!("key{key}"), 48))
                .collect(),
            others: 16,
        }
    }

    #[test]
    fn every_key_attests_once_an_epoch() {
        for keys in [1, 4, 7, 8, 20] {
            let chain = chain(keys);
            let mut seen = vec![0; keys];
            for slot in 80..88 {
                for key in chain.attesters(slot) {
                    seen[key] += 1;
                }
            }
            assert_eq!(seen, vec![1; keys]);
        }
    }

    #[test]
    fn moments_are_never_seen_twice() {
        let chain = chain(4);
        let (start, middle, end) = (chain.slot_start(10), chain.slot_start(13), chain.slot_start(20));
        let mut cut = chain.moments(start, middle);
        cut.extend(chain.moments(middle, end));
        assert_eq!(cut, chain.moments(start, end));
        assert_eq!(cut.len(), 20);
    }
}
