//! Prysm's complete database and Qrysm's, `validator.db`: a bolt file with one bucket for each kind of message. Keys may
//! have any length. Every message of either index is read, watermarks are joined in, and every page of the file must
//! have been come to. Must never pass over a bucket that it does not know, and never wait for or take a writer's lock.

mod attestations;
mod ring;
mod watermarks;

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::bolt::{Bolt, Bucket, Value};
use super::{DatabaseError, Format, Found, OnDisk, ReadAt};
use crate::protection::{GenesisRoot, LARGEST_NUMBER, PublicKey, Root, SignedBlock, Sink};

use watermarks::Watermarks;

/// Buckets of this schema, and whether their data is of signed messages.
const PROPOSALS: &str = "proposal-history-bucket-interchange";
const ATTESTATIONS: &str = "pubkeys-bucket";
const RING: &str = "attestation-history-bucket-interchange";
const BLACKLIST: &str = "slashable-public-keys";
const GENESIS: &str = "genesis-info-bucket";
const MIGRATIONS: &str = "migrations";
/// Settings, passed over.
const SETTINGS: [&str; 3] = ["graffiti", "proposer-settings-bucket", "validator-api-bucket"];
/// What Prysm wrote in 2020, before there was an interchange, and never reads any more.
const OF_2020: [&str; 4] = [
    "proposal-history-bucket",
    "attestation-history-bucket",
    "highest-signed-source-bucket",
    "highest-signed-target-bucket",
];
/// In `migrations`: the ring was taken over into `pubkeys-bucket`.
const RING_MIGRATED: &[u8] = b"optimal_attester_protection_0";

/// More buckets than these are no validator's database.
const MOST_BUCKETS: usize = 64;
/// How many keys a note names.
const NAMED: usize = 16;

/// Reads `validator.db` from a private copy. `place` names it in messages.
///
/// # Errors
/// [`DatabaseError`]: the file is damaged anywhere, or holds a bucket that this schema does not have.
pub fn read<R: ReadAt + ?Sized, S: Sink>(
    file: &R,
    place: &str,
    sink: &mut S,
) -> Result<Found, DatabaseError> {
    let bolt = Bolt::open(file, place)?;
    let mut found = Found::new(Format::Prysm);
    let buckets = buckets(&bolt, place)?;
    if buckets.is_empty() && bolt.never_written() {
        found.notes.push(
            "a new file: nothing was ever written to it, not even the buckets of a validator".to_owned(),
        );
        bolt.finish()?;
        return Ok(found);
    }
    let known = |name: &str| buckets.contains_key(name);
    if !known(PROPOSALS) || !(known(ATTESTATIONS) || known(RING)) {
        return Err(unsupported(
            place,
            format!("a bolt file without `{PROPOSALS}` and `{ATTESTATIONS}`"),
        ));
    }
    let mut reading = Reading {
        bolt: &bolt,
        place,
        sink,
        found,
        marks: Watermarks::default(),
        buckets,
    };
    reading.all()?;
    bolt.finish()?;
    let mut found = reading.found;
    found.notes.sort();
    found.notes.dedup();
    Ok(found)
}

/// [`read`] of a file on this machine, under a shared lock (`flock`) as bolt's own readers take it.
///
/// # Errors
/// As [`read`]; [`DatabaseError::Locked`] when a validator has it open.
pub fn read_file<S: Sink>(path: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    let place = path.display().to_string();
    let file = OnDisk::file(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => read(&file, &place, sink),
        Err(Errno::WOULDBLOCK) => Err(DatabaseError::Locked { place }),
        Err(errno) => Err(DatabaseError::io(place, &errno)),
    }
}

/// One reading of one file.
struct Reading<'r, 'a, R: ReadAt + ?Sized, S: Sink> {
    bolt: &'r Bolt<'a, R>,
    place: &'r str,
    sink: &'r mut S,
    found: Found,
    marks: Watermarks,
    buckets: BTreeMap<String, Bucket>,
}

