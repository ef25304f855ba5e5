//! The official EIP-3076 vectors against both strategies: read, fold or keep, merge, write, read back, sign.
//!
//! What the suite leaves open, we close: a file that holds slashable data is neither refused nor imported in part. All
//! of its records count, in both strategies, and all answers after it have to be the expected ones. (The program
//! refuses to merge when a conflict is proven; that is its caller's decision, made with `find_conflicts`.)
//!
//! Must never pass by not running: where the vectors are found, all 38 have to run. They lie in
//! `../shared/eip3076-vectors`, or where `FAILOVER_VECTORS` points.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use failover::protection::{
    CompleteInput, Floors, GenesisRoot, History, Input, Interchange, Merged, MergedComplete, PublicKey, Root,
    SignedAttestation, SignedBlock, conflicts, fold, merge, merge_complete, read, write, write_complete,
};
use serde_json::Value;

const VECTORS: usize = 38;

/// The documents of all vectors with their names, or `None` (said on stderr) where there are none.
/// A folder named by `FAILOVER_VECTORS` has to exist.
fn vectors() -> Option<Vec<(String, Value)>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/eip3076-vectors");
    let named = std::env::var_os("FAILOVER_VECTORS").map(PathBuf::from);
    let generated = named.clone().unwrap_or(beside).join("tests/generated");
    if named.is_none() && !generated.exists() {
        say(&format!(
            "SKIPPED: no vectors in {} (set FAILOVER_VECTORS)\n",
            generated.display()
        ));
        return None;
    }
    let mut vectors: Vec<_> = std::fs::read_dir(&generated)
        .unwrap_or_else(|error| panic!("{}: {error}", generated.display()))
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (
                name,
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(),
            )
        })
        .collect();
    vectors.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(
        vectors.len() >= VECTORS,
        "only {} of {VECTORS} vectors in {}",
        vectors.len(),
        generated.display()
    );
    Some(vectors)
}

/// Past the test harness, which would swallow what a passing test prints.
fn say(notice: &str) {
    std::io::stderr().write_all(notice.as_bytes()).unwrap();
}

/// The next state of a signer: what it held, with the interchange merged in.
fn import(held: &History, interchange: &Value, root: GenesisRoot) -> Result<Merged, String> {
    let document = read(&serde_json::to_vec(interchange).unwrap()).map_err(|error| error.to_string())?;
    let incoming = fold(&document);
    merge(&[Input::new("held", held), Input::new("vector", &incoming)], root)
        .map_err(|error| error.to_string())
}

fn number(message: &Value, field: &str) -> u64 {
    message[field].as_str().unwrap().parse().unwrap()
}

fn wanted(message: &Value) -> bool {
    message["should_succeed"].as_bool().unwrap()
}

/// Tries all messages of a step, checks each answer, and remembers what was signed.
fn sign_all(name: &str, held: &mut History, step: &Value) -> usize {
    let (blocks, votes) = (
        step["blocks"].as_array().unwrap(),
        step["attestations"].as_array().unwrap(),
    );
    for block in blocks {
        let key = PublicKey::parse(block["pubkey"].as_str().unwrap()).unwrap();
        let slot = number(block, "slot");
        assert_eq!(
            held.floors_of(&key).would_sign_block(slot),
            wanted(block),
            "{name}: slot {slot}"
        );
        if wanted(block) {
            held.raise(
                key,
                Floors {
                    block_slot: Some(slot),
                    ..Floors::default()
                },
            );
        }
    }
    for vote in votes {
        let key = PublicKey::parse(vote["pubkey"].as_str().unwrap()).unwrap();
        let (source, target) = (number(vote, "source_epoch"), number(vote, "target_epoch"));
        let signs = held.floors_of(&key).would_sign_attestation(source, target);
        assert_eq!(signs, wanted(vote), "{name}: {source} -> {target}");
        if wanted(vote) {
            let signed = Floors {
                block_slot: None,
                source_epoch: Some(source),
                target_epoch: Some(target),
            };
            held.raise(key, signed);
        }
    }
    blocks.len() + votes.len()
}

#[test]
fn every_official_vector_holds_for_the_minimal_strategy() {
    let Some(vectors) = vectors() else { return };
    let (mut ran, mut tried) = (0, 0);
    for (name, vector) in &vectors {
        let root = GenesisRoot::parse(vector["genesis_validators_root"].as_str().unwrap()).unwrap();
        let mut held = History {
            genesis_validators_root: Some(root),
            ..History::default()
        };
        for step in vector["steps"].as_array().unwrap() {
            let merged = import(&held, &step["interchange"], root);
            assert_eq!(merged.is_ok(), wanted(step), "{name}: {merged:?}");
            if let Ok(merged) = merged {
                let back = fold(&read(&write(&merged)).unwrap());
                assert_eq!(back, merged.to_history(), "{name}: written and read back");
                held = back;
            }
            tried += sign_all(name, &mut held, step);
        }
        ran += 1;
    }
    say(&format!("minimal: {ran} vectors ran, {tried} messages tried\n"));
    assert!(ran >= VECTORS, "only {ran} of {VECTORS} vectors ran");
    assert!(tried >= 150, "only {tried} messages tried");
}

