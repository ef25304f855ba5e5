//! Lodestar's protection database: LevelDB, whose keys begin with a bucket (`docs/clients.md`; Lodestar,
//! `packages/validator/src/slashingProtection` and `buckets.ts`). Numbers in keys are big-endian, in values little-endian.
//!
//! Must never take an entry that contradicts itself for a message, and never a database of another kind for an empty one.

use std::collections::BTreeMap;
use std::path::Path;

use super::leveldb::Database;
use super::{DatabaseError, Directory, Format, Found, OnDisk};
use crate::protection::{GenesisRoot, LARGEST_NUMBER, PublicKey, Root, SignedAttestation, SignedBlock, Sink};

/// Public key and slot: slot, root.
const BLOCKS: u8 = 20;
/// Public key and target: source, target, root.
const ATTESTATIONS: u8 = 21;
/// Public key: lowest source and lowest target that may still be signed above.
const LOWER_BOUNDS: u8 = 22;
/// Public key and epoch: distance to the nearest target. Derived from the attestations, so not needed.
const MIN_SPANS: u8 = 23;
const MAX_SPANS: u8 = 24;
/// A name: a value.
const METADATA: u8 = 41;
const GENESIS_ROOT: &[u8] = b"GENESIS_VALIDATORS_ROOT";

/// Reads a database below a directory of this machine, unless a living process has it open.
///
/// # Errors
/// As [`read`]; `Locked` when a process of this machine holds LevelDB's lock before or after the reading. The lock is
/// asked for, never taken.
pub fn read_dir<S: Sink>(path: &Path, sink: &mut S) -> Result<Found, DatabaseError> {
    unlocked(path)?;
    let found = read(&OnDisk(path.to_owned()), sink)?;
    unlocked(path)?;
    Ok(found)
}

/// Reads a database from the files of its directory: every message into `sink`. The lower bound of a key counts as an
/// attestation without root, unless that attestation is there: it refuses a source below and a target not above it, as
/// such an attestation does (EIP-3076, conditions 4 and 5).
///
/// # Errors
/// [`DatabaseError`]: damage, another program's database, numbers above 2^53 - 1.
pub fn read<S: Sink>(dir: &dyn Directory, sink: &mut S) -> Result<Found, DatabaseError> {
    let database = Database::open(dir)?;
    let place = dir.place();
    let mut reading = Reading {
        place: &place,
        sink,
        found: Found::new(Format::Lodestar),
        current: None,
        bounds: lower_bounds(&database, &place)?,
        strangers: BTreeMap::new(),
        entries: 0,
    };
    let newest = database.scan(&[], &mut |key, value| reading.entry(key, value).map(|()| true))?;
    // Lodestar deletes nothing, so its newest write is always there.
    if newest < database.last_sequence() {
        let known = database.last_sequence();
        return Err(DatabaseError::damaged(
            place,
            format!("write {known}, which its manifest knows of, is neither in a table nor in a log"),
        ));
    }
    let mut found = reading.finish()?;
    found.notes.extend_from_slice(database.notes());
    found.notes.sort();
    Ok(found)
}

struct Reading<'s, S: Sink> {
    place: &'s str,
    sink: &'s mut S,
    found: Found,
    current: Option<(Vec<u8>, S::Messages)>,
    bounds: Bounds,
    strangers: BTreeMap<u8, u64>,
    entries: u64,
}

/// Where an entry stands. Asked for only when the entry is refused.
type Place<'p> = &'p dyn Fn() -> String;

/// Source and target of the lower bound, by public key.
type Bounds = BTreeMap<Vec<u8>, (u64, u64)>;

/// All lower bounds, in a reading of their own: which of them are attestations can then be told while these pass by.
fn lower_bounds(database: &Database, place: &str) -> Result<Bounds, DatabaseError> {
    let mut bounds = Bounds::new();
    database.scan(&[LOWER_BOUNDS], &mut |key, value| {
        let Some((&LOWER_BOUNDS, pubkey)) = key.split_first() else {
            return Ok(false);
        };
        let place = || row(place, "lower bound", pubkey);
        let value: &[u8; 16] = exactly(value, &place)?;
        let (source, target) = value.split_at(8);
        if pubkey.is_empty() {
            return Err(DatabaseError::damaged(place(), "no public key"));
        }
        bounds.insert(
            pubkey.to_vec(),
            (number(source, &place)?, number(target, &place)?),
        );
        Ok(true)
    })?;
    Ok(bounds)
}

