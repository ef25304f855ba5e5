//! The files of a simulated host: enough of a file system for locks, gates, claims and protection data.
//! Must never touch the real file system.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Regular files and directories by absolute path.
#[derive(Clone, Default)]
pub struct Files {
    files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
    /// Which writing of a file this is; a file that was removed and written again is another.
    inodes: BTreeMap<String, u64>,
    last_inode: u64,
}

/// What lies there, for comparing two moments; which writing a file is of shows in no listing.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("files", &self.files)
            .field("directories", &self.directories)
            .finish()
    }
}

impl Files {
    /// A file system with these directories (and their parents).
    pub fn with(directories: &[&str]) -> Files {
        let mut files = Files::default();
        for directory in directories {
            files.make_directory(directory);
        }
        files
    }

    /// `mkdir -p`.
    pub fn make_directory(&mut self, path: &str) {
        let mut at = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at.push('/');
            at.push_str(part);
            self.directories.insert(at.clone());
        }
    }

    /// Writes a file whole. An error, as the shell would say it, when its directory is not there.
    pub fn write(&mut self, path: &str, content: impl Into<Vec<u8>>) -> Result<(), String> {
        if !self.has_directory(parent(path)) {
            return Err(format!("{path}: No such file or directory"));
        }
        self.last_inode += 1;
        self.inodes.insert(path.to_owned(), self.last_inode);
        self.files.insert(path.to_owned(), content.into());
        Ok(())
    }

    /// Device, inode and change time of a file, as `stat` prints them.
    pub fn identity(&self, path: &str) -> Option<String> {
        self.files
            .contains_key(path)
            .then(|| format!("1:{}:0", self.inodes.get(path).copied().unwrap_or(0)))
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The content of a file as text, lossily.
    pub fn text(&self, path: &str) -> Option<String> {
        self.read(path)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// `test -e`.
    pub fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.has_directory(path)
    }

    /// `rm -f`: whether there was such a file.
    pub fn remove(&mut self, path: &str) -> bool {
        self.files.remove(path).is_some()
    }

    /// `rm -rf`.
    pub fn remove_tree(&mut self, path: &str) {
        let below = format!("{path}/");
        self.files
            .retain(|file, _| file != path && !file.starts_with(&below));
        self.directories
            .retain(|directory| directory != path && !directory.starts_with(&below));
    }

    /// `rm -rf` of every path that is meant.
    pub fn remove_all(&mut self, meant: impl Fn(&str) -> bool) {
        self.files.retain(|file, _| !meant(file));
        self.directories.retain(|directory| !meant(directory));
    }

    /// `rmdir`, which leaves a directory that is not empty alone.
    pub fn remove_empty_directory(&mut self, path: &str) {
        let below = format!("{path}/");
        let holds = |other: &String| other.starts_with(&below);
        if !self.files.keys().any(holds) && !self.directories.iter().any(holds) {
            self.directories.remove(path);
        }
    }

    /// Every file below a directory: path and content.
    pub fn below(&self, directory: &str) -> Vec<(&str, &[u8])> {
        let below = format!("{}/", directory.trim_end_matches('/'));
        self.files
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .map(|(path, content)| (path.as_str(), content.as_slice()))
            .collect()
    }

    /// `test -d`.
    pub fn has_directory(&self, path: &str) -> bool {
        path == "/" || self.directories.contains(path.trim_end_matches('/'))
    }

    /// As the script's `fo_show_file` prints it.
    pub fn show(&self, name: &str, path: &str) -> String {
        match self.read(path) {
            Some(content) => format!("{name}=present\n{name}.base64={}\n", STANDARD.encode(content)),
            None => format!("{name}=absent\n"),
        }
    }
}

/// `dirname`.
pub fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

/// As `base64` prints: lines of 76 characters.
pub fn base64_lines(content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let mut out = String::with_capacity(encoded.len() + encoded.len() / 76 + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(76));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out
}

/// What base64 text stands for; white space does not count.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
