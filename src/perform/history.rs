//! History, after the fence: collect both hosts' protection, merge, keep the backup's old database, import, read back.
//! Must never import anything but a `Merged`, never before a verified copy of the old database is kept, and never
//! believe an exit status.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::fence::{held, install, mine};
use super::repetition::without_repetition;
use super::{Done, Happened, World};
use crate::clients::Install;
use crate::guards::Role;
use crate::observe::{
    Exported, Host, Patience, WORK, client, export_calls, fingerprint_call, history, read_export,
    read_fingerprint,
};
use crate::protection::{Certainty, History, Input, Interchange, find_conflicts, merge, read, write};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output, Reply};

/// Exports both databases side by side, and keeps a verified copy of the backup's before anything touches it. Each host
/// first makes sure itself that it is ours and stands; what does not stand is not opened.
pub(super) async fn collect(world: &mut World) -> Done {
    let limit_s = world.plan.timeouts.client_s;
    let lost = |why: String| Happened::new(Event::CollectFailed, why);
    let (primary, backup) = (install(&world.hosts.primary)?, install(&world.hosts.backup)?);
    let from_primary = export_calls(&primary, &world.run.id, false, limit_s).map_err(lost)?;
    let from_backup = export_calls(&backup, &world.run.id, true, limit_s).map_err(lost)?;
    let (mut primary_batch, mut backup_batch) = (standing(world, &primary)?, standing(world, &backup)?);
    let first = primary_batch.len();
    primary_batch.extend(from_primary.calls.clone());
    primary_batch.push(fingerprint_call(&primary));
    backup_batch.push(Call::new(Op::Archive, [&world.run.id, &backup.database]));
    backup_batch.extend(from_backup.calls.clone());
    let (a, b) = world
        .hosts
        .ask_both(&primary_batch, &backup_batch, limit_s, Patience::Once)
        .await;
    // The backup first: that it has run has to be known before anything else sends the run elsewhere.
    if let Ok(b) = &b {
        stood(&world.hosts.backup, b, Event::BackupHasRun, Event::CollectFailed)?;
    }
    let (a, b) = (a?, b?);
    stood(&world.hosts.primary, &a, Event::SeenAlive, Event::CollectFailed)?;
    let failed = |host: &str, why: String| Happened::new(Event::CollectFailed, format!("{host}: {why}"));
    let name_a = world.hosts.primary.name().to_owned();
    let name_b = world.hosts.backup.name().to_owned();

    let ours = read_export(&from_primary, &a.outputs[first..]).map_err(|why| failed(&name_a, why))?;
    let ours = document(world, Role::Primary, "primary-export.json", ours).await?;
    let Some(ours) = ours.filter(|document| !history(document).floors.is_empty()) else {
        let why =
            "the export holds no keys; an empty history of the signer is an error, not \"never signed\"";
        return Err(failed(&name_a, why.to_owned()));
    };
    let print = a
        .outputs
        .last()
        .map_or(Err("no answer".to_owned()), read_fingerprint);
    let print = print.map_err(|why| failed(&name_a, why))?;
    let archived = archive_path(&b.outputs[first..]).map_err(|why| failed(&name_b, why))?;
    let theirs = read_export(&from_backup, &b.outputs[first + 1..]).map_err(|why| failed(&name_b, why))?;
    let theirs = document(world, Role::Backup, "backup-export.json", theirs)
        .await?
        .unwrap_or_default();

    let why = format!(
        "{} keys from {name_a}, {} from {name_b}",
        history(&ours).floors.len(),
        history(&theirs).floors.len()
    );
    let facts = json!({ "archive": archived.map(|path| format!("{name_b}:{path}")), "fingerprint": print });
    world.memory.fingerprint = Some(print);
    world.memory.backup_before = Some(history(&theirs));
    world.memory.primary_history = Some(ours);
    world.memory.backup_history = Some(theirs);
    Ok(Happened::with(Event::Collected, why, facts))
}

