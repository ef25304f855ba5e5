//! Is a rollback journal (`-journal`) whole? With it SQLite undoes a transaction that was cut off. It stops at the
//! first record that does not fit and says nothing, which leaves half of the transaction in the database.
//! Must never change anything, and never pass a journal that cannot undo all it was written for.
//!
//! Layout: SQLite's "Database File Format", section 3.

use crate::databases::{DatabaseError, ReadAt};

const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Bytes of a header that mean something; it fills a whole sector.
const HEADER: usize = 28;

/// What a journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// It undoes nothing: empty, or its header was struck out when the transaction had ended.
    Cold,
    /// A transaction was cut off; so many pages are put back.
    Hot {
        /// Pages, records.
        pages: u64,
    },
}

/// Reads a journal, record by record.
///
/// # Errors
/// It is cut, spoilt, or one of several that belong together.
pub fn examine(journal: &(impl ReadAt + ?Sized), place: &str) -> Result<Journal, DatabaseError> {
    let damaged = |what: &str| DatabaseError::damaged(place, what);
    let io = |error: std::io::Error| DatabaseError::io(place, &error);
    let length = journal.length().map_err(io)?;
    if length == 0 {
        return Ok(Journal::Cold);
    }
    if length < HEADER as u64 {
        return Err(damaged("the rollback journal is cut within its header"));
    }
    let mut header = [0; HEADER];
    journal.read_at(0, &mut header).map_err(io)?;
    if header == [0; HEADER] {
        return Ok(Journal::Cold);
    }
    let mut last = [0; 8];
    journal.read_at(length - 8, &mut last).map_err(io)?;
    if last == MAGIC {
        return Err(DatabaseError::Unsupported {
            place: place.to_owned(),
            what: "the journal of a transaction over several databases".to_owned(),
            remedy: "Open and close it once by its own client, then read again".to_owned(),
        });
    }
    let (sector, page) = (u64::from(word(&header, 20)), u64::from(word(&header, 24)));
    let sane = |bytes: u64, least: u64| bytes.is_power_of_two() && (least..=65536).contains(&bytes);
    if !header.starts_with(&MAGIC) || !sane(sector, 32) || !sane(page, 512) {
        return Err(damaged(
            "not the header of a rollback journal; SQLite would undo nothing, without a word",
        ));
    }
    if length < sector {
        return Err(damaged("the rollback journal is cut within its header"));
    }
    let mut pages = 0;
    let mut at = 0;
    // Each part of a journal has a header at the begin of a sector.
    while at + sector <= length {
        journal.read_at(at, &mut header).map_err(io)?;
        if !header.starts_with(&MAGIC) {
            break;
        }
        let first = at + sector;
        let records = match word(&header, 8) {
            // Written without waiting for the disk: up to the end of the file.
            u32::MAX => (length - first) / (page + 8),
            records => u64::from(records),
        };
        let end = records.saturating_mul(page + 8).saturating_add(first);
        if end > length {
            return Err(damaged(&format!(
                "the rollback journal names {records} pages and is cut before the last"
            )));
        }
        records_fit(journal, first, records, page, word(&header, 12))
            .map_err(io)?
            .then_some(())
            .ok_or_else(|| {
                damaged("a page of the rollback journal is spoilt; SQLite would leave it half undone")
            })?;
        pages += records;
        at = end.next_multiple_of(sector);
    }
    Ok(Journal::Hot { pages })
}

/// Whether each record has a page number and the sum of its page: each 200th byte from the end, and the header's number.
fn records_fit(
    journal: &(impl ReadAt + ?Sized),
    first: u64,
    records: u64,
    page: u64,
    begin: u32,
) -> std::io::Result<bool> {
    let mut record = vec![0; usize::try_from(page + 8).unwrap_or_default()];
    for number in 0..records {
        journal.read_at(first + number * (page + 8), &mut record)?;
        let content = record.get(4..record.len().saturating_sub(4)).unwrap_or_default();
        let from = content.len().saturating_sub(200);
        let sum = (1..=from)
            .rev()
            .step_by(200)
            .filter_map(|at| content.get(at))
            .fold(begin, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        if word(&record, 0) == 0 || sum != word(&record, record.len().saturating_sub(4)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Zero where the bytes end; callers give whole buffers.
fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    four.map_or(0, |four| u32::from_be_bytes(*four))
}
