//! What came of a merge or an import, key by key: which floors rose, which stayed, which are lower
//! than they must be.
//!
//! Must never call a missing key fine: a key that is not there is a key without protection.

use std::fmt;

use serde::Serialize;

use super::floors::Floors;
use super::pubkey::PublicKey;
use super::root::GenesisRoot;

/// How many keys an error names before it counts the rest.
const KEYS_NAMED: usize = 5;

/// The merge against what a host held before it. Every list is sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Higher in at least one component, lower in none; or new.
    pub raised: Vec<PublicKey>,
    /// The same in all components.
    pub equal: Vec<PublicKey>,
    /// Lower in at least one component, or gone. Never happens when `before` was merged too.
    pub lower: Vec<LowerFloor>,
}

/// A key whose floors are lower than they must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LowerFloor {
    /// The key.
    pub key: PublicKey,
    /// At least this must be held.
    pub expected: Floors,
    /// This is held.
    pub found: Floors,
}

/// The merge would take protection away. Importing it could let a validator sign twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the merge is lower than what the host already holds for {}. Do not import it: merge the host's own \
     history in",
    named(&.0.iter().map(ToString::to_string).collect::<Vec<_>>())
)]
pub struct LoweredFloors(pub Vec<LowerFloor>);

/// The host does not hold what was imported. It must not start signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBackError {
    /// The chain that was imported for.
    pub expected_root: GenesisRoot,
    /// The chain the host's protection names, when it is another one.
    pub other_root: Option<GenesisRoot>,
    /// Keys the host holds nothing for.
    pub missing: Vec<PublicKey>,
    /// Keys whose floors are too low.
    pub lower: Vec<LowerFloor>,
}

impl Comparison {
    /// The comparison itself, when nothing is lower.
    ///
    /// # Errors
    /// [`LoweredFloors`] lists every key that would be lowered.
    pub fn never_lower(self) -> Result<Self, LoweredFloors> {
        if self.lower.is_empty() {
            Ok(self)
        } else {
            Err(LoweredFloors(self.lower))
        }
    }
}

impl fmt::Display for LowerFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, expected, found } = self;
        write!(f, "{} (holds {found}; needs {expected})", key.short())
    }
}

impl std::error::Error for ReadBackError {}

impl fmt::Display for ReadBackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the import did not arrive")?;
        if let Some(root) = self.other_root {
            write!(
                f,
                "; the protection is of chain {root}, expected {}",
                self.expected_root
            )?;
        }
        if !self.missing.is_empty() {
            let keys: Vec<_> = self.missing.iter().map(PublicKey::short).collect();
            write!(f, "; nothing is held for {}", named(&keys))?;
        }
        if !self.lower.is_empty() {
            let keys: Vec<_> = self.lower.iter().map(ToString::to_string).collect();
            write!(f, "; too low for {}", named(&keys))?;
        }
        f.write_str(". Do not start the validator: import again and read the client's own messages")
    }
}

fn named(keys: &[String]) -> String {
    let head = keys
        .iter()
        .take(KEYS_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match keys.len().saturating_sub(KEYS_NAMED) {
        0 => head,
        more => format!("{head} and {more} more"),
    }
}
