//! An installation of a client on a host: whose it is, where its data lies, how it is called. Found from the unit's
//! command line, or said by hand in the configuration. Must never assume a directory that nobody named.

use serde::{Deserialize, Serialize};

use crate::guards::evidence::Unit;
use crate::transport::{Call, Op};

use super::flags::{Flags, expand};

/// One client on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Name of the client's row.
    pub client: &'static str,
    /// The unit, with its suffix.
    pub unit: String,
    /// The user that owns the database; empty means root. Export and import run as this user.
    pub user: String,
    /// What stands before the client's sub-command: environment, interpreter, program.
    pub program: Vec<String>,
    /// Data directory, absolute.
    pub data_dir: String,
    /// The protection database, absolute: a directory or a file.
    pub database: String,
    /// Sub-commands in front of `export` and `import`; empty until [`super::Client::learn`] was told.
    pub protection_command: Vec<String>,
    /// How the unit spells the data directory's flag, with its dashes; none when it does not say or one name serves all.
    pub data_flag: Option<String>,
    /// Flags that export and import need beside the data directory: network, parameters, beacon node.
    pub chain_flags: Vec<String>,
    /// Beacon nodes of the validator, as seen from the host; the first is the one that is asked.
    pub beacon_urls: Vec<String>,
    /// The validator's own metrics, as seen from the host; none when it serves none.
    pub metrics_url: Option<String>,
    /// Lock file of the bar.
    pub lock_file: String,
}

impl Install {
    /// One of the client's commands, to be run as the user that owns the database.
    pub fn run(&self, timeout_s: u64, argv: Vec<String>) -> Call {
        let mut args = vec![self.user.clone(), timeout_s.to_string()];
        args.extend(argv);
        Call::new(Op::Run, args)
    }

    /// The same client over a copy of the database in a directory of its own.
    pub fn relocated(&self, directory: &str) -> Install {
        let database = format!("{directory}/{}", base(&self.database));
        Install {
            data_dir: directory.to_owned(),
            database,
            ..self.clone()
        }
    }

    /// Program, sub-commands and arguments in one line.
    ///
    /// # Errors
    /// The sub-commands are not known yet.
    pub(super) fn protection(&self, args: Vec<String>) -> Result<Vec<String>, String> {
        if self.protection_command.is_empty() {
            return Err(format!(
                "it is not known how this release of {} names its slashing-protection command: ask it first, or set \
                 protection_command for this host in the configuration",
                self.client
            ));
        }
        Ok([self.program.clone(), self.protection_command.clone(), args].concat())
    }
}

/// What the configuration may say by hand of one host. Anything left out is found from the unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// The client's name; needed only where the unit's command line does not tell it.
    pub client: Option<String>,
    /// The unit, with its suffix.
    pub unit: Option<String>,
    /// Data directory, absolute.
    pub data_dir: Option<String>,
    /// The protection database, absolute.
    pub database: Option<String>,
    /// The user that owns the database.
    pub user: Option<String>,
    /// What stands before the client's sub-command, as words.
    pub program: Option<Vec<String>>,
    /// The beacon node to ask, as seen from the host.
    pub beacon_url: Option<String>,
    /// The validator's metrics, as seen from the host.
    pub metrics_url: Option<String>,
    /// Lock file of the bar, absolute.
    pub lock_file: Option<String>,
    /// Sub-commands in front of `export` and `import`.
    pub protection_command: Option<Vec<String>>,
    /// Words added to export and import.
    pub extra_args: Vec<String>,
}

impl Overrides {
    /// These, and where they say nothing, those.
    pub fn or(self, other: &Overrides) -> Overrides {
        let other = other.clone();
        Overrides {
            client: self.client.or(other.client),
            unit: self.unit.or(other.unit),
            data_dir: self.data_dir.or(other.data_dir),
            database: self.database.or(other.database),
            user: self.user.or(other.user),
            program: self.program.or(other.program),
            beacon_url: self.beacon_url.or(other.beacon_url),
            metrics_url: self.metrics_url.or(other.metrics_url),
            lock_file: self.lock_file.or(other.lock_file),
            protection_command: self.protection_command.or(other.protection_command),
            extra_args: if self.extra_args.is_empty() {
                other.extra_args
            } else {
                self.extra_args
            },
        }
    }
}

