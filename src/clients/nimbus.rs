//! Nimbus: one SQLite file with a write-ahead log, `slashing_protection.sqlite3`, below `validators`. Its validator is
//! `nimbus_validator_client`, or `nimbus_beacon_node` with keys inside; export and import are in the beacon node's
//! binary alone. Must never run that binary without the sub-command in front: it would start a node.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature};
use crate::transport::Output;

use super::flags::{Flags, expand};
use super::install::{
    Declared, Install, Overrides, bare, base, beacons, home_of, metrics_at, nothing_hidden, path_of, variable,
};
use super::{
    Atomic, Client, Direct, ExportFailure, Gap, HandOver, Lower, Packed, Proof, Reimport, Rules, Wait,
    nothing_to_ask, nothing_to_learn,
};

/// Nimbus's row.
pub(super) const CLIENT: Client = Client {
    name: "nimbus",
    units: &[
        "nimbus_validator_client.service",
        "nimbus-validator.service",
        "nimbusvalidator.service",
        "nimbus-vc.service",
        "nimbus.service",
        "nimbus_beacon_node.service",
        "validator.service",
        "consensus.service",
    ],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: Rules {
        largest: i64::MAX as u64,
        reimport: Reimport::Harmless,
        lower: Lower::Ignored,
        gap: Gap::None,
        resigns: false,
        atomic: Atomic::No,
        loses_silently: true,
        locks: false,
        wait: Wait::Kept,
        makes_database: true,
        key_bytes: 48,
    },
    names_its_chain: true,
    keeps_open: true,
    no_history_is_certain: false,
    sole_database: None,
    offline: true,
    is_it,
    install,
    questions: nothing_to_ask,
    learn: nothing_to_learn,
    export,
    exported_file,
    read_export,
    import,
    read_import,
    direct: Some(Direct {
        format: crate::databases::Format::Nimbus,
        files: database_files,
    }),
    signature,
};

const DATABASE: &str = "slashing_protection.sqlite3";
const CLIENT_BINARY: &str = "nimbus_validator_client";
const NODE_BINARY: &str = "nimbus_beacon_node";
const DATA_DIR: [&str; 2] = ["data-dir", "d"];
const VALIDATORS_DIR: [&str; 1] = ["validators-dir"];
/// A beacon node has a validator's flags only where it holds keys.
const KEYS: [&str; 9] = [
    "validators-dir",
    "secrets-dir",
    "keymanager",
    "suggested-fee-recipient",
    "graffiti",
    "doppelganger-detection",
    "web3-signer-url",
    "verifying-web3-signer-url",
    "payload-builder",
];
/// Sub-commands of the beacon node that sign nothing.
const OTHERS: [&str; 6] = [
    "deposits",
    "wallets",
    "record",
    "slashingdb",
    "trustedNodeSync",
    "web3",
];

/// In its log, since libraries differ in whether a counter's name ends in `_total`.
fn proof(install: &Install) -> Proof {
    let log = if runs_node(&install.program) {
        "Attestation sent"
    } else {
        "Attestation published"
    };
    Proof {
        metric: None,
        log: Some(log),
    }
}

/// `NAME`, or `NAME-suffix` as a site may call it.
fn is_binary(word: &str, name: &str) -> bool {
    base(word)
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
}

fn runs_node(program: &[String]) -> bool {
    program.iter().any(|word| is_binary(word, NODE_BINARY))
}

/// Behind the program: the validator client, or a beacon node, with or without keys.
fn end_of_program(words: &[String]) -> Option<usize> {
    words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .position(|word| is_binary(word, CLIENT_BINARY) || is_binary(word, NODE_BINARY))
        .map(|at| at + 1)
}

fn is_it(unit: &Unit) -> bool {
    let Some(at) = end_of_program(&unit.exec_start) else {
        return false;
    };
    let (program, behind) = unit.exec_start.split_at(at);
    if !runs_node(program) {
        return true;
    }
    let other = behind.iter().any(|word| OTHERS.contains(&word.as_str()));
    !other && Flags::read(&spelled(behind)).on(&KEYS)
}

/// `--name:value` is `--name=value` to its parser.
fn spelled(words: &[String]) -> Vec<String> {
    words
        .iter()
        .map(|word| match word.find([':', '=']) {
            Some(at) if word.starts_with('-') && word[at..].starts_with(':') => {
                format!("{}={}", &word[..at], &word[at + 1..])
            }
            Some(_) | None => word.clone(),
        })
        .collect()
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    nothing_hidden(
        variable(environment, "NIMBUS_", &[]).map(|sets| format!("{sets}, which may be an option of Nimbus")),
        overrides,
    )?;
    // Filled in before it is spelled out: a variable may hold a whole flag.
    let spelled = match expand(&unit.exec_start, environment) {
        Ok(words) => Unit {
            exec_start: spelled(&words)
                .iter()
                .map(|word| word.replace('$', "$$"))
                .collect(),
            ..unit.clone()
        },
        Err(_) => unit.clone(),
    };
    let declared = Declared::read(&spelled, environment, overrides, end_of_program)?;
    let flags = &declared.flags;
    let file = flags
        .value(&["config-file"])?
        .map(|_| "the unit reads its options from a --config-file".to_string());
    nothing_hidden(file, overrides)?;
    let places = places(unit, flags, overrides)?;
    let node = runs_node(&declared.program);
    let mut install = bare(&CLIENT, unit, overrides, declared.program, places)?;
    let own = flags.value(&["rest-port"])?.filter(|_| node);
    let default = format!("http://127.0.0.1:{}", own.as_deref().unwrap_or("5052"));
    let named = if node { Vec::new() } else { nodes(flags) };
    install.beacon_urls = beacons(overrides, named, &default);
    if install.metrics_url.is_none() && flags.on(&["metrics"]) {
        let port = flags.value(&["metrics-port"])?;
        let usual = if node { "8008" } else { "8108" };
        install.metrics_url = Some(metrics_at(
            flags.value(&["metrics-address"])?,
            port.as_deref().unwrap_or(usual),
        ));
    }
    Ok(install)
}

