//! LevelDB, read only: the files of a copied database, from bytes (LevelDB, `doc/impl.md`, `doc/log_format.md`,
//! `doc/table_format.md`). Blocks of tables pass by; what the logs hold is kept in memory, which they bound: LevelDB
//! begins a new one at 4 MiB. Nothing is opened in place, so nothing is recovered, compacted or locked.
//!
//! Must never read less than LevelDB itself would without saying so: a file that is missing, short or changed is damage.
//! Only one loss leaves no trace: of two logs, which there are while a table is written, the newer is named nowhere.

mod block;
mod coding;
mod files;
mod log;
mod manifest;
mod merge;
mod table;
mod writes;

use std::collections::BTreeMap;

use self::files::{bounded, current, dropped, missing, named, present};
use self::log::End;
use self::manifest::Version;
use self::merge::{Level, Source, Take, newest_of_each};
use self::writes::Writes;
use super::{DatabaseError, Directory};

/// A whole LevelDB.
pub struct Database<'a> {
    dir: &'a dyn Directory,
    version: Version,
    writes: Writes,
    notes: Vec<String>,
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
            notes: dropped(dir)?,
        };
        if let End::Torn(at) = database.version.end {
            database.notes.push(format!(
                "{place}: its last record, at byte {at}, is cut off: a change of files that was not finished"
            ));
        }
        database.replay()?;
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
        // A log that a kill ended: only empty ones, of openings that were killed too, can be newer.
        let mut ended: Option<(String, &str)> = None;
        for name in logs.values() {
            let place = named(self.dir, name);
            let file = present(self.dir, name)?;
            let length = bounded(&*file, &place)?;
            if let Some((place, how)) = ended.as_ref().filter(|_| length > 0) {
                let what = format!("{how}, but a newer log goes on");
                return Err(DatabaseError::damaged(place, what));
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
                ended = Some((place, "its last record is cut off"));
            } else if length == 0 {
                ended = Some((place, "it is empty"));
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
            if let Some(number) = files::log_number(&name)
                && (number >= log_number || number == previous_log_number)
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
}
