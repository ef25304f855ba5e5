//! Dirk, a remote signer: a Badger directory, exported and imported by its own command, archived as files. Everything
//! about it stands in its configuration file, so it is said by hand. It says nothing at all when all went well, and
//! ends with 0 when keys were left out. Must never pass a chain that nobody named: Dirk believes its flag.

use crate::guards::evidence::Unit;
use crate::services::processes::{Program, Signature};
use crate::transport::Output;

use super::install::{Declared, Install, Overrides, absolute, bare, base, path_of};
use super::{
    Atomic, Client, ExportFailure, Gap, HandOver, Lower, Proof, Reimport, Rules, Wait, nothing_to_ask,
    nothing_to_learn,
};

/// Dirk's row.
pub(super) const CLIENT: Client = Client {
    name: "dirk",
    units: &["dirk.service"],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: Rules {
        largest: i64::MAX as u64,
        reimport: Reimport::Harmless,
        lower: Lower::RefusesKey,
        gap: Gap::None,
        resigns: false,
        atomic: Atomic::No,
        loses_silently: true,
        locks: true,
        wait: Wait::None,
        makes_database: true,
        key_bytes: 48,
    },
    // Its export names the chain that the flag named.
    names_its_chain: false,
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
    // A log-structured tree with values beside it, and older values in Go's own encoding: by its command alone.
    direct: None,
    signature,
};

const ROOT: &str = "--genesis-validators-root=";
const STORAGE: &str = "DIRK_STORAGE_PATH=";

/// It counts what it signed; that an attestation was published is seen on chain. Its log says neither.
fn proof(_: &Install) -> Proof {
    Proof {
        metric: Some(r#"dirk_signer_process_requests_total{request="attestation",result="succeeded"}"#),
        log: None,
    }
}

fn is_it(unit: &Unit) -> bool {
    end_of_program(&unit.exec_start).is_some()
}

/// The program ends where its flags begin; there are no sub-commands.
fn end_of_program(words: &[String]) -> Option<usize> {
    words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .position(|word| base(word) == "dirk" || base(word).starts_with("dirk-v"))
        .map(|at| at + 1)
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    let declared = Declared::read(unit, environment, overrides, end_of_program)?;
    let base_dir = path_of(
        &overrides.data_dir,
        &declared.flags,
        &["base-dir"],
        unit,
        "the base directory",
    )?
    .ok_or(
        "the unit gives no --base-dir, so Dirk reads its configuration from its user's home: set data_dir, the \
         directory that holds dirk.yml, for this host in the configuration",
    )?;
    let moved = environment.iter().find_map(|pair| pair.strip_prefix(STORAGE));
    let database = match (&overrides.database, moved) {
        (Some(path), _) => absolute(path, unit, "the database")?,
        (None, Some(path)) if path.starts_with('/') => absolute(path, unit, "the database")?,
        (None, _) => {
            return Err(
                "where Dirk keeps its storage stands in dirk.yml (storage-path), which is not looked into: set \
                 database for this host in the configuration"
                    .to_string(),
            );
        }
    };
    if overrides.beacon_url.is_none() || overrides.metrics_url.is_none() {
        return Err(
            "Dirk has no beacon node and says nothing in its log when it signs: set beacon_url and metrics_url for this \
             host in the configuration"
                .to_string(),
        );
    }
    let mut install = bare(&CLIENT, unit, overrides, declared.program, (base_dir, database))?;
    install.chain_flags = chain_flags(&install.data_dir, &overrides.extra_args)?;
    Ok(install)
}

/// The base directory travels as a flag, since a copy of the storage is exported with the original's configuration.
fn chain_flags(base_dir: &str, extra: &[String]) -> Result<Vec<String>, String> {
    let mut flags = vec![format!("--base-dir={base_dir}")];
    let mut root = None;
    for word in extra {
        match word.strip_prefix(ROOT) {
            // Compared as text with the file, which is written in lower case.
            Some(given) => root = Some(given.to_lowercase()),
            None => flags.push(word.clone()),
        }
    }
    let hex = |root: &String| {
        root.strip_prefix("0x")
            .is_some_and(|digits| digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()))
    };
    match root.filter(hex) {
        Some(root) => {
            flags.push(format!("{ROOT}{root}"));
            Ok(flags)
        }
        None => Err(format!(
            "Dirk does not keep of which chain its data is and believes what it is told: set extra_args = \
             [\"{ROOT}0x…\"] (64 hex digits) for this host in the configuration"
        )),
    }
}

fn export(install: &Install, directory: &str) -> Result<Vec<String>, String> {
    let file = exported_file(directory);
    Ok(protection(install, "--export-slashing-protection", &file))
}

fn import(install: &Install, file: &str) -> Result<Vec<String>, String> {
    Ok(protection(install, "--import-slashing-protection", file))
}

/// The storage by a variable, which goes before the configuration file.
fn protection(install: &Install, verb: &str, file: &str) -> Vec<String> {
    let words = [verb.to_string(), format!("--slashing-protection-file={file}")];
    [
        vec!["env".to_string(), format!("{STORAGE}{}", install.database)],
        install.program.clone(),
        install.chain_flags.clone(),
        words.to_vec(),
    ]
    .concat()
}

fn exported_file(directory: &str) -> String {
    format!("{}/export.json", directory.trim_end_matches('/'))
}

fn read_export(output: &Output) -> Result<(), ExportFailure> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    if text.contains("Cannot acquire directory lock") || text.contains("Another process is using this Badger")
    {
        return Err(ExportFailure::Locked);
    }
    silence(output).map_err(ExportFailure::Other)
}

fn read_import(output: &Output) -> Result<(), String> {
    silence(output)
}

/// It has no word for success: whatever it says is one of failure, "Existing entry for public key … contains newer
/// data; not importing" among them. That it did its work is seen by the file, and by the read-back.
fn silence(output: &Output) -> Result<(), String> {
    output.ok()?;
    if output.stdout.trim().is_empty() && output.stderr.trim().is_empty() {
        Ok(())
    } else {
        Err(format!(
            "Dirk, which says nothing when all is well, said: {}",
            output.last_words()
        ))
    }
}

fn signature(install: &Install) -> Signature {
    Signature {
        programs: vec![Program::named(["dirk"])],
        bystanders: Vec::new(),
        directories: vec![install.data_dir.clone(), install.database.clone()],
    }
}