/// The next state of a signer that keeps everything.
fn import_complete(
    held: &Interchange,
    interchange: &Value,
    root: GenesisRoot,
) -> Result<MergedComplete, String> {
    let incoming = read(&serde_json::to_vec(interchange).unwrap()).map_err(|error| error.to_string())?;
    let inputs = [
        CompleteInput::new("held", held),
        CompleteInput::new("vector", &incoming),
    ];
    merge_complete(&inputs, root).map_err(|error| error.to_string())
}

/// What is asked to be signed always has a root. The suite takes zeros for one of them, which with us (and in the files
/// of five clients) means that none is known: another one stands in for it.
fn root_of(message: &Value) -> Option<Root> {
    let given = Root::parse(message["signing_root"].as_str().unwrap()).unwrap();
    given.or(Root::known([0xff; 32]))
}

fn wanted_complete(message: &Value) -> bool {
    message["should_succeed_complete"].as_bool().unwrap()
}

/// As [`sign_all`], for the complete strategy.
fn sign_all_complete(name: &str, held: &mut Interchange, step: &Value) -> usize {
    let (blocks, votes) = (
        step["blocks"].as_array().unwrap(),
        step["attestations"].as_array().unwrap(),
    );
    for block in blocks {
        let key = PublicKey::parse(block["pubkey"].as_str().unwrap()).unwrap();
        let record = held.records.entry(key).or_default();
        let (slot, signing_root) = (number(block, "slot"), root_of(block));
        let signs = record.would_sign_block(slot, signing_root);
        assert_eq!(signs, wanted_complete(block), "{name}: slot {slot}");
        if signs {
            record.blocks.push(SignedBlock { slot, signing_root });
        }
    }
    for vote in votes {
        let key = PublicKey::parse(vote["pubkey"].as_str().unwrap()).unwrap();
        let record = held.records.entry(key).or_default();
        let (source_epoch, target_epoch) = (number(vote, "source_epoch"), number(vote, "target_epoch"));
        let signing_root = root_of(vote);
        let signs = record.would_sign_attestation(source_epoch, target_epoch, signing_root);
        assert_eq!(
            signs,
            wanted_complete(vote),
            "{name}: {source_epoch} -> {target_epoch}"
        );
        if signs {
            record.attestations.push(SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root,
            });
        }
    }
    blocks.len() + votes.len()
}

#[test]
fn every_official_vector_holds_for_the_complete_strategy() {
    let Some(vectors) = vectors() else { return };
    let (mut ran, mut tried) = (0, 0);
    for (name, vector) in &vectors {
        let root = GenesisRoot::parse(vector["genesis_validators_root"].as_str().unwrap()).unwrap();
        let mut held = Interchange {
            genesis_validators_root: Some(root),
            ..Interchange::default()
        };
        for step in vector["steps"].as_array().unwrap() {
            let merged = import_complete(&held, &step["interchange"], root);
            assert_eq!(merged.is_ok(), wanted(step), "{name}: {merged:?}");
            if let Ok(merged) = merged {
                let mut bytes = Vec::new();
                write_complete(&merged, &mut bytes).unwrap();
                held = read(&bytes).unwrap();
                let again = import_complete(&held, &step["interchange"], root);
                assert_eq!(again.unwrap().records(), merged.records(), "{name}: twice");
            }
            tried += sign_all_complete(name, &mut held, step);
        }
        ran += 1;
    }
    say(&format!("complete: {ran} vectors ran, {tried} messages tried\n"));
    assert!(ran >= VECTORS, "only {ran} of {VECTORS} vectors ran");
    assert!(tried >= 150, "only {tried} messages tried");
}

/// Flagged for one message whose source lies above its target (these vectors have no other): there
/// is no pair to show.
const NO_PAIR: &str = "single_validator_source_greater_than_target";

#[test]
fn conflicts_are_found_in_the_files_that_hold_them() {
    let Some(vectors) = vectors() else { return };
    for (name, vector) in &vectors {
        let step = &vector["steps"][0];
        let document = read(&serde_json::to_vec(&step["interchange"]).unwrap()).unwrap();
        let found = conflicts(&[("vector", &document)]);
        let slashable = step["contains_slashable_data"].as_bool().unwrap() && !name.starts_with(NO_PAIR);
        assert_eq!(!found.is_empty(), slashable, "{name}: {found:?}");
    }
}
