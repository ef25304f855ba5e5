//! What each simulated host has signed since the beginning, and whether a host that begins to sign holds what the others
//! have signed (promise P2). Only looks; a start that lacks something goes on and is told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::demo::database::KeyRecord;
use crate::demo::host::SimHost;
use crate::demo::host::unit::Cause;
use crate::demo::referee::{Message, Signed};

/// Highest block slot, source epoch and target epoch of one key.
pub type Height = (Option<u64>, Option<u64>, Option<u64>);

/// A validator that began to run with less history than another host had signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Unix time of the look at it.
    pub at: Duration,
    /// The host that began.
    pub host: String,
    /// The host that had signed more.
    pub than: String,
    /// How the process came to run.
    pub cause: Cause,
    /// Which key, and what is lower.
    pub what: String,
}

/// Heights by host and key, without what was signed past the gate.
#[derive(Debug, Default)]
pub struct Heights {
    signed: BTreeMap<String, BTreeMap<String, Height>>,
    judged: BTreeMap<String, u32>,
    /// Every start that lacked something.
    pub lacking: Vec<Lacking>,
}

impl Heights {
    /// Takes a message up.
    pub(super) fn raise(&mut self, host: &SimHost, message: &Message) {
        if host
            .process
            .as_ref()
            .is_none_or(|process| process.cause.past_gate())
        {
            return;
        }
        let of_host = self.signed.entry(host.name.clone()).or_default();
        let height = of_host.entry(message.key.clone()).or_default();
        match &message.signed {
            Signed::Block { slot, .. } => height.0 = height.0.max(Some(*slot)),
            Signed::Attestation { source, target, .. } => {
                height.1 = height.1.max(Some(*source));
                height.2 = height.2.max(Some(*target));
            }
        }
    }

    /// What a host has signed since the beginning, by key.
    pub fn of(&self, host: &str) -> BTreeMap<String, Height> {
        self.signed.get(host).cloned().unwrap_or_default()
    }

    /// Looks once at every process that has begun.
    pub(super) fn judge_start(&mut self, host: &SimHost, now: Duration) {
        let Some(process) = &host.process else { return };
        if self.judged.get(&host.name) == Some(&process.pid) {
            return;
        }
        self.judged.insert(host.name.clone(), process.pid);
        let Ok(records) = host.database.records() else {
            return;
        };
        for (than, keys) in self.signed.iter().filter(|(name, _)| **name != host.name) {
            for (key, height) in keys {
                let held = records.get(key).map(height_of).unwrap_or_default();
                if held.0 < height.0 || held.1 < height.1 || held.2 < height.2 {
                    self.lacking.push(Lacking {
                        at: now,
                        host: host.name.clone(),
                        than: than.clone(),
                        cause: process.cause,
                        what: format!(
                            "{}: holds {held:?}, signed elsewhere {height:?}",
                            key.get(..10).unwrap_or(key)
                        ),
                    });
                }
            }
        }
    }
}

/// The heights that a database holds for a key.
pub fn height_of(record: &KeyRecord) -> Height {
    (
        record.blocks.keys().next_back().copied(),
        record.attestations.values().map(|(source, _)| *source).max(),
        record.attestations.keys().next_back().copied(),
    )
}