/// The conditions that a host checks itself before it begins anything with its database.
fn standing(world: &World, install: &Install) -> Result<Batch, Happened> {
    let client = client(install).map_err(|why| Happened::new(Event::LineLost, why))?;
    let mut batch = vec![
        mine(world),
        Call::new(Op::Stands, [&install.unit, &install.lock_file]),
    ];
    batch.push(match client.sole_database {
        Some(name) => Call::new(Op::Sole, [install.data_dir.as_str(), name, &install.database]),
        None => Call::new(Op::Identity, [""; 0]),
    });
    Ok(batch)
}

/// Whether the conditions of [`standing`] held. `moved` is what it means that the host does not stand, `failed` that its
/// database is not the only one; a condition that could not be read is an unknown.
fn stood(host: &Host, reply: &Reply, moved: Event, failed: Event) -> Result<(), Happened> {
    held(host, reply)?;
    for (at, event) in [(1, moved), (2, failed)] {
        let output = reply
            .outputs
            .get(at)
            .ok_or_else(|| Happened::new(Event::LineLost, "the answer ends too early"))?;
        if let Err(why) = output.ok() {
            let event = if output.status == 9 {
                event
            } else {
                Event::LineLost
            };
            return Err(Happened::new(event, format!("{}: {why}", host.name())));
        }
    }
    Ok(())
}

/// The document itself, fetched on its own channel when it is large, and kept in the run's directory.
async fn document(
    world: &World,
    role: Role,
    name: &str,
    exported: Exported,
) -> Result<Option<Interchange>, Happened> {
    let host = world.hosts.host(role);
    let failed = |why: String| Happened::new(Event::CollectFailed, format!("{}: {why}", host.name()));
    let (interchange, bytes) = match exported {
        Exported::NoDatabase => return Ok(None),
        Exported::Document(interchange, bytes) => (*interchange, bytes),
        Exported::Large { file, sha256 } => {
            let mut bytes = Vec::new();
            let limit = std::time::Duration::from_secs(world.plan.timeouts.client_s);
            let fetched = host.link.fetch(&file, &mut bytes, limit).await?;
            if fetched.sha256 != sha256 {
                return Err(failed(format!("{file} changed between two readings")));
            }
            (read(&bytes).map_err(|error| failed(error.to_string()))?, bytes)
        }
    };
    world
        .dir
        .write(name, &bytes)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Some(interchange))
}

fn archive_path(outputs: &[Output]) -> Result<Option<String>, String> {
    let text = outputs.first().ok_or("the answer ends too early")?.ok()?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("archive="))
        .ok_or("no archive was kept")?;
    Ok((path != "absent").then(|| path.to_owned()))
}

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
    // A database that has never signed may not say its chain; the beacon node it is used with does.
    let empty = theirs.floors.is_empty();
    let second = if empty {
        Input::vouched(name_b, &theirs)
    } else {
        Input::new(name_b, &theirs)
    };
    let merged =
        merge(&[Input::new(name_a, &ours), second], root).map_err(|error| refused(error.to_string()))?;
    let change = merged
        .comparison(&theirs)
        .never_lower()
        .map_err(|error| refused(error.to_string()))?;
    let (raised, equal) = (change.raised.len(), change.equal.len());
    let floors = serde_json::to_vec_pretty(merged.floors()).map_err(|error| refused(error.to_string()))?;
    let stored = world
        .dir
        .write("merged-floors.json", &floors)
        .map_err(|error| refused(error.to_string()))?;
    world
        .dir
        .write("merged.json", &write(&merged))
        .map_err(|error| refused(error.to_string()))?;
    let keys: Vec<_> = change.raised.iter().map(ToString::to_string).collect();
    world.memory.merged = Some(merged);
    Ok(Happened::with(
        Event::FloorsMerged,
        format!("{raised} floors raised on {name_b}, {equal} equal"),
        json!({ "floors": { "raised": raised, "equal": equal }, "raised_keys": keys, "keys": raised + equal,
                "floors_sha256": stored.sha256 }),
    ))
}

