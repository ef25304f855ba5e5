//! Lodestar: LevelDB below its data directory, run by node. Old releases (seen: 0.34) export with
//! `account validator slashing-protection`, newer ones with `validator slashing-protection`. On an old release the
//! newer words START A VALIDATOR, so they must never be run before the release has said that it knows them.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature, Word};
use crate::transport::Output;

use super::flags::Flags;
use super::install::{Declared, Install, Overrides, absolute, metrics_at};
use super::{Atomic, Client, ExportFailure, Gap, HandOver, Lower, Proof, Reimport, Rules, Wait};

/// Lodestar's row.
pub(super) const CLIENT: Client = Client {
    name: "lodestar",
    units: &[
        "lodestar-validator.service",
        "lodestarvalidator.service",
        "lodestar-vc.service",
        "lodestar.service",
        "validator.service",
    ],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: RULES,
    // Its validator writes it down when it starts; a standby that was only imported into has never done so.
    names_its_chain: false,
    keeps_open: true,
    // It never says so: an absent database is created and exported as an empty list.
    no_history_is_certain: false,
    sole_database: None,
    offline: false,
    is_it,
    install,
    questions,
    learn,
    export,
    exported_file,
    read_export,
    import,
    read_import,
    direct: Some(super::Direct {
        format: crate::databases::Format::Lodestar,
        files: database_files,
    }),
    signature,
};

/// Numbers are JavaScript's. One merged record sets the attestations' lower bound to the maxima, also when it is
/// imported again; of blocks only the lowest is a floor.
const RULES: Rules = Rules {
    largest: (1 << 53) - 1,
    reimport: Reimport::Harmless,
    lower: Lower::LowersFloor,
    gap: Gap::Blocks,
    resigns: true,
    atomic: Atomic::No,
    loses_silently: false,
    locks: true,
    wait: Wait::Skipped,
    makes_database: true,
    key_bytes: 48,
};

const DATA_DIR: [&str; 2] = ["dataDir", "rootDir"];
const BEACONS: [&str; 2] = ["beaconNodes", "server"];
const DATABASE: [&str; 1] = ["validatorsDbDir"];
const CHAIN: [&str; 5] = ["network", "paramsFile", "preset", "server", "beaconNodes"];
/// The only variables that are passed on; others may be secrets, and the command line of an export is public.
const ENVIRONMENT: [&str; 2] = ["LODESTAR_PRESET=", "NODE_OPTIONS="];
const OLD: [&str; 3] = ["account", "validator", "slashing-protection"];
const NEW: [&str; 2] = ["validator", "slashing-protection"];

fn proof(_: &Install) -> Proof {
    Proof {
        metric: Some("vc_published_attestations_total"),
        log: Some("Published attestations"),
    }
}

/// The name has to stand before the sub-command: behind it, it may be a directory that another client took over.
fn is_it(unit: &Unit) -> bool {
    sub_command(&unit.exec_start).is_some_and(|at| {
        unit.exec_start
            .iter()
            .take(at)
            .any(|word| word.contains("lodestar"))
    })
}

/// Where `validator` stands as a word of its own, before the first flag.
fn sub_command(words: &[String]) -> Option<usize> {
    words
        .iter()
        .take_while(|word| !word.starts_with("--"))
        .position(|word| word == "validator")
        .filter(|at| *at > 0)
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    unmoved(environment, overrides)?;
    let declared = Declared::read(unit, environment, overrides, sub_command)?;
    let flags = &declared.flags;
    if flags.value(&["rcConfig"])?.is_some() && overrides.data_dir.is_none() {
        return Err(
            "the unit reads its options from an --rcConfig file, which is not looked into: set data_dir and \
             extra_args for this host in the configuration"
                .to_string(),
        );
    }
    let (data_dir, database) = places(unit, flags, overrides)?;
    Ok(Install {
        client: CLIENT.name,
        unit: unit.name.clone(),
        user: overrides.user.clone().unwrap_or_else(|| unit.user.clone()),
        program: with_environment(declared.program, environment),
        data_dir,
        database,
        protection_command: overrides.protection_command.clone().unwrap_or_default(),
        data_flag: flags.spelling(&DATA_DIR),
        chain_flags: [flags.passed_on(&CHAIN), overrides.extra_args.clone()].concat(),
        beacon_urls: match (&overrides.beacon_url, flags.list(&BEACONS)) {
            (Some(url), _) => vec![url.clone()],
            (None, urls) if !urls.is_empty() => urls,
            (None, _) => vec!["http://127.0.0.1:9596".to_string()],
        },
        metrics_url: match &overrides.metrics_url {
            Some(url) => Some(url.clone()),
            None if flags.on(&["metrics"]) => Some(metrics_at(
                flags.value(&["metrics.address"])?,
                &flags
                    .value(&["metrics.port"])?
                    .unwrap_or_else(|| "5064".to_string()),
            )),
            None => None,
        },
        lock_file: overrides
            .lock_file
            .clone()
            .unwrap_or_else(|| CLIENT.lock_file.to_string()),
    })
}

/// Data directory and database; what the configuration says goes first.
fn places(unit: &Unit, flags: &Flags, overrides: &Overrides) -> Result<(String, String), String> {
    let by_hand_or = |by_hand: &Option<String>, names: &[&str]| match by_hand {
        Some(path) => Ok(Some(path.clone())),
        None => flags.value(names),
    };
    let data_dir = match by_hand_or(&overrides.data_dir, &DATA_DIR)? {
        Some(path) => absolute(&path, unit, "the data directory")?,
        None => {
            return Err(
                "the unit gives no --dataDir or --rootDir, so Lodestar uses one below its user's home: set \
                 data_dir for this host in the configuration"
                    .to_string(),
            );
        }
    };
    let database = match by_hand_or(&overrides.database, &DATABASE)? {
        Some(path) => absolute(&path, unit, "the database")?,
        None => format!("{data_dir}/validator-db"),
    };
    Ok((data_dir, database))
}

