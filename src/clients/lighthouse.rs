//! Lighthouse: one SQLite file, `slashing_protection.sqlite`, below `validators`. It does not say of which chain it is:
//! export and import take the root from the network that they are told, so the network's flags have to travel.
//! Must never pass `--datadir` beside `--validators-dir` (it wins, and the copy would not be what is exported).

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature, Word};
use crate::transport::Output;

use super::flags::Flags;
use super::install::{Declared, Install, Overrides, bare, base, beacons, home_of, metrics_at, path_of};
use super::{
    Atomic, Client, Direct, ExportFailure, Gap, HandOver, Lower, Packed, Proof, Reimport, Rules, Wait,
    nothing_to_ask, nothing_to_learn,
};

/// Lighthouse's row.
pub(super) const CLIENT: Client = Client {
    name: "lighthouse",
    units: &[
        "lighthouse-validator.service",
        "lighthousevalidator.service",
        "lighthouse-vc.service",
        "lighthouse_validator.service",
        "validator.service",
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
        resigns: true,
        atomic: Atomic::File,
        loses_silently: false,
        locks: true,
        wait: Wait::Kept,
        makes_database: true,
        key_bytes: 48,
    },
    names_its_chain: false,
    keeps_open: true,
    // It says only that the file is not where it looked.
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
        format: crate::databases::Format::Lighthouse,
        files: database_files,
    }),
    signature,
};

const DATABASE: &str = "slashing_protection.sqlite";
const DATA_DIR: [&str; 2] = ["datadir", "d"];
const VALIDATORS_DIR: [&str; 2] = ["validators-dir", "validator-dir"];
const BEACONS: [&str; 3] = ["beacon-nodes", "beacon-node", "server"];
const NETWORK: [&str; 1] = ["network"];
const TESTNET: [&str; 2] = ["testnet-dir", "t"];
const DANGEROUS: [(&str, &str); 2] = [
    (
        "init-slashing-protection",
        "it makes an empty database where none is found, and then signs as if nothing had ever been signed; take it \
         out of the unit",
    ),
    (
        "disable-slashing-protection-web3signer",
        "keys of a remote signer sign past this database, so it is not their history; take it out of the unit",
    ),
];
/// Names of the validator's sub-command, and of the others, so that a flag's value is not taken for one.
const VALIDATOR: [&str; 4] = ["vc", "validator_client", "validator", "v"];
const OTHERS: [&str; 13] = [
    "bn",
    "beacon_node",
    "beacon",
    "b",
    "account_manager",
    "account",
    "a",
    "am",
    "boot_node",
    "database_manager",
    "db",
    "validator_manager",
    "vm",
];

/// Its metrics count signatures, not what was published.
fn proof(_: &Install) -> Proof {
    Proof {
        metric: None,
        // Newer releases say "attestations".
        log: Some("Successfully published attestation"),
    }
}

fn is_it(unit: &Unit) -> bool {
    end_of_program(&unit.exec_start).is_some()
}

/// Behind the program itself: flags may stand on both sides of the sub-command.
fn end_of_program(words: &[String]) -> Option<usize> {
    let at = words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .position(|word| is_program(base(word)))?;
    let behind = words.get(at + 1..)?;
    let is = |names: &[&str], word: &String| names.contains(&word.as_str());
    let command = behind
        .iter()
        .find(|word| is(&VALIDATOR, word) || is(&OTHERS, word))?;
    is(&VALIDATOR, command).then_some(at + 1)
}

