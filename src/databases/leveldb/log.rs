//! LevelDB's log format, in which both its write-ahead logs and its manifest are kept: blocks of 32 KiB, records whole or
//! in fragments, each fragment with a checksum (LevelDB, `doc/log_format.md`).
//!
//! Must never pass over damage: only a record that the end of the file cuts off is left out, and that is told.

use super::coding::{Bytes, is_crc32c_of_a_prefix, masked_crc32c};
use crate::databases::{DatabaseError, ReadAt};

/// Bytes of a block.
const BLOCK: usize = 32 * 1024;
/// Checksum 4, length 2, kind 1.
const HEADER: usize = 7;
/// How many bytes are looked through for records behind one that seems cut off.
const LARGEST_SEARCH: usize = 4 << 20;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind a whole record.
    Whole,
    /// Within a record that begins at this offset. Its writer was killed, or the machine lost its power.
    Torn(u64),
}

/// Takes a record and its offset.
pub(super) type Take<'t> = dyn FnMut(u64, &[u8]) -> Result<(), DatabaseError> + 't;

/// One fragment of a record.
struct Fragment<'a> {
    kind: u8,
    body: &'a [u8],
    length: usize,
}

/// Hands over every record with its offset, in order.
///
/// # Errors
/// Damage, or that of `take`.
pub(super) fn records(file: &dyn ReadAt, place: &str, take: &mut Take) -> Result<End, DatabaseError> {
    let failed = |error: std::io::Error| DatabaseError::io(place, &error);
    let length = file.length().map_err(failed)?;
    let mut buffer = vec![0; BLOCK];
    // Where the record began whose end has not come yet, and what came of it.
    let mut begun: Option<(u64, Vec<u8>)> = None;
    let mut start = 0;
    while start < length {
        let size = usize::try_from(length - start).unwrap_or(BLOCK).min(BLOCK);
        let block = buffer.get_mut(..size).unwrap_or_default();
        file.read_at(start, block).map_err(failed)?;
        let mut at = 0;
        while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
            let offset = start + at as u64;
            let whole_block = size == BLOCK;
            if whole_block && rest.len() < HEADER {
                padding(rest, place, offset)?;
                break;
            }
            let Some(fragment) = fragment(rest, place, offset)? else {
                cut_off(rest, whole_block, place, offset)?;
                return Ok(End::Torn(begun.map_or(offset, |(from, _)| from)));
            };
            at += fragment.length;
            begun = append(begun, &fragment, place, offset, take)?;
        }
        start += size as u64;
    }
    Ok(begun.map_or(End::Whole, |(from, _)| End::Torn(from)))
}

/// The rest of a block that has no room for a header is zero.
fn padding(rest: &[u8], place: &str, offset: u64) -> Result<(), DatabaseError> {
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(damaged(place, offset, "the rest of a block is not zero"))
}

/// The fragment at the front of `rest`; `None` when it goes on behind its end.
fn fragment<'a>(rest: &'a [u8], place: &str, offset: u64) -> Result<Option<Fragment<'a>>, DatabaseError> {
    let Some((stored, length, kind)) = header(rest) else {
        return Ok(None);
    };
    if (stored, length, kind) == (0, 0, 0) {
        return Err(damaged(
            place,
            offset,
            "zeros where a record should begin: the machine lost its power before the record was on the disk",
        ));
    }
    if !(FULL..=LAST).contains(&kind) {
        return Err(damaged(
            place,
            offset,
            &format!("a record of the unknown kind {kind}"),
        ));
    }
    let Some(body) = rest.get(HEADER..HEADER + length) else {
        return Ok(None);
    };
    if masked_crc32c(&[&[kind], body]) != stored {
        return Err(damaged(place, offset, "a record's checksum does not fit"));
    }
    Ok(Some(Fragment {
        kind,
        body,
        length: HEADER + length,
    }))
}

fn header(rest: &[u8]) -> Option<(u32, usize, u8)> {
    let mut header = Bytes(rest);
    Some((header.u32()?, usize::from(header.u16()?), header.byte()?))
}

/// Joins fragments. Older LevelDBs could leave an empty first fragment at the end of a block, and begin again.
fn append(
    begun: Option<(u64, Vec<u8>)>,
    fragment: &Fragment,
    place: &str,
    offset: u64,
    take: &mut Take,
) -> Result<Option<(u64, Vec<u8>)>, DatabaseError> {
    let begins = fragment.kind == FULL || fragment.kind == FIRST;
    let (from, mut record) = match begun {
        Some((_, record)) if begins && !record.is_empty() => {
            return Err(damaged(
                place,
                offset,
                "a record begins before the last one has ended",
            ));
        }
        Some(begun) if !begins => begun,
        None if !begins => return Err(damaged(place, offset, "a record without its beginning")),
        Some(_) | None => (offset, Vec::new()),
    };
    if fragment.kind == FULL {
        take(from, fragment.body)?;
        return Ok(None);
    }
    record.extend_from_slice(fragment.body);
    if fragment.kind == MIDDLE || fragment.kind == FIRST {
        return Ok(Some((from, record)));
    }
    take(from, &record)?;
    Ok(None)
}

/// Makes sure that a record which seems to go on behind the end of the file does so: that it is not whole with a wrong
/// length, and that nothing whole comes after it. LevelDB itself drops all that is left in both cases.
fn cut_off(rest: &[u8], whole_block: bool, place: &str, offset: u64) -> Result<(), DatabaseError> {
    let refused = |what: &str| Err(damaged(place, offset, what));
    if whole_block {
        return refused("a record does not end in its block");
    }
    let Some((stored, _, kind)) = header(rest) else {
        return Ok(());
    };
    let body = rest.get(HEADER..).unwrap_or_default();
    if is_crc32c_of_a_prefix(stored, &[kind], body) {
        return refused("a record's length does not fit its checksum");
    }
    let mut left = LARGEST_SEARCH;
    for at in 1..rest.len() {
        let behind = rest.get(at..).unwrap_or_default();
        let Some((stored, length, kind)) = header(behind) else {
            break;
        };
        let Some(body) = behind
            .get(HEADER..HEADER + length)
            .filter(|_| (FULL..=LAST).contains(&kind))
        else {
            continue;
        };
        if masked_crc32c(&[&[kind], body]) == stored {
            return refused("a record seems cut off, but whole ones come after it");
        }
        match left.checked_sub(length) {
            Some(less) => left = less,
            None => return refused("a record is cut off or damaged, and it cannot be told which"),
        }
    }
    Ok(())
}

fn damaged(place: &str, offset: u64, what: &str) -> DatabaseError {
    DatabaseError::damaged(format!("{place}, byte {offset}"), what)
}
