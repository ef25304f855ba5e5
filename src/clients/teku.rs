//! Teku: one YAML file per key in `slashprotection`, written anew for each message, locked by nobody. It is Java, and a
//! single process may be beacon node and signer in one. Its import ends with 0 when keys were lost.
//! Must never read "Updated N records" alone as success: the count holds those that failed.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature, Word};
use crate::transport::Output;

use super::flags::Flags;
use super::install::{
    Declared, Install, Overrides, bare, base, beacons, home_of, metrics_at, nothing_hidden, path_of, variable,
};
use super::{
    Atomic, Client, Direct, ExportFailure, Gap, HandOver, Lower, Packed, Proof, Reimport, Rules, Wait,
    nothing_to_ask, nothing_to_learn,
};

/// Teku's row.
pub(super) const CLIENT: Client = Client {
    name: "teku",
    units: &[
        "teku-validator.service",
        "tekuvalidator.service",
        "teku-vc.service",
        "teku.service",
        "validator.service",
        "consensus.service",
    ],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: Rules {
        // 2^64-1 is its word for "never".
        largest: u64::MAX - 1,
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
    // Old records have no root, and an import without one takes it away.
    names_its_chain: false,
    // Each file is written beside, renamed and closed.
    keeps_open: false,
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
        format: crate::databases::Format::Teku,
        files: database_files,
    }),
    signature,
};

const DATABASE: &str = "slashprotection";
const MAIN_CLASS: &str = "tech.pegasys.teku.Teku";
const DATA_DIR: [&str; 2] = ["data-path", "data-base-path"];
const VALIDATOR_DIR: [&str; 1] = ["data-validator-path"];
const CONFIG: [&str; 2] = ["config-file", "c"];
const BEACONS: [&str; 2] = ["beacon-node-api-endpoint", "beacon-node-api-endpoints"];
/// Sub-commands: the validator client, and those that sign nothing.
const VALIDATOR: [&str; 2] = ["validator-client", "vc"];
const OTHERS: [&str; 9] = [
    "slashing-protection",
    "voluntary-exit",
    "genesis",
    "transition",
    "peer",
    "internal",
    "migrate-database",
    "admin",
    "debug-tools",
];
/// With any of these a single process has keys.
const KEYS: [&str; 4] = [
    "validator-keys",
    "validators-external-signer-public-keys",
    "validators-external-signer-url",
    "validator-api-enabled",
];
/// Remote keys whose signer protects them alone have no history here.
const REMOTE_PROTECTION: &str = "validators-external-signer-slashing-protection-enabled";

/// Its metrics count duties by labels whose order is the library's; the log says it in one line.
fn proof(_: &Install) -> Proof {
    Proof {
        metric: None,
        log: Some("Published attestation"),
    }
}

fn is_it(unit: &Unit) -> bool {
    let Some(at) = end_of_program(&unit.exec_start) else {
        return false;
    };
    let behind = unit.exec_start.get(at..).unwrap_or_default();
    let flags = Flags::read(behind);
    let mut commands = behind.iter().map(String::as_str);
    if commands.clone().any(|word| VALIDATOR.contains(&word)) {
        return true;
    }
    let other = commands.any(|word| OTHERS.contains(&word));
    // A configuration file may name keys; what it does name is asked for by `install`.
    !other && (flags.on(&KEYS) || flags.on(&CONFIG))
}

/// Behind the launcher or the main class.
fn end_of_program(words: &[String]) -> Option<usize> {
    let main = words.iter().position(|word| word == MAIN_CLASS);
    let launcher = || {
        words
            .iter()
            .take_while(|word| !word.starts_with('-'))
            .position(|word| base(word) == "teku")
    };
    main.or_else(launcher).map(|at| at + 1)
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    nothing_hidden(
        variable(environment, "TEKU_", &["TEKU_OPTS"]).map(|sets| format!("{sets}, an option of Teku")),
        overrides,
    )?;
    let declared = Declared::read(unit, environment, overrides, end_of_program)?;
    let flags = &declared.flags;
    let file = flags
        .value(&CONFIG)?
        .map(|_| "the unit reads its options from a --config-file".to_string());
    nothing_hidden(file, overrides)?;
    if flags.value(&[REMOTE_PROTECTION])?.as_deref() == Some("false") {
        return Err(format!(
            "the unit passes --{REMOTE_PROTECTION}=false: keys of its remote signer sign past this database, so it is \
             not their history; hand over at the signer"
        ));
    }
    let places = places(unit, flags, overrides)?;
    let program = with_java(declared.program, environment);
    let mut install = bare(&CLIENT, unit, overrides, program, places)?;
    install.beacon_urls = beacons(overrides, flags.list(&BEACONS), "http://127.0.0.1:5051");
    if install.metrics_url.is_none() && flags.on(&["metrics-enabled"]) {
        let port = flags.value(&["metrics-port"])?;
        install.metrics_url = Some(metrics_at(
            flags.value(&["metrics-interface"])?,
            port.as_deref().unwrap_or("8008"),
        ));
    }
    Ok(install)
}

