//! Teku's database, `slashprotection`: one YAML file per key with the last values signed; null, and 2^64-1 in old
//! files, mean never. Must never take a file of zero bytes or one that lacks a field for a key that never signed: a full
//! disk leaves such files (teku#3800).

use serde::Deserialize;

use super::yaml::{self, Document, LARGEST_RECORD};
use super::{DatabaseError, Directory, Format, Found};
use crate::protection::{GenesisRoot, PublicKey, SignedAttestation, SignedBlock, Sink};

/// What old files say for "never": 2^64-1.
const NEVER: &str = "18446744073709551615";

/// A key's file. Fields are texts so that only decimal digits pass; all three must be there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    genesis_validators_root: Option<String>,
    #[serde(deserialize_with = "present")]
    last_signed_block_slot: Option<String>,
    #[serde(deserialize_with = "present")]
    last_signed_attestation_source_epoch: Option<String>,
    #[serde(deserialize_with = "present")]
    last_signed_attestation_target_epoch: Option<String>,
}

/// Takes null, but not a field that is missing.
fn present<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(field)
}

/// Reads a private copy of the directory.
///
/// # Errors
/// [`DatabaseError`]: a record is empty, cut or odd, the records are of two chains, or there are files but no record
/// among them. A directory without any file is that of a client that never signed.
pub fn read<S: Sink>(dir: &dyn Directory, sink: &mut S) -> Result<Found, DatabaseError> {
    let mut found = Found::new(Format::Teku);
    let names = dir.names()?;
    let (mut records, mut without_chain) = (0u64, 0u64);
    for name in &names {
        let Some(key) = key(dir, name)? else {
            found
                .notes
                .push(format!("not a record, passed over: {}", name.escape_default()));
            continue;
        };
        let document = yaml::read(dir, name, LARGEST_RECORD)?;
        if !same_chain(&document, &mut found)? {
            without_chain += 1;
        }
        record(&document, key, &mut found, sink)?;
        records += 1;
    }
    if records == 0 && !names.is_empty() {
        return Err(DatabaseError::NotRecognised {
            place: dir.place(),
            looked_for: "files named by a key's hex digits and .yml".to_owned(),
        });
    }
    if records == 0 {
        found
            .notes
            .push("the directory is empty: no key ever signed".to_owned());
    }
    if without_chain > 0 {
        found.notes.push(format!(
            "{without_chain} record(s) name no chain: old ones, or of an import without a genesis validators root"
        ));
    }
    found.notes.sort();
    Ok(found)
}

/// The key whose record this is: `<hex>.yml`. `None` for temporary files and what else lies there.
fn key(dir: &dyn Directory, name: &str) -> Result<Option<PublicKey>, DatabaseError> {
    let Some(hex) = name.strip_suffix(".yml") else {
        return Ok(None);
    };
    let key = PublicKey::parse(hex);
    let key = key.map_err(|error| {
        let place = format!("{}/{}", dir.place(), name.escape_default());
        DatabaseError::damaged(place, format!("its name is no key: {error}"))
    })?;
    Ok(Some(key))
}

/// Holds the record's chain against those before it; false when it names none.
fn same_chain(document: &Document<Record>, found: &mut Found) -> Result<bool, DatabaseError> {
    let Some(text) = document.fields.genesis_validators_root.as_deref() else {
        return Ok(false);
    };
    let root = GenesisRoot::parse(text);
    let root = root.map_err(|error| document.damaged(format!("genesisValidatorsRoot: {error}")))?;
    let before = *found.genesis_validators_root.get_or_insert(root);
    if before != root {
        return Err(DatabaseError::Unsupported {
            place: document.place.clone(),
            what: format!("is of the chain {root}, other records are of {before}"),
            remedy: "Keep the records of one chain in one directory".to_owned(),
        });
    }
    Ok(true)
}

fn record<S: Sink>(
    document: &Document<Record>,
    key: PublicKey,
    found: &mut Found,
    sink: &mut S,
) -> Result<(), DatabaseError> {
    let fields = &document.fields;
    let slot = number(document, "lastSignedBlockSlot", &fields.last_signed_block_slot)?;
    let source = number(
        document,
        "lastSignedAttestationSourceEpoch",
        &fields.last_signed_attestation_source_epoch,
    )?;
    let target = number(
        document,
        "lastSignedAttestationTargetEpoch",
        &fields.last_signed_attestation_target_epoch,
    )?;
    let mut messages = S::Messages::default();
    if let Some(slot) = slot {
        S::block(
            &mut messages,
            SignedBlock {
                slot,
                signing_root: None,
            },
        );
        found.blocks += 1;
    }
    match (source, target) {
        (Some(source_epoch), Some(target_epoch)) => {
            let vote = SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root: None,
            };
            S::attestation(&mut messages, vote);
            found.attestations += 1;
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            return Err(document.damaged("has only one of the two epochs: Teku writes both or neither"));
        }
    }
    sink.key(key, messages);
    Ok(())
}

/// A number, or never. Teku writes `null` in full, so an empty value was cut or zeroed.
fn number(
    document: &Document<Record>,
    field: &str,
    text: &Option<String>,
) -> Result<Option<u64>, DatabaseError> {
    match text.as_deref() {
        Some(NEVER) => Ok(None),
        Some(text) => document.number(field, text).map(Some),
        None if document
            .text
            .lines()
            .any(|line| line.trim_end() == format!("{field}: null")) =>
        {
            Ok(None)
        }
        None => Err(document.damaged(format!("`{field}` has no value"))),
    }
}
