//! The validator clients, one row each: where an installation is found in its unit, which command lines export and
//! import slashing protection, what their output means. A further client is one file and one row of [`CLIENTS`].
//! Pure. Must never build a command that could start a validator, and never read silence as success.

mod dirk;
pub mod flags;
mod install;
mod lighthouse;
mod lodestar;
mod nimbus;
mod prysm;
mod prysm_minimal;
mod qrysm;
mod rules;
mod teku;
mod web3signer;

pub use install::{Install, Overrides};
pub use rules::{Atomic, Gap, Lower, Reimport, Rules, Wait};

use crate::databases::Format;
use crate::guards::evidence::{Role, Unit};
use crate::services::processes::Signature;
use crate::transport::Output;

/// Every client that is known. What a run offers for each: [`Client::hand_over`].
pub static CLIENTS: &[Client] = &[
    lighthouse::CLIENT,
    lodestar::CLIENT,
    nimbus::CLIENT,
    prysm::CLIENT,
    prysm_minimal::CLIENT,
    qrysm::CLIENT,
    teku::CLIENT,
    dirk::CLIENT,
    web3signer::CLIENT,
];

/// One client. The functions take what [`Client::install`] found.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// As the configuration names it, lower case.
    pub name: &'static str,
    /// Unit names under which guides and roles install its validator, most telling first. `validator.service` is
    /// shared by clients: ask [`Client::is_it`] then.
    pub units: &'static [&'static str],
    /// Prefix of its Beacon API, newest first; the first that answers is the node's.
    pub api_prefixes: &'static [&'static str],
    /// Lock file of the bar when nothing else is configured.
    pub lock_file: &'static str,
    /// How it shows that it published an attestation.
    pub proof: fn(&Install) -> Proof,
    /// Whether a run hands over from it and into it.
    pub hand_over: HandOver,
    /// What its import does with what it is given.
    pub rules: Rules,
    /// Whether its database says of which chain it is. Where it does not, the beacon node it is used with vouches.
    pub names_its_chain: bool,
    /// Whether its running validator keeps files of the database open, so that the database found for a unit can be
    /// held against what the unit's processes have open.
    pub keeps_open: bool,
    /// Whether [`ExportFailure::NoHistory`] can be believed of a host that has signed. Where it cannot, it may be
    /// believed of a backup that never signed, never of a primary.
    pub no_history_is_certain: bool,
    /// Name of the database file of which only one may lie below the data directory, because the client's export and
    /// import open the first that they find.
    pub sole_database: Option<&'static str>,
    /// Whether export and import work without a network. They are run without one then, so that a program which ignores
    /// its arguments and starts to validate gets no duties.
    pub offline: bool,
    /// Whether the unit's command line is this client's validator.
    pub is_it: fn(&Unit) -> bool,
    /// The installation, from the unit, its environment (`NAME=value`) and what the configuration says by hand.
    /// The error says what is not known and how to say it.
    pub install: fn(&Unit, &[String], &Overrides) -> Result<Install, String>,
    /// Commands to run (harmless ones) before the first export, each to be handed to [`Client::learn`]. Often none.
    pub questions: fn(&Install) -> Vec<Vec<String>>,
    /// Takes up the answer to one of [`Client::questions`].
    pub learn: fn(&mut Install, &Output) -> Result<(), String>,
    /// The command that exports all protection into a private directory. The validator must be stopped and barred.
    pub export: fn(&Install, &str) -> Result<Vec<String>, String>,
    /// The file that the export leaves in that directory.
    pub exported_file: fn(&str) -> String,
    /// Whether the export says that it is complete. The file must still be read.
    pub read_export: fn(&Output) -> Result<(), ExportFailure>,
    /// The command that imports a file. The validator must be stopped and barred.
    pub import: fn(&Install, &str) -> Result<Vec<String>, String>,
    /// Whether the import says that it is complete. It proves nothing: read back.
    pub read_import: fn(&Output) -> Result<(), String>,
    /// Its database as files that are read here, without the client; `None` where only the client itself can.
    pub direct: Option<Direct>,
    /// How its validator is known among processes.
    pub signature: fn(&Install) -> Signature,
}

/// A database that is read directly: the way after the fence that needs no command of the client.
#[derive(Debug, Clone, Copy)]
pub struct Direct {
    /// How its files are read.
    pub format: Format,
    /// Which files it is made of.
    pub files: fn(&Install) -> Packed,
}

