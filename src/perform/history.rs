//! History, once collected: merge, import, read back. Must never import anything but a `Merged`, never before a verified
//! copy of the old database is kept, and never believe an exit status.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::collect::{standing, stood};
use super::fence::{held, install, mine};
use super::repetition::without_repetition;
use super::take::{Untaken, take};
use super::traces::print_of;
use super::{Done, Happened, World};
use crate::clients::Install;
use crate::guards::Role;
use crate::observe::{
    Patience, Question, WORK, client, export_calls, fingerprint_call, history, pack_question,
};
use crate::protection::{Certainty, FloorMap, History, Input, find_conflicts, merge, write};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output};

/// Merges both histories and writes what is to be imported into the run's directory.
pub(super) fn merge_floors(world: &mut World) -> Done {
    let refused = |why: String| Happened::new(Event::MergeRefused, why);
    let (Some(ours), Some(theirs)) = (&world.memory.primary_history, &world.memory.backup_history) else {
        return Err(refused(
            "the histories are not here; resume collects them again".to_owned(),
        ));
    };
    let found = world
        .memory
        .found
        .as_ref()
        .ok_or_else(|| refused("the chain is not known".to_owned()))?;
    let (name_a, name_b) = (world.hosts.primary.name(), world.hosts.backup.name());
    let against = find_conflicts(&[(name_a, ours), (name_b, theirs)]);
    if let Some(first) = against.first_proven() {
        return Err(refused(format!(
            "the histories hold slashable messages ({} in all): {first}",
            against.count(Certainty::Proven)
        )));
    }
    let root = crate::protection::GenesisRoot::parse(&found.genesis_validators_root)
        .map_err(|error| refused(error.to_string()))?;
    let (ours, theirs) = (history(ours), history(theirs));
    // Nor does a database that has never signed, or whose format keeps none, always say its chain; the beacon node that it
    // is used with does.
    let input = |label, history, vouched| {
        if vouched {
            Input::vouched(label, history)
        } else {
            Input::new(label, history)
        }
    };
    let [vouched_a, vouched_b] = world.memory.chain_not_kept;
    let first = input(name_a, &ours, vouched_a);
    let second = input(name_b, &theirs, vouched_b || theirs.floors.is_empty());
    let merged = merge(&[first, second], root).map_err(|error| refused(error.to_string()))?;
    let change = merged
        .comparison(&theirs)
        .never_lower()
        .map_err(|error| refused(error.to_string()))?;
    let (raised, equal) = (change.raised.len(), change.equal.len());
    let given = install(&world.hosts.backup)
        .map_err(|happened| happened.why)
        .and_then(|backup| without_repetition(client(&backup)?, merged.only_raised(&theirs), &theirs))
        .map_err(refused)?;
    let stored = written(world, "merged-floors.json", merged.floors()).map_err(refused)?;
    let stored_given = written(world, "given-floors.json", given.floors()).map_err(refused)?;
    world
        .dir
        .write("merged.json", &write(&merged))
        .map_err(|error| refused(error.to_string()))?;
    let keys: Vec<_> = change.raised.iter().map(ToString::to_string).collect();
    (world.memory.merged, world.memory.given) = (Some(merged), Some(given));
    Ok(Happened::with(
        Event::FloorsMerged,
        format!("{raised} floors raised on {name_b}, {equal} equal"),
        json!({ "floors": { "raised": raised, "equal": equal }, "raised_keys": keys, "keys": raised + equal,
                "floors_sha256": stored, "given_floors_sha256": stored_given }),
    ))
}

/// Keeps floors in the run's directory, for a later process; their hash.
fn written(world: &World, name: &str, floors: &FloorMap) -> Result<String, String> {
    let text = serde_json::to_vec_pretty(floors).map_err(|error| error.to_string())?;
    let stored = world.dir.write(name, &text);
    stored
        .map(|stored| stored.sha256)
        .map_err(|error| error.to_string())
}

