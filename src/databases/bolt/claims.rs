//! Which pages were come to: one bit each. Must never let a page be claimed twice.

use super::super::ReadAt;
use super::meta::{HEADER, Meta, u16_at, u32_at, u64_at};

const FREE_LIST_FLAG: u16 = 0x10;
/// Stands in a free list for a count that needs more than 16 bits; the count is then the first number of the list.
const LONG: u16 = 0xFFFF;

/// One bit for each page of the file.
#[derive(Debug)]
pub struct Claims {
    bits: Vec<u64>,
    pages: u64,
}

impl Claims {
    /// Nothing claimed yet. The caller has checked that a file of so many pages exists.
    pub fn new(pages: u64) -> Claims {
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or_default();
        Claims {
            bits: vec![0; words],
            pages,
        }
    }

    /// Claims pages that follow each other.
    pub fn claim(&mut self, from: u64, span: u64) -> Result<(), String> {
        for page in from..from.saturating_add(span) {
            let bit = 1 << (page % 64);
            let word = usize::try_from(page / 64).ok();
            let word = word.and_then(|word| self.bits.get_mut(word));
            match word {
                Some(word) if page < self.pages && *word & bit == 0 => *word |= bit,
                Some(_) if page < self.pages => return Err(format!("page {page} is used twice")),
                Some(_) | None => return Err(format!("page {page} lies behind the last page")),
            }
        }
        Ok(())
    }

    /// Claims the list of free pages and every page that it lists.
    pub fn free<R: ReadAt + ?Sized>(&mut self, file: &R, meta: &Meta, list: u64) -> Result<(), String> {
        let failed = |what: &str| format!("page {list}: the list of free pages {what}");
        let io = |error: std::io::Error| failed(&format!("cannot be read: {error}"));
        let start = list
            .checked_mul(meta.page_size)
            .ok_or_else(|| failed("lies nowhere"))?;
        let mut header = [0; HEADER + 8];
        file.read_at(start, &mut header).map_err(io)?;
        let [id, first] = [u64_at(&header, 0), u64_at(&header, HEADER)].map(Option::unwrap_or_default);
        let [flags, count] = [u16_at(&header, 8), u16_at(&header, 10)].map(Option::unwrap_or_default);
        if id != list || flags != FREE_LIST_FLAG {
            return Err(failed("is not there"));
        }
        let span = u64::from(u32_at(&header, 12).unwrap_or_default()) + 1;
        self.claim(list, span)?;
        let (count, skip) = match count {
            LONG => (first, 8),
            count => (u64::from(count), 0),
        };
        let room = span.saturating_mul(meta.page_size) - HEADER as u64 - skip;
        if count > room / 8 {
            return Err(failed("is longer than its pages"));
        }
        let mut at = start + HEADER as u64 + skip;
        let mut left = count;
        let mut chunk = [0; 4096];
        while left > 0 {
            let now = left.min(chunk.len() as u64 / 8);
            let bytes = chunk
                .get_mut(..usize::try_from(now * 8).unwrap_or_default())
                .unwrap_or_default();
            file.read_at(at, bytes).map_err(io)?;
            for number in bytes.as_chunks().0 {
                self.claim(u64::from_le_bytes(*number), 1)?;
            }
            at += now * 8;
            left -= now;
        }
        Ok(())
    }

    /// The first page that nobody claimed.
    pub fn first_unclaimed(&self) -> Option<u64> {
        let words = self.bits.iter().zip(0u64..);
        words
            .filter(|(bits, _)| **bits != u64::MAX)
            .map(|(bits, word)| word * 64 + u64::from(bits.trailing_ones()))
            .find(|page| *page < self.pages)
    }
}
