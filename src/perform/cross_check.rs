//! The second opinion on the primary's history: what was read of its database is compared with its client's own export,
//! made from a copy after the backup was started, off the way to its first attestation. Must never open the fenced
//! database itself, and never take an export that could not be had for one that agrees.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::World;
use super::collect::{standing, stood};
use super::fence::install;
use super::take::{Untaken, take};
use crate::guards::Role;
use crate::observe::{Answer, ExportCalls, WORK, export_calls, history, read_export};
use crate::protection::{FloorMap, Floors, GenesisRoot, PublicKey};
use crate::protocol::Event;

/// Longest that the export may take on the host, seconds: the primary is not read while it lasts.
const LIMIT_S: u64 = 60;
/// What the line may add to that, seconds.
const LINE_S: u64 = 15;
/// The largest pack, bytes, whose database is copied for it: a copy of a larger one takes too long and too much disk.
const LARGEST_PACK: u64 = 256 << 20;

/// What is to be compared, prepared before the watch.
pub(super) struct CrossCheck {
    calls: Result<ExportCalls, String>,
    limit_s: u64,
    /// What the backup was given.
    given: Result<FloorMap, String>,
    /// What was read of the primary's database; none after a resume that does not find it.
    read: Option<FloorMap>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// The same floors for so many keys.
    Agrees(usize),
    /// Not the same, but nothing that the backup was not given.
    Differs(String),
    /// Higher than what the backup was given.
    Higher(String),
    /// There is no export, and why.
    NotMade(String),
}

impl CrossCheck {
    /// None when the primary's history is its client's export.
    pub(super) fn new(world: &World) -> Option<CrossCheck> {
        if !world.memory.primary_direct {
            return None;
        }
        let limit_s = world.plan.timeouts.client_s.min(LIMIT_S);
        let calls = install(&world.hosts.primary)
            .map_err(|happened| happened.why)
            .and_then(|install| export_calls(&install, &world.run.id, true, limit_s));
        let memory = &world.memory;
        Some(CrossCheck {
            calls,
            limit_s,
            given: super::start::merged_floors(world).map_err(|happened| happened.why),
            read: memory
                .primary_floors
                .clone()
                .or_else(|| kept(world, memory.primary_floors_sha256.as_deref()?)),
        })
    }

    /// The work directory that every process of the export names.
    pub(super) fn work(&self) -> String {
        let id = self.calls.as_ref().map_or("-", ExportCalls::id);
        format!("{WORK}/{id}/")
    }

    /// Asks, and compares.
    pub(super) async fn made(self, world: &World) -> Checked {
        let limit = Duration::from_secs(self.limit_s + LINE_S);
        let why = match timeout(limit, self.asked(world)).await {
            Ok(Ok(checked)) => return checked,
            Ok(Err(why)) => why,
            Err(_) => format!("it was not there in {} s", limit.as_secs()),
        };
        Checked::NotMade(format!("{}: {why}", world.hosts.primary.name()))
    }

    async fn asked(&self, world: &World) -> Result<Checked, String> {
        let host = &world.hosts.primary;
        let calls = self.calls.as_ref().map_err(Clone::clone)?;
        let given = self.given.as_ref().map_err(Clone::clone)?;
        let packed = world
            .dir
            .path_of("primary.tar.gz")
            .map_err(|error| error.to_string())?;
        let bytes = std::fs::metadata(packed)
            .map_err(|error| error.to_string())?
            .len();
        if bytes > LARGEST_PACK {
            return Err(format!(
                "its database is too large to be copied while the watch lasts ({} MB packed)",
                bytes >> 20
            ));
        }
        let mut batch = standing(world, host.installed()?).map_err(|happened| happened.why)?;
        let first = batch.len();
        batch.extend(calls.calls.clone());
        let asked = world.hosts.ask_beside(Role::Primary, &batch, self.limit_s).await;
        let reply = asked.map_err(|error| error.to_string())?;
        // What it means that the primary does not stand is for the next reading to say.
        stood(host, &reply, Event::LineLost, Event::LineLost).map_err(|happened| happened.why)?;
        let outputs = reply.outputs.get(first..).unwrap_or_default();
        let exported = read_export(calls, outputs)?;
        let taken = take(world, Role::Primary, "primary", Answer::Export(exported)).await;
        let document = match taken {
            Ok(taken) => taken.document.ok_or("there is no database")?,
            Err(Untaken::Unable(why) | Untaken::Failed(why)) => return Err(why),
            Err(Untaken::Lost(happened)) => return Err(happened.why),
        };
        let chain = world
            .memory
            .found
            .as_ref()
            .map(|found| found.genesis_validators_root.as_str());
        if let (Some(exported), Some(chain)) = (document.genesis_validators_root, chain)
            && GenesisRoot::parse(chain) != Ok(exported)
        {
            let why = format!("the export is of chain {exported}, the hand-over of {chain}");
            return Ok(Checked::Differs(why));
        }
        Ok(compared(&history(&document).floors, given, self.read.as_ref()))
    }
}

/// The floors that an earlier process of this run read.
fn kept(world: &World, sha256: &str) -> Option<FloorMap> {
    let bytes = world.dir.read("primary-floors.json", sha256).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn compared(export: &FloorMap, given: &FloorMap, read: Option<&FloorMap>) -> Checked {
    let covered = |(key, floors): &(&PublicKey, &Floors)| given.get(*key).is_some_and(|it| it.covers(floors));
    let higher: Vec<_> = export.iter().filter(|entry| !covered(entry)).collect();
    if let Some((key, floors)) = higher.first() {
        return Checked::Higher(format!(
            "the primary's client exports higher floors than the backup was given for {} keys: {} {}, given {}",
            higher.len(),
            key.short(),
            shown(floors),
            given.get(*key).map_or_else(|| "nothing".to_owned(), shown)
        ));
    }
    let read = read.unwrap_or(export);
    let differs = |key: &&PublicKey| export.get(*key) != read.get(*key);
    let keys: Vec<&PublicKey> = export
        .keys()
        .chain(read.keys().filter(|key| !export.contains_key(*key)))
        .collect();
    let different: Vec<&PublicKey> = keys.iter().copied().filter(differs).collect();
    let Some(key) = different.first() else {
        return Checked::Agrees(keys.len());
    };
    let of = |floors: &FloorMap| floors.get(*key).map_or_else(|| "nothing".to_owned(), shown);
    Checked::Differs(format!(
        "{} of {} keys: {} has {} in the database and {} in the client's export",
        different.len(),
        keys.len(),
        key.short(),
        of(read),
        of(export)
    ))
}

fn shown(floors: &Floors) -> String {
    let number = |it: Option<u64>| it.map_or_else(|| "none".to_owned(), |it| it.to_string());
    format!(
        "(slot {}, {} -> {})",
        number(floors.block_slot),
        number(floors.source_epoch),
        number(floors.target_epoch)
    )
}

impl Checked {
    /// Why the backup must not sign, if it must not.
    pub(super) fn incomplete(&self) -> Option<String> {
        match self {
            Checked::Higher(why) => Some(why.clone()),
            Checked::Agrees(_) | Checked::Differs(_) | Checked::NotMade(_) => None,
        }
    }

    /// For the journal and the report.
    pub(super) fn facts(&self) -> Value {
        let (outcome, why) = match self {
            Checked::Agrees(keys) => ("agrees", format!("the same floors for {keys} keys")),
            Checked::Differs(why) => ("differs", why.clone()),
            Checked::Higher(why) => ("higher", why.clone()),
            Checked::NotMade(why) => ("not_made", why.clone()),
        };
        json!({ "outcome": outcome, "why": why })
    }
}
