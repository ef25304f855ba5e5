//! All sorted parts of a database as one: of every key the newest write, unless that is a deletion.
//!
//! Must never hold more than one block of each part, and never have more tables open than level 0 has and one of each
//! further level.

use super::coding::{Tag, in_order};
use super::manifest::TableFile;
use super::table::Cursor;
use crate::databases::{DatabaseError, Directory};

/// Takes a key and its value; `false` ends the scan.
pub type Take<'t> = dyn FnMut(&[u8], &[u8]) -> Result<bool, DatabaseError> + 't;

/// A sorted part: stands before its first entry, then on one after the other.
pub(super) trait Source {
    /// Goes to the next entry; `false` behind the last, and then it must not be used again.
    fn advance(&mut self) -> Result<bool, DatabaseError>;

    /// The key it stands on.
    fn key(&self) -> (&[u8], Tag);

    /// The value it stands on.
    fn value(&self) -> &[u8];
}

/// The tables of one level one after the other, or one table of level 0.
pub(super) struct Level<'a> {
    dir: &'a dyn Directory,
    tables: std::slice::Iter<'a, TableFile>,
    from: &'a [u8],
    current: Option<Cursor<'a>>,
}

impl<'a> Level<'a> {
    pub(super) fn new(dir: &'a dyn Directory, tables: &'a [TableFile], from: &'a [u8]) -> Level<'a> {
        Level {
            dir,
            tables: tables.iter(),
            from,
            current: None,
        }
    }
}

impl Source for Level<'_> {
    fn advance(&mut self) -> Result<bool, DatabaseError> {
        loop {
            if let Some(cursor) = &mut self.current
                && cursor.advance()?
            {
                return Ok(true);
            }
            let Some(table) = self.tables.next() else {
                return Ok(false);
            };
            let (file, place) = super::files::open_table(self.dir, table)?;
            self.current = Some(Cursor::open(file, place, table, self.from)?);
        }
    }

    fn key(&self) -> (&[u8], Tag) {
        self.current.as_ref().map_or((&[], Tag(0)), Cursor::key)
    }

    fn value(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], Cursor::value)
    }
}

/// Hands over what is valid, in the order of the keys, until `take` says `false`. Returns the newest write seen, valid or
/// not.
pub(super) fn newest_of_each(
    mut sources: Vec<Box<dyn Source + '_>>,
    take: &mut Take,
) -> Result<u64, DatabaseError> {
    let mut newest = 0;
    let mut at = 0;
    while let Some(source) = sources.get_mut(at) {
        if source.advance()? {
            at += 1;
        } else {
            drop(sources.swap_remove(at));
        }
    }
    let mut last: Option<Vec<u8>> = None;
    while let Some(at) = first_of(&sources) {
        let Some(source) = sources.get_mut(at) else {
            break;
        };
        let (key, tag) = source.key();
        newest = newest.max(tag.sequence());
        if last.as_deref() != Some(key) {
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            if tag.is_value() && !take(key, source.value())? {
                break;
            }
        }
        if !source.advance()? {
            drop(sources.swap_remove(at));
        }
    }
    Ok(newest)
}

/// Which stands on the smallest key, newest first.
fn first_of(sources: &[Box<dyn Source + '_>]) -> Option<usize> {
    let keys = sources.iter().map(|source| source.key()).enumerate();
    keys.min_by(|(_, a), (_, b)| in_order(*a, *b)).map(|(at, _)| at)
}
