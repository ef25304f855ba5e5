//! For scale: the same file through serde_json into typed records, as a client in this field imports.

use serde::{Deserialize, Deserializer, de};

#[derive(Deserialize)]
pub struct Document {
    pub data: Vec<Entry>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read and kept, as an importer does")]
pub struct Entry {
    #[serde(deserialize_with = "hex")]
    pubkey: [u8; 48],
    pub signed_blocks: Vec<Block>,
    pub signed_attestations: Vec<Attestation>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read and kept, as an importer does")]
pub struct Block {
    #[serde(deserialize_with = "quoted")]
    slot: u64,
    #[serde(deserialize_with = "hex")]
    signing_root: [u8; 32],
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read and kept, as an importer does")]
pub struct Attestation {
    #[serde(deserialize_with = "quoted")]
    source_epoch: u64,
    #[serde(deserialize_with = "quoted")]
    target_epoch: u64,
    #[serde(deserialize_with = "hex")]
    signing_root: [u8; 32],
}

impl Document {
    pub fn records(&self) -> usize {
        let of = |entry: &Entry| entry.signed_blocks.len() + entry.signed_attestations.len();
        self.data.iter().map(of).sum()
    }
}

fn quoted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = u64;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number in quotes")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Visitor)
}

fn hex<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    struct Visitor<const N: usize>;
    impl<const N: usize> de::Visitor<'_> for Visitor<N> {
        type Value = [u8; N];
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("hex")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; N], E> {
            const_hex::decode_to_array(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Visitor)
}