/// Refuses an environment from which Lodestar takes options, unless the database is said by hand.
fn unmoved(environment: &[String], overrides: &Overrides) -> Result<(), String> {
    let moving = environment
        .iter()
        .find(|pair| pair.starts_with("LODESTAR_") && !pair.starts_with("LODESTAR_PRESET="));
    if let (Some(pair), None) = (moving, &overrides.database) {
        let name = pair.split('=').next().unwrap_or_default();
        return Err(format!(
            "the unit sets {name}, which Lodestar takes for an option and which may move the database: set database for \
             this host in the configuration"
        ));
    }
    Ok(())
}

fn with_environment(program: Vec<String>, environment: &[String]) -> Vec<String> {
    let passed: Vec<String> = environment
        .iter()
        .filter(|pair| ENVIRONMENT.iter().any(|name| pair.starts_with(name)))
        .cloned()
        .collect();
    if passed.is_empty() {
        program
    } else {
        [vec!["env".to_string()], passed, program].concat()
    }
}

/// `--help` never starts anything, whichever release reads it.
fn questions(install: &Install) -> Vec<Vec<String>> {
    if !install.protection_command.is_empty() {
        return Vec::new();
    }
    let words = [&NEW[..], &["export", "--help"]].concat();
    vec![
        [
            install.program.clone(),
            words.iter().map(|word| word.to_string()).collect(),
        ]
        .concat(),
    ]
}

/// The first line of the help is the command that the release understood: the whole of it, or only `validator`.
fn learn(install: &mut Install, output: &Output) -> Result<(), String> {
    let understood = output
        .ok()?
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let words: Vec<&str> = understood.split_whitespace().collect();
    let command: &[&str] = match words.as_slice() {
        [.., "validator", "slashing-protection", "export"] => &NEW,
        ["validator"] | ["lodestar", "validator"] => &OLD,
        _ => {
            return Err(format!(
                "Lodestar's help says neither the new nor the old command: {understood}"
            ));
        }
    };
    install.protection_command = command.iter().map(|word| word.to_string()).collect();
    Ok(())
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    protection(install, "export", &exported_file(directory))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    protection(install, "import", file)
}

fn protection(install: &Install, verb: &str, file: &str) -> Result<Vec<String>, String> {
    let usual = format!("{}/validator-db", install.data_dir);
    // Spelled as the unit spells it: releases differ in which of the names they know, and those that know only the
    // old command know only the old name.
    let by_release = if install.protection_command == OLD {
        "--rootDir"
    } else {
        "--dataDir"
    };
    let flag = install
        .data_flag
        .clone()
        .unwrap_or_else(|| by_release.to_string());
    let mut args = vec![verb.to_string(), flag, install.data_dir.clone()];
    if install.database != usual {
        if install.protection_command == OLD {
            return Err(format!(
                "this release of Lodestar exports only {usual}, but the validator uses {}: move the database there",
                install.database
            ));
        }
        args.extend(["--validatorsDbDir".to_string(), install.database.clone()]);
    }
    args.extend(install.chain_flags.iter().cloned());
    args.extend(["--file".to_string(), file.to_string()]);
    install.protection(args)
}

/// The extension decides the format: without `.json` a new release writes YAML and an old one fails.
fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

/// An export beside a running validator prints an error AND ends with 0, so only its own word of success counts.
fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    if text.contains("/LOCK:")
        || text.contains("already in use by another process")
        || text.contains("LEVEL_LOCKED")
    {
        return Err(ExportFailure::Locked);
    }
    finished(output, "Export completed successfully").map_err(ExportFailure::Other)
}

fn read_import(output: &Output) -> Result<(), String> {
    finished(output, "Import completed successfully")
}

fn finished(output: &Output, words: &str) -> Result<(), String> {
    let said = output.ok().map_err(|why| said_why(output).unwrap_or(why))?;
    if let Some(why) = said_why(output) {
        return Err(why);
    }
    if said.contains(words) {
        Ok(())
    } else {
        Err(format!(
            "Lodestar did not say \"{words}\": {}",
            output.last_words()
        ))
    }
}

/// The line in which Lodestar names an error; a stack trace follows it. Colours come even without a terminal.
fn said_why(output: &Output) -> Option<String> {
    let lines = output.stderr.lines().chain(output.stdout.lines());
    lines
        .map(uncoloured)
        .find(|line| line.starts_with('✖') || line.contains("error: "))
}

fn uncoloured(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_string();
    text.extend(
        parts
            .filter_map(|part| part.split_once('m'))
            .map(|(_, after)| after),
    );
    text.trim().to_string()
}

fn signature(install: &Install) -> Signature {
    let is = |word: &str| Word::Is(word.to_string());
    let holds = |part: &str| Word::Holds(part.to_string());
    Signature {
        programs: vec![
            Program::worded([holds("lodestar"), is("validator")]),
            Program::worded([holds("lodestar"), is("dev")]),
        ],
        bystanders: vec![Program::worded([holds("lodestar"), is("beacon")])],
        directories: vec![install.data_dir.clone(), install.database.clone()],
    }
}

/// LevelDB's own files, and its diary, the only place where it says that it has dropped something. The directory also
/// holds the token of the keymanager API.
fn database_files(install: &Install) -> super::Packed {
    super::install::packed(
        &install.database,
        &[
            "/CURRENT",
            "/MANIFEST-*",
            "/*.log",
            "/*.ldb",
            "/*.sst",
            "/LOG",
            "/LOG.old",
        ],
    )
}
