//! Collecting, after the fence: both hosts' protection, by their databases' own files where these can be read here, else
//! by their clients' exports. Must never read damage as "never signed", never ask a client for what its database is too
//! damaged to tell, and never go on without a verified copy of the backup's database.

use serde_json::{Map, Value, json};

use super::fence::{held, install, mine};
use super::take::{Taken, Untaken, take};
use super::traces::{as_left, not_above, print_of};
use super::{Done, Happened, World};
use crate::clients::Install;
use crate::guards::Role;
use crate::observe::{
    Host, Patience, Question, Unanswered, client, export_calls, fingerprint_call, history, pack_question,
};
use crate::protection::Interchange;
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output, Reply};

/// Takes both hosts' protection side by side, and keeps a verified copy of the backup's database before anything touches
/// it. Each host first makes sure itself that it is ours and stands; what does not stand is not opened.
pub(super) async fn collect(world: &mut World) -> Done {
    let limit_s = world.plan.timeouts.client_s;
    let (primary, backup) = (install(&world.hosts.primary)?, install(&world.hosts.backup)?);
    let a = Asked::new(world, Role::Primary, &primary, true)?;
    let b = Asked::new(world, Role::Backup, &backup, true)?;
    let asked = world.hosts.ask_both(&a.batch, &b.batch, limit_s, Patience::Once);
    let (reply_a, reply_b) = asked.await;
    // The backup first: that it has run has to be known before anything else sends the run elsewhere.
    let theirs = match reply_b {
        Ok(reply) => of_backup(world, &backup, &b, reply).await,
        Err(error) => Err(error.into()),
    };
    let theirs = match theirs {
        Err(happened) if matches!(happened.event, Event::BackupHasRun | Event::ClaimLost) => {
            return Err(happened);
        }
        theirs => theirs,
    };
    let reply_a = reply_a?;
    stood(
        &world.hosts.primary,
        &reply_a,
        Event::SeenAlive,
        Event::CollectFailed,
    )?;
    let name_a = world.hosts.primary.name().to_owned();
    let theirs = theirs?;

    let (ours, instead_a, last) = taken(world, Role::Primary, &primary, &a, reply_a).await?;
    // Packing changes nothing, so the fingerprint is taken before it and holds every later write against the pack. An
    // export may write: it is taken behind.
    let print = if ours.direct {
        last.outputs.get(a.extra)
    } else {
        last.outputs.last()
    };
    let print = print_of(print).map_err(|why| failed(&name_a, why))?;
    let prints = (print, theirs.print);
    let (instead_b, archived) = (theirs.instead, theirs.archived);
    let theirs = theirs.taken;
    let ways = [
        (Role::Primary, &ours, instead_a),
        (Role::Backup, &theirs, instead_b),
    ];
    let (ways, evidence) = told(&ways);
    world.memory.chain_not_kept = [ours.chain_not_kept, theirs.chain_not_kept];
    (world.memory.primary_direct, world.memory.backup_direct) = (ours.direct, theirs.direct);

    let taken = (ours.document, theirs.document.unwrap_or_default());
    kept(world, taken, archived, prints, ways, evidence)
}

/// What was had of the backup.
struct Theirs {
    taken: Taken,
    /// Why its client was asked.
    instead: Option<String>,
    archived: Option<String>,
    /// From before anything of it was read.
    print: String,
}

/// The backup's protection, if nobody has signed there since this run last looked.
async fn of_backup(world: &World, backup: &Install, asked: &Asked, reply: Reply) -> Result<Theirs, Happened> {
    let host = &world.hosts.backup;
    stood(host, &reply, Event::BackupHasRun, Event::CollectFailed)?;
    let unknown = |why: String| failed(host.name(), why);
    let print = print_of(reply.outputs.get(asked.extra)).map_err(unknown)?;
    as_left(world, &print)?;
    let archived = archive_path(reply.outputs.get(asked.extra + 1)).map_err(unknown)?;
    let (taken, instead, _) = taken(world, Role::Backup, backup, asked, reply).await?;
    if let Some(document) = &taken.document {
        not_above(world, &history(document).floors)?;
    }
    Ok(Theirs {
        taken,
        instead,
        archived,
        print,
    })
}

/// Remembers what was collected, and tells it.
fn kept(
    world: &mut World,
    (ours, theirs): (Option<Interchange>, Interchange),
    archived: Option<String>,
    (print, backup_print): (String, String),
    ways: Value,
    evidence: Value,
) -> Done {
    let name_a = world.hosts.primary.name().to_owned();
    let name_b = world.hosts.backup.name().to_owned();
    let Some(document) = ours.filter(|document| !history(document).floors.is_empty()) else {
        let why =
            "its protection holds no keys; an empty history of the signer is an error, not \"never signed\"";
        return Err(failed(&name_a, why.to_owned()));
    };
    let floors = history(&document).floors;
    let stored = serde_json::to_vec_pretty(&floors).map_err(|error| failed(&name_a, error.to_string()))?;
    let stored = world
        .dir
        .write("primary-floors.json", &stored)
        .map_err(|error| failed(&name_a, error.to_string()))?;
    let by = |way: &Value| {
        if way["way"] == "direct" {
            "its database"
        } else {
            "its client's export"
        }
    };
    let why = format!(
        "{} keys from {name_a} ({}), {} from {name_b} ({})",
        floors.len(),
        by(&ways["primary"]),
        history(&theirs).floors.len(),
        by(&ways["backup"]),
    );
    let facts = json!({
        "archive": archived.map(|path| format!("{name_b}:{path}")), "fingerprint": print, "collected": ways,
        "evidence": evidence, "primary_floors_sha256": stored.sha256,
    });
    world.memory.fingerprint = Some(print);
    world.memory.backup_fingerprint = Some(backup_print);
    world.memory.primary_floors = Some(floors);
    world.memory.primary_history = Some(document);
    world.memory.backup_history = Some(theirs);
    Ok(Happened::with(Event::Collected, why, facts))
}

