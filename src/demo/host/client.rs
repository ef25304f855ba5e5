//! The client on a simulated host: Lodestar, as far as its command line, its interchange and its import go.
//! It reproduces the weaknesses of the original too: an import overwrites, and can lower a bound.

use serde_json::{Value, json};

use super::{Around, DATA_DIR, DATABASE, SimHost, done, failed};
use crate::demo::database::{KeyRecord, Records};
use crate::transport::Output;

const ZERO_ROOT: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

impl SimHost {
    pub(super) fn run(&mut self, around: Around<'_>, argv: &[String]) -> Output {
        let program = argv.iter().any(|arg| arg.rsplit('/').next() == Some("lodestar"));
        if !program {
            let command = argv.first().map_or("", String::as_str);
            return failed(
                127,
                format!("timeout: failed to run command '{command}': No such file or directory\n"),
            );
        }
        let has = |word: &str| argv.iter().any(|arg| arg == word);
        if has("--version") {
            return done(
                "🌟 Lodestar: TypeScript Implementation of the Ethereum Consensus Beacon Chain.\n  * Version: v1.34.0\n",
            );
        }
        if has("--help") {
            return done(help(argv));
        }
        if has("validator") && has("list") {
            return done(around.chain.keys.join("\n") + "\n");
        }
        if !has("slashing-protection") {
            return failed(1, " ✖ Unknown arguments\n");
        }
        // A copy of the database is nobody's but ours; the real one is locked while the validator runs.
        let copy = self.copy_meant(argv);
        if copy.is_none() && self.process.is_some() {
            return failed(1, " ✖ Error: Database already in use by another process\n");
        }
        let Some(file) = option(argv, "--file") else {
            return failed(1, " ✖ Missing required argument: file\n");
        };
        if has("export") {
            self.export(around, &file, option(argv, "--pubkeys"), copy.as_deref())
        } else if has("import") {
            self.import(around, &file, copy.as_deref())
        } else {
            failed(1, " ✖ Unknown command\n")
        }
    }

    /// The copy that the command line points at, if it does not point at the validator's own database.
    fn copy_meant(&self, argv: &[String]) -> Option<String> {
        let directory = option(argv, "--validatorsDbDir")
            .or_else(|| option(argv, "--dataDir").or_else(|| option(argv, "--rootDir")))?;
        let directory = directory.trim_end_matches('/').to_owned();
        (directory != DATABASE && directory != DATA_DIR).then(|| {
            let inside = format!("{directory}/validator-db");
            if self.copies.contains_key(&inside) {
                inside
            } else {
                directory
            }
        })
    }

    /// A directory where nothing lies is an empty database, as the client would create one.
    fn records_in(&self, copy: Option<&str>) -> Result<Records, String> {
        match copy {
            Some(copy) => Ok(self.copies.get(copy).cloned().unwrap_or_default()),
            None => self.database.records(),
        }
    }

    fn put_records(&mut self, copy: Option<&str>, records: Records) -> Result<(), String> {
        match copy {
            Some(copy) => {
                self.copies.insert(copy.to_owned(), records);
                Ok(())
            }
            None => self.database.replace(records),
        }
    }

    fn export(&mut self, around: Around<'_>, file: &str, only: Option<String>, copy: Option<&str>) -> Output {
        if self.quirks.export_fails {
            return failed(
                1,
                " ✖ Error: IO error: /var/lib/lodestar/validator-db/000005.ldb: Input/output error\n",
            );
        }
        if let Some(why) = self.unwritable() {
            return why;
        }
        let mut records = match self.records_in(copy) {
            Ok(records) => records,
            Err(why) => return failed(1, format!(" ✖ Error: {why}\n")),
        };
        if let Some(only) = only {
            records.retain(|key, _| only.split(',').any(|wanted| wanted.eq_ignore_ascii_case(key)));
        }
        if self.quirks.export_lacks_newest {
            without_newest(&mut records);
        }
        let text = interchange_of(&records, &around.chain.genesis_validators_root).to_string();
        match self.files.write(file, text) {
            Ok(()) => done(format!("info: Export completed successfully path={file}\n")),
            Err(why) => failed(1, format!(" ✖ Error: ENOENT: {why}\n")),
        }
    }

    fn import(&mut self, around: Around<'_>, file: &str, copy: Option<&str>) -> Output {
        let Some(text) = self.files.text(file) else {
            return failed(
                1,
                format!(" ✖ Error: ENOENT: no such file or directory, open '{file}'\n"),
            );
        };
        if let Some(why) = self.unwritable() {
            return why;
        }
        let root = &around.chain.genesis_validators_root;
        let interchange = match parse(&text, root) {
            Ok(interchange) => interchange,
            Err(why) => return failed(1, format!(" ✖ Error: {why}\n")),
        };
        let dropped = self
            .quirks
            .import_drops_key
            .and_then(|key| around.chain.keys.get(key));
        let mut records = match self.records_in(copy) {
            Ok(records) => records,
            Err(why) => return failed(1, format!(" ✖ Error: {why}\n")),
        };
        let mut surround = None;
        for (key, imported) in interchange {
            if Some(&key) == dropped {
                continue;
            }
            surround = put_record(records.entry(key).or_default(), imported);
            if surround.is_some() {
                break;
            }
        }
        // What was put before a surround was met stays: the original leaves half an import, too.
        if let Err(why) = self.put_records(copy, records) {
            return failed(1, format!(" ✖ Error: {why}\n"));
        }
        match surround {
            Some(why) => failed(1, format!(" ✖ Error: {why}\n")),
            None => done("info: Import completed successfully\n"),
        }
    }
}

