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
        if runs_container(&unit.exec_start) && overrides.program.is_none() {
            return Err(format!(
                "{} runs a container: the program, the paths and the user in it are not the host's, so nothing can be \
                 exported, imported or copied from outside",
                unit.name
            ));
        }
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

/// Whether a command line runs a container instead of the program itself.
pub(super) fn runs_container(words: &[String]) -> bool {
    const RUNTIMES: [&str; 6] = [
        "docker",
        "podman",
        "docker-compose",
        "podman-compose",
        "nerdctl",
        "ctr",
    ];
    words.first().is_some_and(|word| RUNTIMES.contains(&base(word)))
}

/// An installation of which only what every client has is filled in; what the configuration says goes first.
///
/// # Errors
/// The configuration names sub-commands, of which this client has but one spelling.
pub(super) fn bare(
    client: &super::Client,
    unit: &Unit,
    overrides: &Overrides,
    program: Vec<String>,
    (data_dir, database): (String, String),
) -> Result<Install, String> {
    if overrides.protection_command.is_some() {
        return Err(format!(
            "protection_command is set, but every release of {} has the same command: take it out of the configuration",
            client.name
        ));
    }
    Ok(Install {
        client: client.name,
        unit: unit.name.clone(),
        user: overrides.user.clone().unwrap_or_else(|| unit.user.clone()),
        program,
        data_dir,
        database,
        protection_command: Vec::new(),
        data_flag: None,
        chain_flags: overrides.extra_args.clone(),
        beacon_urls: overrides.beacon_url.iter().cloned().collect(),
        metrics_url: overrides.metrics_url.clone(),
        lock_file: overrides
            .lock_file
            .clone()
            .unwrap_or_else(|| client.lock_file.to_string()),
    })
}

/// A path that the configuration says, else a flag; absolute.
///
/// # Errors
/// See [`absolute`]; or the flag is given twice, differently.
pub(super) fn path_of(
    by_hand: &Option<String>,
    flags: &Flags,
    names: &[&str],
    unit: &Unit,
    what: &str,
) -> Result<Option<String>, String> {
    let said = match by_hand {
        Some(path) => Some(path.clone()),
        None => flags.value(names)?,
    };
    said.map(|path| absolute(&path, unit, what)).transpose()
}

/// Refuses what may move the database unseen, a file or a variable, unless data directory and database are both said.
pub(super) fn nothing_hidden(by: Option<String>, overrides: &Overrides) -> Result<(), String> {
    match by {
        Some(by) if overrides.data_dir.is_none() || overrides.database.is_none() => Err(format!(
            "{by}, which is not looked into and may move the database: set data_dir and database for this host in the \
             configuration"
        )),
        Some(_) | None => Ok(()),
    }
}

/// The first variable of a unit's environment whose name begins so.
pub(super) fn variable(environment: &[String], prefix: &str, but: &[&str]) -> Option<String> {
    environment
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name)
        .find(|name| name.starts_with(prefix) && !but.contains(name))
        .map(|name| format!("the unit sets {name}"))
}

/// Beacon nodes: what the configuration says, else the flags, else the client's own default on the host itself.
pub(super) fn beacons(overrides: &Overrides, by_flags: Vec<String>, default: &str) -> Vec<String> {
    let urls = match (&overrides.beacon_url, by_flags) {
        (Some(url), _) => vec![url.clone()],
        (None, urls) if !urls.is_empty() => urls,
        (None, _) => vec![default.to_string()],
    };
    urls.iter()
        .map(|url| url.trim_end_matches('/').to_string())
        .collect()
}

/// The directory in which a database of this name lies, since the client is told directories and not files.
///
/// # Errors
/// The database has another name, so the client would open another one.
pub(super) fn home_of<'a>(install: &'a Install, name: &str) -> Result<&'a str, String> {
    match install.database.rsplit_once('/') {
        Some((directory, last)) if last == name && !directory.is_empty() => Ok(directory),
        Some(_) | None => Err(format!(
            "{} looks for a database of the name {name}, but {} was found or set: move it",
            install.client, install.database
        )),
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
