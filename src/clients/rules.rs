//! What each client's import does with what it is given, as data: the rules R1 to R17 of `docs/clients.md`, whose table
//! is made from here. Pure. Must never say of a client what only its manual says: each value is read in its source.

/// What a client's import does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Largest slot or epoch that it holds exactly (R9).
    pub largest: u64,
    /// What becomes of a record without root that it holds already (R4).
    pub reimport: Reimport,
    /// What becomes of data that is lower than its own (R1).
    pub lower: Lower,
    /// What one record above an older history leaves open (R17).
    pub gap: Gap,
    /// Whether it signs the very same message again, when the root that it stored is equal.
    pub resigns: bool,
    /// What an import that breaks off leaves behind.
    pub atomic: Atomic,
    /// Whether records or keys can be lost behind exit status 0 (R6).
    pub loses_silently: bool,
    /// Whether a second process that opens its database is turned away (R11).
    pub locks: bool,
    /// Its doppelganger check after a fresh import (R12).
    pub wait: Wait,
    /// Whether an import makes the database where there is none. Where it does not, a hand-over to a host without one
    /// would fail when nobody signs.
    pub makes_database: bool,
    /// Bytes of a public key.
    pub key_bytes: usize,
}

/// What a second import of the same record without a root does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reimport {
    /// Nothing.
    Harmless,
    /// It counts as a double vote: the key may never sign again.
    BlacklistsKey,
    /// It counts as a double vote: nothing of the file is imported.
    AbortsImport,
    /// The whole key is rolled back where a record with a root has the same slot or target, with exit status 0.
    DropsKey,
}

/// What an import of lower data does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lower {
    /// The higher value stays.
    Ignored,
    /// What it refuses to sign becomes less.
    LowersFloor,
    /// The whole key is left out, with exit status 0, when only one of its three numbers is lower.
    RefusesKey,
}

/// What is not refused below one synthetic record, where older history lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Nothing: the record is the floor.
    None,
    /// Blocks between the oldest and the record.
    Blocks,
    /// Blocks, and attestations that neither surround nor are surrounded.
    BlocksAndAttestations,
}

/// What an import writes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomic {
    /// The whole file or nothing.
    File,
    /// Each key whole.
    Key,
    /// Single records.
    No,
}

/// The client's own doppelganger check after a fresh import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Done as always, where it is switched on.
    Kept,
    /// Left out: recent history looks like a restart.
    Skipped,
    /// It has none.
    None,
}

impl Rules {
    /// Whether the client holds this slot or epoch exactly (R9).
    pub fn holds(&self, number: u64) -> bool {
        number <= self.largest
    }

    /// Whether an import of what the database already covers has to be left out (R4): a harmless one may be repeated.
    pub fn skip_when_covered(&self) -> bool {
        match self.reimport {
            Reimport::Harmless => false,
            Reimport::BlacklistsKey | Reimport::AbortsImport | Reimport::DropsKey => true,
        }
    }

    /// Whether data that is lower than the client's own has to be merged with it before an import (R1). The program
    /// always merges; this says what would come of not doing so.
    pub fn needs_the_merge(&self) -> bool {
        match self.lower {
            Lower::Ignored => false,
            Lower::LowersFloor | Lower::RefusesKey => true,
        }
    }
}

impl Reimport {
    /// For the table of `docs/clients.md`.
    pub fn words(self) -> &'static str {
        match self {
            Reimport::Harmless => "harmless",
            Reimport::BlacklistsKey => "**key blacklisted for ever**",
            Reimport::AbortsImport => "**whole import aborted**",
            Reimport::DropsKey => "**key rolled back**, exit 0",
        }
    }
}

impl Lower {
    /// For the table of `docs/clients.md`.
    pub fn words(self) -> &'static str {
        match self {
            Lower::Ignored => "the higher stays",
            Lower::LowersFloor => "**floor falls**",
            Lower::RefusesKey => "key left out, exit 0",
        }
    }
}

impl Gap {
    /// For the table of `docs/clients.md`.
    pub fn words(self) -> &'static str {
        match self {
            Gap::None => "no",
            Gap::Blocks => "blocks",
            Gap::BlocksAndAttestations => "blocks, attestations",
        }
    }
}

impl Atomic {
    /// For the table of `docs/clients.md`.
    pub fn words(self) -> &'static str {
        match self {
            Atomic::File => "the file",
            Atomic::Key => "each key",
            Atomic::No => "no",
        }
    }
}

impl Wait {
    /// For the table of `docs/clients.md`.
    pub fn words(self) -> &'static str {
        match self {
            Wait::Kept => "no",
            Wait::Skipped => "**yes**",
            Wait::None => "has none",
        }
    }
}
