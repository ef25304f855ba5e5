//! LevelDB, read only: the files of a copied database, from bytes (LevelDB, `doc/impl.md`, `doc/log_format.md`,
//! `doc/table_format.md`). Blocks of tables pass by; what the logs hold is kept in memory, which they bound: LevelDB
//! begins a new one at 4 MiB. Nothing is opened in place, so nothing is recovered, compacted or locked.
//!
//! Must never read less than LevelDB itself would without saying so: a file that is missing, short or changed is damage.

mod block;
mod coding;
mod log;
mod manifest;
mod merge;
mod table;
mod writes;

use std::collections::BTreeMap;

use self::log::End;
use self::manifest::{TableFile, Version};
use self::merge::{Level, Source, Take, newest_of_each};
use self::writes::Writes;
use super::{DatabaseError, Directory, ReadAt};

/// Bytes of a log that are taken into memory. LevelDB's have 4 MiB and one batch.
const LARGEST_LOG: u64 = 256 << 20;

/// A whole LevelDB.
pub struct Database<'a> {
    dir: &'a dyn Directory,
    version: Version,
    writes: Writes,
    notes: Vec<String>,
}

/// A file's name and what it is.
fn named(dir: &dyn Directory, name: &str) -> String {
    format!("{}/{name}", dir.place())
}

impl<'a> Database<'a> {
    /// Reads which files the database is made of, and its logs.
    ///
    /// # Errors
    /// Damage: a file that is missing, short or changed. Only a record that the end of the newest log cuts off is left
    /// out, as LevelDB does: see [`Database::notes`].
    pub fn open(dir: &'a dyn Directory) -> Result<Database<'a>, DatabaseError> {
        let manifest = current(dir)?;
        let place = named(dir, &manifest);
        let version = {
            let file = present(dir, &manifest)?;
            bounded(&*file, &place)?;
            manifest::read(&*file, &place)?
        };
        let mut database = Database {
            dir,
            version,
            writes: Writes::default(),
            notes: Vec::new(),
        };
        if let End::Torn(at) = database.version.end {
            database.notes.push(format!(
                "{place}: its last record, at byte {at}, is cut off: a change of files that was not finished"
            ));
        }
        database.replay()?;
        database.tables_are_there()?;
        Ok(database)
    }

    /// What a person should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The newest write that the manifest knows of. Unless it was a deletion, it is in a table or in a log.
    pub fn last_sequence(&self) -> u64 {
        self.version.last_sequence
    }

    /// Hands over every key that is not below `from`, in order, and its value, until `take` says `false`. Returns the
    /// newest write seen, valid or not. From the empty key on every byte of every block that holds keys is checked.
    ///
    /// # Errors
    /// Damage, or that of `take`.
    pub fn scan(&self, from: &[u8], take: &mut Take) -> Result<u64, DatabaseError> {
        let mut sources: Vec<Box<dyn Source + '_>> = vec![Box::new(self.writes.from(from))];
        let [level_0, levels @ ..] = &self.version.levels;
        for table in level_0 {
            let table = std::slice::from_ref(table);
            sources.push(Box::new(Level::new(self.dir, table, from)));
        }
        for tables in levels {
            sources.push(Box::new(Level::new(self.dir, tables, from)));
        }
        newest_of_each(sources, take)
    }

    /// Takes up every log from the manifest's on, as LevelDB does when it opens a database.
    fn replay(&mut self) -> Result<(), DatabaseError> {
        let logs = self.logs()?;
        let mut torn: Option<String> = None;
        for name in logs.values() {
            let place = named(self.dir, name);
            let file = present(self.dir, name)?;
            let length = bounded(&*file, &place)?;
            if let Some(torn) = &torn
                && length > 0
            {
                return Err(DatabaseError::damaged(
                    torn,
                    "a record is cut off, but a newer log goes on",
                ));
            }
            let (writes, newest_known) = (&mut self.writes, self.version.last_sequence);
            let end = log::records(&*file, &place, &mut |offset, record| {
                writes.apply(record, newest_known, &format!("{place}, byte {offset}"))
            })?;
            if let End::Torn(at) = end {
                self.notes.push(format!(
                    "{place}: its last record, at byte {at}, is cut off and left out: its writer was killed before the \
                     write was done, or the machine lost its power; in the latter case a signed message may be missing"
                ));
                torn = Some(format!("{place}, byte {at}"));
            }
        }
        let known = self.version.last_sequence;
        if self.writes.newest.is_some_and(|newest| newest < known) {
            return Err(DatabaseError::damaged(
                self.dir.place(),
                format!("its logs end before write {known}, which its manifest knows of"),
            ));
        }
        self.writes.sort();
        Ok(())
    }

    /// Number and name of every log that counts.
    fn logs(&self) -> Result<BTreeMap<u64, String>, DatabaseError> {
        let Version {
            log_number,
            previous_log_number,
            ..
        } = self.version;
        let mut logs = BTreeMap::new();
        for name in self.dir.names()? {
            let digits = name.strip_suffix(".log").unwrap_or_default();
            let number = number(digits).filter(|number| format!("{number:06}") == digits);
            if let Some(number) =
                number.filter(|number| *number >= log_number || *number == previous_log_number)
            {
                logs.insert(number, name);
            }
        }
        for number in [log_number, previous_log_number] {
            if number != 0 && !logs.contains_key(&number) {
                let name = format!("{number:06}.log");
                return Err(missing(&named(self.dir, &name)));
            }
        }
        Ok(logs)
    }

    /// Every table that counts is there and as long as it should be, also where a scan does not come by.
    fn tables_are_there(&self) -> Result<(), DatabaseError> {
        for table in self.version.levels.iter().flatten() {
            open_table(self.dir, table)?;
        }
        Ok(())
    }
}

/// Opens a table under its newer or its older name.
fn open_table<'a>(
    dir: &'a dyn Directory,
    table: &TableFile,
) -> Result<(Box<dyn ReadAt + 'a>, String), DatabaseError> {
    let number = table.number;
    let newer = format!("{number:06}.ldb");
    let (name, file) = match dir.open(&newer) {
        Ok(file) => (newer, file),
        Err(error) => {
            let older = format!("{number:06}.sst");
            let names = dir.names()?;
            if !names.contains(&older) {
                return Err(if names.contains(&newer) {
                    error
                } else {
                    missing(&named(dir, &newer))
                });
            }
            let file = dir.open(&older)?;
            (older, file)
        }
    };
    let place = named(dir, &name);
    let length = file
        .length()
        .map_err(|error| DatabaseError::io(place.as_str(), &error))?;
    if length != table.size {
        let what = format!("{length} bytes, the manifest says {}", table.size);
        return Err(DatabaseError::damaged(place, what));
    }
    Ok((file, place))
}

