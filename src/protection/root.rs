//! The two 32-byte hashes of EIP-3076: the signing root of one message, and the genesis validators
//! root that names a chain.
//!
//! Must never mix the two up, and never treat a zero signing root as a known one: Prysm, Qrysm,
//! Nimbus and Lighthouse store 32 zero bytes when they do not know the root.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::pubkey::hex_digits;

/// A known signing root: never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root([u8; 32]);

/// The genesis validators root of a chain. Zero is kept as it is: it is a chain of its own in the
/// official vectors, and what `lodestar export --force` writes when it knows none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenesisRoot(pub [u8; 32]);

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a root is 64 hex digits, with or without 0x")]
pub struct RootError;

impl Root {
    /// The root, or `None` for 32 zero bytes, which mean unknown.
    pub fn known(bytes: [u8; 32]) -> Option<Self> {
        (bytes != [0; 32]).then_some(Self(bytes))
    }

    /// Reads 64 hex digits; the empty text and the zero root read as unknown (`None`).
    ///
    /// # Errors
    /// [`RootError`] for anything else.
    pub fn parse(text: &str) -> Result<Option<Self>, RootError> {
        if text.is_empty() {
            Ok(None)
        } else {
            decode(text).map(Self::known)
        }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl GenesisRoot {
    /// Reads 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    /// [`RootError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, RootError> {
        decode(text).map(Self)
    }
}

fn decode(text: &str) -> Result<[u8; 32], RootError> {
    const_hex::decode_to_array(hex_digits(text)).map_err(|_| RootError)
}

impl From<[u8; 32]> for GenesisRoot {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for GenesisRoot {
    type Err = RootError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for GenesisRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

macro_rules! shown_as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&const_hex::encode_prefixed(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
shown_as_hex!(Root);
shown_as_hex!(GenesisRoot);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_empty_signing_roots_are_unknown() {
        assert_eq!(Root::parse(""), Ok(None));
        assert_eq!(Root::parse(&"0".repeat(64)), Ok(None));
        assert_eq!(Root::parse(&format!("0x{}", "0".repeat(64))), Ok(None));
        let one = format!("0x{}1", "0".repeat(63));
        assert_eq!(Root::parse(&one).unwrap().unwrap().to_string(), one);
    }

    #[test]
    fn refuses_what_is_no_root() {
        for text in ["0x", "0x12", "null", &"z".repeat(64), &"0".repeat(66)] {
            assert_eq!(Root::parse(text), Err(RootError), "{text}");
            assert_eq!(GenesisRoot::parse(text), Err(RootError), "{text}");
        }
    }

    #[test]
    fn a_zero_genesis_root_stays_a_root() {
        assert_eq!(GenesisRoot::parse(&"0".repeat(64)), Ok(GenesisRoot([0; 32])));
    }
}