fn failed(host: &str, why: String) -> Happened {
    Happened::new(Event::CollectFailed, format!("{host}: {why}"))
}

/// Which way was taken on each host, and what was kept, for the journal.
fn told(ways: &[(Role, &Taken, Option<String>)]) -> (Value, Value) {
    let (mut collected, mut evidence) = (Map::new(), Map::new());
    for (role, taken, instead) in ways {
        let name = match role {
            Role::Primary => "primary",
            Role::Backup => "backup",
        };
        let way = if taken.direct { "direct" } else { "export" };
        collected.insert(
            name.to_owned(),
            json!({ "way": way, "why": instead.clone().unwrap_or_default(), "notes": taken.notes }),
        );
        if let Some((file, sha256)) = &taken.evidence {
            evidence.insert(file.clone(), json!(sha256));
        }
    }
    (Value::Object(collected), Value::Object(evidence))
}

/// A question with its conditions, and where in the batch its answers lie.
struct Asked {
    question: Question,
    batch: Batch,
    /// Behind the conditions.
    extra: usize,
    /// Where the question begins.
    first: usize,
}

impl Asked {
    /// The primary is asked for its fingerprint behind the question if this opens its database, the backup for its own and to
    /// archive its database before it. Where
    /// the files are not to be asked for, or cannot, the client's export is.
    fn new(world: &World, role: Role, install: &Install, direct: bool) -> Result<Asked, Happened> {
        let host = world.hosts.host(role);
        let unknown = |why: String| failed(host.name(), why);
        let pack = if direct {
            pack_question(install, &world.run.id).map_err(unknown)?
        } else {
            None
        };
        let question = match pack {
            Some(question) => question,
            None => Question::Export(
                export_calls(
                    install,
                    &world.run.id,
                    role == Role::Backup,
                    world.plan.timeouts.client_s,
                )
                .map_err(unknown)?,
            ),
        };
        let mut batch = standing(world, install)?;
        let extra = batch.len();
        match role {
            Role::Backup => batch.extend([
                fingerprint_call(install),
                Call::new(Op::Archive, [&world.run.id, &install.database]),
            ]),
            Role::Primary if question.is_direct() => batch.push(fingerprint_call(install)),
            Role::Primary => {}
        }
        let first = batch.len();
        batch.extend(question.calls().to_vec());
        if role == Role::Primary && !question.is_direct() {
            batch.push(fingerprint_call(install));
        }
        Ok(Asked {
            question,
            batch,
            extra,
            first,
        })
    }
}

/// The protection of one host from its answer. Where the direct way turns out to be closed, the client is asked, and why
/// comes back beside it; with the answer that was the last.
async fn taken(
    world: &World,
    role: Role,
    install: &Install,
    asked: &Asked,
    reply: Reply,
) -> Result<(Taken, Option<String>, Reply), Happened> {
    let why = match protection(world, role, asked, &reply).await {
        Ok(taken) => return Ok((taken, None, reply)),
        Err(Untaken::Unable(why)) if asked.question.is_direct() => why,
        Err(untaken) => return Err(untaken.into_happened(world.hosts.host(role).name())),
    };
    let again = Asked::new(world, role, install, false)?;
    let limit_s = world.plan.timeouts.client_s;
    let reply = world
        .hosts
        .ask(role, &again.batch, limit_s, Patience::Once)
        .await?;
    let moved = match role {
        Role::Primary => Event::SeenAlive,
        Role::Backup => Event::BackupHasRun,
    };
    stood(world.hosts.host(role), &reply, moved, Event::CollectFailed)?;
    match protection(world, role, &again, &reply).await {
        Ok(taken) => Ok((taken, Some(why), reply)),
        Err(untaken) => {
            let happened = untaken.into_happened(world.hosts.host(role).name());
            let why = format!(
                "{}; its database could not be read here either: {why}",
                happened.why
            );
            Err(Happened { why, ..happened })
        }
    }
}

async fn protection(world: &World, role: Role, asked: &Asked, reply: &Reply) -> Result<Taken, Untaken> {
    let outputs = reply.outputs.get(asked.first..).unwrap_or_default();
    let answer = asked.question.read(outputs).map_err(|why| match why {
        Unanswered::Unable(why) => Untaken::Unable(why),
        Unanswered::Failed(why) => Untaken::Failed(why),
    })?;
    let name = match role {
        Role::Primary => "primary",
        Role::Backup => "backup",
    };
    take(world, role, name, answer).await
}

/// The conditions that a host checks itself before it begins anything with its database.
pub(super) fn standing(world: &World, install: &Install) -> Result<Batch, Happened> {
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
pub(super) fn stood(host: &Host, reply: &Reply, moved: Event, failed: Event) -> Result<(), Happened> {
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

fn archive_path(output: Option<&Output>) -> Result<Option<String>, String> {
    let text = output.ok_or("the answer ends too early")?.ok()?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("archive="))
        .ok_or("no archive was kept")?;
    Ok((path != "absent").then(|| path.to_owned()))
}