/// The manifest that `CURRENT` names.
fn current(dir: &dyn Directory) -> Result<String, DatabaseError> {
    if !dir.names()?.iter().any(|name| name == "CURRENT") {
        return Err(DatabaseError::NotRecognised {
            place: dir.place(),
            looked_for: "a LevelDB has a file CURRENT".to_owned(),
        });
    }
    let bytes = dir.read("CURRENT", 100)?;
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(|text| text.strip_suffix('\n'))
        .filter(|name| name.strip_prefix("MANIFEST-").and_then(number).is_some())
        .map(str::to_owned)
        .ok_or_else(|| DatabaseError::damaged(named(dir, "CURRENT"), "it does not name a manifest"))
}

/// Digits only, as in the names of LevelDB's files.
fn number(digits: &str) -> Option<u64> {
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}

/// Opens a file that must be there.
fn present<'a>(dir: &'a dyn Directory, name: &str) -> Result<Box<dyn ReadAt + 'a>, DatabaseError> {
    if dir.names()?.iter().any(|held| held == name) {
        dir.open(name)
    } else {
        Err(missing(&named(dir, name)))
    }
}

fn missing(place: &str) -> DatabaseError {
    DatabaseError::damaged(place, "the file is missing")
}

fn bounded(file: &dyn ReadAt, place: &str) -> Result<u64, DatabaseError> {
    let length = file.length().map_err(|error| DatabaseError::io(place, &error))?;
    if length <= LARGEST_LOG {
        return Ok(length);
    }
    Err(DatabaseError::damaged(
        place,
        format!("{length} bytes, at most {LARGEST_LOG} are expected of a log"),
    ))
}
