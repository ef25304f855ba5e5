//! Making sure of the backup, and giving the primary back. Before a start this is undo; after one it is the halt that
//! follows when anything says that the primary lives. Must never unbar one host before the other is proven stopped, and
//! never give the primary back when the backup may have signed: its history would be missing there.

use serde_json::json;

use super::fence::{Proof, bar_calls, generation_call, held, install, lock_text, mine, prove};
use super::start::unit_runs;
use super::traces::{as_left, known_again, print_of};
use super::{Done, FenceProof, Happened, Moment, World};
use crate::guards::{FenceReading, Life, Reading, Role, life, reading_of};
use crate::observe::{Patience, fingerprint_call, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Call, Op};

/// How long a backup that must not sign may take to stop by itself before it is killed, seconds.
const AT_ONCE_S: u64 = 2;

/// After a start: stops and bars the backup at once, proves it, and says what was seen of the primary.
pub(super) async fn halt_backup(world: &mut World) -> Done {
    let mut last = Happened::new(Event::LineLost, "the backup could not be proven stopped");
    for _ in 0..2 {
        let install = install(&world.hosts.backup)?;
        let text = lock_text(world, world.hosts.backup.name());
        // No claim is asked for: stopping is safe whoever holds the host. Ours is given back before the bar, because a start
        // whose answer was lost may still be on its way, and begins with the question for it.
        // Stopping waits for nothing; barring waits for whatever a lost line has left running there, and what that may
        // have started is stopped again behind it.
        let stop = Call::new(Op::Stop, [install.unit.clone(), AT_ONCE_S.to_string()]);
        let bar = Call::new(Op::Bar, [&install.unit, &install.lock_file, &text]);
        let release = Call::new(Op::Release, [&world.run.id]);
        let mut batch = vec![stop.clone(), release, bar, stop];
        // Neither host is the signer then, so that the next run may go either way. A higher generation is left as it is.
        batch.extend(generation_call(world, "fenced"));
        world
            .hosts
            .ask(Role::Backup, &batch, 2 * AT_ONCE_S + 70, Patience::Retry)
            .await?;
        match prove(world, Role::Backup, None).await {
            Proof::Positive(proof) => {
                let (seen, why) = primary_seen(world).await;
                let name = world.hosts.backup.name();
                return Ok(Happened::with(
                    Event::BackupHalted,
                    format!("{name}: barred and stopped, {} readings; {why}", proof.readings),
                    json!({ "readings": proof.readings, "primary_seen": seen }),
                ));
            }
            Proof::Not(happened) => {
                last = Happened {
                    event: Event::LineLost,
                    ..happened
                }
            }
        }
    }
    Err(last)
}

/// What one more look says of the primary, as a word for the report and a sentence.
async fn primary_seen(world: &World) -> (&'static str, String) {
    let host = &world.hosts.primary;
    let Ok(install) = host.installed() else {
        return ("unknown", format!("{} was not read", host.name()));
    };
    let reading = match world
        .hosts
        .ask(Role::Primary, &reading_calls(install), 5, Patience::Once)
        .await
    {
        Ok(reply) => reading_of(&read_reading(host, &reply, 0)),
        Err(error) => Reading::Unknown(error.to_string()),
    };
    match reading {
        Reading::Positive(_) => ("fenced", format!("{} is stopped and barred", host.name())),
        Reading::Alive(why) => ("alive", why),
        Reading::Unbarred(why) => ("unbarred", why),
        Reading::Unknown(why) => ("unknown", why),
    }
}

/// Undo, first half: makes sure that the backup has not run since the preflight, bars and stops it, and proves it.
pub(super) async fn bar_backup(world: &mut World) -> Done {
    let stood = world.memory.found.as_ref().map(|found| found.backup.clone());
    let stood = stood.ok_or_else(|| {
        Happened::new(
            Event::LineLost,
            "how the backup stood before the run is not known",
        )
    })?;
    let install = install(&world.hosts.backup)?;
    let limit_s = world.plan.timeouts.stop_s;
    // A question of its own, before anything is stopped: if the backup lives, that has to be on disk before the evidence
    // is gone. A stop whose answer is lost would else be followed by a reading that looks innocent.
    let mut look = vec![mine(world)];
    look.extend(reading_calls(&install));
    let looked = world.hosts.ask(Role::Backup, &look, 5, Patience::Retry).await?;
    // Another desk may have handed over in between: then the backup lives rightly, and is not ours to stop.
    held(&world.hosts.backup, &looked)?;
    has_not_run(&stood, reading_of(&read_reading(&world.hosts.backup, &looked, 1)))?;
    let (mut batch, first) = bar_calls(world, &world.hosts.backup)?;
    batch.insert(
        first,
        Call::new(Op::Stop, [install.unit.clone(), limit_s.to_string()]),
    );
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, limit_s + 40, Patience::Retry)
        .await?;
    held(&world.hosts.backup, &reply)?;
    known_again(world).await?;
    match prove(world, Role::Backup, None).await {
        Proof::Positive(proof) => {
            has_not_run(&stood, Reading::Positive(proof.reading.clone()))?;
            let proof = looked_once_more(world, proof).await?;
            let name = world.hosts.backup.name();
            let why = format!(
                "{name}: barred and stopped, {} readings, not started since the preflight",
                proof.readings
            );
            let facts = json!({ "readings": proof.readings });
            world.memory.backup_fence = Some(proof);
            Ok(Happened::with(Event::BackupBarred, why, facts))
        }
        Proof::Not(happened) if happened.event == Event::SeenAlive => Err(Happened {
            event: Event::BackupHasRun,
            ..happened
        }),
        Proof::Not(happened) => Err(Happened {
            event: Event::LineLost,
            ..happened
        }),
    }
}

