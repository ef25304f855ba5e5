//! What the write-ahead logs hold: batches of writes, kept in memory and sorted (LevelDB, `db/write_batch.cc`). LevelDB
//! itself holds a log in memory for as long as the log lives, some 4 MiB and one batch.
//!
//! Must never take a gap between two writes for nothing: it is where a record was.

use super::coding::{Bytes, Kind, Tag, in_order};
use super::merge::Source;
use crate::databases::DatabaseError;

/// Writes in the order of their keys once [`Writes::sort`] was called.
#[derive(Default)]
pub(super) struct Writes {
    /// Keys and values, one behind the other.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The newest write.
    pub(super) newest: Option<u64>,
}

struct Entry {
    at: usize,
    key: usize,
    value: usize,
    tag: Tag,
}

impl Writes {
    /// Takes up one batch: sequence number of its first write, how many, and each write. `newest_known` is the newest
    /// write when the manifest was written: the logs must go on from there or earlier, without a gap.
    pub(super) fn apply(
        &mut self,
        batch: &[u8],
        newest_known: u64,
        place: &str,
    ) -> Result<(), DatabaseError> {
        let wrong = |what: String| DatabaseError::damaged(place, what);
        let short = || wrong("a batch of writes that does not fit its format".to_owned());
        let mut batch = Bytes(batch);
        let (first, count) = batch.u64().zip(batch.u32()).ok_or_else(short)?;
        let expected = self.newest.map_or(1, |newest| newest + 1);
        let latest = self.newest.unwrap_or(newest_known).saturating_add(1);
        // Of what comes before the first log nothing is known but that it is not newer than the manifest.
        if first < expected || first > latest {
            return Err(wrong(format!(
                "write {first} where {latest} should be: a part of the log is lost"
            )));
        }
        let end = first.saturating_add(u64::from(count));
        // 56 bits are kept of a sequence number.
        if end >> 56 != 0 {
            return Err(short());
        }
        for sequence in first..end {
            self.write(&mut batch, sequence).ok_or_else(short)?;
            self.newest = Some(sequence);
        }
        if batch.is_empty() { Ok(()) } else { Err(short()) }
    }

    fn write(&mut self, batch: &mut Bytes, sequence: u64) -> Option<()> {
        let kind = Kind::of(batch.byte()?)?;
        let key = batch.prefixed()?;
        let value = match kind {
            Kind::Value => batch.prefixed()?,
            Kind::Deletion => &[],
        };
        self.entries.push(Entry {
            at: self.bytes.len(),
            key: key.len(),
            value: value.len(),
            tag: Tag::new(sequence, kind),
        });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        Some(())
    }

    /// Puts them into LevelDB's order.
    pub(super) fn sort(&mut self) {
        let Writes { bytes, entries, .. } = self;
        entries.sort_by(|a, b| in_order((a.key_of(bytes), a.tag), (b.key_of(bytes), b.tag)));
    }

    /// Those from a key on.
    pub(super) fn from(&self, key: &[u8]) -> Sorted<'_> {
        let next = self
            .entries
            .partition_point(|entry| entry.key_of(&self.bytes) < key);
        Sorted {
            writes: self,
            next,
            current: None,
        }
    }
}

impl Entry {
    fn key_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.at..self.at + self.key).unwrap_or_default()
    }

    fn value_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.at + self.key;
        bytes.get(at..at + self.value).unwrap_or_default()
    }
}

/// Goes through [`Writes`].
pub(super) struct Sorted<'a> {
    writes: &'a Writes,
    next: usize,
    current: Option<&'a Entry>,
}

impl Source for Sorted<'_> {
    fn advance(&mut self) -> Result<bool, DatabaseError> {
        self.current = self.writes.entries.get(self.next);
        self.next += 1;
        Ok(self.current.is_some())
    }

    fn key(&self) -> (&[u8], Tag) {
        self.current.map_or((&[], Tag(0)), |entry| {
            (entry.key_of(&self.writes.bytes), entry.tag)
        })
    }

    fn value(&self) -> &[u8] {
        self.current
            .map_or(&[], |entry| entry.value_of(&self.writes.bytes))
    }
}
