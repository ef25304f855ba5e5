//! The public key of a validator: opaque bytes of any length, written as lower-case hex.
//!
//! Must never assume 48 bytes (ML-DSA-87 keys on QRL have 2592) and never cut or pad a key: a key
//! that is silently changed is a key whose history is silently lost.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A validator's public key. Cheap to clone; ordered by its bytes, which is the order of its hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Arc<[u8]>);

/// Why a text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Nothing is left after the optional `0x`.
    #[error("a public key cannot be empty")]
    Empty,
    /// An odd number of digits, or a character that is no hex digit.
    #[error("a public key is an even number of hex digits, with or without 0x")]
    NotHex,
}

impl PublicKey {
    /// Reads hex of any length and case, with or without `0x`.
    ///
    /// # Errors
    /// [`PublicKeyError`] when the text is empty, has an odd number of digits or is no hex.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = const_hex::decode(hex_digits(text)).map_err(|_| PublicKeyError::NotHex)?;
        Self::from_bytes(&bytes)
    }

    /// Takes the raw bytes as a client's own database holds them (48 for BLS, 2592 for ML-DSA-87).
    ///
    /// # Errors
    /// [`PublicKeyError::Empty`] for no bytes at all.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        if bytes.is_empty() {
            Err(PublicKeyError::Empty)
        } else {
            Ok(Self(bytes.into()))
        }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hex without `0x` (the name of Teku's file for this key).
    pub fn hex(&self) -> String {
        const_hex::encode(&self.0)
    }

    /// For people: `0x1234…abcd`, or the whole key when that is no longer.
    pub fn short(&self) -> String {
        match (
            self.0.get(..2),
            self.0.len().checked_sub(2).and_then(|from| self.0.get(from..)),
        ) {
            (Some(head), Some(tail)) if self.0.len() > 4 => {
                format!("0x{}…{}", const_hex::encode(head), const_hex::encode(tail))
            }
            _ => self.to_string(),
        }
    }
}

/// The digits behind an optional prefix. A second `0x` is replaced by text that is no hex, since
/// the decoder strips one prefix of its own.
pub(super) fn hex_digits(text: &str) -> &str {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    if digits.starts_with("0x") {
        "not hex"
    } else {
        digits
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode_prefixed(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling_of_one_key_as_the_same_key() {
        let key = PublicKey::parse("0xAbCdEf0123456789").unwrap();
        for text in ["0xabcdef0123456789", "ABCDEF0123456789", "0XabCDef0123456789"] {
            assert_eq!(PublicKey::parse(text).unwrap(), key, "{text}");
        }
        assert_eq!(key.to_string(), "0xabcdef0123456789");
        assert_eq!(key.short(), "0xabcd…6789");
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"0xabcdef0123456789\"");
        assert_eq!(
            serde_json::from_str::<PublicKey>("\"ABCDEF0123456789\"").unwrap(),
            key
        );
    }

    #[test]
    fn takes_any_length_and_refuses_what_is_no_hex() {
        assert_eq!(
            PublicKey::parse(&"ab".repeat(2592)).unwrap().as_bytes().len(),
            2592
        );
        assert_eq!(PublicKey::parse("0x12").unwrap().short(), "0x12");
        for (text, error) in [
            ("", PublicKeyError::Empty),
            ("0x", PublicKeyError::Empty),
            ("0x123", PublicKeyError::NotHex),
            ("0x0x12", PublicKeyError::NotHex),
            ("Qabcd", PublicKeyError::NotHex),
            ("0x12 ", PublicKeyError::NotHex),
        ] {
            assert_eq!(PublicKey::parse(text), Err(error), "{text:?}");
        }
    }
}
