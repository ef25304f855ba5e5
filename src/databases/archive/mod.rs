//! Unpacks an archive of a protection database (`tar`, or `tar.gz` as the runbooks' backups and our own collecting make
//! them) into an empty directory of the caller's, hashing it on the way.
//! Must never write outside that directory or through a link, never take over modes or owners, never pass a cut or
//! spoilt archive as whole, and never leave anything behind when it refuses.

mod entry;
mod source;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use super::DatabaseError;
use entry::{Entry, Kind};
use source::Source;

/// What an archive may ask of this machine. The defaults hold every database that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and directories.
    pub entries: u64,
    /// Parts of a name: `a/b/c` has three.
    pub depth: usize,
    /// Everything unpacked, headers and padding too, bytes.
    pub total_bytes: u64,
    /// Unpacked bytes for one packed byte, looked at beyond [`Limits::ratio_free_bytes`].
    pub ratio: u64,
    /// So much may unpack from anything, bytes: bbolt grows its file by 16 MiB of zeros at a time, which pack to
    /// a thousandth.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // Teku keeps a file for each key, and 30,000 keys on one host were reported.
            entries: 200_000,
            depth: 16,
            total_bytes: 64 << 30,
            ratio: 100,
            ratio_free_bytes: 1 << 30,
        }
    }
}

/// A whole archive, unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpacked {
    /// Of the archive as it came, compressed: lower-case hex.
    pub sha256: String,
    /// Length of the archive as it came, bytes.
    pub packed_bytes: u64,
    /// The regular files, by name below the directory: length in bytes.
    pub files: BTreeMap<String, u64>,
}

/// Unpacks gzip (also of several members) or plain tar, told apart by their first bytes, into `into`, which must be an
/// empty directory. Files get mode 0600, directories 0700, whatever the archive says. The archive is read to its end:
/// checksums, end-of-archive blocks and padding are looked at.
///
/// # Errors
/// Anything but regular files and directories, a name that leads elsewhere or comes twice, a limit that is passed, an
/// end that comes early, or anything behind the end. `into` is empty again then.
pub fn unpack(reader: impl Read, into: &Path, limits: &Limits) -> Result<Unpacked, DatabaseError> {
    let place = into.display().to_string();
    let mut there = std::fs::read_dir(into).map_err(|error| DatabaseError::io(&place, &error))?;
    if there.next().is_some() {
        return Err(DatabaseError::io(
            &place,
            &"not empty: nothing is unpacked into it",
        ));
    }
    let outcome = fill(reader, into, limits);
    if outcome.is_err() {
        clear(into);
    }
    outcome
}

fn fill(reader: impl Read, into: &Path, limits: &Limits) -> Result<Unpacked, DatabaseError> {
    let mut source = Source::open(reader, limits)?;
    let mut seen = BTreeMap::new();
    let mut entries = 0;
    while let Some(found) = entry::next(&mut source, limits.depth)? {
        entries += 1;
        if entries > limits.entries {
            return Err(source.refused(
                format!("more than {} files and directories", limits.entries),
                "No protection database has so many: pack only the database",
            ));
        }
        create(&mut source, into, &found, &mut seen)?;
    }
    let (sha256, packed_bytes) = source.finish()?;
    let files: BTreeMap<String, u64> = seen
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes?)))
        .collect();
    if files.is_empty() {
        return Err(DatabaseError::NotRecognised {
            place: "archive".to_owned(),
            looked_for: "it holds no file".to_owned(),
        });
    }
    Ok(Unpacked {
        sha256,
        packed_bytes,
        files,
    })
}

/// Creates what an entry says. `seen` holds every file with its length and every directory with none.
fn create<R: Read>(
    source: &mut Source<R>,
    into: &Path,
    entry: &Entry,
    seen: &mut BTreeMap<String, Option<u64>>,
) -> Result<(), DatabaseError> {
    let parents = entry
        .name
        .match_indices('/')
        .filter_map(|(at, _)| entry.name.get(..at));
    for parent in parents {
        directory(source, into, parent, seen)?;
    }
    match entry.kind {
        Kind::Directory => directory(source, into, &entry.name, seen),
        Kind::File => {
            if seen.contains_key(&entry.name) {
                return Err(source.damaged("a name comes twice"));
            }
            seen.insert(entry.name.clone(), Some(entry.bytes));
            file(source, &into.join(&entry.name), entry.bytes)
        }
    }
}

/// A directory may be named again: it has no content to lose.
fn directory<R: Read>(
    source: &Source<R>,
    into: &Path,
    name: &str,
    seen: &mut BTreeMap<String, Option<u64>>,
) -> Result<(), DatabaseError> {
    match seen.get(name) {
        Some(None) => return Ok(()),
        Some(Some(_)) => return Err(source.damaged("a name is a file and a directory")),
        None if name.is_empty() => return Ok(()),
        None => seen.insert(name.to_owned(), None),
    };
    let path = into.join(name);
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|error| DatabaseError::io(path.display().to_string(), &error))
}

/// A new file, which is nobody else's: neither one that is there nor a link is opened.
fn file<R: Read>(source: &mut Source<R>, path: &Path, bytes: u64) -> Result<(), DatabaseError> {
    let failed = |error: std::io::Error| DatabaseError::io(path.display().to_string(), &error);
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    let mut out = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(i32::try_from(flags).unwrap_or_default())
        .open(path)
        .map_err(failed)?;
    let mut left = bytes;
    let mut buffer = [0; 64 * 1024];
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        source.take(part)?;
        out.write_all(part).map_err(failed)?;
        left = left.saturating_sub(part.len() as u64);
    }
    source.padding(bytes)
}

/// Empties a directory that was empty. What cannot be removed is not said: the refusal itself is what counts.
fn clear(into: &Path) {
    let Ok(left) = std::fs::read_dir(into) else {
        return;
    };
    for entry in left.flatten() {
        let path = entry.path();
        let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if directory {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
    }
}
