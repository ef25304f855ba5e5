//! `attestation-history-bucket-interchange`, how Prysm kept attestations until early 2021: of each key the newest target
//! and a ring of entries by target modulo 54000, little-endian. A migration copied them and left them in place.
//! Must never be passed over while it knows of a higher epoch than the newer buckets do.

use super::{Inside, Place, RING, ReadAt, Reading, Sink, key};
use crate::databases::DatabaseError;
use crate::protection::{LARGEST_NUMBER, Root, SignedAttestation};

/// Entries of a full ring: Prysm's weak subjectivity period, epochs.
const PERIOD: u64 = 54_000;
/// Bytes of an entry: source u64, signing root.
const ENTRY: usize = 40;
/// Stands for "nothing signed for this target".
const NOTHING: u64 = u64::MAX;

impl<R: ReadAt + ?Sized, S: Sink> Reading<'_, '_, R, S> {
    pub(super) fn ring(&mut self, migrated: bool) -> Result<(), DatabaseError> {
        let bucket = self.take(RING);
        let mut walk = self.bolt.walk(&bucket)?;
        let (mut read, mut passed) = (0u64, 0u64);
        while let Some(entry) = walk.next()? {
            let key = key(self.place, entry.key)?;
            let place = Place(self.place, RING).of(&key);
            let votes = votes(&place, place.bytes(entry.value)?)?;
            if votes.is_empty() {
                self.sink.key(key, S::Messages::default());
                continue;
            }
            let highest = highest(&votes);
            let held = self.marks.attested(&key);
            let covered = highest.map(|vote| vote.0) <= held.map(|vote| vote.0)
                && highest.map(|vote| vote.1) <= held.map(|vote| vote.1);
            let mut messages = S::Messages::default();
            if migrated && covered {
                passed += 1;
            } else {
                read += 1;
                let joined = match (held, highest) {
                    (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
                    (held, highest) => held.or(highest),
                };
                for vote in votes
                    .into_iter()
                    .chain(self.marks.attestations_above(&key, joined))
                {
                    S::attestation(&mut messages, vote);
                    self.found.attestations += 1;
                }
            }
            self.sink.key(key, messages);
        }
        if read > 0 {
            self.note(format!(
                "{read} key(s) have attestations in the bucket of before 2021, `{RING}`: read"
            ));
        }
        if passed > 0 {
            self.note(format!(
                "{passed} key(s) have migrated attestations left in the bucket of before 2021, `{RING}`: not read again"
            ));
        }
        Ok(())
    }
}

fn highest(votes: &[SignedAttestation]) -> Option<(u64, u64)> {
    let source = votes.iter().map(|vote| vote.source_epoch).max()?;
    let target = votes.iter().map(|vote| vote.target_epoch).max()?;
    Some((source, target))
}

/// The messages of one ring. The newest target is one of them even where its entry is not.
fn votes(place: &Inside, bytes: &[u8]) -> Result<Vec<SignedAttestation>, DatabaseError> {
    let (latest, entries) = bytes
        .split_first_chunk()
        .filter(|(_, entries)| {
            entries.len().is_multiple_of(ENTRY) && (entries.len() / ENTRY) as u64 <= PERIOD
        })
        .ok_or_else(|| place.is(format!("a ring of {} bytes", bytes.len())))?;
    let latest = u64::from_le_bytes(*latest);
    let checked = |number: u64| match number {
        0..=LARGEST_NUMBER => Ok(number),
        larger => Err(place.is(format!("{larger} is no epoch: the largest is {LARGEST_NUMBER}"))),
    };
    checked(latest)?;
    let mut votes = Vec::new();
    for (index, entry) in (0..PERIOD).zip(entries.chunks(ENTRY)) {
        // Zeros throughout are a gap that a later epoch left; as a message it would say nothing but that target.
        let Some((source, root)) = entry
            .split_first_chunk()
            .filter(|_| entry.iter().any(|byte| *byte != 0))
        else {
            continue;
        };
        let source = u64::from_le_bytes(*source);
        let Some(target_epoch) = target(latest, index).filter(|_| source != NOTHING) else {
            continue;
        };
        votes.push(SignedAttestation {
            source_epoch: checked(source)?,
            target_epoch,
            signing_root: root.try_into().ok().and_then(Root::known),
        });
    }
    if latest > 0 && votes.iter().all(|vote| vote.target_epoch < latest) {
        votes.push(SignedAttestation {
            source_epoch: highest(&votes).map_or(0, |vote| vote.0),
            target_epoch: latest,
            signing_root: None,
        });
    }
    Ok(votes)
}

/// The target that an entry of the ring stands for: the newest one that falls on it.
fn target(latest: u64, index: u64) -> Option<u64> {
    let behind = (latest % PERIOD + PERIOD - index) % PERIOD;
    latest.checked_sub(behind)
}