/// Beacon nodes; a role may stand behind a `#`.
fn nodes(flags: &Flags) -> Vec<String> {
    flags
        .list(&["beacon-node", "b"])
        .iter()
        .filter_map(|url| url.split('#').next())
        .map(str::to_string)
        .collect()
}

/// Data directory and database: in `--validators-dir`, else in `validators` below `--data-dir`.
fn places(unit: &Unit, flags: &Flags, overrides: &Overrides) -> Result<(String, String), String> {
    let data_dir = path_of(&overrides.data_dir, flags, &DATA_DIR, unit, "the data directory")?;
    let validators = path_of(&None, flags, &VALIDATORS_DIR, unit, "the validators' directory")?;
    let said = path_of(&overrides.database, &Flags::default(), &[], unit, "the database")?;
    if overrides.data_dir.is_some() && validators.is_some() && said.is_none() {
        return Err(
            "the unit passes --validators-dir, which moves the database, and data_dir is set: set database as well, \
             or neither"
                .to_string(),
        );
    }
    match (data_dir, validators) {
        (data_dir, Some(validators)) => {
            let database = said.unwrap_or_else(|| format!("{validators}/{DATABASE}"));
            Ok((data_dir.unwrap_or(validators), database))
        }
        (Some(data_dir), None) => {
            let database = said.unwrap_or_else(|| format!("{data_dir}/validators/{DATABASE}"));
            Ok((data_dir, database))
        }
        (None, None) => Err(
            "the unit gives no --data-dir or --validators-dir, so Nimbus uses one below its user's home: set data_dir \
             for this host in the configuration"
                .to_string(),
        ),
    }
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    protection(install, "export", &exported_file(directory))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    protection(install, "import", file)
}

/// By the beacon node's binary beside the validator client's. Where it is not there, the answer says which path it is not.
fn protection(install: &Install, verb: &str, file: &str) -> Result<Vec<String>, String> {
    let validators = home_of(install, DATABASE)?;
    let program = install.program.iter().map(|word| {
        if is_binary(word, CLIENT_BINARY) {
            let (before, after) = word.rsplit_once(CLIENT_BINARY).unwrap_or((word, ""));
            format!("{before}{NODE_BINARY}{after}")
        } else {
            word.clone()
        }
    });
    let words = [
        "slashingdb".to_string(),
        verb.to_string(),
        file.to_string(),
        format!("--data-dir={}", install.data_dir),
        format!("--validators-dir={validators}"),
    ];
    Ok([program.collect(), words.to_vec(), install.chain_flags.clone()].concat())
}

fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    if text.contains("database is locked") {
        return Err(ExportFailure::Locked);
    }
    super::said(output, "Export finished:", &[]).map_err(ExportFailure::Other)
}

/// "Slashable block. Skipping its import." is no loss by itself: it is said of a block that the database covers already,
/// and a key is also imported for its attestations alone. What must not be lost is read back. The other two are losses:
/// a key that was skipped, and an old release that ends at the first key without attestations.
fn read_import(output: &Output) -> Result<(), String> {
    super::said(
        output,
        "Import finished:",
        &[
            "Invalid public key",
            "Slashable vote. Skipping its import",
            "No attestation found in slashing interchange file",
            "Incompatible slashing protection database",
            "Slashing protection database check error",
        ],
    )
}

/// No bystanders: a beacon node that opens the validator's database cannot be told from a signer.
fn signature(install: &Install) -> Signature {
    let program = if runs_node(&install.program) {
        Program::named([NODE_BINARY, CLIENT_BINARY])
    } else {
        Program::named([CLIENT_BINARY])
    };
    let validators = install
        .database
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    Signature {
        programs: vec![program],
        bystanders: Vec::new(),
        directories: [validators, &install.database]
            .into_iter()
            .filter(|directory| directory.starts_with('/'))
            .map(str::to_string)
            .collect(),
    }
}

/// With the log that a kill leaves behind; without it rows are lost. Keystores lie in the same directory.
fn database_files(install: &Install) -> Packed {
    super::install::packed(&install.database, &["", "-wal", "-shm", "-journal"])
}
