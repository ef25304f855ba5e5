//! What a file is by its first bytes, and by its tables if it is SQLite. Reads a few pages of it; takes no lock and writes
//! nothing, so that it does no harm to a file in use. Must never judge a database sound: that is its reader's.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::databases::{DatabaseError, Format, OnDisk, ReadAt};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A database, or text that can only be meant as an interchange.
    Database(Format),
    /// gzip or tar.
    Archive,
    /// An interchange in gzip, without a tar around it.
    PackedInterchange,
    /// None of it.
    Unknown,
}

const SQLITE: &[u8] = b"SQLite format 3\0";
/// Packed: gzip, and zstd, xz, bzip2 and zip, which are refused by name when they are unpacked.
const PACKED: [&[u8]; 5] = [
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ\0",
    b"BZh",
    b"PK\x03\x04",
];
/// In the header of the first member, POSIX and GNU alike.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// bbolt: behind the 16 bytes of a page's header, magic and version as they stand in memory (clients.md 5b).
const BOLT: &[u8] = &[0xed, 0xda, 0x0c, 0xed, 2, 0, 0, 0];
/// Where the second meta page may begin, should the first be damaged.
const BOLT_PAGES: [u64; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
/// An interchange names its format near its beginning, or near its end if a program sorted its keys.
const MARKER: &[u8] = b"interchange_format_version";
const NEAR: u64 = 4096;

/// Judges by content alone.
///
/// # Errors
/// It cannot be read, or is no regular file.
pub fn of(path: &Path) -> Result<Content, DatabaseError> {
    let file = OnDisk::file(path)?;
    let failed = |error: std::io::Error| DatabaseError::io(path.display().to_string(), &error);
    let length = ReadAt::length(&file).map_err(failed)?;
    let head = part(&file, 0, NEAR.min(length)).map_err(failed)?;
    if head.starts_with(SQLITE) {
        return Ok(sqlite(path, &head));
    }
    if is_packed(&head) {
        return Ok(packed(path, &file));
    }
    let bolt_at = |at: u64| {
        let from = at.saturating_add(16);
        let fits = from.saturating_add(BOLT.len() as u64) <= length;
        fits && part(&file, from, BOLT.len() as u64).is_ok_and(|found| found == BOLT)
    };
    if bolt_at(0) || BOLT_PAGES.into_iter().any(bolt_at) {
        return Ok(Content::Database(Format::Prysm));
    }
    if text(path, &head) {
        return Ok(Content::Database(Format::Interchange));
    }
    Ok(Content::Unknown)
}

/// Whether these are the first bytes, 512 if there are so many, of something packed.
pub fn is_packed(head: &[u8]) -> bool {
    let tar = head.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1));
    tar || PACKED.iter().any(|magic| head.starts_with(magic))
}

/// gzip may also hold an interchange by itself.
fn packed(path: &Path, file: &File) -> Content {
    let mut head = [0; 512];
    let read = flate2::read::MultiGzDecoder::new(file).read(&mut head);
    let head = read.ok().and_then(|read| head.get(..read)).unwrap_or_default();
    if text(Path::new(path.file_stem().unwrap_or_default()), head) && !is_packed(head) {
        Content::PackedInterchange
    } else {
        Content::Archive
    }
}

/// Whether JSON in a directory is an interchange. Other JSON lies there too.
///
/// # Errors
/// It cannot be read.
pub fn is_interchange(path: &Path) -> Result<bool, DatabaseError> {
    let file = OnDisk::file(path)?;
    let failed = |error: std::io::Error| DatabaseError::io(path.display().to_string(), &error);
    let length = ReadAt::length(&file).map_err(failed)?;
    let near = NEAR.min(length);
    let head = part(&file, 0, near).map_err(failed)?;
    let tail = part(&file, length - near, near).map_err(failed)?;
    let named = |bytes: &[u8]| bytes.windows(MARKER.len()).any(|window| window == MARKER);
    Ok(named(&head) || named(&tail))
}

fn part(file: &File, from: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_at(from, &mut bytes)?;
    Ok(bytes)
}

/// What the interchange reader is to judge: it tells a failed export (`null`, no bytes) from other text better.
fn text(path: &Path, head: &[u8]) -> bool {
    let head = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    let json = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    head.first().is_some_and(|first| b"{[\"".contains(first)) || head.starts_with(b"null") || json
}

/// Which client's tables these are. The tables may still stand in a log beside the file, or be torn by a crash: then the
/// kind of log, which the header tells, decides (only Nimbus has a write-ahead log), and the reader finds out the rest.
fn sqlite(path: &Path, head: &[u8]) -> Content {
    let tables = tables(path).unwrap_or_default();
    let has = |name: &str| tables.iter().any(|table| table == name);
    let write_ahead = head.get(18) == Some(&2);
    let ours = has("signed_blocks") || has("signed_attestations");
    let named = crate::databases::recognise::names::of(path).starts_with("slashing_protection.sqlite");
    let nimbus = has("metadata") || has("kvstore") || (!ours && write_ahead);
    match (ours || named, nimbus) {
        (true, true) => Content::Database(Format::Nimbus),
        (true, false) => Content::Database(Format::Lighthouse),
        (false, _) => Content::Unknown,
    }
}

fn tables(path: &Path) -> rusqlite::Result<Vec<String>> {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        // Cannot fail: it writes to memory.
        let _ = match byte {
            b'/' | b'.' | b'_' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                write!(address, "{}", char::from(*byte))
            }
            byte => write!(address, "%{byte:02x}"),
        };
    }
    address += "?immutable=1";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(address, flags)?;
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT 100")?;
    statement.query_map([], |row| row.get(0))?.collect()
}