/// Imports what is higher than the backup's own; keys that are equal are left alone, since some clients take a repeated
/// record for a double vote.
pub(super) async fn import(world: &mut World) -> Done {
    let failed = |why: String| Happened::new(Event::ImportFailed, why);
    let host = world.hosts.backup.name().to_owned();
    let before = world.memory.backup_before.clone().unwrap_or_default();
    let Some(merged) = &world.memory.merged else {
        return Err(failed("nothing has been merged".to_owned()));
    };
    let backup = install(&world.hosts.backup)?;
    let import = client(&backup)
        .and_then(|client| without_repetition(client, merged.only_raised(&before), &before))
        .map_err(failed)?;
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
    // The export that proves the import travels behind it, so that reading back costs no round trip of its own.
    let after = export_calls(&backup, &world.run.id, false, limit_s).map_err(failed)?;
    let (mut batch, steps) = import_calls(world, &backup, &document)?;
    batch.extend(after.calls.clone());
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
    if let Err(why) = imported(&backup, &reply.outputs[..steps.min(reply.outputs.len())]) {
        let back = put_back(world).await?;
        return Err(failed(format!("{host}: {why}; {back}")));
    }
    world.memory.read_back_boot = Some(reply.boot_id.clone());
    world.memory.after_import = Some(read_export(&after, &reply.outputs[steps..]));
    let facts = json!({ "sha256": const_hex::encode(Sha256::digest(&document)) });
    Ok(Happened::with(
        Event::Imported,
        format!("{} keys given to {host}", import.floors().len()),
        facts,
    ))
}

/// The conditions, the document, the client's import, and the sync behind it; and how many calls that is.
fn import_calls(world: &World, backup: &Install, document: &[u8]) -> Result<(Batch, usize), Happened> {
    let sha256 = const_hex::encode(Sha256::digest(document));
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, document);
    let file = format!("{WORK}/{}/import.json", world.run.id);
    let failed = |why: String| Happened::new(Event::ImportFailed, why);
    let client = client(backup).map_err(failed)?;
    let argv = (client.import)(backup, &file).map_err(failed)?;
    let mut batch = standing(world, backup)?;
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
    let [_, _, _, work, put, run, settle] = outputs else {
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
async fn put_back(world: &World) -> Result<String, Happened> {
    let backup = install(&world.hosts.backup)?;
    let args = [&world.run.id, &backup.database, &backup.unit, &backup.lock_file];
    let batch = vec![mine(world), Call::new(Op::PutBack, args)];
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, world.plan.timeouts.client_s, Patience::Once)
        .await?;
    held(&world.hosts.backup, &reply)?;
    Ok(match reply.outputs.get(1).map(|output| output.ok()) {
        Some(Ok(_)) => "the old database is in place, compared with its hashes".to_owned(),
        Some(Err(why)) => {
            format!("the old database could not be put back ({why}); its copy is in the archive")
        }
        None => "the old database's copy is in the archive".to_owned(),
    })
}

/// What the backup's database holds now, through its client's export.
pub(super) async fn export_backup(world: &mut World) -> Result<History, Happened> {
    let backup = install(&world.hosts.backup)?;
    let name = world.hosts.backup.name().to_owned();
    let failed = |why: String| Happened::new(Event::ReadBackFails, format!("{name}: {why}"));
    let exported = match world.memory.after_import.take() {
        Some(exported) => exported.map_err(failed)?,
        None => {
            let limit_s = world.plan.timeouts.client_s;
            let calls = export_calls(&backup, &world.run.id, false, limit_s).map_err(failed)?;
            let reply = world
                .hosts
                .ask(Role::Backup, &calls.calls, limit_s, Patience::Once)
                .await?;
            world.memory.read_back_boot = Some(reply.boot_id.clone());
            read_export(&calls, &reply.outputs).map_err(failed)?
        }
    };
    let found = document(world, Role::Backup, "read-back.json", exported)
        .await
        .map_err(|happened| {
            if happened.event == Event::CollectFailed {
                failed(happened.why)
            } else {
                happened
            }
        })?;
    found
        .map(|document| history(&document))
        .ok_or_else(|| failed("there is no database".to_owned()))
}

/// Reads the backup back and compares every floor with the merged one.
pub(super) async fn read_back(world: &mut World) -> Done {
    let found = match export_backup(world).await {
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
