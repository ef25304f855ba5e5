//! `pubkeys-bucket`: of each key the signing roots by target, the targets by source and the sources by target. Every
//! pair that either index holds is a message; what stands in one of the three only is read as well.
//! Must never take the root of a target for a source it may not belong to.

use super::super::bolt::{Bolt, Bucket, Cursor, Value};
use super::{ATTESTATIONS, EMPTY_LEAF, Inside, Place, ReadAt, Reading, Sink, key};
use crate::databases::DatabaseError;
use crate::protection::{PublicKey, Root, SignedAttestation};

const ROOTS: &[u8] = b"att-signing-roots-bucket";
const TARGETS_BY_SOURCE: &[u8] = b"att-source-epochs-bucket";
const SOURCES_BY_TARGET: &[u8] = b"att-target-epochs-bucket";

/// The most targets of one key that have a root, but no source in the second index: 48 years of attestations of a
/// database that was never migrated.
const MOST_PENDING: usize = 1 << 22;

/// The most sources that stand under one target: a bound for looking through them once for each of their pairs.
const MOST_SOURCES: usize = 4096;

/// The three buckets of one key.
struct Three {
    roots: Bucket,
    targets: Bucket,
    sources: Bucket,
}

/// The attestations of one key as they are read.
struct Votes<'b, 'a, R: ReadAt + ?Sized, S: Sink> {
    bolt: &'b Bolt<'a, R>,
    place: &'b Inside,
    three: Three,
    messages: S::Messages,
    count: u64,
    highest: Option<(u64, u64)>,
    /// Targets that have a root, ascending, and whether a source was found.
    pending: Vec<(u64, bool)>,
}

impl<R: ReadAt + ?Sized, S: Sink> Reading<'_, '_, R, S> {
    pub(super) fn attestations(&mut self) -> Result<(), DatabaseError> {
        let bucket = self.take(ATTESTATIONS);
        let mut keys = self.bolt.walk(&bucket)?;
        let mut orphans: u64 = 0;
        while let Some(entry) = keys.next()? {
            let key = key(self.place, entry.key)?;
            let place = Place(self.place, ATTESTATIONS).of(&key);
            let three = three(self.bolt, &place, &place.bucket(entry.value)?)?;
            let mut votes = Votes::<R, S>::new(self.bolt, &place, three);
            votes.by_target()?;
            votes.by_source()?;
            orphans += votes.orphans()?;
            let (messages, count, highest) = (votes.messages, votes.count, votes.highest);
            self.found.attestations += count;
            self.with_watermark(key, messages, highest);
        }
        if orphans > 0 {
            self.note(format!(
                "{orphans} attestation(s) have a signing root but no source epoch, as the migration of 2021 left them: \
                 read with the source of the next one"
            ));
        }
        Ok(())
    }

    fn with_watermark(&mut self, key: PublicKey, mut messages: S::Messages, highest: Option<(u64, u64)>) {
        if highest.is_some() {
            self.marks.indexed(&key);
        }
        if let Some(vote) = self.marks.attestations_above(&key, highest) {
            S::attestation(&mut messages, vote);
            self.found.attestations += 1;
        }
        self.sink.key(key, messages);
    }
}

/// The buckets of one key; one that is missing is empty.
fn three<R: ReadAt + ?Sized>(
    bolt: &Bolt<'_, R>,
    place: &Inside,
    bucket: &Bucket,
) -> Result<Three, DatabaseError> {
    let empty = || Bucket::Inline(EMPTY_LEAF.to_vec());
    let mut three = Three {
        roots: empty(),
        targets: empty(),
        sources: empty(),
    };
    let mut walk = bolt.walk(bucket)?;
    while let Some(entry) = walk.next()? {
        let below = place.bucket(entry.value)?;
        match entry.key {
            ROOTS => three.roots = below,
            TARGETS_BY_SOURCE => three.targets = below,
            SOURCES_BY_TARGET => three.sources = below,
            other => return Err(place.is(format!("an unknown bucket `{}`", other.escape_ascii()))),
        }
    }
    Ok(three)
}

impl<'b, 'a, R: ReadAt + ?Sized, S: Sink> Votes<'b, 'a, R, S> {
    fn new(bolt: &'b Bolt<'a, R>, place: &'b Inside, three: Three) -> Self {
        Votes {
            bolt,
            place,
            three,
            messages: S::Messages::default(),
            count: 0,
            highest: None,
            pending: Vec::new(),
        }
    }

    /// Goes over roots and sources in step, since both are sorted by target.
    fn by_target(&mut self) -> Result<(), DatabaseError> {
        let mut roots = self.bolt.walk(&self.three.roots)?;
        let mut sources = self.bolt.walk(&self.three.sources)?;
        let mut root = next_root(self.place, &mut roots)?;
        let mut list = next_sources(self.place, &mut sources)?;
        loop {
            let (of_root, of_list) = (root.map(|root| root.0), list.as_ref().map(|list| list.0));
            match (of_root, of_list) {
                (None, None) => return Ok(()),
                (Some(target), other) if other.is_none_or(|other| target < other) => {
                    if self.pending.len() >= MOST_PENDING {
                        return Err(self
                            .place
                            .is(format!("more than {MOST_PENDING} roots without a source")));
                    }
                    self.pending.push((target, false));
                    root = next_root(self.place, &mut roots)?;
                }
                (_, None) => return Ok(()),
                (_, Some(target)) => {
                    let same = root.filter(|root| root.0 == target);
                    for source in list.iter().flat_map(|list| &list.1) {
                        let alone = list.as_ref().is_some_and(|list| list.1.len() == 1);
                        self.vote(*source, target, same.and_then(|same| same.1).filter(|_| alone));
                    }
                    list = next_sources(self.place, &mut sources)?;
                    if same.is_some() {
                        root = next_root(self.place, &mut roots)?;
                    }
                }
            }
        }
    }

