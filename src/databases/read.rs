//! From a path to messages: recognise, unpack if it is packed, and let the reader of that format read. Must never leave an
//! unpacked copy behind, nor put a place of its own making into a message where the caller's path belongs.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::recognise::content::is_packed;
use super::recognise::{Lies, Located, locate, recognise};
use super::{
    DatabaseError, Format, Found, OnDisk, archive, lighthouse, lodestar, nimbus, prysm, prysm_minimal,
    sqlite, teku,
};
use crate::protection::{self, Sink};

/// Reads whatever protection data lies at a path: a file, a directory, a data directory with a database below, or a
/// packed one.
///
/// # Errors
/// Nothing is recognised there, or more than one database is; or it cannot be read whole.
pub fn read<S: Sink>(path: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    match recognise(path)? {
        Lies::Database(located) => {
            let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            read_located(&real, &located, sink)
                .map_err(|error| error.elsewhere(|place| as_asked(place, &real, path)))
        }
        Lies::Archive(packed) => {
            let file = OnDisk::file(&packed)?;
            unpacked(file, &path.display().to_string(), |directory| {
                within(directory, sink)
            })
        }
        Lies::PackedInterchange(packed) => {
            let unpacked = MultiGzDecoder::new(OnDisk::file(&packed)?);
            interchange(unpacked, &path.display().to_string(), sink)
        }
        Lies::Stream(pipe) => {
            let place = path.display().to_string();
            let pipe = std::fs::File::open(pipe).map_err(|error| DatabaseError::io(&place, &error))?;
            read_stream(pipe, &place, sink)
        }
    }
}

/// Reads a database of a format that the caller knows: the file or directory itself, one that lies below, or packed.
///
/// # Errors
/// There is none of that format, or more than one; or it cannot be read whole.
pub fn read_as<S: Sink>(format: Format, path: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    if path.is_file() && matches!(recognise(path), Ok(Lies::Archive(_))) {
        let file = OnDisk::file(path)?;
        return unpacked(file, &path.display().to_string(), |directory| {
            read_known(format, &locate(format, directory)?, sink)
        });
    }
    read_known(format, &locate(format, path)?, sink)
}

/// Reads what comes through a pipe: an interchange, or a packed directory.
///
/// # Errors
/// It is neither, or cannot be read whole.
pub fn read_stream<S: Sink>(mut input: impl Read, place: &str, sink: &mut S) -> Result<Found, DatabaseError> {
    let mut head = Vec::new();
    input
        .by_ref()
        .take(512)
        .read_to_end(&mut head)
        .map_err(|error| DatabaseError::io(place, &error))?;
    let packed = is_packed(&head);
    let whole = std::io::Cursor::new(head).chain(input);
    if packed {
        unpacked(whole, place, |directory| within(directory, sink))
    } else {
        interchange(whole, place, sink)
    }
}

/// The one database in an unpacked directory.
fn within<S: Sink>(directory: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    match recognise(directory)? {
        Lies::Database(located) => read_located(directory, &located, sink),
        Lies::Archive(path) | Lies::PackedInterchange(path) | Lies::Stream(path) => {
            Err(DatabaseError::NotRecognised {
                place: path.display().to_string(),
                looked_for: "an archive must hold a database".to_owned(),
            })
        }
    }
}

/// Reads what was recognised, and says where it lay.
fn read_located<S: Sink>(asked: &Path, located: &Located, sink: &mut S) -> Result<Found, DatabaseError> {
    let path = located.path.as_path();
    let mut found = match located.format {
        // Which of the two it is can only be told for sure when SQLite has recovered it.
        Format::Lighthouse | Format::Nimbus => sqlite::read(path, sink),
        Format::Interchange
        | Format::Prysm
        | Format::PrysmMinimal
        | Format::Teku
        | Format::Lodestar
        | Format::Web3Signer => read_known(located.format, path, sink),
    }?;
    if let Ok(rest) = path.strip_prefix(asked)
        && !rest.as_os_str().is_empty()
    {
        found.notes.push(format!("read from {}", rest.display()));
        found.notes.sort();
    }
    Ok(found)
}

fn read_known<S: Sink>(format: Format, path: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    let place = path.display().to_string();
    match format {
        Format::Interchange => interchange(OnDisk::file(path)?, &place, sink),
        Format::Lighthouse => lighthouse::read(path, sink),
        Format::Nimbus => nimbus::read(path, sink),
        Format::Prysm => prysm::read_file(path, sink),
        Format::PrysmMinimal => {
            let top = OnDisk(path.parent().unwrap_or(path).to_owned());
            prysm_minimal::read(&top, &OnDisk(path.to_owned()), sink)
        }
        Format::Teku => teku::read(&OnDisk(path.to_owned()), sink),
        Format::Lodestar => lodestar::read_dir(path, sink),
        Format::Web3Signer => Err(DatabaseError::Unsupported {
            place,
            what: "Web3Signer keeps its database in PostgreSQL".to_owned(),
            remedy: "Name it by its address: postgres://USER@HOST/DATABASE".to_owned(),
        }),
    }
}

/// A place as the caller wrote it: `backup/validator.db` though it is a link to elsewhere.
fn as_asked(place: &str, real: &Path, asked: &Path) -> String {
    place
        .strip_prefix(&real.display().to_string())
        .map_or_else(|| place.to_owned(), |rest| format!("{}{rest}", asked.display()))
}

/// In memory that does not grow with the document.
fn interchange<S: Sink>(input: impl Read, place: &str, sink: &mut S) -> Result<Found, DatabaseError> {
    let summary = protection::read_from(input, sink).map_err(|error| DatabaseError::Interchange {
        place: place.to_owned(),
        error: Box::new(error),
    })?;
    Ok(Found {
        genesis_validators_root: summary.genesis_validators_root,
        blocks: summary.blocks,
        attestations: summary.attestations,
        ..Found::new(Format::Interchange)
    })
}

/// Unpacks into a private directory, which is gone afterwards, and reads there. Messages name the archive and the path
/// within it.
fn unpacked(
    input: impl Read,
    place: &str,
    read: impl FnOnce(&Path) -> Result<Found, DatabaseError>,
) -> Result<Found, DatabaseError> {
    let failed = |error: std::io::Error| DatabaseError::io(place, &error);
    let private = tempfile::Builder::new()
        .prefix("failover-protection-")
        .tempdir()
        .map_err(failed)?;
    let directory = std::fs::canonicalize(private.path()).map_err(failed)?;
    let own = directory.display().to_string();
    let renamed = |text: &str| match text.strip_prefix("archive") {
        Some(rest) => format!("{place}{rest}"),
        None => text
            .replace(&format!("{own}/"), &format!("{place}: "))
            .replace(&own, place),
    };
    archive::unpack(input, &directory, &archive::Limits::default())
        .and_then(|_| read(&directory))
        .map(|mut found| {
            found.notes.iter_mut().for_each(|note| *note = renamed(note));
            found
        })
        .map_err(|error| error.elsewhere(renamed))
}
