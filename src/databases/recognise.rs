//! What lies at a path: which client's database it is, and where exactly. Judged by content and layout; a usual name
//! only keeps a broken file from being overlooked. Must never choose one of several databases, since reading one of two
//! hides half a history, never follow a link found below the path, and never open what may be a key or a password.

pub(super) mod content;
mod names;

use std::path::{Path, PathBuf};

use super::{DatabaseError, Format};
use content::Content;

/// Entries looked at below a path before it is called too large to search: a data directory has a few thousand.
const MOST_ENTRIES: usize = 100_000;
/// Directories below each other: `/var/lib/docker/volumes/NAME/_data/validators` and some.
const DEEPEST: usize = 12;
/// Databases an error names before it counts the rest.
const NAMED: usize = 6;

/// A database that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// Whose it is; the reader has the last word.
    pub format: Format,
    /// The file, or the directory with the files (Prysm minimal: that of the keys).
    pub path: PathBuf,
}

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lies {
    /// A database, at the path or below it.
    Database(Located),
    /// A packed directory, to be unpacked first.
    Archive(PathBuf),
    /// An interchange in gzip.
    PackedInterchange(PathBuf),
    /// A pipe: to be read once, from its beginning.
    Stream(PathBuf),
}

/// Recognises a file, a directory, or a data directory with a database somewhere below.
///
/// # Errors
/// Nothing is recognised; more than one database is; a part of it cannot be looked at.
pub fn recognise(path: &Path) -> Result<Lies, DatabaseError> {
    use std::os::unix::fs::FileTypeExt;
    let place = || path.display().to_string();
    let kind = std::fs::metadata(path)
        .map_err(|error| DatabaseError::io(place(), &error))?
        .file_type();
    if kind.is_fifo() {
        return Ok(Lies::Stream(path.to_owned()));
    }
    // What the caller names may be a link, for it was named; what is found below may not.
    let real = std::fs::canonicalize(path).map_err(|error| DatabaseError::io(place(), &error))?;
    if kind.is_dir() {
        return one_of(&real, below(&real)?).map(Lies::Database);
    }
    match content::of(&real)? {
        Content::Archive => Ok(Lies::Archive(real)),
        Content::PackedInterchange => Ok(Lies::PackedInterchange(real)),
        Content::Database(format) => Ok(Lies::Database(Located { format, path: real })),
        Content::Unknown => unknown_file(&real),
    }
}

/// The one database of this format at or below a path. Formats that share a kind of file (two kinds of SQLite) count as
/// one: the caller knows better which it is.
///
/// # Errors
/// As [`recognise`].
pub fn locate(format: Format, path: &Path) -> Result<PathBuf, DatabaseError> {
    let place = || path.display().to_string();
    let kind = std::fs::symlink_metadata(path).map_err(|error| DatabaseError::io(place(), &error))?;
    if !kind.is_dir() {
        return Ok(path.to_owned());
    }
    let alike = below(path)?
        .into_iter()
        .filter(|found| family(found.format) == family(format))
        .collect();
    one_of(path, alike).map(|found| found.path)
}

/// Every database at or below a directory, sorted.
///
/// # Errors
/// A part cannot be looked at, or there is too much of it.
pub fn below(directory: &Path) -> Result<Vec<Located>, DatabaseError> {
    let mut search = Search {
        found: Vec::new(),
        entries: 0,
    };
    search.directory(directory, 0)?;
    search.found.sort();
    search.found.dedup();
    Ok(search.found)
}

fn one_of(path: &Path, mut found: Vec<Located>) -> Result<Located, DatabaseError> {
    let place = path.display().to_string();
    match (found.len(), found.pop()) {
        (_, None) => Err(DatabaseError::NotRecognised {
            place,
            looked_for: names::LOOKED_FOR.to_owned(),
        }),
        (1, Some(only)) => Ok(only),
        (count, Some(last)) => {
            found.push(last);
            let shown = |found: &Located| {
                let below = found.path.strip_prefix(path).unwrap_or(&found.path);
                format!("{} ({})", below.display(), found.format.name())
            };
            let mut listed: Vec<String> = found.iter().take(NAMED).map(shown).collect();
            if count > NAMED {
                listed.push(format!("{} more", count - NAMED));
            }
            Err(DatabaseError::Unsupported {
                place,
                what: format!("{count} protection databases lie here: {}", listed.join(", ")),
                remedy: "Reading one of them could hide what the others know: name the one that is in use, or each \
                         one of them to `failover protection merge`"
                    .to_owned(),
            })
        }
    }
}

