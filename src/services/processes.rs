//! Finds the validator among a host's processes, wherever it was started from: a unit, a container, a shell.
//! Must never read a partial listing as "none": pid 1, the asking shell and root's view are the positive control.
//! No process is left out because it is ours or because its name looks harmless; only by what the kernel says it runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::guards::evidence::{Process, Processes};
use crate::transport::Output;

use super::fields::{Fields, cut};

/// Fewest processes of a believable listing: the first, the shell that asks, and the command that lists.
const FEWEST: usize = 3;

/// Executables that read files and never sign. A process counts as one of these by the kernel's word alone
/// (`/proc/PID/exe`, whole path), never by its command line. No shell, launcher or interpreter belongs here.
const READERS: [&str; 13] = [
    "cat",
    "cp",
    "du",
    "find",
    "grep",
    "gzip",
    "head",
    "less",
    "ls",
    "rsync",
    "sha256sum",
    "tail",
    "tar",
];

/// By what a client's validator is known among processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// Any of these is the validator, wherever its data lies.
    pub programs: Vec<Program>,
    /// The client's own parts that cannot sign (its beacon node): they may share the data directory. Weaker than
    /// `programs`: what is both is the validator.
    pub bystanders: Vec<Program>,
    /// Absolute paths: who names one on its command line, or holds a file open below it, is the validator.
    pub directories: Vec<String>,
}

/// A program by the name of its executable and by words of its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Last part of `/proc/PID/exe` or of the first word: equal, or followed by `-` (a version). Empty: any.
    pub names: Vec<String>,
    /// All of these must be among the words of the command line.
    pub words: Vec<Word>,
}

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Exactly this.
    Is(String),
    /// This is a part of it.
    Holds(String),
}

/// The host's validator processes, from operation `processes`.
///
/// # Errors
/// The call failed or the listing is not complete for certain: not root (others may be hidden), no end mark, pid 1
/// or the asking shell missing from it, too few processes, a line that is not understood; or a signature that is no use.
pub fn read_processes(output: &Output, signature: &Signature) -> Result<Processes, String> {
    let directories = directories(signature)?;
    let listing = Listing::read(output)?;
    let mut validator = Vec::new();
    for pid in &listing.pids {
        let exe = listing.exe.get(pid).copied();
        let command = listing.command.get(pid).copied();
        let open = listing.open.contains(pid);
        if let Some(because) = because(signature, &directories, exe, command, open) {
            validator.push(Process {
                pid: *pid,
                exe: exe.unwrap_or_default().to_string(),
                command: command.unwrap_or_default().trim_end().to_string(),
                holds_database: open,
                because,
            });
        }
    }
    Ok(Processes {
        validator,
        listed: listing.pids.len(),
        must_hold: true,
    })
}

fn directories(signature: &Signature) -> Result<Vec<&str>, String> {
    let mut usable = Vec::new();
    for directory in &signature.directories {
        let trimmed = directory.trim_end_matches('/');
        if !trimmed.starts_with('/') {
            return Err(format!("{directory:?} is no absolute path of a data directory"));
        }
        usable.push(trimmed);
    }
    if usable.is_empty() && signature.programs.is_empty() {
        return Err("nothing says how the validator is known among processes".to_string());
    }
    Ok(usable)
}

/// Everything that was listed.
struct Listing<'a> {
    pids: BTreeSet<u64>,
    exe: BTreeMap<u64, &'a str>,
    command: BTreeMap<u64, &'a str>,
    open: BTreeSet<u64>,
}

