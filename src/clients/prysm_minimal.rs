//! Prysm with its minimal database: one YAML file per key below `validator-client-data`, read directly, without Prysm.
//! Its own export is broken and its own import writes into another directory and reports success (prysm#17514), so a
//! run hands over from it and must never hand over into it: that would be found out when nobody signs.

use crate::guards::evidence::Unit;

use super::flags::{Flags, expand};
use super::install::{Install, Overrides};
use super::prysm::{
    Asked, DANGEROUS, MINIMAL, NETWORKS, Shape, exported_file, install_as, is_prysm, proof, read_export,
    read_import, signature,
};
use super::{
    Atomic, Client, Direct, Gap, HandOver, Lower, Packed, Reimport, Rules, Wait, nothing_to_ask,
    nothing_to_learn,
};

/// The minimal database's row.
pub(super) const CLIENT: Client = Client {
    name: "prysm-minimal",
    units: &[
        "prysm-validator.service",
        "prysmvalidator.service",
        "prysm-vc.service",
        "validator.service",
    ],
    api_prefixes: &["/eth/v1"],
    lock_file: "/etc/failover/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver {
        from: Ok(()),
        into: Err(
            "the import of Prysm's minimal database writes into another directory and reports success (prysm#17514), \
             so the hand-over would fail while nobody signs: give this host a complete database, in a data directory of its \
             own that a first start without keys has made, and take --enable-minimal-slashing-protection out of its unit",
        ),
    },
    rules: Rules {
        largest: u64::MAX,
        reimport: Reimport::Harmless,
        lower: Lower::Ignored,
        gap: Gap::None,
        resigns: false,
        atomic: Atomic::No,
        loses_silently: true,
        locks: false,
        wait: Wait::Skipped,
        makes_database: true,
        key_bytes: 48,
    },
    names_its_chain: true,
    // The files are opened for each signature and closed again.
    keeps_open: false,
    no_history_is_certain: false,
    // The files are read where the validator writes them; what a wrong import left elsewhere does not count.
    sole_database: None,
    offline: true,
    is_it,
    install,
    questions: nothing_to_ask,
    learn: nothing_to_learn,
    export: by_no_command,
    exported_file,
    read_export,
    import: by_no_command,
    read_import,
    direct: Some(Direct {
        format: crate::databases::Format::PrysmMinimal,
        files: database_files,
    }),
    signature,
};

/// The database's directory, below the data directory.
const DATABASE: &str = "validator-client-data";

fn is_it(unit: &Unit) -> bool {
    is_prysm(unit) && Flags::read(&unit.exec_start).on(&[MINIMAL])
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    // All but the first, which is what makes it minimal.
    let dangerous: Vec<(&str, &str)> = DANGEROUS
        .into_iter()
        .filter(|(flag, _)| *flag != MINIMAL)
        .collect();
    let shape = Shape {
        networks: &NETWORKS,
        dangerous: &dangerous,
        database: DATABASE,
        asked_with_a_file: &[Asked::DataDir, Asked::Client],
    };
    let install = install_as(&CLIENT, &shape, unit, environment, overrides)?;
    let flags = expand(&unit.exec_start, environment).map(|words| Flags::read(&words));
    match flags {
        Ok(flags) if !flags.on(&[MINIMAL, "config-file"]) && !unit.exec_start.is_empty() => Err(format!(
            "the unit does not pass --{MINIMAL}: at its next start the validator makes a complete database of the \
             minimal one and removes that; set client = \"prysm\" for this host in the configuration"
        )),
        // What cannot be read was said by hand, or `install_as` had refused it.
        Ok(_) | Err(_) => Ok(install),
    }
}

fn by_no_command(_: &Install, _: &str) -> Result<Vec<String>, String> {
    Err(
        "Prysm's commands do not reach its own minimal database (prysm#17514); its files are read instead"
            .to_string(),
    )
}

/// Below the same directory the proposer's settings lie in the first of the two, and no key in either.
fn database_files(install: &Install) -> Packed {
    super::install::packed(
        &install.database,
        &["/configuration.yaml", "/slashing-protection/*.yaml"],
    )
}