/// Imports what is higher than the backup's own; keys that are equal are left alone, since some clients take a repeated
/// record for a double vote.
pub(super) async fn import(world: &mut World) -> Done {
    let failed = |why: String| Happened::new(Event::ImportFailed, why);
    let host = world.hosts.backup.name().to_owned();
    let Some(import) = world.memory.given.clone() else {
        return Err(failed("nothing has been merged".to_owned()));
    };
    let backup = install(&world.hosts.backup)?;
    if import.floors().is_empty() {
        return Ok(Happened::new(
            Event::Imported,
            format!("{host} holds every floor already"),
        ));
    }
    let document = write(&import);
    world
        .dir
        .write("imported.json", &document)
        .map_err(|error| failed(error.to_string()))?;
    let limit_s = world.plan.timeouts.client_s;
    // The question that proves the import travels behind it, so that reading back costs no round trip of its own.
    let after = read_back_question(world, &backup, false).map_err(failed)?;
    // It is asked into exactly the database that was collected, and from here on what lies there is not known.
    let into = world.memory.backup_fingerprint.take();
    let into = into.ok_or_else(|| failed("what the database looked like is not known".to_owned()))?;
    let (mut batch, steps) = import_calls(world, &backup, &document, &into)?;
    batch.extend(after.calls().to_vec());
    // A pack changes nothing, an export opens the database: so that this is behind the last writing, and before no other.
    let at = if after.is_direct() { steps } else { batch.len() };
    batch.insert(at, fingerprint_call(&backup));
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, limit_s * 2, Patience::Once)
        .await?;
    stood(
        &world.hosts.backup,
        &reply,
        Event::BackupHasRun,
        Event::ImportFailed,
    )?;
    let mut outputs = reply.outputs;
    let print = (at < outputs.len()).then(|| outputs.remove(at));
    still_as_collected(&host, outputs.get(3))?;
    if let Err(why) = imported(&backup, &outputs[..steps.min(outputs.len())]) {
        let back = put_back(world).await?;
        return Err(failed(format!("{host}: {why}; {back}")));
    }
    world.memory.backup_fingerprint = print_of(print.as_ref()).ok();
    world.memory.read_back_boot = Some(reply.boot_id);
    world.memory.after_import = Some(after.read(&outputs[steps..]));
    let facts = json!({ "sha256": const_hex::encode(Sha256::digest(&document)) });
    Ok(Happened::with(
        Event::Imported,
        format!("{} keys given to {host}", import.floors().len()),
        facts,
    ))
}

/// Whether the host let the import into its database: only into what was collected, so that neither one that comes late
/// nor one behind somebody else's validator does anything.
fn still_as_collected(host: &str, output: Option<&Output>) -> Result<(), Happened> {
    let output = output.ok_or_else(|| Happened::new(Event::LineLost, "the answer ends too early"))?;
    let Err(why) = output.ok() else {
        return Ok(());
    };
    let event = if output.status == 9 {
        Event::BackupHasRun
    } else {
        Event::LineLost
    };
    Err(Happened::new(event, format!("{host}: {why}")))
}

/// The conditions, the document, the client's import, and the sync behind it; and how many calls that is.
fn import_calls(
    world: &World,
    backup: &Install,
    document: &[u8],
    into: &str,
) -> Result<(Batch, usize), Happened> {
    let sha256 = const_hex::encode(Sha256::digest(document));
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, document);
    let file = format!("{WORK}/{}/import.json", world.run.id);
    let failed = |why: String| Happened::new(Event::ImportFailed, why);
    let client = client(backup).map_err(failed)?;
    let argv = (client.import)(backup, &file).map_err(failed)?;
    let mut batch = standing(world, backup)?;
    batch.push(Call::new(Op::Unchanged, [backup.database.as_str(), into]));
    batch.push(Call::new(Op::WorkDir, [&world.run.id, &backup.user]));
    batch.push(Call::new(
        Op::Put,
        [&world.run.id, "import.json", &backup.user, &sha256, &text],
    ));
    batch.push(client.protection_call(backup, world.plan.timeouts.client_s, argv));
    batch.push(Call::new(Op::Settle, [&backup.database]));
    let steps = batch.len();
    Ok((batch, steps))
}

/// Whether every step of [`import_calls`] behind the conditions says that it did what it was asked.
fn imported(backup: &Install, outputs: &[Output]) -> Result<(), String> {
    let [_, _, _, _, work, put, run, settle] = outputs else {
        return Err("the answer ends too early".to_owned());
    };
    work.ok().map_err(|why| format!("work directory: {why}"))?;
    put.ok().map_err(|why| format!("sending the document: {why}"))?;
    client(backup)
        .and_then(|client| (client.read_import)(run))
        .map_err(|why| format!("the client's import: {why}"))?;
    settle
        .ok()
        .map(|_| ())
        .map_err(|why| format!("syncing the database: {why}"))
}