impl<'a> Listing<'a> {
    fn read(output: &'a Output) -> Result<Listing<'a>, String> {
        let fields = Fields::read(output.ok()?)?;
        if fields.one("listed")? != "yes" {
            return Err("the listing of processes has no end mark".to_string());
        }
        if fields.number("uid")? != 0 {
            return Err("processes were listed without root: others may be hidden (hidepid)".to_string());
        }
        let shell = fields.number("self")?;
        let mut listing = Listing {
            pids: BTreeSet::new(),
            exe: BTreeMap::new(),
            command: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        for (key, values) in fields.iter() {
            listing.take(key, values)?;
        }
        for (pid, who) in [(1, "the first process (pid 1)"), (shell, "the shell that asks")] {
            if !(listing.exe.contains_key(&pid) && listing.command.contains_key(&pid)) {
                return Err(format!(
                    "{who} is not in the listing of processes, so it is not complete"
                ));
            }
        }
        if listing.pids.len() < FEWEST {
            return Err(format!("only {} processes were listed", listing.pids.len()));
        }
        Ok(listing)
    }

    fn take(&mut self, key: &str, values: &[&'a str]) -> Result<(), String> {
        match (key.split_once('.'), values) {
            (None, _) if matches!(key, "listed" | "uid" | "self") => {}
            (None, pids) if key == "open" => {
                for pid in pids {
                    let pid = process_id(pid)?;
                    self.open.insert(pid);
                    self.pids.insert(pid);
                }
            }
            (Some(("exe", pid)), [exe]) => {
                let pid = process_id(pid)?;
                self.exe.insert(pid, exe);
                self.pids.insert(pid);
            }
            (Some(("cmd", pid)), [command]) => {
                let pid = process_id(pid)?;
                self.command.insert(pid, command);
                self.pids.insert(pid);
            }
            _ => return Err(format!("a line of the listing is not understood: {}", cut(key))),
        }
        Ok(())
    }
}

fn process_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no process id: {}", cut(text)))
}

/// Why a process counts as the validator, if it does.
fn because(
    signature: &Signature,
    directories: &[&str],
    exe: Option<&str>,
    command: Option<&str>,
    open: bool,
) -> Option<String> {
    if !open && command.is_some_and(|command| only_looks(command, directories)) {
        return None;
    }
    if let Some(program) = signature
        .programs
        .iter()
        .find(|program| program.runs(exe, command))
    {
        return Some(match command {
            Some(_) => "its executable and words are the validator's".to_string(),
            None => format!(
                "it runs {} and its command line cannot be read",
                program.names.join(" or ")
            ),
        });
    }
    let bystander = command.is_some()
        && signature
            .bystanders
            .iter()
            .any(|program| program.runs(exe, command));
    if bystander || exe.is_some_and(is_reader) {
        return None;
    }
    if let Some(directory) = directories
        .iter()
        .find(|directory| names(command.unwrap_or_default(), directory))
    {
        return Some(format!("its command line names {directory}"));
    }
    open.then(|| format!("it holds files open below {}", directories.join(" or ")))
}

/// Below here a host keeps private copies of databases, for looking (`remote.sh`, `fo_copy`).
const COPIES: &str = "/var/lib/failover/work/";
/// Flags that name the directory in which a client finds its keys and its database.
const DATA_FLAGS: [&str; 7] = [
    "--rootDir",
    "--dataDir",
    "--datadir",
    "--data-dir",
    "--data-path",
    "--data-validator-path",
    "--validators-dir",
];

/// What an audit or a preflight of ours starts beside a running validator: a question for the help, which starts
/// nothing, or an export whose whole data directory is a private copy, where no keys lie. Without this, an audit in the
/// middle of a hand-over would be taken for a signer. An export over the validator's own directory is none of these.
fn only_looks(command: &str, directories: &[&str]) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words.last() == Some(&"--help") {
        return true;
    }
    let of_flag = |at: usize| match words[at].split_once('=') {
        Some((_, value)) => Some(value),
        None => words.get(at + 1).copied(),
    };
    let mut data = (0..words.len())
        .filter(|at| DATA_FLAGS.contains(&words[*at].split('=').next().unwrap_or_default()))
        .map(of_flag)
        .peekable();
    words.contains(&"export")
        && words
            .iter()
            .any(|word| word.starts_with("slashing-protection") || *word == "slashingdb")
        && data.peek().is_some()
        && data.all(|value| value.is_some_and(|value| value.starts_with(COPIES)))
        && !directories.iter().any(|directory| names(command, directory))
}

impl Program {
    /// A program known by the names of its executable alone.
    pub fn named<const N: usize>(names: [&str; N]) -> Program {
        Program {
            names: names.map(str::to_string).to_vec(),
            words: Vec::new(),
        }
    }

    /// A program known by words of its command line, whatever interpreter or launcher runs it.
    pub fn worded<const N: usize>(words: [Word; N]) -> Program {
        Program {
            names: Vec::new(),
            words: words.to_vec(),
        }
    }