impl<R: ReadAt + ?Sized, S: Sink> Reading<'_, '_, R, S> {
    /// Every bucket once: watermarks first, since messages are held against them.
    fn all(&mut self) -> Result<(), DatabaseError> {
        self.genesis()?;
        let migrated = self.migrated()?;
        self.watermarks()?;
        self.attestations()?;
        self.proposals()?;
        self.ring(migrated)?;
        self.blacklist()?;
        self.left_over_watermarks();
        for name in SETTINGS {
            self.pass(name)?;
        }
        for name in OF_2020 {
            if self.pass(name)? > 0 {
                self.note(format!(
                    "`{name}` of 2020 is left over and not read: Prysm does not read it either"
                ));
            }
        }
        for (name, bucket) in std::mem::take(&mut self.buckets) {
            if self.bolt.pass(&bucket)? > 0 {
                let name = name.escape_default();
                return Err(unsupported(
                    self.place,
                    format!("holds data in a bucket `{name}` that is not known"),
                ));
            }
            self.note(format!("an unknown bucket `{}` is empty", name.escape_default()));
        }
        Ok(())
    }

    fn take(&mut self, name: &str) -> Bucket {
        self.buckets
            .remove(name)
            .unwrap_or(Bucket::Inline(EMPTY_LEAF.to_vec()))
    }

    fn note(&mut self, note: String) {
        self.found.notes.push(note);
    }

    fn pass(&mut self, name: &str) -> Result<u64, DatabaseError> {
        let bucket = self.take(name);
        self.bolt.pass(&bucket)
    }

    fn genesis(&mut self) -> Result<(), DatabaseError> {
        let place = Place(self.place, GENESIS);
        let bucket = self.take(GENESIS);
        let mut walk = self.bolt.walk(&bucket)?;
        while let Some(entry) = walk.next()? {
            if entry.key == b"genesis-val-root" {
                let root: [u8; 32] = place
                    .bytes(entry.value)?
                    .try_into()
                    .map_err(|_| place.is("a root is not 32 bytes long"))?;
                self.found.genesis_validators_root = Some(GenesisRoot(root));
            }
        }
        if self.found.genesis_validators_root.is_none() {
            self.found
                .notes
                .push("no genesis validators root is stored".to_owned());
        }
        Ok(())
    }

    fn migrated(&mut self) -> Result<bool, DatabaseError> {
        let bucket = self.take(MIGRATIONS);
        let mut walk = self.bolt.walk(&bucket)?;
        let mut migrated = false;
        while let Some(entry) = walk.next()? {
            migrated |= entry.key == RING_MIGRATED;
        }
        Ok(migrated)
    }

    /// Blocks: a bucket per key, slot to root.
    fn proposals(&mut self) -> Result<(), DatabaseError> {
        let bucket = self.take(PROPOSALS);
        let mut keys = self.bolt.walk(&bucket)?;
        while let Some(entry) = keys.next()? {
            let key = key(self.place, entry.key)?;
            let place = Place(self.place, PROPOSALS).of(&key);
            let mut messages = S::Messages::default();
            let mut highest = None;
            let mut slots = self.bolt.walk(&place.bucket(entry.value)?)?;
            while let Some(entry) = slots.next()? {
                let slot = place.number(entry.key)?;
                let signing_root = place.root(entry.value)?;
                highest = highest.max(Some(slot));
                S::block(&mut messages, SignedBlock { slot, signing_root });
                self.found.blocks += 1;
            }
            if let Some(slot) = self.marks.blocks_above(&key, highest) {
                S::block(
                    &mut messages,
                    SignedBlock {
                        slot,
                        signing_root: None,
                    },
                );
                self.found.blocks += 1;
            }
            self.sink.key(key, messages);
        }
        Ok(())
    }

    /// Keys that Prysm refuses to sign with.
    fn blacklist(&mut self) -> Result<(), DatabaseError> {
        let bucket = self.take(BLACKLIST);
        let mut walk = self.bolt.walk(&bucket)?;
        let mut keys = Vec::new();
        let mut more: u64 = 0;
        while let Some(entry) = walk.next()? {
            let key = key(self.place, entry.key)?;
            if keys.len() < NAMED {
                keys.push(key.short());
            } else {
                more += 1;
            }
            self.sink.key(key, S::Messages::default());
        }
        if !keys.is_empty() {
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let keys = keys.join(", ");
            self.found.notes.push(format!(
                "blacklisted by an earlier import (`{BLACKLIST}`), Prysm refuses to sign with: {keys}{more}"
            ));
        }
        Ok(())
    }
}

