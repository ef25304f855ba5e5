//! Databases as Lighthouse and Nimbus make them: by SQLite itself, with the tables that both publish.

use std::path::{Path, PathBuf};

use failover::databases::{DatabaseError, Found, lighthouse, nimbus};
use failover::protection::{History, Interchange, PublicKey, Record, Root, SignedAttestation, SignedBlock};
use rusqlite::{Connection, params};
use tempfile::TempDir;

pub const ROOT: [u8; 32] = [7; 32];

const MESSAGES: &str = "
    CREATE TABLE signed_blocks (
        validator_id INTEGER NOT NULL, slot INTEGER NOT NULL, signing_root BLOB NOT NULL,
        FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, slot));
    CREATE TABLE signed_attestations (
        validator_id INTEGER, source_epoch INTEGER NOT NULL, target_epoch INTEGER NOT NULL, signing_root BLOB NOT NULL,
        FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, target_epoch));";

const LIGHTHOUSE: &str = "
    CREATE TABLE validators (
        id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE, enabled BOOL NOT NULL DEFAULT TRUE);";

const NIMBUS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA user_version = 3;
    CREATE TABLE metadata (slashing_db_version INTEGER, genesis_validators_root BLOB NOT NULL);
    INSERT INTO metadata VALUES (2, x'abababababababababababababababababababababababababababababababab');
    CREATE TABLE validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE);";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    Lighthouse,
    Nimbus,
}

pub use Client::{Lighthouse, Nimbus};

/// A database in a directory of its own, and the client's own connection to it.
pub struct Made {
    pub directory: TempDir,
    pub path: PathBuf,
    pub client: Client,
    pub connection: Connection,
}

pub fn make(client: Client) -> Made {
    make_with(client, "")
}

/// `first`: what to run before anything else.
pub fn make_with(client: Client, first: &str) -> Made {
    let directory = tempfile::tempdir().unwrap();
    let name = match client {
        Lighthouse => "slashing_protection.sqlite",
        Nimbus => "slashing_protection.sqlite3",
    };
    let path = directory.path().join(name);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(first).unwrap();
    connection
        .execute_batch(if client == Lighthouse { LIGHTHOUSE } else { NIMBUS })
        .unwrap();
    connection.execute_batch(MESSAGES).unwrap();
    Made {
        directory,
        path,
        client,
        connection,
    }
}

pub fn key(number: u8) -> PublicKey {
    PublicKey::from_bytes(&[number; 48]).unwrap()
}

pub fn block(slot: u64, root: [u8; 32]) -> SignedBlock {
    SignedBlock {
        slot,
        signing_root: Root::known(root),
    }
}

pub fn vote(source_epoch: u64, target_epoch: u64, root: [u8; 32]) -> SignedAttestation {
    SignedAttestation {
        source_epoch,
        target_epoch,
        signing_root: Root::known(root),
    }
}

impl Made {
    /// Registers a key and returns its id.
    pub fn add_key(&self, key: &PublicKey) -> i64 {
        let insert = "INSERT INTO validators (public_key) VALUES (?1)";
        match self.client {
            Lighthouse => self.connection.execute(insert, [key.to_string()]),
            Nimbus => self.connection.execute(insert, [key.as_bytes()]),
        }
        .unwrap();
        self.connection.last_insert_rowid()
    }

    pub fn add_block(&self, id: i64, slot: u64, root: [u8; 32]) {
        self.connection
            .execute(
                "INSERT INTO signed_blocks VALUES (?1, ?2, ?3)",
                params![id, slot as i64, root],
            )
            .unwrap();
    }

    pub fn add_vote(&self, id: i64, source: u64, target: u64, root: [u8; 32]) {
        let insert = "INSERT INTO signed_attestations VALUES (?1, ?2, ?3, ?4)";
        self.connection
            .execute(insert, params![id, source as i64, target as i64, root])
            .unwrap();
    }

    pub fn add(&self, key: &PublicKey, record: &Record) {
        let id = self.add_key(key);
        for block in &record.blocks {
            let root = block.signing_root.map_or([0; 32], |root| *root.as_bytes());
            self.add_block(id, block.slot, root);
        }
        for vote in &record.attestations {
            let root = vote.signing_root.map_or([0; 32], |root| *root.as_bytes());
            self.add_vote(id, vote.source_epoch, vote.target_epoch, root);
        }
    }

    /// One key with a block and two votes.
    pub fn add_some(&self) -> i64 {
        let id = self.add_key(&key(1));
        self.add_block(id, 100, ROOT);
        self.add_vote(id, 2, 3, ROOT);
        self.add_vote(id, 3, 4, [0; 32]);
        id
    }

    pub fn run(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// Copies the named parts, as they are, to another directory: what lies there after a power cut or a kill.
    pub fn snapshot(&self, endings: &[&str]) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let name = self.path.file_name().unwrap().to_str().unwrap();
        for ending in endings {
            let from = self.path.with_file_name(format!("{name}{ending}"));
            std::fs::copy(&from, directory.path().join(format!("{name}{ending}"))).unwrap();
        }
        let path = directory.path().join(name);
        (directory, path)
    }
}

pub fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

pub fn read(client: Client, path: &Path) -> Result<(Found, Interchange), DatabaseError> {
    let mut sink = Interchange::default();
    let found = match client {
        Lighthouse => lighthouse::read(path, &mut sink),
        Nimbus => nimbus::read(path, &mut sink),
    }?;
    Ok((found, sink))
}

pub fn floors(client: Client, path: &Path) -> Result<History, DatabaseError> {
    let mut sink = History::default();
    match client {
        Lighthouse => lighthouse::read(path, &mut sink),
        Nimbus => nimbus::read(path, &mut sink),
    }?;
    Ok(sink)
}

/// Damage, and nothing else.
pub fn damage(client: Client, path: &Path) -> String {
    match read(client, path) {
        Err(error @ DatabaseError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("not damaged: {error}"),
        Ok((found, _)) => panic!("not damaged: {found:?}"),
    }
}