impl<S: Sink> Reading<'_, S> {
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), DatabaseError> {
        let (bucket, rest) = match key.split_first() {
            Some((bucket, rest)) => (*bucket, rest),
            None => (0, key),
        };
        self.entries += 1;
        match bucket {
            BLOCKS => self.block(rest, value),
            ATTESTATIONS => self.attestation(rest, value),
            LOWER_BOUNDS | MIN_SPANS | MAX_SPANS => Ok(()),
            METADATA if rest == GENESIS_ROOT => {
                let place = || format!("{}: genesis validators root", self.place);
                let root: &[u8; 32] = exactly(value, &place)?;
                self.found.genesis_validators_root = Some(GenesisRoot(*root));
                Ok(())
            }
            METADATA => Ok(()),
            stranger => {
                *self.strangers.entry(stranger).or_default() += 1;
                Ok(())
            }
        }
    }

    fn block(&mut self, key: &[u8], value: &[u8]) -> Result<(), DatabaseError> {
        let place = || row(self.place, "block", key);
        let (pubkey, slot_of_key) = numbered(key, &place)?;
        let value: &[u8; 40] = exactly(value, &place)?;
        let (slot, root) = value.split_at(8);
        let slot = number(slot, &place)?;
        if slot != slot_of_key {
            let what = format!("slot {slot} below the key of slot {slot_of_key}");
            return Err(DatabaseError::damaged(place(), what));
        }
        let signing_root = root.try_into().ok().and_then(Root::known);
        S::block(self.messages(pubkey)?, SignedBlock { slot, signing_root });
        self.found.blocks += 1;
        Ok(())
    }

    fn attestation(&mut self, key: &[u8], value: &[u8]) -> Result<(), DatabaseError> {
        let place = || row(self.place, "attestation", key);
        let (pubkey, target_of_key) = numbered(key, &place)?;
        let value: &[u8; 48] = exactly(value, &place)?;
        let (source, rest) = value.split_at(8);
        let (target, root) = rest.split_at(8);
        let (source_epoch, target_epoch) = (number(source, &place)?, number(target, &place)?);
        if target_epoch != target_of_key {
            let what = format!("target {target_epoch} below the key of target {target_of_key}");
            return Err(DatabaseError::damaged(place(), what));
        }
        if self.bounds.get(pubkey) == Some(&(source_epoch, target_epoch)) {
            self.bounds.remove(pubkey);
        }
        let vote = SignedAttestation {
            source_epoch,
            target_epoch,
            signing_root: root.try_into().ok().and_then(Root::known),
        };
        S::attestation(self.messages(pubkey)?, vote);
        self.found.attestations += 1;
        Ok(())
    }

    /// What is gathered of a key. Keys come sorted, so the one before is complete when another begins.
    fn messages(&mut self, pubkey: &[u8]) -> Result<&mut S::Messages, DatabaseError> {
        if self.current.as_ref().is_none_or(|(key, _)| key != pubkey) {
            self.hand_over()?;
        }
        let (_, messages) = self
            .current
            .get_or_insert_with(|| (pubkey.to_vec(), S::Messages::default()));
        Ok(messages)
    }

    fn hand_over(&mut self) -> Result<(), DatabaseError> {
        if let Some((pubkey, messages)) = self.current.take() {
            self.sink.key(public_key(&pubkey, self.place)?, messages);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Found, DatabaseError> {
        self.hand_over()?;
        for (pubkey, (source_epoch, target_epoch)) in std::mem::take(&mut self.bounds) {
            let vote = SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root: None,
            };
            S::attestation(self.messages(&pubkey)?, vote);
            self.found.attestations += 1;
            self.hand_over()?;
        }
        let strange: u64 = self.strangers.values().sum();
        if strange > 0 && strange == self.entries {
            return Err(DatabaseError::NotRecognised {
                place: self.place.to_owned(),
                looked_for: "this LevelDB holds none of the buckets 20 to 24 and 41 of a Lodestar validator"
                    .to_owned(),
            });
        }
        for (bucket, count) in &self.strangers {
            self.found.notes.push(format!(
                "bucket {bucket} was not read: {count} entries of a kind that is not known to be protection data"
            ));
        }
        if self.entries == 0 {
            self.found
                .notes
                .push("the database holds no entry at all: it was never signed with".to_owned());
        }
        Ok(self.found)
    }
}

/// Asks whether a process holds the lock of a LevelDB: `fcntl` on the file `LOCK`. A query, which takes nothing.
fn unlocked(dir: &Path) -> Result<(), DatabaseError> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let path = dir.join("LOCK");
    let file = match OnDisk::file(&path) {
        Ok(file) => file,
        // A copy need not have one.
        Err(_) if !path.exists() => return Ok(()),
        Err(error) => return Err(error),
    };
    let place = path.display().to_string();
    match fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(DatabaseError::Locked { place }),
        Err(error) => Err(DatabaseError::io(place, &error)),
    }
}

/// A public key and the number behind it.
fn numbered<'k>(key: &'k [u8], place: Place) -> Result<(&'k [u8], u64), DatabaseError> {
    let cut = key
        .split_last_chunk::<8>()
        .filter(|(pubkey, _)| !pubkey.is_empty());
    cut.map(|(pubkey, number)| (pubkey, u64::from_be_bytes(*number)))
        .ok_or_else(|| DatabaseError::damaged(place(), "the key is too short for a public key and a number"))
}

fn exactly<'v, const LENGTH: usize>(
    value: &'v [u8],
    place: Place,
) -> Result<&'v [u8; LENGTH], DatabaseError> {
    value.try_into().map_err(|_| {
        DatabaseError::damaged(
            place(),
            format!("a value of {} bytes instead of {LENGTH}", value.len()),
        )
    })
}

fn number(bytes: &[u8], place: Place) -> Result<u64, DatabaseError> {
    let bytes: &[u8; 8] = exactly(bytes, place)?;
    let number = u64::from_le_bytes(*bytes);
    if number > LARGEST_NUMBER {
        let what = format!("the number {number} is above 2^53 - 1, the largest that Lodestar can hold");
        return Err(DatabaseError::damaged(place(), what));
    }
    Ok(number)
}

fn public_key(bytes: &[u8], place: &str) -> Result<PublicKey, DatabaseError> {
    PublicKey::from_bytes(bytes).map_err(|error| DatabaseError::damaged(place, error.to_string()))
}

/// For messages: kind of the entry and the public key with which its key begins.
fn row(place: &str, kind: &str, key: &[u8]) -> String {
    let pubkey = key.get(..key.len().saturating_sub(8)).unwrap_or_default();
    let shown = PublicKey::from_bytes(if kind == "lower bound" { key } else { pubkey });
    match shown {
        Ok(pubkey) => format!("{place}: {kind} of {}", pubkey.short()),
        Err(_) => format!("{place}: {kind}"),
    }
}
