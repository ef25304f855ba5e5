//! Qrysm, QRL's fork of Prysm: the same flags, files and words; other keys (2592 bytes), other API prefix, a site's
//! lock file of its own. Must never be taken for Prysm: Prysm's limits on keys and its networks do not hold here.

use crate::guards::evidence::Unit;

use super::install::{Install, Overrides};
use super::prysm::{
    Asked, DANGEROUS, Shape, database_files, export, exported_file, import, install_as, proof, read_export,
    read_import, runs_validator, signature,
};
use super::{Client, HandOver, Reimport, Rules, nothing_to_ask, nothing_to_learn};

/// Qrysm's row.
pub(super) const CLIENT: Client = Client {
    name: "qrysm",
    units: &[
        "qrysm-validator.service",
        "qrysmvalidator.service",
        "qrl-validator.service",
        "validator.service",
    ],
    api_prefixes: &["/qrl/v1", "/zond/v1"],
    lock_file: "/etc/quantapool/VALIDATOR_LOCKED",
    proof,
    hand_over: HandOver::OFFERED,
    rules: RULES,
    names_its_chain: true,
    keeps_open: true,
    // The 2024 release finds the database below the data directory, then opens a new one at the top and finds it empty.
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

/// Prysm's, but for what a repeated target without a root does, and for the keys (ML-DSA-87).
const RULES: Rules = Rules {
    reimport: Reimport::AbortsImport,
    makes_database: true,
    key_bytes: 2592,
    ..super::prysm::RULES
};

fn is_it(unit: &Unit) -> bool {
    runs_validator(&unit.exec_start) && says_qrl(unit)
}

/// The binary has Prysm's name, so the unit or a path must say whose it is.
pub(super) fn says_qrl(unit: &Unit) -> bool {
    let says = |text: &str| {
        ["qrysm", "qrl", "zond"]
            .iter()
            .any(|name| text.to_lowercase().contains(name))
    };
    says(&unit.name) || unit.exec_start.iter().any(|word| says(word))
}

fn install(unit: &Unit, environment: &[String], overrides: &Overrides) -> Result<Install, String> {
    let shape = Shape {
        networks: &["mainnet"],
        dangerous: &DANGEROUS,
        database: "validator.db",
        asked_with_a_file: &[Asked::DataDir],
    };
    install_as(&CLIENT, &shape, unit, environment, overrides)
}