/// The buckets of the file by name.
fn buckets<R: ReadAt + ?Sized>(
    bolt: &Bolt<'_, R>,
    place: &str,
) -> Result<BTreeMap<String, Bucket>, DatabaseError> {
    let mut buckets = BTreeMap::new();
    let mut walk = bolt.walk(&bolt.root())?;
    while let Some(entry) = walk.next()? {
        let name = String::from_utf8_lossy(entry.key).into_owned();
        let Value::Bucket(bucket) = entry.value else {
            return Err(DatabaseError::damaged(
                place,
                "a value lies outside of all buckets",
            ));
        };
        let twice = buckets.insert(name, bucket).is_some();
        if twice || buckets.len() > MOST_BUCKETS {
            return Err(unsupported(
                place,
                "a bolt file with other buckets than a validator's".to_owned(),
            ));
        }
    }
    Ok(buckets)
}

/// The page image of a bucket without elements.
const EMPTY_LEAF: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];

fn unsupported(place: &str, what: String) -> DatabaseError {
    DatabaseError::Unsupported {
        place: place.to_owned(),
        what,
        remedy: "Only the schema of Prysm 1.0 to 7 and of Qrysm is read. Use the client's own export"
            .to_owned(),
    }
}

fn key(place: &str, bytes: &[u8]) -> Result<PublicKey, DatabaseError> {
    PublicKey::from_bytes(bytes).map_err(|error| DatabaseError::damaged(place, error.to_string()))
}

/// File and bucket, for messages; and the kinds of fields that all buckets have.
struct Place<'p>(&'p str, &'p str);

/// [`Place`] with the key whose bucket it is.
struct Inside(String);

impl<'p> Place<'p> {
    fn of(&self, key: &PublicKey) -> Inside {
        Inside(format!("{}: bucket `{}`, key {}", self.0, self.1, key.short()))
    }

    fn is(&self, what: impl Into<String>) -> DatabaseError {
        DatabaseError::damaged(format!("{}: bucket `{}`", self.0, self.1), what)
    }

    fn bytes<'v>(&self, value: Value<'v>) -> Result<&'v [u8], DatabaseError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Bucket(_) => Err(self.is("a bucket stands where a value should")),
        }
    }
}

impl Inside {
    fn is(&self, what: impl Into<String>) -> DatabaseError {
        DatabaseError::damaged(self.0.clone(), what)
    }

    fn bucket(&self, value: Value<'_>) -> Result<Bucket, DatabaseError> {
        match value {
            Value::Bucket(bucket) => Ok(bucket),
            Value::Bytes(_) => Err(self.is("a value stands where a bucket should")),
        }
    }

    fn bytes<'v>(&self, value: Value<'v>) -> Result<&'v [u8], DatabaseError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Bucket(_) => Err(self.is("a bucket stands where a value should")),
        }
    }

    /// A slot or an epoch: 8 bytes, big-endian.
    fn number(&self, bytes: &[u8]) -> Result<u64, DatabaseError> {
        let number = <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes);
        let number = number.map_err(|_| self.is(format!("a number of {} bytes, not 8", bytes.len())))?;
        if number > LARGEST_NUMBER {
            return Err(self.is(format!(
                "{number} is no slot or epoch: the largest is {LARGEST_NUMBER}"
            )));
        }
        Ok(number)
    }

    /// 32 bytes; none at all and 32 zero bytes mean unknown.
    fn root(&self, value: Value<'_>) -> Result<Option<Root>, DatabaseError> {
        let bytes = self.bytes(value)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let bytes = bytes
            .try_into()
            .map_err(|_| self.is(format!("a signing root of {} bytes, not 32", bytes.len())))?;
        Ok(Root::known(bytes))
    }
}
