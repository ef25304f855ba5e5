//! Prysm's minimal database, `validator-client-data`: one YAML file per key with the last values signed, rewritten in
//! place, and `configuration.yaml` with the chain. Must never take a file that a crash cut for one of a key that never
//! signed: Prysm rewrites these files without a temporary one.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::yaml::{self, Document, LARGEST_RECORD};
use super::{DatabaseError, Directory, Format, Found};
use crate::protection::{GenesisRoot, PublicKey, SignedAttestation, SignedBlock, Sink};

const CONFIGURATION: &str = "configuration.yaml";
/// It holds the settings of each key too, a few hundred bytes each.
const LARGEST_CONFIGURATION: u64 = 16 << 20;

/// A key's file. Fields are texts so that only decimal digits pass.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    latest_signed_block_slot: Option<String>,
    last_signed_attestation_source_epoch: String,
    last_signed_attestation_target_epoch: Option<String>,
}

/// `configuration.yaml`. The settings are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    genesis_validators_root: Option<String>,
    #[serde(rename = "proposerSettings")]
    _proposer_settings: Option<IgnoredAny>,
    #[serde(rename = "graffiti")]
    _graffiti: Option<IgnoredAny>,
}

/// Reads a private copy: `top` is `validator-client-data`, `keys` is `slashing-protection` in it.
///
/// What syntax cannot show is not seen: a file that was cut just behind the line of source epoch 0, which a key that
/// never attested has too.
///
/// # Errors
/// [`DatabaseError`]: any of its files is empty, cut or odd, or neither a record nor a configuration is there.
pub fn read<S: Sink>(
    top: &dyn Directory,
    keys: &dyn Directory,
    sink: &mut S,
) -> Result<Found, DatabaseError> {
    let mut found = Found::new(Format::PrysmMinimal);
    let top_names = top.names()?;
    let configured = top_names.iter().any(|name| name == CONFIGURATION);
    if configured {
        found.genesis_validators_root = chain(top)?;
    }
    if found.genesis_validators_root.is_none() {
        found
            .notes
            .push("no genesis validators root is stored".to_owned());
    }
    let mut records = 0u64;
    for name in keys.names()? {
        let Some(key) = key(keys, &name)? else {
            found
                .notes
                .push(format!("not a record, passed over: {}", name.escape_default()));
            continue;
        };
        record(&yaml::read(keys, &name, LARGEST_RECORD)?, key, &mut found, sink)?;
        records += 1;
    }
    for name in top_names.iter().filter(|name| *name != CONFIGURATION) {
        found.notes.push(format!(
            "not a part of the database, passed over: {}",
            name.escape_default()
        ));
    }
    if records == 0 && !configured {
        return Err(DatabaseError::NotRecognised {
            place: top.place(),
            looked_for: format!("{CONFIGURATION}, and 0x….yaml in slashing-protection"),
        });
    }
    found.notes.sort();
    Ok(found)
}

fn chain(top: &dyn Directory) -> Result<Option<GenesisRoot>, DatabaseError> {
    let document: Document<Configuration> = yaml::read(top, CONFIGURATION, LARGEST_CONFIGURATION)?;
    let root = document.fields.genesis_validators_root.as_deref();
    let root = root.map(GenesisRoot::parse).transpose();
    root.map_err(|error| document.damaged(format!("genesisValidatorsRoot: {error}")))
}

/// The key whose record this is: `0x<hex>.yaml`. `None` for a file that looks like none.
fn key(keys: &dyn Directory, name: &str) -> Result<Option<PublicKey>, DatabaseError> {
    let Some(hex) = name.strip_suffix(".yaml").filter(|hex| hex.starts_with("0x")) else {
        return Ok(None);
    };
    let key = PublicKey::parse(hex);
    let key = key.map_err(|error| {
        let place = format!("{}/{}", keys.place(), name.escape_default());
        DatabaseError::damaged(place, format!("its name is no key: {error}"))
    })?;
    Ok(Some(key))
}

fn record<S: Sink>(
    document: &Document<Record>,
    key: PublicKey,
    found: &mut Found,
    sink: &mut S,
) -> Result<(), DatabaseError> {
    let fields = &document.fields;
    let number = |field: &str, text: &Option<String>| {
        // Prysm leaves a field out, so an empty one was cut or zeroed.
        if text.is_none() && document.text.contains(field) {
            return Err(document.damaged(format!("`{field}` has no value")));
        }
        let number = text.as_deref().map(|text| document.number(field, text));
        number.transpose()
    };
    let slot = number("latestSignedBlockSlot", &fields.latest_signed_block_slot)?;
    let target = number(
        "lastSignedAttestationTargetEpoch",
        &fields.last_signed_attestation_target_epoch,
    )?;
    let source_epoch = document.number(
        "lastSignedAttestationSourceEpoch",
        &fields.last_signed_attestation_source_epoch,
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
    match target {
        Some(target_epoch) => {
            let vote = SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root: None,
            };
            S::attestation(&mut messages, vote);
            found.attestations += 1;
        }
        None if source_epoch > 0 => {
            return Err(
                document.damaged("has a source epoch but no target epoch: it was cut between its lines")
            );
        }
        None => {}
    }
    sink.key(key, messages);
    Ok(())
}
