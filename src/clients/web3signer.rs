//! Web3Signer, a remote signer over PostgreSQL: its commands and their meaning. No run hands it over: a database that is
//! not made of files can neither be kept as a verified copy nor be put back (promise P4).
//! Must never put its database's password on a command line.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature, Word};
use crate::transport::Output;

use super::install::{Declared, Install, Overrides, bare, base, path_of};
use super::{
    Atomic, Client, ExportFailure, Gap, HandOver, Lower, Proof, Reimport, Rules, Wait, nothing_to_ask,
    nothing_to_learn,
};

const NO_COPY: &str = "its database is PostgreSQL, of which a run can keep no verified copy to put back. Instead: let the \
    signers of both hosts use one database, which serialises them, and hand over nothing; or stop both signers, dump \
    the database, and move the data with Web3Signer's own export and import, looked at before and after with `failover \
    protection inspect`, which reads a postgres:// address";

/// Web3Signer's row.
pub(super) const CLIENT: Client = Client {
    name: "web3signer",
    units: &["web3signer.service"],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver {
        from: Err(NO_COPY),
        into: Err(NO_COPY),
    },
    rules: Rules {
        largest: u64::MAX,
        reimport: Reimport::DropsKey,
        lower: Lower::Ignored,
        gap: Gap::None,
        resigns: true,
        atomic: Atomic::Key,
        loses_silently: true,
        locks: false,
        wait: Wait::None,
        makes_database: false,
        key_bytes: 48,
    },
    names_its_chain: true,
    keeps_open: false,
    // Keys without a low watermark are left out of an export.
    no_history_is_certain: false,
    sole_database: None,
    // The database is reached over the network.
    offline: false,
    is_it,
    install,
    questions: nothing_to_ask,
    learn: nothing_to_learn,
    export,
    exported_file,
    read_export,
    import,
    read_import,
    direct: None,
    signature,
};

const MAIN_CLASS: &str = "tech.pegasys.web3signer";
const KEYS_DIR: [&str; 3] = ["data-path", "key-store-path", "key-config-path"];
const URL: [&str; 1] = ["slashing-protection-db-url"];
const USER: [&str; 1] = ["slashing-protection-db-username"];

/// It signs for others; whether they publish is not its to say.
fn proof(_: &Install) -> Proof {
    Proof {
        metric: None,
        log: None,
    }
}

/// Of its modes only `eth2` signs for validators.
fn is_it(unit: &Unit) -> bool {
    end_of_program(&unit.exec_start)
        .and_then(|at| unit.exec_start.get(at..))
        .is_some_and(|behind| behind.iter().any(|word| word == "eth2"))
}

/// Behind the launcher or the main class.
fn end_of_program(words: &[String]) -> Option<usize> {
    let main = words.iter().position(|word| word.starts_with(MAIN_CLASS));
    let launcher = || {
        words
            .iter()
            .take_while(|word| !word.starts_with('-'))
            .position(|word| base(word) == "web3signer")
    };
    main.or_else(launcher).map(|at| at + 1)
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    let declared = Declared::read(unit, environment, overrides, end_of_program)?;
    let flags = &declared.flags;
    let keys = path_of(
        &overrides.data_dir,
        flags,
        &KEYS_DIR[..1],
        unit,
        "the data directory",
    )?;
    let keys = match keys {
        Some(keys) => keys,
        None => path_of(&None, flags, &KEYS_DIR[1..], unit, "the directory of keys")?.ok_or_else(|| {
            format!(
                "the unit names no directory of keys, by which its process is known: set data_dir for this host in the \
                 configuration. A run does not hand it over all the same: {NO_COPY}"
            )
        })?,
    };
    // The database is no file: what is looked at on the host is the directory of keys.
    let mut install = bare(&CLIENT, unit, overrides, declared.program, (keys.clone(), keys))?;
    let mut reach = Vec::new();
    if let Some(file) = flags.value(&["config-file"])? {
        reach.push(format!("--config-file={file}"));
    }
    reach.push("eth2".to_string());
    for names in [&URL[..], &USER[..]] {
        if let Some(value) = flags.value(names)? {
            reach.push(format!("--{}={value}", names.concat()));
        }
    }
    install.chain_flags = [reach, overrides.extra_args.clone()].concat();
    Ok(install)
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    Ok(protection(
        install,
        "export",
        format!("--to={}", exported_file(directory)),
    ))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    Ok(protection(install, "import", format!("--from={file}")))
}

/// The password comes from its configuration file or from `WEB3SIGNER_ETH2_SLASHING_PROTECTION_DB_PASSWORD`.
fn protection(install: &Install, verb: &str, file: String) -> Vec<String> {
    [
        install.program.clone(),
        install.chain_flags.clone(),
        vec![verb.to_string(), file],
    ]
    .concat()
}

fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

/// The process may not end by itself: stopped at its limit (124), its words decide and the file must be whole.
fn ended(output: &Output) -> Result<(), String> {
    match output.status {
        124 => Ok(()),
        _ => output.ok().map(|_| ()),
    }
}

fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let losses = [
        "producing empty",
        "No genesis validators root for slashing protection data",
        "Failed to init",
    ];
    ended(output)
        .and_then(|()| {
            let words = Output {
                status: 0,
                ..output.clone()
            };
            super::said(&words, "Exporting entries for validator", &losses)
        })
        .map_err(ExportFailure::Other)
}

fn read_import(output: &Output) -> Result<(), String> {
    ended(output)?;
    let words = Output {
        status: 0,
        ..output.clone()
    };
    super::said(
        &words,
        "Updating ",
        &[
            "Failed importing slashing protection data for validator",
            "Failed to parse validator",
            "conflicts with an existing entry",
            "Failed to init",
        ],
    )
}

fn signature(install: &Install) -> Signature {
    Signature {
        programs: vec![Program::worded([
            Word::Holds(MAIN_CLASS.to_string()),
            Word::Is("eth2".to_string()),
        ])],
        bystanders: Vec::new(),
        directories: vec![install.data_dir.clone()],
    }
}
