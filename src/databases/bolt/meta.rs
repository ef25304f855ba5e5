//! The two meta pages of a bolt file, the numbers that lead to everything else. The one of the later transaction counts.
//! Must never use a meta page whose checksum does not hold, nor the older state in place of a newer one that is damaged:
//! the newest messages would be missing. bolt itself goes back in silence.

use std::hash::Hasher;

use super::super::{DatabaseError, ReadAt};

/// Pages are at least this large, in bytes.
pub const SMALLEST_PAGE: u64 = 4096;
/// Pages are at most this large, in bytes: arm64 machines have such.
pub const LARGEST_PAGE: u64 = 65536;

/// Bytes of a page before its content: number u64, flags u16, count u16, overflow u32.
pub const HEADER: usize = 16;
const META_FLAG: u16 = 0x04;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Stands for a list of free pages that was not written (`NoFreelistSync`).
const NO_LIST: u64 = u64::MAX;

/// What a meta page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_size: u64,
    /// Page of the root bucket.
    pub root: u64,
    /// Page of the list of free pages.
    pub free_list: Option<u64>,
    /// How many pages the file has.
    pub pages: u64,
    /// Number of the transaction that wrote it.
    pub transaction: u64,
}

/// The meta page of the newest transaction.
///
/// # Errors
/// Either of the two is damaged. A transaction that a power cut tore there was not signed upon, but from here it cannot
/// be told from one that was.
pub fn newest<R: ReadAt + ?Sized>(file: &R, place: &str, length: u64) -> Result<Meta, DatabaseError> {
    if length == 0 {
        return Err(DatabaseError::damaged(place, "zero bytes"));
    }
    let first = read(file, 0, 0);
    let sizes = std::iter::successors(Some(SMALLEST_PAGE), |size| size.checked_mul(2));
    let mut sizes = sizes.take_while(|size| *size <= LARGEST_PAGE);
    // A copy that bolt itself made has its newer meta page first, so the numbers decide and not their places.
    let second = match first {
        Some(meta) => read(file, 1, meta.page_size).filter(|second| second.page_size == meta.page_size),
        None => sizes.find_map(|size| read(file, 1, size).filter(|second| second.page_size == size)),
    };
    let damaged = |page: u64| {
        let what = format!("meta page {page} is damaged, so the newest messages may be missing");
        Err(DatabaseError::damaged(place, what))
    };
    match (first, second) {
        (Some(first), Some(second)) if second.transaction > first.transaction => Ok(second),
        (Some(first), Some(_)) => Ok(first),
        (Some(_), None) => damaged(1),
        (None, Some(_)) => damaged(0),
        (None, None) => Err(DatabaseError::damaged(
            place,
            "neither of its two meta pages is whole: not a bolt file, or only a part of one",
        )),
    }
}

/// The meta page at an offset, if it is whole.
fn read<R: ReadAt + ?Sized>(file: &R, number: u64, offset: u64) -> Option<Meta> {
    let mut bytes = [0; HEADER + 64];
    file.read_at(offset, &mut bytes).ok()?;
    let (header, body) = bytes.split_at(HEADER);
    if u64_at(header, 0)? != number || u16_at(header, 8)? != META_FLAG {
        return None;
    }
    let mut hash = Fnv1a::default();
    hash.write(body.get(..56)?);
    let whole =
        u64_at(body, 56)? == hash.finish() && u32_at(body, 0)? == MAGIC && u32_at(body, 4)? == VERSION;
    let meta = Meta {
        page_size: u64::from(u32_at(body, 8)?),
        root: u64_at(body, 16)?,
        free_list: u64_at(body, 32).filter(|page| *page != NO_LIST),
        pages: u64_at(body, 40)?,
        transaction: u64_at(body, 48)?,
    };
    let sizes = SMALLEST_PAGE..=LARGEST_PAGE;
    (whole && sizes.contains(&meta.page_size) && meta.page_size.is_power_of_two()).then_some(meta)
}

/// FNV-1a, 64 bits: what bolt sums its meta pages with.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Fnv1a {
        Fnv1a(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv1a {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Little-endian, as on every machine a validator runs on.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u16::from_le_bytes(*bytes))
}

/// As [`u16_at`].
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
}

/// As [`u16_at`].
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_le_bytes(*bytes))
}
