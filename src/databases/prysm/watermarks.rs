//! The lowest and highest signed values that Prysm keeps beside the messages, and what was read of each key. A watermark
//! is joined in as a message without a root where the key's messages do not reach it, so that a floor can only rise.
//! Must never lower a floor, and never add a second message where one of the same number was read.

use std::collections::BTreeMap;

use super::{Place, ReadAt, Reading, Sink, key};
use crate::databases::DatabaseError;
use crate::protection::{PublicKey, SignedAttestation, SignedBlock};

const LOWEST_SLOT: &str = "lowest-signed-proposals-bucket";
const HIGHEST_SLOT: &str = "highest-signed-proposals-bucket";
const LOWEST_SOURCE: &str = "lowest-signed-source-bucket";
const LOWEST_TARGET: &str = "lowest-signed-target-bucket";

/// By key. Memory for the keys, not for the messages.
#[derive(Debug, Default)]
pub struct Watermarks(BTreeMap<PublicKey, Marks>);

/// What stands beside the messages of one key.
#[derive(Debug, Default)]
struct Marks {
    slot: Option<u64>,
    source: Option<u64>,
    target: Option<u64>,
    /// Highest source and target read; set once the key's attestations were gone through.
    attested: Option<Option<(u64, u64)>>,
    /// Some of them stand in the newer buckets.
    indexed: bool,
    proposed: bool,
}

impl Watermarks {
    /// The key's blocks were read up to a slot. Returns the watermark if it is higher.
    pub fn blocks_above(&mut self, key: &PublicKey, highest: Option<u64>) -> Option<u64> {
        let marks = self.0.entry(key.clone()).or_default();
        marks.proposed = true;
        marks.slot.filter(|slot| Some(*slot) > highest)
    }

    /// The key's attestations were read, highest source and target each on its own. Returns what a watermark adds.
    pub fn attestations_above(
        &mut self,
        key: &PublicKey,
        highest: Option<(u64, u64)>,
    ) -> Option<SignedAttestation> {
        let marks = self.0.entry(key.clone()).or_default();
        let added = marks.above(highest);
        let joined = added.map(|vote| (vote.source_epoch, vote.target_epoch));
        marks.attested = Some(match (highest, joined) {
            (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
            (highest, joined) => highest.or(joined),
        });
        added
    }

    /// The key has attestations in the newer buckets, which have watermarks beside them.
    pub fn indexed(&mut self, key: &PublicKey) {
        self.0.entry(key.clone()).or_default().indexed = true;
    }

    /// Highest source and target read of a key so far.
    pub fn attested(&self, key: &PublicKey) -> Option<(u64, u64)> {
        self.0.get(key)?.attested?
    }
}

impl Marks {
    fn above(&self, highest: Option<(u64, u64)>) -> Option<SignedAttestation> {
        if self.source <= highest.map(|vote| vote.0) && self.target <= highest.map(|vote| vote.1) {
            return None;
        }
        // One of the two may be missing: then it is taken as high as it can have been.
        let target = self.target.or(self.source)?;
        let source_epoch = self.source.unwrap_or(target.saturating_sub(1));
        Some(SignedAttestation {
            source_epoch,
            target_epoch: target.max(source_epoch),
            signing_root: None,
        })
    }
}

impl<R: ReadAt + ?Sized, S: Sink> Reading<'_, '_, R, S> {
    /// Reads the four buckets. The lowest slot counts like the highest one: both are slots that were signed.
    pub(super) fn watermarks(&mut self) -> Result<(), DatabaseError> {
        self.watermark(LOWEST_SLOT, |marks| &mut marks.slot)?;
        self.watermark(HIGHEST_SLOT, |marks| &mut marks.slot)?;
        self.watermark(LOWEST_SOURCE, |marks| &mut marks.source)?;
        self.watermark(LOWEST_TARGET, |marks| &mut marks.target)
    }

    fn watermark(
        &mut self,
        name: &str,
        field: fn(&mut Marks) -> &mut Option<u64>,
    ) -> Result<(), DatabaseError> {
        let bucket = self.take(name);
        let mut walk = self.bolt.walk(&bucket)?;
        while let Some(entry) = walk.next()? {
            let key = key(self.place, entry.key)?;
            let place = Place(self.place, name).of(&key);
            let number = place.number(place.bytes(entry.value)?)?;
            let mark = field(self.marks.0.entry(key).or_default());
            *mark = (*mark).max(Some(number));
        }
        Ok(())
    }

    /// Keys with watermarks but without messages of that kind: the watermarks are all there is.
    pub(super) fn left_over_watermarks(&mut self) {
        let mut alone: Vec<String> = Vec::new();
        for (key, marks) in std::mem::take(&mut self.marks).0 {
            let mut messages = S::Messages::default();
            let vote = if marks.attested.is_none() {
                marks.above(None)
            } else {
                None
            };
            if let Some(vote) = vote {
                S::attestation(&mut messages, vote);
                self.found.attestations += 1;
            }
            let slot = marks.slot.filter(|_| !marks.proposed);
            if let Some(slot) = slot {
                S::block(
                    &mut messages,
                    SignedBlock {
                        slot,
                        signing_root: None,
                    },
                );
                self.found.blocks += 1;
            }
            let unmarked = marks.indexed && (marks.source.is_none() || marks.target.is_none());
            if vote.is_some() || slot.is_some() || unmarked {
                alone.push(key.short());
            }
            self.sink.key(key, messages);
        }
        if let Some(first) = alone.first() {
            let count = alone.len();
            self.note(format!(
                "{count} key(s) with messages but no watermarks, or the reverse, the first of them {first}: both were \
                 read, but Prysm writes them together"
            ));
        }
    }
}
