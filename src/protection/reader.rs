//! The lenient reader: JSON bytes to records, accepting what the clients are known to write.
//!
//! Must never guess: a number, key or root that is not understood fails the whole document, with its
//! place. Bad values are carried along as values so that the error can name key, list and index,
//! which a JSON parser alone cannot.

mod leaf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::error::Category;

use leaf::{Leaf, Object, Text, shown};

use super::interchange::{Interchange, LARGEST_NUMBER, Record, SignedAttestation, SignedBlock};
use super::pubkey::PublicKey;
use super::read_error::{Place, ReadError};
use super::root::{GenesisRoot, Root};

/// See [`super::interchange::read`].
pub(super) fn read(bytes: &[u8]) -> Result<Interchange, ReadError> {
    match bytes.trim_ascii() {
        b"" => return Err(ReadError::Empty),
        b"null" | b"\"null\"" => return Err(ReadError::Null),
        _ => {}
    }
    let Object(document) = serde_json::from_slice::<Object<Document>>(bytes).map_err(not_readable)?;
    let Object(metadata) = document.metadata.ok_or(ReadError::NoMetadata)?;
    check_version(&metadata)?;
    let genesis_validators_root = match metadata.genesis_validators_root {
        Leaf::Absent => None,
        Leaf::Is(root) => Some(root),
        Leaf::Bad(found) => return Err(ReadError::GenesisRoot { found: found.into() }),
    };
    let records = document.data.ok_or(ReadError::NoData)?.0?;
    Ok(Interchange {
        genesis_validators_root,
        records,
    })
}

fn not_readable(error: serde_json::Error) -> ReadError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => ReadError::Truncated { line, column },
        Category::Data => ReadError::Shape {
            line,
            column,
            detail: detail(&error),
        },
        Category::Syntax | Category::Io => ReadError::NotJson {
            line,
            column,
            detail: detail(&error),
        },
    }
}

/// The parser's words without the position, which we print ourselves; quoted text is escaped.
fn detail(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(words, _)| words);
    words
        .chars()
        .take(160)
        .flat_map(char::escape_debug)
        .collect::<String>()
        .replace("\\\"", "\"")
}

fn check_version(metadata: &Metadata) -> Result<(), ReadError> {
    let complete = matches!(&metadata.interchange_format, Leaf::Is(Text(format)) if format == "complete");
    let found = match &metadata.interchange_format_version {
        Leaf::Is(Text(version)) if version == "5" || (version == "4" && complete) => return Ok(()),
        Leaf::Is(Text(version)) => shown(version),
        Leaf::Absent => "missing".to_owned(),
        Leaf::Bad(found) => found.to_string(),
    };
    Err(ReadError::Version { found })
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    metadata: Option<Object<Metadata>>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    interchange_format: Leaf<Text>,
    #[serde(default)]
    interchange_format_version: Leaf<Text>,
    #[serde(default)]
    genesis_validators_root: Leaf<GenesisRoot>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    pubkey: Leaf<PublicKey>,
    #[serde(default)]
    signed_blocks: Option<Vec<Object<RawBlock>>>,
    #[serde(default)]
    signed_attestations: Option<Vec<Object<RawAttestation>>>,
}

#[derive(Deserialize)]
struct RawBlock {
    #[serde(default)]
    slot: Leaf<u64>,
    #[serde(default)]
    signing_root: Leaf<Root>,
}

#[derive(Deserialize)]
struct RawAttestation {
    #[serde(default)]
    source_epoch: Leaf<u64>,
    #[serde(default)]
    target_epoch: Leaf<u64>,
    #[serde(default)]
    signing_root: Leaf<Root>,
}

/// `data`, folded into records while it is read, so that no second copy of a large file is held.
/// The first bad record is kept as the result; reading goes on, since the version counts first.
struct Data(Result<BTreeMap<PublicKey, Record>, ReadError>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Data;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries, one per key")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Data, A::Error> {
                let mut records = Ok(BTreeMap::new());
                let mut index = 0;
                while let Some(Object(entry)) = entries.next_element::<Object<Entry>>()? {
                    records = records.and_then(|records| add(records, index, entry));
                    index += 1;
                }
                Ok(Data(records))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

fn add(
    mut records: BTreeMap<PublicKey, Record>,
    index: usize,
    entry: Entry,
) -> Result<BTreeMap<PublicKey, Record>, ReadError> {
    let key = match entry.pubkey {
        Leaf::Is(key) => key,
        Leaf::Absent => {
            return Err(ReadError::Key {
                entry: index,
                found: "missing".to_owned(),
            });
        }
        Leaf::Bad(found) => {
            return Err(ReadError::Key {
                entry: index,
                found: found.into(),
            });
        }
    };
    let record = records.entry(key.clone()).or_default();
    let place = |list, index_in_list, field| Place {
        entry: index,
        key: key.clone(),
        list,
        index: index_in_list,
        field,
    };
    let blocks = entry.signed_blocks.unwrap_or_default();
    record.blocks.reserve(blocks.len());
    for (at, Object(raw)) in blocks.into_iter().enumerate() {
        let place = |field| place("signed_blocks", at, field);
        record.blocks.push(SignedBlock {
            slot: number(raw.slot, || place("slot"))?,
            signing_root: root(raw.signing_root, || place("signing_root"))?,
        });
    }
    let attestations = entry.signed_attestations.unwrap_or_default();
    record.attestations.reserve(attestations.len());
    for (at, Object(raw)) in attestations.into_iter().enumerate() {
        let place = |field| place("signed_attestations", at, field);
        record.attestations.push(SignedAttestation {
            source_epoch: number(raw.source_epoch, || place("source_epoch"))?,
            target_epoch: number(raw.target_epoch, || place("target_epoch"))?,
            signing_root: root(raw.signing_root, || place("signing_root"))?,
        });
    }
    Ok(records)
}

fn number(leaf: Leaf<u64>, place: impl FnOnce() -> Place) -> Result<u64, ReadError> {
    match leaf {
        Leaf::Is(value) if value <= LARGEST_NUMBER => Ok(value),
        Leaf::Is(value) => Err(ReadError::TooLarge {
            place: place(),
            value,
        }),
        Leaf::Absent => Err(ReadError::Number {
            place: place(),
            found: "missing".to_owned(),
        }),
        Leaf::Bad(found) => Err(ReadError::Number {
            place: place(),
            found: found.into(),
        }),
    }
}

fn root(leaf: Leaf<Root>, place: impl FnOnce() -> Place) -> Result<Option<Root>, ReadError> {
    match leaf {
        Leaf::Is(root) => Ok(Some(root)),
        Leaf::Absent => Ok(None),
        Leaf::Bad(found) => Err(ReadError::Root {
            place: place(),
            found: found.into(),
        }),
    }
}