/// Puts the archived copy back after an import that did not hold; says what came of it. An answer that is lost is no
/// text: it may still come to pass on the host, so nothing may go on as if it were over.
async fn put_back(world: &mut World) -> Result<String, Happened> {
    let backup = install(&world.hosts.backup)?;
    let args = [&world.run.id, &backup.database, &backup.unit, &backup.lock_file];
    let batch = vec![
        mine(world),
        Call::new(Op::PutBack, args),
        fingerprint_call(&backup),
    ];
    world.memory.backup_fingerprint = None;
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, world.plan.timeouts.client_s, Patience::Once)
        .await?;
    held(&world.hosts.backup, &reply)?;
    world.memory.backup_fingerprint = print_of(reply.outputs.get(2)).ok();
    Ok(match reply.outputs.get(1).map(|output| output.ok()) {
        Some(Ok(_)) => "the old database is in place, compared with its hashes".to_owned(),
        Some(Err(why)) => {
            format!("the old database could not be put back ({why}); its copy is in the archive")
        }
        None => "the old database's copy is in the archive".to_owned(),
    })
}

/// What the backup's database holds now: read directly where it was collected so, else by its client's export.
pub(super) async fn held_by_backup(world: &mut World) -> Result<History, Happened> {
    let backup = install(&world.hosts.backup)?;
    let name = world.hosts.backup.name().to_owned();
    let failed = |why: String| Happened::new(Event::ReadBackFails, format!("{name}: {why}"));
    let answer = match world.memory.after_import.take() {
        Some(answer) => answer,
        None => {
            let limit_s = world.plan.timeouts.client_s;
            let question = read_back_question(world, &backup, true).map_err(failed)?;
            let batch = question.calls().to_vec();
            let asked = world.hosts.ask(Role::Backup, &batch, limit_s, Patience::Once);
            let reply = asked.await?;
            world.memory.read_back_boot = Some(reply.boot_id.clone());
            question.read(&reply.outputs)
        }
    };
    let answer = answer.map_err(|why| failed(why.text()))?;
    let taken = take(world, Role::Backup, "read-back", answer).await;
    let taken = taken.map_err(|untaken| match untaken {
        Untaken::Unable(why) | Untaken::Failed(why) => failed(why),
        Untaken::Lost(happened) => happened,
    })?;
    taken
        .document
        .map(|document| history(&document))
        .ok_or_else(|| failed("there is no database".to_owned()))
}

/// The question that proves an import. With `copy` the database is not opened where its client is asked, so that it stays
/// as it is; right behind the import it is, since the original is what counts.
pub(super) fn read_back_question(world: &World, backup: &Install, copy: bool) -> Result<Question, String> {
    let direct = if world.memory.backup_direct {
        pack_question(backup, &world.run.id)?
    } else {
        None
    };
    match direct {
        Some(question) => Ok(question),
        None => export_calls(backup, &world.run.id, copy, world.plan.timeouts.client_s).map(Question::Export),
    }
}

/// Reads the backup back and compares every floor with the merged one.
pub(super) async fn read_back(world: &mut World) -> Done {
    let found = match held_by_backup(world).await {
        Ok(found) => found,
        Err(happened) if happened.event == Event::ReadBackFails => {
            let back = put_back(world).await?;
            return Err(Happened {
                why: format!("{}; {back}", happened.why),
                ..happened
            });
        }
        Err(happened) => return Err(happened),
    };
    let verdict = match &world.memory.merged {
        Some(merged) => merged.verify_read_back(&found).map_err(|error| error.to_string()),
        None => Err("nothing has been merged".to_owned()),
    };
    if let Err(why) = verdict {
        let back = put_back(world).await?;
        return Err(Happened::new(
            Event::ReadBackFails,
            format!("{}: {why}; {back}", world.hosts.backup.name()),
        ));
    }
    let keys = found.floors.len();
    world.memory.read_back = Some(found.floors);
    Ok(Happened::new(
        Event::ReadBackCovers,
        format!("{keys} keys cover the merged floors"),
    ))
}
