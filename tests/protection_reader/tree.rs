//! An independent reader of interchanges: the whole tree by serde_json, then field by field.
//!
//! Must never use anything of the reader that is tested.

use std::collections::BTreeSet;
use std::fmt;

use failover::protection::{GenesisRoot, Interchange, PublicKey, Root, SignedAttestation, SignedBlock};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// JSON as it stands: names twice are kept twice.
pub enum Tree {
    Null,
    Bool,
    /// The value of a whole number without a sign.
    Number(Option<u64>),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Bool)
            }
            fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Number(Some(number)))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Number(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Number(None))
            }
            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
                let mut object = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    object.push(field);
                }
                Ok(Tree::Object(object))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Null for a field that is not there; an error for one that stands twice, or for what is no object.
fn fields<'t, const N: usize>(tree: &'t Tree, names: [&str; N]) -> Result<[&'t Tree; N], String> {
    let Tree::Object(fields) = tree else {
        return Err("no object".to_owned());
    };
    let mut seen = BTreeSet::new();
    if let Some((twice, _)) = fields
        .iter()
        .find(|(name, _)| names.contains(&name.as_str()) && !seen.insert(name))
    {
        return Err(format!("{twice} twice"));
    }
    let field = |name: &str| {
        fields
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    };
    Ok(names.map(|name| field(name).unwrap_or(&Tree::Null)))
}

fn list(tree: &Tree) -> Result<&[Tree], String> {
    match tree {
        Tree::Null => Ok(&[]),
        Tree::List(items) => Ok(items),
        Tree::Bool | Tree::Number(_) | Tree::Text(_) | Tree::Object(_) => Err("no list".to_owned()),
    }
}

fn number(tree: &Tree) -> Result<u64, String> {
    let value = match tree {
        Tree::Number(value) => *value,
        Tree::Text(text) if text.chars().all(|c| c.is_ascii_digit()) => text.parse().ok(),
        Tree::Null | Tree::Bool | Tree::Text(_) | Tree::List(_) | Tree::Object(_) => None,
    };
    value
        .filter(|value| *value < 1 << 53)
        .ok_or("no number".to_owned())
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits = text
        .strip_prefix("0x")
        .or(text.strip_prefix("0X"))
        .unwrap_or(text);
    let pairs: Vec<&[u8]> = digits.as_bytes().chunks(2).collect();
    let byte = |pair: &&[u8]| match pair {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            Ok(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        }
        _ => Err("no hex".to_owned()),
    };
    pairs.iter().map(byte).collect()
}

fn root(tree: &Tree) -> Result<Option<[u8; 32]>, String> {
    match tree {
        Tree::Null => Ok(None),
        Tree::Text(text) if text.is_empty() => Ok(None),
        Tree::Text(text) => Ok(Some(bytes(text)?.try_into().map_err(|_| "no root".to_owned())?)),
        Tree::Bool | Tree::Number(_) | Tree::List(_) | Tree::Object(_) => Err("no root".to_owned()),
    }
}

/// The same document, by the tree.
pub fn by_tree(document: &[u8]) -> Result<Interchange, String> {
    let tree: Tree = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let [metadata, data] = fields(&tree, ["metadata", "data"])?;
    let [format, version, chain] = fields(
        metadata,
        [
            "interchange_format",
            "interchange_format_version",
            "genesis_validators_root",
        ],
    )?;
    let text = |tree: &Tree| match tree {
        Tree::Text(text) => Ok(text.clone()),
        Tree::Number(Some(number)) => Ok(number.to_string()),
        Tree::Null => Ok(String::new()),
        Tree::Number(None) | Tree::Bool => Ok("bad".to_owned()),
        Tree::List(_) | Tree::Object(_) => Err("no text".to_owned()),
    };
    match (text(format)?.as_str(), text(version)?.as_str()) {
        (_, "5") | ("complete", "4") => {}
        _ => return Err("version".to_owned()),
    }
    let mut interchange = Interchange {
        genesis_validators_root: root(chain)?.map(GenesisRoot),
        ..Interchange::default()
    };
    if matches!(data, Tree::Null) {
        return Err("no data".to_owned());
    }
    for entry in list(data)? {
        let [key, blocks, votes] = fields(entry, ["pubkey", "signed_blocks", "signed_attestations"])?;
        let Tree::Text(key) = key else {
            return Err("no key".to_owned());
        };
        let key = PublicKey::from_bytes(&bytes(key)?).map_err(|error| error.to_string())?;
        let record = interchange.records.entry(key).or_default();
        for block in list(blocks)? {
            let [slot, signing_root] = fields(block, ["slot", "signing_root"])?;
            record.blocks.push(SignedBlock {
                slot: number(slot)?,
                signing_root: root(signing_root)?.and_then(Root::known),
            });
        }
        for vote in list(votes)? {
            let [source, target, signing_root] =
                fields(vote, ["source_epoch", "target_epoch", "signing_root"])?;
            record.attestations.push(SignedAttestation {
                source_epoch: number(source)?,
                target_epoch: number(target)?,
                signing_root: root(signing_root)?.and_then(Root::known),
            });
        }
    }
    Ok(interchange)
}