    fn runs(&self, exe: Option<&str>, command: Option<&str>) -> bool {
        let named = self.names.is_empty() || self.is_name(exe) || self.is_name(command.and_then(first_word));
        match command {
            Some(command) => named && self.words.iter().all(|word| word.is_in(command)),
            // Its words are not known: the name alone decides.
            None => named && !self.names.is_empty(),
        }
    }

    fn is_name(&self, path: Option<&str>) -> bool {
        let Some(path) = path else { return false };
        // The kernel marks an executable that was replaced, as an upgrade does.
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let base = path.rsplit('/').next().unwrap_or(path);
        self.names.iter().any(|name| {
            base.strip_prefix(name.as_str())
                .is_some_and(|after| after.is_empty() || after.starts_with('-'))
        })
    }
}

impl Word {
    fn is_in(&self, command: &str) -> bool {
        match self {
            Word::Is(word) => command.split_whitespace().any(|other| other == word),
            Word::Holds(part) => command
                .split_whitespace()
                .any(|other| other.contains(part.as_str())),
        }
    }
}

fn first_word(command: &str) -> Option<&str> {
    command.split_whitespace().next()
}

fn is_reader(exe: &str) -> bool {
    ["/usr/bin/", "/bin/"]
        .iter()
        .filter_map(|directory| exe.strip_prefix(directory))
        .any(|name| READERS.contains(&name))
}

/// Whether a command line names a directory or something below it. What stands before it does not matter (`--dir=`,
/// a bind mount's prefix); what follows must end the name.
fn names(command: &str, directory: &str) -> bool {
    command.match_indices(directory).any(|(at, _)| {
        let after = command
            .get(at + directory.len()..)
            .and_then(|rest| rest.chars().next());
        !after.is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that our own looks are no signers, and that nothing else hides behind their words.
    #[test]
    fn only_looks_are_looks() {
        let own = ["/var/lib/lodestar/validator-db"];
        let looks = [
            "timeout -k 5 20 runuser -u lodestar -- /usr/bin/lodestar validator slashing-protection export --help",
            "node /usr/bin/lodestar account validator slashing-protection export --rootDir /var/lib/failover/work/look-1.2 \
             --file /var/lib/failover/work/look-1.2/export.json",
            "validator slashing-protection-history export --datadir=/var/lib/failover/work/r.1 --accept-terms-of-use",
            "/opt/lighthouse --network hoodi account validator --validators-dir /var/lib/failover/work/r.1 \
             slashing-protection export /var/lib/failover/work/r.1/export.json",
            "java -cp /opt/teku/lib/* tech.pegasys.teku.Teku slashing-protection export --to=/var/lib/failover/work/r/x \
             --data-path=/var/lib/failover/work/r --data-validator-path=/var/lib/failover/work/r",
            "nimbus_beacon_node slashingdb export /var/lib/failover/work/r/x --data-dir=/var/lib/failover/work/r \
             --validators-dir=/var/lib/failover/work/r",
        ];
        for command in looks {
            assert!(only_looks(command, &own), "{command}");
        }
        let signers = [
            "node /usr/bin/lodestar validator --rootDir /var/lib/lodestar",
            "node /usr/bin/lodestar validator slashing-protection export --dataDir /var/lib/lodestar --file \
             /var/lib/failover/work/r/export.json",
            "node lodestar validator slashing-protection export --file /var/lib/failover/work/r/export.json",
            "node lodestar validator slashing-protection import --dataDir /var/lib/failover/work/r",
            "node lodestar validator export slashing-protection --dataDir /var/lib/failover/work/r --rootDir /srv/x",
            "validator --datadir /var/lib/failover/work/r",
            "nimbus_beacon_node slashingdb export /x --data-dir=/var/lib/failover/work/r --validators-dir=/srv/keys",
            "nimbus_beacon_node export --data-dir=/var/lib/failover/work/r",
            "java tech.pegasys.teku.Teku slashing-protection export --data-path=/srv/teku --to=/var/lib/failover/work/r/x",
        ];
        for command in signers {
            assert!(!only_looks(command, &own), "{command}");
        }
    }
}
