//! One block of a sorted table: entries whose keys share the front of the key before (LevelDB, `doc/table_format.md`,
//! `table/block.cc`).
//!
//! Must never hand over an entry that does not lie within the block.

use std::ops::Range;

use super::coding::Bytes;

/// A block and the entry that was read last.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where the entries end and the restart points begin.
    end: usize,
    next: usize,
    key: Vec<u8>,
    value: Range<usize>,
}

/// The bytes are no block, or an entry does not fit.
#[derive(Debug)]
pub(super) struct Malformed;

impl Block {
    /// Takes up a block's bytes, uncompressed and without its trailer. Behind the entries lie where keys are stored
    /// whole, 4 bytes each, and how many those are.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Block, Malformed> {
        let (entries, count) = bytes.split_last_chunk::<4>().ok_or(Malformed)?;
        let restarts = usize::try_from(u32::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(4))
            .filter(|length| *length > 0)
            .ok_or(Malformed)?;
        let end = entries.len().checked_sub(restarts).ok_or(Malformed)?;
        Ok(Block {
            bytes,
            end,
            next: 0,
            key: Vec::new(),
            value: 0..0,
        })
    }

    /// Goes to the next entry; `false` behind the last.
    pub(super) fn advance(&mut self) -> Result<bool, Malformed> {
        let rest = self.bytes.get(self.next..self.end).ok_or(Malformed)?;
        if rest.is_empty() {
            return Ok(false);
        }
        let mut entry = Bytes(rest);
        let mut read = || {
            let (shared, own, value) = (entry.length()?, entry.length()?, entry.length()?);
            Some((shared, entry.take(own)?, entry.take(value)?, entry.0.len()))
        };
        let (shared, own, value, left) = read().ok_or(Malformed)?;
        if shared > self.key.len() {
            return Err(Malformed);
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        self.next = self.end - left;
        self.value = self.next - value.len()..self.next;
        Ok(true)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn value(&self) -> &[u8] {
        self.bytes.get(self.value.clone()).unwrap_or_default()
    }
}
