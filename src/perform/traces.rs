//! What the backup's database has to look like: as this run left it. A validator that somebody ran there past the gate and
//! that is gone again shows in nothing else, and what it signed is not on the primary. Must never take a database that
//! could not be looked at for one that nobody has written to.

use super::collect::{standing, stood};
use super::fence::install;
use super::history::read_back_question;
use super::start::{kept_floors, merged_floors};
use super::take::{Untaken, take};
use super::{Happened, World};
use crate::guards::Role;
use crate::observe::{Patience, fingerprint_call, history, read_fingerprint};
use crate::protection::{FloorMap, Floors, PublicKey};
use crate::protocol::Event;
use crate::transport::Output;

/// The highest that this run can have put into the backup's database.
struct Bounds {
    /// What was merged: nothing that lay there before is above it.
    merged: FloorMap,
    /// What was given to its client, which may lie above the merged floor (see `repetition`).
    given: FloorMap,
}

/// The fingerprint that a call printed.
pub(super) fn print_of(output: Option<&Output>) -> Result<String, String> {
    output.map_or(Err("no answer".to_owned()), read_fingerprint)
}

/// Whether the database is as this run left it, where that is known.
///
/// # Errors
/// `BackupHasRun`.
pub(super) fn as_left(world: &World, now: &str) -> Result<(), Happened> {
    match &world.memory.backup_fingerprint {
        Some(left) if left != now => Err(has_run(
            world,
            "something has written to its database since this run last looked at it",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Whether a database that is collected again holds nothing above what this run can have put there.
///
/// # Errors
/// `BackupHasRun`; `LineLost` where that can be told neither by this nor by the fingerprint.
pub(super) fn not_above(world: &World, found: &FloorMap) -> Result<(), Happened> {
    match bounds(world) {
        Ok(Some(bounds)) => bounds.hold(world, found),
        // A merge that was cut off has written its file anew; the fingerprint is known then, and has been compared.
        Err(_) if world.memory.backup_fingerprint.is_some() => Ok(()),
        Ok(None) => Ok(()),
        Err(why) => Err(why),
    }
}

/// For the undo. Where it is not known what an import has left, the database is read: what lies above all that this run
/// can have put there was signed there. From then on its fingerprint is known again.
///
/// # Errors
/// `BackupHasRun`, `ClaimLost`; `LineLost` where the database cannot be read.
pub(super) async fn known_again(world: &mut World) -> Result<(), Happened> {
    if world.memory.backup_fingerprint.is_some() {
        return Ok(());
    }
    let Some(bounds) = bounds(world)? else {
        return Ok(());
    };
    let (found, print) = read(world).await?;
    bounds.hold(world, &found)?;
    world.memory.backup_fingerprint = Some(print);
    Ok(())
}

/// The backup's floors, and its fingerprint from before they were read. Reading changes nothing: see
/// [`read_back_question`].
async fn read(world: &World) -> Result<(FloorMap, String), Happened> {
    let backup = install(&world.hosts.backup)?;
    let host = &world.hosts.backup;
    let unread = |why: String| {
        let name = host.name();
        let why =
            format!("{name}: what the import left cannot be read: {why}; its old database is in the archive");
        Happened::new(Event::LineLost, why)
    };
    let question = read_back_question(world, &backup, true).map_err(unread)?;
    let mut batch = standing(world, &backup)?;
    let at = batch.len();
    batch.push(fingerprint_call(&backup));
    batch.extend(question.calls().to_vec());
    let limit_s = world.plan.timeouts.client_s;
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, limit_s, Patience::Once)
        .await?;
    stood(host, &reply, Event::BackupHasRun, Event::LineLost)?;
    let print = print_of(reply.outputs.get(at)).map_err(unread)?;
    let answer = question.read(reply.outputs.get(at + 1..).unwrap_or_default());
    let answer = answer.map_err(|why| unread(why.text()))?;
    let taken = take(world, Role::Backup, "read-back", answer).await;
    let taken = taken.map_err(|untaken| match untaken {
        Untaken::Unable(why) | Untaken::Failed(why) => unread(why),
        Untaken::Lost(happened) => happened,
    })?;
    // No database, no history: what was to be given never came.
    let found = taken.document.map(|document| history(&document).floors);
    Ok((found.unwrap_or_default(), print))
}

/// None: nothing was merged by this run yet.
fn bounds(world: &World) -> Result<Option<Bounds>, Happened> {
    let memory = &world.memory;
    if memory.merged.is_none() && memory.floors_sha256.is_none() {
        return Ok(None);
    }
    let lost = |happened: Happened| Happened {
        event: Event::LineLost,
        ..happened
    };
    let merged = merged_floors(world).map_err(lost)?;
    let given = match &memory.given {
        Some(given) => Ok(given.floors().clone()),
        None => kept_floors(world, "given-floors.json", memory.given_sha256.as_deref()),
    };
    let given = given.map_err(|why| Happened::new(Event::LineLost, format!("the floors given: {why}")))?;
    Ok(Some(Bounds { merged, given }))
}

impl Bounds {
    fn hold(&self, world: &World, found: &FloorMap) -> Result<(), Happened> {
        match found.iter().find(|(key, floors)| self.is_above(key, floors)) {
            None => Ok(()),
            Some((key, floors)) => Err(has_run(
                world,
                &format!(
                    "its database holds more than this run can have put there: {} {floors}",
                    key.short()
                ),
            )),
        }
    }

    /// Component by component, since an import may have been cut off between two of them.
    fn is_above(&self, key: &PublicKey, found: &Floors) -> bool {
        let merged = self.merged.get(key).copied().unwrap_or_default();
        let given = self.given.get(key).copied().unwrap_or_default();
        let above = |found: Option<u64>, merged: Option<u64>, given: Option<u64>| {
            found > merged && found != given && found != Some(0)
        };
        above(found.block_slot, merged.block_slot, given.block_slot)
            || above(found.source_epoch, merged.source_epoch, given.source_epoch)
            || (found.target_epoch > merged.target_epoch && found.target_epoch != given.target_epoch)
    }
}

fn has_run(world: &World, why: &str) -> Happened {
    let name = world.hosts.backup.name();
    Happened::new(Event::BackupHasRun, format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn floors(slot: u64, source: u64, target: u64) -> Floors {
        Floors {
            block_slot: Some(slot),
            source_epoch: Some(source),
            target_epoch: Some(target),
        }
    }

    /// Proves that what lay there, what was given (a slot or a target above the merged floor, for clients that take a
    /// repeated one for a double vote) and half of it are within what this run can have put there, and nothing else is.
    #[test]
    fn only_what_this_run_cannot_have_put_there_is_above() {
        let key = PublicKey::parse("0xaa").unwrap();
        let other = PublicKey::parse("0xbb").unwrap();
        let bounds = Bounds {
            merged: FloorMap::from([(key.clone(), floors(9, 3, 4)), (other.clone(), floors(0, 3, 4))]),
            given: FloorMap::from([(key.clone(), floors(9, 3, 5)), (other.clone(), floors(1, 3, 4))]),
        };
        let within = [(8, 2, 3), (9, 3, 4), (9, 3, 5), (8, 3, 5)];
        for (slot, source, target) in within {
            assert!(!bounds.is_above(&key, &floors(slot, source, target)), "{target}");
        }
        for (slot, source, target) in [(10, 3, 4), (9, 4, 4), (9, 3, 6)] {
            assert!(bounds.is_above(&key, &floors(slot, source, target)), "{target}");
        }
        assert!(!bounds.is_above(&other, &floors(1, 3, 4)));
        let stranger = PublicKey::parse("0xcc").unwrap();
        assert!(
            bounds.is_above(&stranger, &floors(0, 0, 0)),
            "it may have signed 0 -> 0"
        );
        assert!(!bounds.is_above(&stranger, &Floors::default()));
    }
}