    /// Adds the pairs that only the other index has.
    fn by_source(&mut self) -> Result<(), DatabaseError> {
        let (bolt, place) = (self.bolt, self.place);
        let mut targets = bolt.walk(&self.three.targets)?;
        let mut sources = bolt.search(&self.three.sources)?;
        let mut roots = bolt.search(&self.three.roots)?;
        while let Some((source, list)) = next_list(place, &mut targets)? {
            for target in list {
                let bytes = target.to_be_bytes();
                let listed = sources.get(&bytes)?;
                if listed.is_some_and(|listed| listed.chunks(8).any(|other| other == source.to_be_bytes())) {
                    continue;
                }
                // The root of a target whose sources the first index knows is of one of those, and only the first
                // source that is found for a target can have its root.
                let root = match self.take_pending(target) {
                    true => roots
                        .get(&bytes)?
                        .map(|root| place.root(Value::Bytes(root)))
                        .transpose()?,
                    false => None,
                };
                self.vote(source, target, root.flatten());
            }
        }
        Ok(())
    }

    /// True when the target had a root but no source until now.
    fn take_pending(&mut self, target: u64) -> bool {
        let at = self.pending.binary_search_by_key(&target, |pending| pending.0);
        match at.ok().and_then(|at| self.pending.get_mut(at)) {
            Some(pending) => !std::mem::replace(&mut pending.1, true),
            None => false,
        }
    }

    /// Adds targets that have only a root. Histories without a surround have sources that rise with their targets, so
    /// the source of the next target is none too low; behind the last one it is the highest there can be.
    fn orphans(&mut self) -> Result<u64, DatabaseError> {
        let pending = std::mem::take(&mut self.pending);
        let mut sources = self.bolt.search(&self.three.sources)?;
        let mut count = 0;
        for (target, _) in pending.into_iter().filter(|(_, found)| !found) {
            sources.seek(&target.to_be_bytes())?;
            let next = next_list(self.place, &mut sources)?;
            let highest = target.saturating_sub(1);
            let source = next.and_then(|(_, list)| list.into_iter().min());
            self.vote(source.map_or(highest, |source| source.min(highest)), target, None);
            count += 1;
        }
        Ok(count)
    }

    fn vote(&mut self, source_epoch: u64, target_epoch: u64, signing_root: Option<Root>) {
        let (source, target) = self.highest.unwrap_or_default();
        self.highest = Some((source.max(source_epoch), target.max(target_epoch)));
        self.count += 1;
        S::attestation(
            &mut self.messages,
            SignedAttestation {
                source_epoch,
                target_epoch,
                signing_root,
            },
        );
    }
}

fn next_root<R: ReadAt + ?Sized>(
    place: &Inside,
    roots: &mut Cursor<'_, '_, R>,
) -> Result<Option<(u64, Option<Root>)>, DatabaseError> {
    let Some(entry) = roots.next()? else {
        return Ok(None);
    };
    Ok(Some((place.number(entry.key)?, place.root(entry.value)?)))
}

fn next_list<R: ReadAt + ?Sized>(
    place: &Inside,
    lists: &mut Cursor<'_, '_, R>,
) -> Result<Option<(u64, Vec<u64>)>, DatabaseError> {
    let Some(entry) = lists.next()? else {
        return Ok(None);
    };
    Ok(Some((
        place.number(entry.key)?,
        numbers(place, place.bytes(entry.value)?)?,
    )))
}

/// The sources of a target: one, or a few where slashable attestations were imported or the same ones often.
fn next_sources<R: ReadAt + ?Sized>(
    place: &Inside,
    lists: &mut Cursor<'_, '_, R>,
) -> Result<Option<(u64, Vec<u64>)>, DatabaseError> {
    let Some(entry) = lists.next()? else {
        return Ok(None);
    };
    let (target, bytes) = (place.number(entry.key)?, place.bytes(entry.value)?);
    if bytes.len() > MOST_SOURCES * 8 {
        return Err(place.is(format!(
            "target epoch {target} has {} source epochs",
            bytes.len() / 8
        )));
    }
    Ok(Some((target, numbers(place, bytes)?)))
}

/// A list of epochs, without repetition: an import of the same attestation twice leaves it there twice.
fn numbers(place: &Inside, bytes: &[u8]) -> Result<Vec<u64>, DatabaseError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(8) {
        return Err(place.is(format!("a list of epochs of {} bytes", bytes.len())));
    }
    let mut numbers = bytes
        .chunks(8)
        .map(|number| place.number(number))
        .collect::<Result<Vec<u64>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
