//! LevelDB's manifest: which tables and which logs are the database (LevelDB, `doc/impl.md`, `db/version_edit.cc`). Each
//! record is an edit of the state before it.
//!
//! Must never pass over an edit it does not understand, nor one that contradicts the state before it.

use std::collections::BTreeMap;

use super::coding::{Bytes, Tag, internal_key};
use super::log::{End, records};
use crate::databases::{DatabaseError, ReadAt};

/// How keys are ordered. Another order is another program's database.
const COMPARATOR: &[u8] = b"leveldb.BytewiseComparator";
/// Levels of a LevelDB.
pub(super) const LEVELS: usize = 7;

/// A sorted table that is part of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableFile {
    /// The number in its name.
    pub(super) number: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Its first internal key.
    pub(super) smallest: Vec<u8>,
    /// Its last internal key.
    pub(super) largest: Vec<u8>,
}

/// The state after all edits.
#[derive(Debug)]
pub(super) struct Version {
    /// Logs from this number on are part of the database.
    pub(super) log_number: u64,
    /// A further log, of LevelDBs before 2011; else 0.
    pub(super) previous_log_number: u64,
    /// The newest write when the last edit was made.
    pub(super) last_sequence: u64,
    /// Per level. Those of level 0 may overlap; each further level is sorted and does not.
    pub(super) levels: [Vec<TableFile>; LEVELS],
    /// How the manifest ends.
    pub(super) end: End,
}

#[derive(Default)]
struct Building {
    comparator: bool,
    log_number: Option<u64>,
    previous_log_number: Option<u64>,
    next_file_number: Option<u64>,
    last_sequence: Option<u64>,
    levels: [BTreeMap<u64, TableFile>; LEVELS],
}

/// Reads a manifest.
///
/// # Errors
/// Damage; a comparator other than LevelDB's own.
pub(super) fn read(file: &dyn ReadAt, place: &str) -> Result<Version, DatabaseError> {
    let mut building = Building::default();
    let end = records(file, place, &mut |offset, record| {
        let place = format!("{place}, byte {offset}");
        building.apply(record, &place)
    })?;
    building.finish(end, place)
}

impl Building {
    fn apply(&mut self, record: &[u8], place: &str) -> Result<(), DatabaseError> {
        let short = || DatabaseError::damaged(place, "an edit that does not fit its format");
        let mut edit = Bytes(record);
        let mut added = Vec::new();
        while !edit.is_empty() {
            match edit.varint().ok_or_else(short)? {
                1 => self.compared_by(edit.prefixed().ok_or_else(short)?, place)?,
                2 => self.log_number = Some(edit.varint().ok_or_else(short)?),
                3 => self.next_file_number = Some(edit.varint().ok_or_else(short)?),
                4 => self.last_sequence = Some(edit.varint().ok_or_else(short)?),
                // Where the next compaction of a level begins.
                5 => {
                    level(&mut edit).zip(edit.prefixed()).ok_or_else(short)?;
                }
                6 => {
                    let (level, number) = level(&mut edit).zip(edit.varint()).ok_or_else(short)?;
                    self.remove(level, number, place)?;
                }
                7 => added.push(new_table(&mut edit).ok_or_else(short)?),
                9 => self.previous_log_number = Some(edit.varint().ok_or_else(short)?),
                unknown => {
                    return Err(DatabaseError::Unsupported {
                        place: place.to_owned(),
                        what: format!(
                            "an edit of the unknown kind {unknown}: this is no LevelDB of Lodestar's"
                        ),
                        remedy: "Export it with the client that wrote it".to_owned(),
                    });
                }
            }
        }
        // What an edit removes was there before it; a table that moves to another level is removed and added.
        for (level, table) in added {
            self.add(level, table, place)?;
        }
        Ok(())
    }

    fn compared_by(&mut self, comparator: &[u8], place: &str) -> Result<(), DatabaseError> {
        if comparator == COMPARATOR {
            self.comparator = true;
            return Ok(());
        }
        let name: String = comparator.escape_ascii().to_string().chars().take(60).collect();
        Err(DatabaseError::Unsupported {
            place: place.to_owned(),
            what: format!("its keys are ordered by {name}, not as Lodestar's"),
            remedy: "Export it with the client that wrote it".to_owned(),
        })
    }