/// `lighthouse`, or with its release: `lighthouse-v5.3.0`.
fn is_program(name: &str) -> bool {
    name == "lighthouse"
        || name
            .strip_prefix("lighthouse-v")
            .is_some_and(|release| release.starts_with(|c: char| c.is_ascii_digit()))
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    let declared = Declared::read(unit, environment, overrides, end_of_program)?;
    declared.refuse(&DANGEROUS)?;
    let flags = &declared.flags;
    let places = places(unit, flags, overrides)?;
    let mut install = bare(&CLIENT, unit, overrides, declared.program, places)?;
    install.chain_flags = [chain(flags)?, overrides.extra_args.clone()].concat();
    install.beacon_urls = beacons(overrides, flags.list(&BEACONS), "http://127.0.0.1:5052");
    if install.metrics_url.is_none() && flags.on(&["metrics"]) {
        let port = flags.value(&["metrics-port"])?;
        install.metrics_url = Some(metrics_at(
            flags.value(&["metrics-address"])?,
            port.as_deref().unwrap_or("5064"),
        ));
    }
    Ok(install)
}

/// Data directory and database. `--validators-dir` names the directory of the database itself.
fn places(unit: &Unit, flags: &Flags, overrides: &Overrides) -> Result<(String, String), String> {
    let by_hand = &overrides.database;
    let database = |validators: &str| -> Result<String, String> {
        let said = path_of(by_hand, &Flags::default(), &[], unit, "the database")?;
        Ok(said.unwrap_or_else(|| format!("{validators}/{DATABASE}")))
    };
    if overrides.data_dir.is_none()
        && let Some(validators) = path_of(&None, flags, &VALIDATORS_DIR, unit, "the validators' directory")?
    {
        let database = database(&validators)?;
        return Ok((validators, database));
    }
    let Some(data_dir) = path_of(&overrides.data_dir, flags, &DATA_DIR, unit, "the data directory")? else {
        return Err(
            "the unit gives no --datadir or --validators-dir, so Lighthouse uses one below its user's home: set \
             data_dir for this host in the configuration"
                .to_string(),
        );
    };
    // By hand the data directory is said; the unit's own flag still says which directory in it is the validators'.
    if by_hand.is_none() && flags.value(&VALIDATORS_DIR)?.is_some() {
        return Err(
            "the unit passes --validators-dir, which moves the database, and data_dir is set: set database as well, \
             or neither"
                .to_string(),
        );
    }
    let database = database(&format!("{data_dir}/validators"))?;
    Ok((data_dir, database))
}

/// The chain, from which export and import take the genesis validators root.
fn chain(flags: &Flags) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for (name, names) in [("--network", &NETWORK[..]), ("--testnet-dir", &TESTNET[..])] {
        if let Some(value) = flags.value(names)? {
            words.extend([name.to_string(), value]);
        }
    }
    Ok(words)
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    protection(install, "export", &exported_file(directory))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    protection(install, "import", file)
}

fn protection(install: &Install, verb: &str, file: &str) -> Result<Vec<String>, String> {
    let validators = home_of(install, DATABASE)?;
    let command = [
        "account",
        "validator",
        "--validators-dir",
        validators,
        "slashing-protection",
        verb,
        file,
    ];
    Ok([
        install.program.clone(),
        install.chain_flags.clone(),
        command.map(str::to_string).to_vec(),
    ]
    .concat())
}

fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

/// Everything it says is on standard error.
fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    if text.contains("database is locked") || text.contains("DatabaseBusy") {
        return Err(ExportFailure::Locked);
    }
    super::said(output, "Export completed successfully", &[]).map_err(ExportFailure::Other)
}

fn read_import(output: &Output) -> Result<(), String> {
    super::said(
        output,
        "Import completed successfully",
        &[
            "NOT SAFE TO START VALIDATING",
            "import aborted due to",
            "Fatal error during import",
        ],
    )
}

fn signature(install: &Install) -> Signature {
    let worded = |word: &str| Program {
        names: vec!["lighthouse".to_string()],
        words: vec![Word::Is(word.to_string())],
    };
    Signature {
        programs: VALIDATOR.map(worded).to_vec(),
        bystanders: ["bn", "beacon_node", "beacon", "b"].map(worded).to_vec(),
        directories: vec![install.data_dir.clone(), install.database.clone()],
    }
}

/// With the rollback journal that a kill leaves behind. Keystores and the API token lie in the same directory.
fn database_files(install: &Install) -> Packed {
    super::install::packed(&install.database, &["", "-journal", "-wal", "-shm"])
}