/// A unit's command line, filled in and cut: what stands before the client's sub-command, and the flags behind.
pub(super) struct Declared {
    pub(super) program: Vec<String>,
    pub(super) flags: Flags,
}

impl Declared {
    /// Cuts where `cut` says: it gets the words and answers the place of the first that is not the program's.
    ///
    /// # Errors
    /// The command line cannot be read and the configuration does not say program and data directory instead.
    pub(super) fn read(
        unit: &Unit,
        environment: &[String],
        overrides: &Overrides,
        cut: fn(&[String]) -> Option<usize>,
    ) -> Result<Declared, String> {
        let by_hand = overrides.program.clone().filter(|_| overrides.data_dir.is_some());
        let words = match (expand(&unit.exec_start, environment), by_hand) {
            (Ok(words), _) if !words.is_empty() => words,
            (_, Some(program)) => {
                return Ok(Declared {
                    program,
                    flags: Flags::default(),
                });
            }
            (Err(why), None) => return Err(why),
            (Ok(_), None) => {
                return Err(format!(
                    "the command line of {} cannot be read: set program and data_dir for this host in the \
                     configuration",
                    unit.name
                ));
            }
        };
        let at = cut(&words);
        let program = match (&overrides.program, at) {
            (Some(program), _) => program.clone(),
            (None, Some(at)) => words.iter().take(at).cloned().collect(),
            (None, None) => Vec::new(),
        };
        if program.is_empty() {
            return Err(format!(
                "{} does not run this client's validator by its command line ({}): name the unit or the client, or \
                 set program for this host in the configuration",
                unit.name,
                words.first().map_or("empty", String::as_str)
            ));
        }
        let flags = Flags::read(words.get(at.unwrap_or(0)..).unwrap_or_default());
        Ok(Declared { program, flags })
    }

    /// Refuses flags that make a handover unsafe, each with its reason.
    pub(super) fn refuse(&self, dangerous: &[(&str, &str)]) -> Result<(), String> {
        match dangerous.iter().find(|(flag, _)| self.flags.on(&[flag])) {
            Some((flag, why)) => Err(format!("the unit passes --{flag}: {why}")),
            None => Ok(()),
        }
    }
}

/// A path as the validator sees it: absolute, or below its working directory.
///
/// # Errors
/// It depends on a home directory or a variable, which are not known here.
pub(super) fn absolute(path: &str, unit: &Unit, what: &str) -> Result<String, String> {
    let full = if path.starts_with('/') {
        path.to_string()
    } else if path.starts_with(['~', '$']) || unit.working_directory.starts_with(['~', '!', '-']) {
        return Err(format!(
            "{what} is {path}, below a home that is not known: set data_dir as an absolute path"
        ));
    } else {
        format!("{}/{path}", unit.working_directory.trim_end_matches('/'))
    };
    let parts: Vec<&str> = full
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(format!(
            "{what} is {path}: set data_dir as an absolute path, without .., that is not /"
        ));
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The files that begin with the path of the database and end in one of `endings`.
pub(super) fn packed(database: &str, endings: &[&str]) -> super::Packed {
    let (directory, name) = database.rsplit_once('/').unwrap_or((".", database));
    super::Packed {
        directory: if directory.is_empty() { "/" } else { directory }.to_owned(),
        patterns: endings.iter().map(|ending| format!("{name}{ending}")).collect(),
    }
}

/// Metrics on the host itself: a wildcard address is asked on loopback.
pub(super) fn metrics_at(address: Option<String>, port: &str) -> String {
    let host = match address.as_deref() {
        None | Some("0.0.0.0" | "::" | "[::]" | "localhost") => "127.0.0.1".to_string(),
        Some(six) if six.contains(':') && !six.starts_with('[') => format!("[{six}]"),
        Some(other) => other.to_string(),
    };
    format!("http://{host}:{port}/metrics")
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
