//! The files of a run, below `<state>/runs/<run>/`: private, whole or not there, and known by their SHA-256.
//! Must never leave half a file under a final name, nor hand out a file whose hash is not the expected one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::JournalError;
use super::schema::{io, private_dir, sync_dir};

/// Where journal and runs of this user lie: FAILOVER_STATE_DIR, else for root `/var/lib/failover`, else
/// `$XDG_STATE_HOME/failover`, else `~/.local/state/failover`.
pub fn state_dir() -> Result<PathBuf, JournalError> {
    state_dir_of(rustix::process::geteuid().is_root(), |name| {
        std::env::var_os(name)
    })
}

/// The directory of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    run: String,
    path: PathBuf,
}

/// A file of a run, as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it lies.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// A file that is being received. Dropped before `keep`, it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    part: NamedTempFile,
    path: PathBuf,
}

impl RunDir {
    /// The directory of `run` below the state directory, made 0700 if it is not there.
    pub fn open(state_dir: &Path, run: &str) -> Result<RunDir, JournalError> {
        plain_name(run)?;
        let path = state_dir.join("runs").join(run);
        private_dir(&path)?;
        Ok(RunDir {
            run: run.to_owned(),
            path,
        })
    }

    /// The run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file of that name lies, or would.
    pub fn path_of(&self, name: &str) -> Result<PathBuf, JournalError> {
        plain_name(name)?;
        if name == super::lock::FILE_NAME {
            return Err(JournalError::BadName {
                name: name.to_owned(),
            });
        }
        Ok(self.path.join(name))
    }

    /// Writes a whole file; on disk when it returns. A file of that name is replaced in one step.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<Stored, JournalError> {
        let mut incoming = self.receive(name)?;
        incoming
            .part
            .write_all(bytes)
            .map_err(|source| io("write", incoming.part.path(), source))?;
        incoming.keep(&const_hex::encode(Sha256::digest(bytes)))
    }

    /// Opens a file for a stream of bytes; it takes its name only by [`Incoming::keep`].
    pub fn receive(&self, name: &str) -> Result<Incoming, JournalError> {
        let path = self.path_of(name)?;
        let part = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(&self.path)
            .map_err(|source| io("create a file in", &self.path, source))?;
        Ok(Incoming { part, path })
    }

    /// A file of this run, if it is the one of that hash.
    pub fn read(&self, name: &str, sha256: &str) -> Result<Vec<u8>, JournalError> {
        let path = self.path_of(name)?;
        let bytes = std::fs::read(&path).map_err(|source| io("read", &path, source))?;
        expect(&path, sha256, &const_hex::encode(Sha256::digest(&bytes)))?;
        Ok(bytes)
    }
}

impl Incoming {
    /// A handle to write to, for example through `tokio::fs::File::from_std`. Flush it before `keep`.
    pub fn writer(&self) -> Result<File, JournalError> {
        self.part
            .as_file()
            .try_clone()
            .map_err(|source| io("open", self.part.path(), source))
    }

    /// Reads back what was written and, if it has the expected hash, puts it on disk under its name.
    pub fn keep(self, sha256: &str) -> Result<Stored, JournalError> {
        let Incoming { part, path } = self;
        part.as_file()
            .sync_all()
            .map_err(|source| io("sync", part.path(), source))?;
        let (bytes, found) = hash(part.path())?;
        expect(part.path(), sha256, &found)?;
        part.persist(&path)
            .map_err(|refused| io("name", &path, refused.error))?;
        if let Some(directory) = path.parent() {
            sync_dir(directory)?;
        }
        Ok(Stored {
            path,
            bytes,
            sha256: found,
        })
    }
}

/// Refuses a name that could lead out of a directory, hide, or need quoting.
pub(super) fn plain_name(name: &str) -> Result<(), JournalError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(JournalError::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn hash(path: &Path) -> Result<(u64, String), JournalError> {
    let failed = |source| io("read back", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((bytes, const_hex::encode(hasher.finalize())));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

fn expect(path: &Path, expected: &str, found: &str) -> Result<(), JournalError> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(JournalError::WrongHash {
        path: path.to_path_buf(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

fn state_dir_of(root: bool, var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, JournalError> {
    let given = |name| {
        var(name)
            .map(PathBuf::from)
            .filter(|path| !path.as_os_str().is_empty())
    };
    // A relative path would be another journal in every directory, and so no lock between two runs.
    let absolute = |name| given(name).filter(|path| path.is_absolute());
    if let Some(path) = given("FAILOVER_STATE_DIR") {
        return std::path::absolute(&path).map_err(|source| io("find", &path, source));
    }
    if root {
        return Ok(PathBuf::from("/var/lib/failover"));
    }
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("failover"))
        .ok_or(JournalError::NoStateDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(root: bool, vars: &[(&str, &str)]) -> Option<String> {
        let var = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        };
        state_dir_of(root, var)
            .ok()
            .map(|path| path.display().to_string())
    }

    /// Proves the order of the places, and that a relative XDG_STATE_HOME counts for nothing, as its standard says.
    #[test]
    fn the_state_directory_is_found_in_order() {
        let all = [
            ("FAILOVER_STATE_DIR", "/s"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(of(true, &all).as_deref(), Some("/s"));
        assert_eq!(of(true, &all[1..]).as_deref(), Some("/var/lib/failover"));
        assert_eq!(of(false, &all[1..]).as_deref(), Some("/x/failover"));
        assert_eq!(of(false, &all[2..]).as_deref(), Some("/h/.local/state/failover"));
        assert_eq!(
            of(false, &[("XDG_STATE_HOME", "x"), ("HOME", "/h")]).as_deref(),
            Some("/h/.local/state/failover")
        );
        assert_eq!(of(false, &[("HOME", "")]), None);
    }

    /// Proves that no name leads out of the run's directory.
    #[test]
    fn only_plain_names() {
        for name in ["primary.json", "20261122T003322-ab12", "a"] {
            assert!(plain_name(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n", "ä", "$(x)"] {
            assert!(plain_name(name).is_err(), "{name}");
        }
    }
}