/// Readers that read the same kind of file.
fn family(format: Format) -> Format {
    match format {
        Format::Lighthouse | Format::Nimbus => Format::Lighthouse,
        Format::Interchange
        | Format::Prysm
        | Format::PrysmMinimal
        | Format::Teku
        | Format::Lodestar
        | Format::Web3Signer => format,
    }
}

fn unknown_file(path: &Path) -> Result<Lies, DatabaseError> {
    let place = path.display().to_string();
    let name = names::of(path);
    if let Some(format) = names::usual(name) {
        let path = path.to_owned();
        return Ok(Lies::Database(Located { format, path }));
    }
    if names::part_of_directory(name) {
        return Err(DatabaseError::Unsupported {
            place,
            what: "one file of a database that is a directory".to_owned(),
            remedy: "Name the directory it lies in".to_owned(),
        });
    }
    let length = std::fs::metadata(path).map_or(0, |kind| kind.len());
    if length == 0 {
        return Err(DatabaseError::damaged(place, "it has no bytes"));
    }
    Err(DatabaseError::NotRecognised {
        place,
        looked_for: names::LOOKED_FOR.to_owned(),
    })
}

struct Search {
    found: Vec<Located>,
    entries: usize,
}

/// What lies directly in a directory.
#[derive(Default)]
struct Listing {
    files: Vec<String>,
    directories: Vec<String>,
}

impl Search {
    fn directory(&mut self, directory: &Path, depth: usize) -> Result<(), DatabaseError> {
        let place = || directory.display().to_string();
        if depth > DEEPEST {
            return Err(too_large(place(), "too many directories below each other"));
        }
        let listing = self.list(directory)?;
        let mut add = |format, path: &Path| {
            let path = path.to_owned();
            self.found.push(Located { format, path });
        };
        if names::is_leveldb(&listing.files) {
            if depth == 0 || !names::of_a_node(names::of(directory), &listing.files) {
                add(Format::Lodestar, directory);
            }
            return Ok(());
        }
        if names::is_teku(names::of(directory), &listing.files) {
            add(Format::Teku, directory);
        }
        let minimal = names::is_prysm_minimal(names::of(directory), &listing.files, &listing.directories);
        if minimal {
            add(Format::PrysmMinimal, &directory.join(names::MINIMAL_KEYS));
        } else if names::holds_prysm_minimal_keys(&listing.files) {
            add(Format::PrysmMinimal, directory);
        }
        for name in &listing.files {
            self.file(&directory.join(name), name)?;
        }
        for name in &listing.directories {
            if !(minimal && name == names::MINIMAL_KEYS) {
                self.directory(&directory.join(name), depth + 1)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<(), DatabaseError> {
        if !names::may_be_database(name) {
            return Ok(());
        }
        let format = match content::of(path)? {
            Content::Database(Format::Interchange) if !content::is_interchange(path)? => names::usual(name),
            Content::Database(format) => Some(format).filter(|_| !names::file_of_a_node(name)),
            Content::Archive | Content::PackedInterchange => None,
            Content::Unknown => names::usual(name),
        };
        if let Some(format) = format {
            let path = path.to_owned();
            self.found.push(Located { format, path });
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path) -> Result<Listing, DatabaseError> {
        let place = || directory.display().to_string();
        let failed = |error: std::io::Error| DatabaseError::io(place(), &error);
        let mut listing = Listing::default();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(too_large(place(), "too many files to look through"));
            }
            let kind = entry.file_type().map_err(failed)?;
            // A name that is no text is none of a client's.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if kind.is_file() {
                listing.files.push(name);
            } else if kind.is_dir() {
                listing.directories.push(name);
            } else if kind.is_symlink() && hides(&entry.path(), &name) {
                return Err(DatabaseError::Unsupported {
                    place: entry.path().display().to_string(),
                    what: "a link, which is not followed: a database may lie behind it".to_owned(),
                    remedy: "Name the database itself".to_owned(),
                });
            }
        }
        listing.files.sort();
        listing.directories.sort();
        Ok(listing)
    }
}

/// Whether a database may lie behind a link: it leads to a directory, or has a usual name.
fn hides(link: &Path, name: &str) -> bool {
    names::usual(name).is_some() || std::fs::metadata(link).is_ok_and(|behind| behind.is_dir())
}

fn too_large(place: String, what: &str) -> DatabaseError {
    DatabaseError::Unsupported {
        place,
        what: what.to_owned(),
        remedy: "Name the database itself, or the client's data directory".to_owned(),
    }
}
