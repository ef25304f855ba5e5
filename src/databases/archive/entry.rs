//! The next file or directory of a tar: its header, with the long names of GNU tar and the extended headers of pax in
//! front of it. Fields are read by the `tar` crate; what may be unpacked is decided here.
//! Must never let through a link, a device, a name that leads out, or a header that two readers read differently.

use std::io::Read;

use tar::{EntryType, Header};

use super::source::{BLOCK, Source};
use crate::databases::DatabaseError;
use crate::databases::shown::shown;

/// A long name or an extended header is at most so long, bytes. Extended attributes are in it too.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// The longest name, and the longest part of one, that Linux opens, bytes.
const NAME_LIMIT: usize = 4095;
const PART_LIMIT: usize = 255;

const SPARSE: (&str, &str) = ("packed with its holes left out", "Pack it again without --sparse");

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Relative, without `.`, empty parts or a slash at the end. Empty: the directory itself.
    pub(super) name: String,
    /// Length of the content that follows.
    pub(super) bytes: u64,
}

/// What stood in front of a header and counts instead of its fields.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    bytes: Option<u64>,
    any: bool,
}

/// The next entry, or none behind two blocks of zeros (POSIX ustar: the end of the archive).
pub(super) fn next<R: Read>(source: &mut Source<R>, depth: usize) -> Result<Option<Entry>, DatabaseError> {
    let mut extensions = Extensions::default();
    loop {
        source.at = "archive, a header".to_owned();
        let Some(header) = read_header(source)? else {
            if extensions.any {
                return Err(source.damaged("a long name or extended header stands in front of nothing"));
            }
            return Ok(None);
        };
        let kind = header.entry_type();
        source.at = format!("archive, {}", shown(&header.path_bytes()));
        let bytes = header
            .entry_size()
            .map_err(|_| source.damaged("its length is no number"))?;
        if kind == EntryType::GNULongName || kind == EntryType::XHeader {
            extend(source, kind, bytes, &mut extensions)?;
        } else {
            return finished(source, &header, bytes, extensions, depth).map(Some);
        }
    }
}

fn read_header<R: Read>(source: &mut Source<R>) -> Result<Option<Header>, DatabaseError> {
    let mut header = Header::new_old();
    source.take(header.as_mut_bytes())?;
    if header.as_bytes() == &[0; BLOCK] {
        source.take(header.as_mut_bytes())?;
        return if header.as_bytes() == &[0; BLOCK] {
            Ok(None)
        } else {
            Err(source.damaged("one block of zeros where the end needs two"))
        };
    }
    let bytes = header.as_bytes();
    let (before, after) = (bytes.iter().take(148), bytes.iter().skip(156));
    // The sum is taken with its own field read as eight blanks.
    let sum: u32 = before.chain(after).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    if header.cksum().ok() != Some(sum) {
        return Err(source.damaged("no tar header, or a spoilt one: its checksum is wrong"));
    }
    let plain = bytes.iter().skip(257).take(8).all(|byte| *byte == 0);
    if header.as_ustar().is_none() && header.as_gnu().is_none() && !plain {
        return Err(source.damaged("a tar header of a kind that is not known"));
    }
    Ok(Some(header))
}

/// Takes up one long name (GNU) or one extended header (pax).
fn extend<R: Read>(
    source: &mut Source<R>,
    kind: EntryType,
    bytes: u64,
    extensions: &mut Extensions,
) -> Result<(), DatabaseError> {
    if extensions.any {
        return Err(source.damaged("two long names or extended headers for one entry"));
    }
    extensions.any = true;
    if bytes > EXTENSION_LIMIT {
        return Err(source.damaged(format!("a long name or extended header of {bytes} bytes")));
    }
    let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
    source.take(&mut content)?;
    source.padding(bytes)?;
    if kind == EntryType::GNULongName {
        let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        content.truncate(end);
        extensions.name = Some(content);
        return Ok(());
    }
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let (key, value, behind) =
            record(rest).ok_or_else(|| source.damaged("an extended header that is spoilt"))?;
        rest = behind;
        let again = match key {
            b"path" => extensions.name.replace(value.to_vec()).is_some(),
            b"size" => {
                let bytes = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                let bytes = bytes.ok_or_else(|| source.damaged("a length that is no number"))?;
                extensions.bytes.replace(bytes).is_some()
            }
            sparse if sparse.starts_with(b"GNU.sparse.") => return Err(source.refused(SPARSE.0, SPARSE.1)),
            _ => false,
        };
        if again {
            return Err(source.damaged("an extended header says the same thing twice"));
        }
    }
    Ok(())
}

/// One record of an extended header, `LENGTH KEY=VALUE\n`, and what follows it. Values may hold anything.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let (digits, _) = bytes.split_at_checked(blank)?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, behind) = bytes.split_at_checked(length)?;
    let pair = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair.get(..equals)?, pair.get(equals + 1..)?, behind))
}

/// Decides on an entry when all that was said of it is known.
fn finished<R: Read>(
    source: &mut Source<R>,
    header: &Header,
    bytes: u64,
    extensions: Extensions,
    depth: usize,
) -> Result<Entry, DatabaseError> {
    let raw = extensions
        .name
        .unwrap_or_else(|| header.path_bytes().into_owned());
    source.at = format!("archive, {}", shown(&raw));
    let name = relative(&raw, depth).map_err(|why| {
        let remedy =
            "It is not unpacked: pack it anew with tar, from inside the directory that holds the database";
        source.refused(why, remedy)
    })?;
    let bytes = extensions.bytes.unwrap_or(bytes);
    source.within(bytes)?;
    let kind = kind(header.entry_type()).map_err(|(what, remedy)| source.refused(what, remedy))?;
    let named_directory = raw.ends_with(b"/") || name.is_empty();
    if kind == Kind::File && named_directory {
        return Err(source.damaged("a file with the name of a directory"));
    }
    if kind == Kind::Directory && bytes > 0 {
        return Err(source.damaged("a directory with content"));
    }
    Ok(Entry { kind, name, bytes })
}

/// What is unpacked; or why not, and what to do.
fn kind(kind: EntryType) -> Result<Kind, (&'static str, &'static str)> {
    if kind == EntryType::Regular {
        Ok(Kind::File)
    } else if kind == EntryType::Directory {
        Ok(Kind::Directory)
    } else if kind == EntryType::GNUSparse {
        Err(SPARSE)
    } else if [EntryType::Symlink, EntryType::Link, EntryType::GNULongLink].contains(&kind) {
        Err((
            "it is a link, and links are not unpacked",
            "Pack the file that it leads to",
        ))
    } else {
        Err((
            "neither a file nor a directory, and nothing else is unpacked",
            "Pack only the files of the database, with tar's own format",
        ))
    }
}

/// The name below the directory that is unpacked into, or why it is none.
fn relative(raw: &[u8], depth: usize) -> Result<String, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8")?;
    if text.is_empty() {
        return Err("it has no name".to_owned());
    }
    if text.starts_with('/') {
        return Err("its name is absolute".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("its name holds control characters".to_owned());
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err("its name leads upwards".to_owned());
    }
    if parts.len() > depth {
        return Err(format!("it lies more than {depth} directories deep"));
    }
    if text.len() > NAME_LIMIT || parts.iter().any(|part| part.len() > PART_LIMIT) {
        return Err("its name is too long for a file".to_owned());
    }
    Ok(parts.join("/"))
}
