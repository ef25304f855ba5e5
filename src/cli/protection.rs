//! `failover protection inspect|validate|merge`: interchange files at rest. Touches no host; an output file is written
//! beside, synced and renamed, and never over an existing one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::args::{Global, Protection};
use super::printing::{out_json, out_line};
use super::{Failure, code};
use crate::protection::{
    Certainty, Conflict, GenesisRoot, History, Input, Interchange, conflicts, fold, merge, read, write,
};

/// Dispatches.
pub fn protection(global: &Global, command: Protection) -> Result<u8, Failure> {
    match command {
        Protection::Inspect { files } => inspect(global, &files),
        Protection::Validate {
            file,
            genesis_validators_root,
        } => validate(global, &file, genesis_validators_root.as_deref()),
        Protection::Merge { files, output } => merge_files(global, &files, &output),
    }
}

fn load(path: &Path) -> Result<Interchange, Failure> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("standard input")?;
    } else {
        bytes =
            std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    }
    read(&bytes).map_err(|error| Failure::refused(format!("{}: {error}", path.display())))
}

fn load_all(files: &[PathBuf]) -> Result<Vec<(String, Interchange)>, Failure> {
    files
        .iter()
        .map(|path| Ok((path.display().to_string(), load(path)?)))
        .collect()
}

fn conflicts_of(documents: &[(String, Interchange)]) -> Vec<Conflict> {
    let labelled: Vec<(&str, &Interchange)> = documents
        .iter()
        .map(|(label, document)| (label.as_str(), document))
        .collect();
    conflicts(&labelled)
}

fn root_of(document: &Interchange) -> String {
    document
        .genesis_validators_root
        .map_or_else(|| "not given".to_owned(), |root| root.to_string())
}

fn inspect(global: &Global, files: &[PathBuf]) -> Result<u8, Failure> {
    let documents = load_all(files)?;
    let found = conflicts_of(&documents);
    if global.json {
        let list: Vec<_> = documents
            .iter()
            .map(|(label, document)| {
                let (blocks, attestations) = document.counts();
                json!({ "file": label, "genesis_validators_root": document.genesis_validators_root,
                        "blocks": blocks, "attestations": attestations, "floors": fold(document).floors })
            })
            .collect();
        out_json(&json!({ "schema": "failover.inspect/1", "files": list, "conflicts": found }))?;
        return Ok(0);
    }
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    for (label, document) in &documents {
        let (blocks, attestations) = document.counts();
        let keys = document.records.len();
        out_line(&format!(
            "{label}: {keys} keys, {blocks} blocks, {attestations} attestations"
        ));
        out_line(&format!("  genesis validators root {}", root_of(document)));
        out_line(&format!(
            "  {:<17} {:>12} {:>12} {:>12}",
            "key", "block slot", "source", "target"
        ));
        for (key, floors) in &fold(document).floors {
            out_line(&format!(
                "  {:<17} {:>12} {:>12} {:>12}",
                key.short(),
                number(floors.block_slot),
                number(floors.source_epoch),
                number(floors.target_epoch)
            ));
        }
    }
    for conflict in &found {
        out_line(&format!("SLASHABLE {conflict}"));
    }
    Ok(0)
}

fn validate(global: &Global, file: &Path, root: Option<&str>) -> Result<u8, Failure> {
    let document = load(file)?;
    let label = file.display().to_string();
    let mut problems: Vec<String> = Vec::new();
    match (document.genesis_validators_root, root) {
        (None, _) => problems.push("genesis_validators_root is missing".to_owned()),
        (Some(found), Some(expected)) => {
            let expected = GenesisRoot::parse(expected)
                .map_err(|error| Failure::usage(format!("--genesis-validators-root: {error}")))?;
            if found != expected {
                problems.push(format!("it is of chain {found}, not {expected}"));
            }
        }
        (Some(_), None) => {}
    }
    if fold(&document).floors.is_empty() {
        problems.push("it holds no keys".to_owned());
    }
    let documents = [(label.clone(), document)];
    problems.extend(conflicts_of(&documents).iter().map(ToString::to_string));
    if global.json {
        out_json(
            &json!({ "schema": "failover.validate/1", "file": label, "valid": problems.is_empty(),
                          "problems": problems }),
        )?;
    } else if problems.is_empty() {
        out_line(&format!("{label}: valid, {} keys", documents[0].1.records.len()));
    } else {
        problems
            .iter()
            .for_each(|problem| out_line(&format!("{label}: {problem}")));
    }
    Ok(if problems.is_empty() { 0 } else { code::REFUSED })
}

fn merge_files(global: &Global, files: &[PathBuf], output: &Path) -> Result<u8, Failure> {
    let documents = load_all(files)?;
    let proven: Vec<Conflict> = conflicts_of(&documents)
        .into_iter()
        .filter(|conflict| conflict.certainty == Certainty::Proven)
        .collect();
    if let Some(first) = proven.first() {
        return Err(Failure::refused(format!(
            "the files hold slashable messages ({} in all): {first}. Nothing was written",
            proven.len()
        )));
    }
    let root = documents
        .iter()
        .find_map(|(_, document)| document.genesis_validators_root)
        .ok_or_else(|| Failure::refused("no file says its chain (genesis_validators_root)"))?;
    let histories: Vec<(String, History)> = documents
        .iter()
        .map(|(label, document)| (label.clone(), fold(document)))
        .collect();
    let inputs: Vec<Input<'_>> = histories
        .iter()
        .map(|(label, history)| Input::new(label, history))
        .collect();
    let merged = merge(&inputs, root).map_err(|error| Failure::refused(error.to_string()))?;
    store(output, &write(&merged))?;
    if global.json {
        out_json(
            &json!({ "schema": "failover.merge/1", "output": output, "keys": merged.floors().len(),
                          "genesis_validators_root": root, "floors": merged.floors() }),
        )?;
    } else {
        out_line(&format!(
            "{}: {} keys, floors no lower than any input's",
            output.display(),
            merged.floors().len()
        ));
    }
    Ok(0)
}

/// Written beside, synced and renamed; mode 0600; an existing file is left alone.
fn store(output: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)
        .map_err(|error| Failure::usage(format!("{}: {error}", parent.display())))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .context("writing the output")?;
    file.persist_noclobber(output).map_err(|error| {
        Failure::usage(format!(
            "{}: {}; nothing was written",
            output.display(),
            error.error
        ))
    })?;
    std::fs::File::open(parent)
        .and_then(|parent| parent.sync_all())
        .context("syncing the directory")?;
    Ok(())
}