/// Data directory and database: below `--data-validator-path`, else below `validator` in `--data-path`.
fn places(unit: &Unit, flags: &Flags, overrides: &Overrides) -> Result<(String, String), String> {
    let data_dir = path_of(&overrides.data_dir, flags, &DATA_DIR, unit, "the data directory")?;
    let validator = path_of(&None, flags, &VALIDATOR_DIR, unit, "the validator's directory")?;
    let said = path_of(&overrides.database, &Flags::default(), &[], unit, "the database")?;
    if overrides.data_dir.is_some() && validator.is_some() && said.is_none() {
        return Err(
            "the unit passes --data-validator-path, which moves the database, and data_dir is set: set database as \
             well, or neither"
                .to_string(),
        );
    }
    match (data_dir, validator) {
        (data_dir, Some(validator)) => {
            let database = said.unwrap_or_else(|| format!("{validator}/{DATABASE}"));
            Ok((data_dir.unwrap_or(validator), database))
        }
        (Some(data_dir), None) => {
            let database = said.unwrap_or_else(|| format!("{data_dir}/validator/{DATABASE}"));
            Ok((data_dir, database))
        }
        (None, None) => Err(
            "the unit gives no --data-path, --data-base-path or --data-validator-path, so Teku uses one below its \
             user's home: set data_dir for this host in the configuration"
                .to_string(),
        ),
    }
}

/// The launcher looks for Java there. Other variables may hold secrets, and a command line is public.
fn with_java(program: Vec<String>, environment: &[String]) -> Vec<String> {
    match environment.iter().find(|pair| pair.starts_with("JAVA_HOME=")) {
        Some(java) => [vec!["env".to_string(), java.clone()], program].concat(),
        None => program,
    }
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    protection(install, "export", format!("--to={}", exported_file(directory)))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    protection(install, "import", format!("--from={file}"))
}

fn protection(install: &Install, verb: &str, file: String) -> Result<Vec<String>, String> {
    let validator = home_of(install, DATABASE)?;
    let words = [
        "slashing-protection".to_string(),
        verb.to_string(),
        file,
        format!("--data-path={}", install.data_dir),
        format!("--data-validator-path={validator}"),
    ];
    Ok([
        install.program.clone(),
        words.to_vec(),
        install.chain_flags.clone(),
    ]
    .concat())
}

fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

/// A foreign file in the directory ends the export.
fn read_export(output: &Output) -> Result<(), ExportFailure> {
    super::said(output, " validator slashing protection records to ", &["ERROR:"])
        .map_err(ExportFailure::Other)
}

/// The line of errors comes behind the line of success, and the exit status is 0.
fn read_import(output: &Output) -> Result<(), String> {
    super::said(
        output,
        " validator slashing protection records",
        &[
            "ERROR:",
            "errors found during import",
            "has a different validators signing root",
            "Failed to read existing file",
            "was not updated",
        ],
    )
    .and_then(|()| {
        let text = format!("{}\n{}", output.stdout, output.stderr);
        if text.lines().any(|line| line.contains("Updated ")) {
            Ok(())
        } else {
            Err("Teku did not say how many records it updated".to_string())
        }
    })
}

/// No bystanders: a beacon node that names the validator's directory cannot be told from a signer.
fn signature(install: &Install) -> Signature {
    let with = |word: Word| {
        let main = Word::Holds(MAIN_CLASS.to_string());
        Program::worded([main, word])
    };
    let flags = KEYS.map(|flag| with(Word::Holds(format!("--{flag}"))));
    let commands = VALIDATOR.map(|command| with(Word::Is(command.to_string())));
    Signature {
        programs: [commands.to_vec(), flags.to_vec()].concat(),
        bystanders: Vec::new(),
        directories: vec![install.data_dir.clone(), install.database.clone()],
    }
}

/// The records; a `.yml.tmp` is what a cut-off write left and holds nothing that was promised.
fn database_files(install: &Install) -> Packed {
    super::install::packed(&install.database, &["/*.yml"])
}