/// The first line of Lodestar's help is the command that it understood.
fn help(argv: &[String]) -> String {
    let words = ["validator", "slashing-protection", "export", "import"];
    let understood: Vec<&str> = argv
        .iter()
        .map(String::as_str)
        .filter(|arg| words.contains(arg))
        .collect();
    format!(
        "lodestar {}\n\nOptions:\n  --help  Show help  [boolean]\n",
        understood.join(" ")
    )
}

/// Lodestar's import of one key: overwrites by slot and target, and sets the lower bound to the lowest imported.
fn put_record(record: &mut KeyRecord, imported: KeyRecord) -> Option<String> {
    record.blocks.extend(imported.blocks);
    for (target, (source, root)) in &imported.attestations {
        let surrounds = record.surrounds_or_is_surrounded(*source, *target);
        record.attestations.insert(*target, (*source, root.clone()));
        if surrounds {
            return Some(format!("Surround vote: {source} -> {target}"));
        }
    }
    let low_source = imported.attestations.values().map(|(source, _)| *source).min();
    let low_target = imported.attestations.keys().next().copied();
    if let (Some(source), Some(target)) = (low_source, low_target) {
        record.lower_bound = Some((source, target));
    }
    None
}

/// Takes the newest attestation of every key away.
pub(super) fn without_newest(records: &mut Records) {
    for record in records.values_mut() {
        record.attestations.pop_last();
        record.lower_bound = None;
    }
}

/// The interchange of records, as Lodestar exports it: everything, zero roots left out.
pub fn interchange_of(records: &Records, genesis_validators_root: &str) -> Value {
    let data: Vec<Value> = records
        .iter()
        .map(|(key, record)| {
            let blocks: Vec<Value> = record
                .blocks
                .iter()
                .map(|(slot, root)| with_root(json!({ "slot": slot.to_string() }), root.as_deref()))
                .collect();
            let attestations: Vec<Value> = record
                .attestations
                .iter()
                .map(|(target, (source, root))| {
                    let entry =
                        json!({ "source_epoch": source.to_string(), "target_epoch": target.to_string() });
                    with_root(entry, root.as_deref())
                })
                .collect();
            json!({ "pubkey": key, "signed_blocks": blocks, "signed_attestations": attestations })
        })
        .collect();
    json!({
        "metadata": {
            "interchange_format": "complete",
            "interchange_format_version": "5",
            "genesis_validators_root": genesis_validators_root,
        },
        "data": data,
    })
}

fn with_root(mut entry: Value, root: Option<&str>) -> Value {
    if let (Value::Object(fields), Some(root)) = (&mut entry, root) {
        fields.insert("signing_root".to_owned(), json!(root));
    }
    entry
}

fn parse(text: &str, genesis_validators_root: &str) -> Result<Vec<(String, KeyRecord)>, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("Unexpected token in JSON: {error}"))?;
    let metadata = json
        .get("metadata")
        .ok_or("Cannot read properties of undefined (reading 'metadata')")?;
    if metadata.get("interchange_format_version") != Some(&json!("5")) {
        return Err("Unsupported interchange format version".to_owned());
    }
    let root = metadata
        .get("genesis_validators_root")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !root.eq_ignore_ascii_case(genesis_validators_root) {
        return Err(format!(
            "Genesis validators root mismatch: {root}, expected {genesis_validators_root}"
        ));
    }
    let data = json
        .get("data")
        .and_then(Value::as_array)
        .ok_or("data is not iterable")?;
    data.iter().map(parse_entry).collect()
}

fn parse_entry(entry: &Value) -> Result<(String, KeyRecord), String> {
    let key = entry
        .get("pubkey")
        .and_then(Value::as_str)
        .ok_or("no pubkey")?
        .to_ascii_lowercase();
    let mut record = KeyRecord::default();
    for block in list(entry, "signed_blocks")? {
        record.blocks.insert(number(block, "slot")?, root_of(block));
    }
    for attestation in list(entry, "signed_attestations")? {
        let (source, target) = (
            number(attestation, "source_epoch")?,
            number(attestation, "target_epoch")?,
        );
        record.attestations.insert(target, (source, root_of(attestation)));
    }
    Ok((key, record))
}

fn list<'a>(entry: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    entry
        .get(name)
        .and_then(Value::as_array)
        .ok_or_else(|| format!("{name} is not iterable"))
}

fn number(entry: &Value, name: &str) -> Result<u64, String> {
    let text = entry
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("{name} is not a string"))?;
    text.parse()
        .map_err(|_| format!("{name} is not a number: {text}"))
}

fn root_of(entry: &Value) -> Option<String> {
    let root = entry.get("signing_root").and_then(Value::as_str)?;
    (root != ZERO_ROOT && !root.is_empty()).then(|| root.to_owned())
}

/// The value of `--name value` or `--name=value`.
fn option(argv: &[String], name: &str) -> Option<String> {
    let after = argv
        .iter()
        .position(|arg| arg == name)
        .and_then(|position| argv.get(position + 1));
    let joined = argv
        .iter()
        .find_map(|arg| arg.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')));
    after.map(String::as_str).or(joined).map(str::to_owned)
}