/// A last look at the backup, which confirms the proof. It also holds the database against what this run left there: a
/// validator that was run by hand and is gone again has left its traces nowhere else.
async fn looked_once_more(world: &World, proof: FenceProof) -> Result<FenceProof, Happened> {
    let host = &world.hosts.backup;
    let install = install(host)?;
    let mut look = vec![mine(world), fingerprint_call(&install)];
    look.extend(reading_calls(&install));
    let asked = Moment::now();
    let looked = world.hosts.ask(Role::Backup, &look, 5, Patience::Retry).await?;
    held(host, &looked)?;
    let reading = reading_of(&read_reading(host, &looked, 2));
    if let Reading::Positive(now) = &reading
        && *now != proof.reading
    {
        let why = "another boot or another lock than in its proof";
        return Err(Happened::new(Event::BackupHasRun, why));
    }
    has_not_run(&proof.reading, reading)?;
    if world.memory.backup_fingerprint.is_some() {
        let now = print_of(looked.outputs.get(1));
        let now = now.map_err(|why| Happened::new(Event::LineLost, format!("{}: {why}", host.name())))?;
        as_left(world, &now)?;
    }
    Ok(proof.confirmed(asked))
}

/// Only a backup that is seen at rest, unstarted since the preflight, may be followed by an undo.
fn has_not_run(stood: &FenceReading, reading: Reading) -> Result<(), Happened> {
    match reading {
        Reading::Positive(now) if stood.holds(&now) => Ok(()),
        Reading::Positive(_) => Err(Happened::new(
            Event::BackupHasRun,
            "its unit was started since the preflight",
        )),
        // Its bar was read in the preflight, and nothing of ours takes it away before a start.
        Reading::Unbarred(why) => Err(Happened::new(Event::BackupHasRun, why)),
        Reading::Alive(why) => Err(Happened::new(Event::BackupHasRun, why)),
        Reading::Unknown(why) => Err(Happened::new(Event::LineLost, why)),
    }
}

/// Unbars and starts the primary as it was before the run, and reads it back. Consumes the proof that the backup stands.
pub(super) async fn restore_primary(world: &mut World) -> Done {
    let found = world.memory.found.clone().ok_or_else(|| {
        Happened::new(
            Event::LineLost,
            "what the primary was before the run is not known",
        )
    })?;
    let name = world.hosts.primary.name().to_owned();
    if !found.primary_ran {
        let (seen, why) = primary_seen(world).await;
        return Ok(Happened::with(
            Event::PrimaryLeftStopped,
            format!("{name}: its validator did not run before this run and is left as it is: {why}"),
            json!({ "primary_seen": seen }),
        ));
    }
    let proof = world
        .memory
        .backup_fence
        .take()
        .and_then(FenceProof::unexpired)
        .ok_or_else(|| {
            Happened::new(
                Event::LineLost,
                "the proof that the backup stands ran out; resume takes it again",
            )
        })?;
    restored(world, found.primary_enabled, proof).await
}

/// Takes the proof by value: one proof, one start.
async fn restored(world: &World, enabled: bool, proof: FenceProof) -> Done {
    let host = &world.hosts.primary;
    let install = install(host)?;
    // A validator that runs beside the unit would sign together with the one that is started here.
    let looked = world
        .hosts
        .ask(Role::Primary, &reading_calls(&install), 5, Patience::Retry)
        .await?;
    let seen = read_reading(host, &looked, 0);
    match (seen.unit.known(), seen.processes.known()) {
        (Ok(unit), Ok(processes)) => {
            if let Some(stray) = processes
                .validator
                .iter()
                .find(|it| !unit.cgroup_pids.contains(&it.pid))
            {
                let why = format!(
                    "{}: process {} is a validator outside {}",
                    host.name(),
                    stray.pid,
                    unit.name
                );
                return Err(Happened::new(Event::LineLost, why));
            }
        }
        (Err(why), _) | (_, Err(why)) => return Err(Happened::new(Event::LineLost, why.to_owned())),
    }
    let enable = if enabled { "enable" } else { "keep" };
    let limit_s = world.plan.timeouts.start_s;
    let mut batch = vec![
        mine(world),
        // What this run left there may have filled the disk, and the generation could not be written then.
        Call::new(Op::ClearWork, [&world.run.id]),
        generation_call(world, "signer")?,
        Call::new(Op::Unbar, [&install.unit, &install.lock_file, enable]),
        Call::new(Op::Start, [&install.unit, &limit_s.to_string()]),
    ];
    let first = batch.len();
    batch.extend(reading_calls(&install));
    let seconds = proof.left_s().min(limit_s as f64 + 15.0);
    let reply = world.hosts.ask_until(Role::Primary, &batch, seconds).await?;
    held(host, &reply)?;
    let seen = read_reading(host, &reply, first);
    let running = unit_runs(&seen);
    match life(&seen) {
        Life::Alive(_) if running => Ok(Happened::new(
            Event::PrimaryRestored,
            format!("{}: {} runs again", host.name(), install.unit),
        )),
        Life::Alive(why) | Life::Stopped(why) | Life::Unknown(why) => {
            let failed = reply.outputs.iter().take(first).find(|output| output.status != 0);
            let said = failed.map_or("", |output| output.last_words());
            Err(Happened::new(
                Event::LineLost,
                format!("{} was not seen running again: {why} ({said})", host.name()),
            ))
        }
    }
}