    fn remove(&mut self, level: usize, number: u64, place: &str) -> Result<(), DatabaseError> {
        match self
            .levels
            .get_mut(level)
            .and_then(|tables| tables.remove(&number))
        {
            Some(_) => Ok(()),
            None => Err(DatabaseError::damaged(
                place,
                format!("table {number} is removed from level {level}, where it is not"),
            )),
        }
    }

    fn add(&mut self, level: usize, table: TableFile, place: &str) -> Result<(), DatabaseError> {
        let number = table.number;
        let wrong = |what: String| Err(DatabaseError::damaged(place, what));
        if self.levels.iter().any(|tables| tables.contains_key(&number)) {
            return wrong(format!("table {number} is added twice"));
        }
        match bounds(&table) {
            Some([smallest, largest]) if smallest <= largest => (),
            Some(_) | None => return wrong(format!("table {number} has impossible bounds")),
        }
        if let Some(tables) = self.levels.get_mut(level) {
            tables.insert(number, table);
        }
        Ok(())
    }

    fn finish(self, end: End, place: &str) -> Result<Version, DatabaseError> {
        let missing = |what: &str| DatabaseError::damaged(place, format!("no edit names {what}"));
        if !self.comparator {
            return Err(missing("the comparator"));
        }
        let next = self.next_file_number.ok_or_else(|| missing("the next file"))?;
        let version = Version {
            log_number: self.log_number.ok_or_else(|| missing("the log"))?,
            previous_log_number: self.previous_log_number.unwrap_or(0),
            last_sequence: self.last_sequence.ok_or_else(|| missing("the last write"))?,
            levels: self.levels.map(sorted),
            end,
        };
        let newest = version.levels.iter().flatten().map(|table| table.number).max();
        if newest.unwrap_or(0).max(version.log_number) >= next {
            return Err(DatabaseError::damaged(
                place,
                format!("a file number is not below the next one, {next}"),
            ));
        }
        for (level, tables) in version.levels.iter().enumerate().skip(1) {
            disjoint(level, tables, place)?;
        }
        Ok(version)
    }
}

fn level(edit: &mut Bytes) -> Option<usize> {
    edit.length().filter(|level| *level < LEVELS)
}

fn new_table(edit: &mut Bytes) -> Option<(usize, TableFile)> {
    let level = level(edit)?;
    let table = TableFile {
        number: edit.varint()?,
        size: edit.varint()?,
        smallest: edit.prefixed()?.to_vec(),
        largest: edit.prefixed()?.to_vec(),
    };
    Some((level, table))
}

/// User's keys and ages of the bounds, in an order that compares as LevelDB does: of the same key the newest is first.
fn bounds(table: &TableFile) -> Option<[(&[u8], std::cmp::Reverse<Tag>); 2]> {
    let (first, newest) = internal_key(&table.smallest)?;
    let (last, oldest) = internal_key(&table.largest)?;
    Some([
        (first, std::cmp::Reverse(newest)),
        (last, std::cmp::Reverse(oldest)),
    ])
}

fn sorted(tables: BTreeMap<u64, TableFile>) -> Vec<TableFile> {
    let mut tables: Vec<TableFile> = tables.into_values().collect();
    tables.sort_by(|a, b| bounds(a).cmp(&bounds(b)));
    tables
}

/// Above level 0 no key is in two tables.
fn disjoint(level: usize, tables: &[TableFile], place: &str) -> Result<(), DatabaseError> {
    for (table, next) in tables.iter().zip(tables.iter().skip(1)) {
        let ordered = match (bounds(table), bounds(next)) {
            (Some([_, last]), Some([first, _])) => last < first,
            (Some(_) | None, Some(_) | None) => false,
        };
        if !ordered {
            return Err(DatabaseError::damaged(
                place,
                format!(
                    "tables {} and {} of level {level} overlap",
                    table.number, next.number
                ),
            ));
        }
    }
    Ok(())
}
