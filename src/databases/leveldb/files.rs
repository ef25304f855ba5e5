//! The files of a LevelDB by name: `CURRENT`, the manifest, logs and tables by their numbers (LevelDB, `db/filename.cc`).
//!
//! Must never take a file for missing that is there, nor open one that `CURRENT` or the manifest does not name.

use super::manifest::TableFile;
use crate::databases::{DatabaseError, Directory, ReadAt};

/// Bytes of a log that are taken into memory. LevelDB's have 4 MiB and one batch.
const LARGEST_LOG: u64 = 256 << 20;

/// Bytes of LevelDB's diary that are looked through: what it says of an opening.
const DIARY: u64 = 64 << 10;

/// For messages: a file of the database.
pub(super) fn named(dir: &dyn Directory, name: &str) -> String {
    format!("{}/{name}", dir.place())
}

/// The number of a log, of which the name is `000123.log`.
pub(super) fn log_number(name: &str) -> Option<u64> {
    numbered(name, "", ".log")
}

/// At least six digits between two texts.
fn numbered(name: &str, before: &str, behind: &str) -> Option<u64> {
    let digits = name.strip_prefix(before)?.strip_suffix(behind)?;
    let number = digits.parse().ok()?;
    (format!("{number:06}") == digits).then_some(number)
}

/// Opens a table under its newer or its older name.
pub(super) fn open_table<'a>(
    dir: &'a dyn Directory,
    table: &TableFile,
) -> Result<(Box<dyn ReadAt + 'a>, String), DatabaseError> {
    let number = table.number;
    let newer = format!("{number:06}.ldb");
    let (name, file) = match dir.open(&newer) {
        Ok(file) => (newer, file),
        Err(error) => {
            let older = format!("{number:06}.sst");
            let names = dir.names()?;
            if !names.contains(&older) {
                return Err(if names.contains(&newer) {
                    error
                } else {
                    missing(&named(dir, &newer))
                });
            }
            let file = dir.open(&older)?;
            (older, file)
        }
    };
    let place = named(dir, &name);
    let length = file
        .length()
        .map_err(|error| DatabaseError::io(place.as_str(), &error))?;
    if length != table.size {
        let what = format!("{length} bytes, the manifest says {}", table.size);
        return Err(DatabaseError::damaged(place, what));
    }
    Ok((file, place))
}

/// The manifest that `CURRENT` names.
pub(super) fn current(dir: &dyn Directory) -> Result<String, DatabaseError> {
    if !dir.names()?.iter().any(|name| name == "CURRENT") {
        return Err(DatabaseError::NotRecognised {
            place: dir.place(),
            looked_for: "a LevelDB has a file CURRENT".to_owned(),
        });
    }
    let bytes = dir.read("CURRENT", 100)?;
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(|text| text.strip_suffix('\n'))
        .filter(|name| numbered(name, "MANIFEST-", "").is_some())
        .map(str::to_owned)
        .ok_or_else(|| DatabaseError::damaged(named(dir, "CURRENT"), "it does not name a manifest"))
}

/// What LevelDB itself has lost, by its own word: it drops what is damaged of a log when it opens a database, and only its
/// diary says so. The diary is begun anew with each opening; the one before is kept.
pub(super) fn dropped(dir: &dyn Directory) -> Result<Vec<String>, DatabaseError> {
    let mut notes = Vec::new();
    for name in dir
        .names()?
        .iter()
        .filter(|name| *name == "LOG" || *name == "LOG.old")
    {
        let place = named(dir, name);
        let failed = |error: std::io::Error| DatabaseError::io(place.as_str(), &error);
        let file = dir.open(name)?;
        let length = file.length().map_err(failed)?.min(DIARY);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_at(0, &mut bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let counts = text.lines().filter_map(|line| {
            let (_, count) = line.split_once(": dropping ")?;
            count.split_once(" bytes; ")?.0.parse::<u64>().ok()
        });
        notes.extend(counts.map(|count| {
            format!(
                "{place}: LevelDB found a log damaged when it opened the database, and dropped {count} bytes of it: signed \
                 messages may be missing"
            )
        }));
    }
    Ok(notes)
}

/// Opens a file that must be there.
pub(super) fn present<'a>(dir: &'a dyn Directory, name: &str) -> Result<Box<dyn ReadAt + 'a>, DatabaseError> {
    if dir.names()?.iter().any(|held| held == name) {
        dir.open(name)
    } else {
        Err(missing(&named(dir, name)))
    }
}

pub(super) fn missing(place: &str) -> DatabaseError {
    DatabaseError::damaged(place, "the file is missing")
}

pub(super) fn bounded(file: &dyn ReadAt, place: &str) -> Result<u64, DatabaseError> {
    let length = file.length().map_err(|error| DatabaseError::io(place, &error))?;
    if length <= LARGEST_LOG {
        return Ok(length);
    }
    Err(DatabaseError::damaged(
        place,
        format!("{length} bytes, at most {LARGEST_LOG} are expected of a log"),
    ))
}