/// The files of a database, to be packed on a host. Nothing else leaves it: a data directory also holds keystores,
/// passwords and API tokens (promise P9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The directory below which they lie, absolute; names in the pack are relative to it.
    pub directory: String,
    /// Shell patterns of their paths relative to it, without `./`: `validator-db/*.ldb`. A `*` does not cross a `/`.
    pub patterns: Vec<String>,
}

/// Whether a run hands over from a client and into it; the error says why not, and what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOver {
    /// Its host may be the primary.
    pub from: Result<(), &'static str>,
    /// Its host may be the backup.
    pub into: Result<(), &'static str>,
}

impl HandOver {
    /// In both directions.
    pub const OFFERED: HandOver = HandOver {
        from: Ok(()),
        into: Ok(()),
    };
}

/// How a client shows that an attestation was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Counter of published attestations and of nothing else, as its metrics name it, with its labels where it counts
    /// other things as well. None where it counts only signatures, or under a name that is not known for certain.
    pub metric: Option<&'static str>,
    /// Fixed text in its log when it has published an attestation; none where it says nothing.
    pub log: Option<&'static str>,
}

/// Why an export brought no interchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportFailure {
    /// The client says that its database holds nothing. See [`Client::no_history_is_certain`].
    #[error("the client says that its database holds no history")]
    NoHistory,
    /// Another process has the database open: a validator may be alive.
    #[error("the database is locked by another process: a validator may be alive")]
    Locked,
    /// Anything else, in the client's words.
    #[error("{0}")]
    Other(String),
}

impl Client {
    /// Whether a run hands over from it (as primary) or into it (as backup).
    ///
    /// # Errors
    /// Why not, and what to do instead.
    pub fn offered(&self, role: Role) -> Result<(), String> {
        match role {
            Role::Primary => self.hand_over.from,
            Role::Backup => self.hand_over.into,
        }
        .map_err(|why| format!("{}: {why}", self.name))
    }

    /// Whether a backup without any database can be imported into.
    ///
    /// # Errors
    /// What to do first.
    pub fn may_begin_without(&self) -> Result<(), String> {
        if self.rules.makes_database {
            Ok(())
        } else {
            Err(format!(
                "there is no database, and an import of {} makes none: start its validator once without keys, stop and \
                 bar it, and try again",
                self.name
            ))
        }
    }

    /// An export or import of this client, to be run as the user that owns the database.
    pub fn protection_call(
        &self,
        install: &Install,
        limit_s: u64,
        argv: Vec<String>,
    ) -> crate::transport::Call {
        let mut words = if self.offline {
            vec!["@offline".to_owned()]
        } else {
            Vec::new()
        };
        words.extend(argv);
        install.run(limit_s, words)
    }
}

/// The client of that name.
pub fn named(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}

/// The clients whose validator a unit's command line could be: none, one, or several when it does not say. None where
/// it runs a container: the client in it, its paths and its user are the container's.
pub fn recognised(unit: &Unit) -> Vec<&'static Client> {
    if install::runs_container(&unit.exec_start) {
        return Vec::new();
    }
    CLIENTS.iter().filter(|client| (client.is_it)(unit)).collect()
}

/// Every unit name to look for on a host, without repetition, in the order of the table.
pub fn candidate_units() -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in CLIENTS.iter().flat_map(|client| client.units) {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    names
}

/// For clients that need no question.
fn nothing_to_ask(_: &Install) -> Vec<Vec<String>> {
    Vec::new()
}

/// For clients that need no question.
fn nothing_to_learn(_: &mut Install, _: &Output) -> Result<(), String> {
    Ok(())
}

/// Whether a client ended well, said the word of success and none of those that mean a loss behind it.
///
/// # Errors
/// What it said instead.
fn said(output: &Output, success: &str, losses: &[&str]) -> Result<(), String> {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    let lost = text
        .lines()
        .find(|line| losses.iter().any(|loss| line.contains(loss)));
    if let Some(line) = lost {
        return Err(line.trim().to_string());
    }
    output.ok()?;
    if text.contains(success) {
        Ok(())
    } else {
        Err(format!(
            "the client did not say \"{success}\": {}",
            output.last_words()
        ))
    }
}
