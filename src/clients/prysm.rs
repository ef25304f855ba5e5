//! Prysm: one bbolt file, `validator.db`, in its data directory. Exports into a directory under a name of its own.
//! Must never take a minimal database for this one (that is `prysm_minimal.rs`) or run a command that asks questions.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature, Word};
use crate::transport::Output;

use super::flags::Flags;
use super::install::{Declared, Install, Overrides, absolute, base, metrics_at};
use super::{
    Atomic, Client, ExportFailure, Gap, HandOver, Lower, Proof, Reimport, Rules, Wait, nothing_to_ask,
    nothing_to_learn,
};

/// Prysm's row.
pub(super) const CLIENT: Client = Client {
    name: "prysm",
    units: &[
        "prysm-validator.service",
        "prysmvalidator.service",
        "prysm-vc.service",
        "validator.service",
    ],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: RULES,
    names_its_chain: true,
    keeps_open: true,
    // Keys that never proposed make the exporter say the same of a full database (prysm#17408).
    no_history_is_certain: false,
    sole_database: Some("validator.db"),
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
    direct: Some(super::Direct {
        format: crate::databases::Format::Prysm,
        files: database_files,
    }),
    signature,
};

/// Every target without a known root counts as a double vote; nothing is pruned, so older history stays the floor.
pub(super) const RULES: Rules = Rules {
    largest: u64::MAX,
    reimport: Reimport::BlacklistsKey,
    lower: Lower::LowersFloor,
    gap: Gap::BlocksAndAttestations,
    resigns: true,
    atomic: Atomic::No,
    loses_silently: true,
    locks: true,
    wait: Wait::Skipped,
    // Since v6; a first start without keys makes it.
    makes_database: false,
    key_bytes: 48,
};

/// How an installation of Prysm, or of a fork that kept its flags, is found.
pub(super) struct Shape<'a> {
    /// Networks that export and import know as switches; they refuse other flags of the validator.
    pub(super) networks: &'a [&'a str],
    /// Flags of a validator that make a handover unsafe, each with its reason.
    pub(super) dangerous: &'a [(&'a str, &'a str)],
    /// The database's name below the data directory.
    pub(super) database: &'a str,
    /// What a configuration file may hide.
    pub(super) asked_with_a_file: &'a [Asked],
}

/// What has to be said by hand where the unit reads its flags from a file.
#[derive(PartialEq, Eq)]
pub(super) enum Asked {
    /// The data directory.
    DataDir,
    /// The client: the file may switch to the minimal database.
    Client,
}

const SHAPE: Shape<'_> = Shape {
    networks: &NETWORKS,
    dangerous: &DANGEROUS,
    database: "validator.db",
    asked_with_a_file: &[Asked::DataDir, Asked::Client],
};

/// Flags of a validator that make a handover unsafe.
pub(super) const DANGEROUS: [(&str, &str); 3] = [
    (
        MINIMAL,
        "its database is the minimal one: set client = \"prysm-minimal\" for this host in the configuration",
    ),
    (
        "clear-db",
        "it removes the slashing protection at every start; take it out of the unit",
    ),
    (
        "force-clear-db",
        "it removes the slashing protection at every start; take it out of the unit",
    ),
];
/// The switch to the minimal database.
pub(super) const MINIMAL: &str = "enable-minimal-slashing-protection";
/// Prysm's networks.
pub(super) const NETWORKS: [&str; 5] = ["mainnet", "sepolia", "holesky", "hoodi", "prater"];

fn is_it(unit: &Unit) -> bool {
    is_prysm(unit) && !Flags::read(&unit.exec_start).on(&[MINIMAL])
}

/// With whichever database.
pub(super) fn is_prysm(unit: &Unit) -> bool {
    runs_validator(&unit.exec_start) && !super::qrysm::says_qrl(unit)
}

pub(super) fn proof(_: &Install) -> Proof {
    Proof {
        metric: Some("validator_successful_attestations"),
        log: Some("Submitted new attestations"),
    }
}

/// `/path/validator`, `validator-v5.0.3-linux-amd64`, or `prysm.sh validator`. A bare `validator` further on is
/// another client's sub-command.
pub(super) fn runs_validator(words: &[String]) -> bool {
    let program: Vec<&str> = words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .map(String::as_str)
        .collect();
    let is_binary = |word: &str| base(word) == "validator" || base(word).starts_with("validator-v");
    let by_path = program
        .iter()
        .enumerate()
        .any(|(at, word)| (at == 0 || word.contains('/')) && is_binary(word));
    let by_script = program
        .windows(2)
        .any(|pair| matches!(pair, [script, "validator"] if script.ends_with("rysm.sh")));
    by_path || by_script
}

/// The program ends where the flags begin.
fn first_flag(words: &[String]) -> Option<usize> {
    runs_validator(words).then(|| words.iter().take_while(|word| !word.starts_with('-')).count())
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    install_as(&CLIENT, &SHAPE, unit, environment, overrides)
}

/// The installation of Prysm or of a fork that kept its flags.
pub(super) fn install_as(
    client: &Client,
    shape: &Shape<'_>,
    unit: &Unit,
    environment: &[String],
    overrides: &Overrides,
) -> Result<Install, String> {
    let declared = Declared::read(unit, environment, overrides, first_flag)?;
    declared.refuse(shape.dangerous)?;
    let flags = &declared.flags;
    if flags.value(&["config-file"])?.is_some() {
        said_beside_a_file(shape, overrides)?;
    }
    let data_dir = match overrides
        .data_dir
        .clone()
        .map_or_else(|| flags.value(&["datadir"]), |dir| Ok(Some(dir)))?
    {
        Some(dir) => absolute(&dir, unit, "the data directory")?,
        None => {
            return Err("the unit gives no --datadir, so the client uses one below its user's home: set data_dir for \
                        this host in the configuration"
                .to_string());
        }
    };
    let database = match &overrides.database {
        Some(path) => absolute(path, unit, "the database")?,
        None => format!("{data_dir}/{}", shape.database),
    };
    let beacon_urls = match &overrides.beacon_url {
        Some(url) => vec![url.clone()],
        None => beacon_urls(
            flags.list(&["beacon-rest-api-provider"]),
            flags.list(&["beacon-rpc-provider"]),
        ),
    };
    let metrics_url = match &overrides.metrics_url {
        Some(url) => Some(url.clone()),
        None if flags.on(&["disable-monitoring"]) => None,
        None => Some(metrics_at(
            flags.value(&["monitoring-host"])?,
            &flags
                .value(&["monitoring-port"])?
                .unwrap_or_else(|| "8081".to_string()),
        )),
    };
    Ok(Install {
        client: client.name,
        unit: unit.name.clone(),
        user: overrides.user.clone().unwrap_or_else(|| unit.user.clone()),
        program: declared.program,
        data_dir,
        database,
        protection_command: overrides
            .protection_command
            .clone()
            .unwrap_or_else(|| vec!["slashing-protection-history".to_string()]),
        data_flag: None,
        chain_flags: [flags.switches(shape.networks), overrides.extra_args.clone()].concat(),
        beacon_urls,
        metrics_url,
        lock_file: overrides
            .lock_file
            .clone()
            .unwrap_or_else(|| client.lock_file.to_string()),
    })
}

fn said_beside_a_file(shape: &Shape<'_>, overrides: &Overrides) -> Result<(), String> {
    let file = "the unit reads its flags from a --config-file, which is not looked into";
    let asked = |what: &Asked| shape.asked_with_a_file.contains(what);
    if asked(&Asked::DataDir) && overrides.data_dir.is_none() {
        return Err(format!("{file}: set data_dir for this host in the configuration"));
    }
    if asked(&Asked::Client) && overrides.client.is_none() {
        return Err(format!(
            "{file} and may choose the minimal database: set client for this host in the configuration, \"prysm\" or \
             \"prysm-minimal\""
        ));
    }
    Ok(())
}

/// The REST addresses; else port 3500, the default, of the host that the validator reaches by gRPC.
fn beacon_urls(rest: Vec<String>, rpc: Vec<String>) -> Vec<String> {
    if !rest.is_empty() {
        return rest;
    }
    let hosts: Vec<String> = rpc
        .iter()
        .filter_map(|address| address.rsplit_once(':'))
        .map(|(host, _)| format!("http://{host}:3500"))
        .collect();
    if hosts.is_empty() {
        vec!["http://127.0.0.1:3500".to_string()]
    } else {
        hosts
    }
}

pub(super) fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    protection(install, "export", "--slashing-protection-export-dir", directory)
}

pub(super) fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    protection(install, "import", "--slashing-protection-json-file", file)
}

/// Every answer is given in flags: what is missing would be asked on a terminal.
fn protection(install: &Install, verb: &str, flag: &str, path: &str) -> Result<Vec<String>, String> {
    let expected = format!("{}/validator.db", install.data_dir);
    if install.database != expected {
        return Err(format!(
            "the client looks for {expected}, but the database is {}: set data_dir to its directory",
            install.database
        ));
    }
    let mut args = vec![
        verb.to_string(),
        format!("--datadir={}", install.data_dir),
        format!("{flag}={path}"),
        "--accept-terms-of-use".to_string(),
    ];
    args.extend(install.chain_flags.iter().cloned());
    install.protection(args)
}

pub(super) fn exported_file(directory: &str) -> String {
    format!("{}/slashing_protection.json", directory.trim_end_matches('/'))
}

/// "No data" comes as a fatal error or, in other releases, as a warning with exit 0.
pub(super) fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    if text.contains("cannot obtain database lock") || text.contains("may be in use by another process") {
        return Err(ExportFailure::Locked);
    }
    if text.contains("No slashing protection data was found") {
        return Err(ExportFailure::NoHistory);
    }
    finished(output, &text, "Successfully wrote").map_err(ExportFailure::Other)
}

pub(super) fn read_import(output: &Output) -> Result<(), String> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    finished(output, &text, "Slashing protection JSON successfully imported")
}

fn finished(output: &Output, text: &str, words: &str) -> Result<(), String> {
    output.ok()?;
    if text.contains(words) {
        Ok(())
    } else {
        Err(format!(
            "the client did not say \"{words}\": {}",
            output.last_words()
        ))
    }
}

pub(super) fn signature(install: &Install) -> Signature {
    Signature {
        programs: vec![
            Program::named(["validator"]),
            Program::worded([
                Word::Holds("prysm.sh".to_string()),
                Word::Is("validator".to_string()),
            ]),
        ],
        bystanders: vec![Program::named(["beacon-chain"])],
        directories: vec![install.data_dir.clone(), install.database.clone()],
    }
}

/// One file.
pub(super) fn database_files(install: &Install) -> super::Packed {
    super::install::packed(&install.database, &[""])
}
