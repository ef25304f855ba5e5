//! Making sure of the backup, and giving the primary back. Before a start this is undo; after one it is the halt that
//! follows when anything says that the primary lives. Must never unbar one host before the other is proven stopped.

use serde_json::json;

use super::fence::{Proof, bar_calls, generation_call, install, prove};
use super::{Done, Happened, World};
use crate::guards::{Life, Role, life};
use crate::observe::{Patience, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Call, Op};

/// Bars and stops the backup, and proves it by readings. `done` says whether it had been started before.
pub(super) async fn halt_backup(world: &mut World, done: Event) -> Done {
    let limit_s = world.plan.timeouts.stop_s;
    for last_try in [false, true] {
        let unit = install(&world.hosts.backup)?.unit;
        let (mut batch, first) = bar_calls(world, &world.hosts.backup)?;
        batch.insert(first, Call::new(Op::Stop, [unit, limit_s.to_string()]));
        world
            .hosts
            .ask(Role::Backup, &batch, limit_s + 20, Patience::Retry)
            .await?;
        match prove(world, Role::Backup, None).await {
            Proof::Positive(count, _) => {
                return Ok(Happened::with(
                    done,
                    format!(
                        "{}: barred and stopped, {count} readings",
                        world.hosts.backup.name()
                    ),
                    json!({ "readings": count }),
                ));
            }
            Proof::Not(happened) if last_try => {
                return Err(Happened {
                    event: Event::LineLost,
                    ..happened
                });
            }
            Proof::Not(happened) => {
                tracing::warn!(why = happened.why, "backup not proven stopped: once more")
            }
        }
    }
    Err(Happened::new(
        Event::LineLost,
        "the backup could not be proven stopped",
    ))
}

/// Unbars and starts the primary as it was before the run, and reads it back.
pub(super) async fn restore_primary(world: &mut World) -> Done {
    let found = world.memory.found.clone().ok_or_else(|| {
        Happened::new(
            Event::LineLost,
            "what the primary was before the run is not known",
        )
    })?;
    let name = world.hosts.primary.name().to_owned();
    if !found.primary_ran {
        return Ok(Happened::new(
            Event::PrimaryLeftStopped,
            format!("{name}: its validator did not run before this run; it stays barred"),
        ));
    }
    let install = install(&world.hosts.primary)?;
    let enable = if found.primary_enabled { "enable" } else { "keep" };
    let limit_s = world.plan.timeouts.start_s;
    let mut batch = vec![
        generation_call(world, "signer")?,
        Call::new(Op::Unbar, [&install.unit, &install.lock_file, enable]),
        Call::new(Op::Start, [&install.unit, &limit_s.to_string()]),
    ];
    let first = batch.len();
    batch.extend(reading_calls(&install));
    let reply = world
        .hosts
        .ask(Role::Primary, &batch, limit_s + 10, Patience::Retry)
        .await?;
    let seen = read_reading(&world.hosts.primary, &reply, first);
    let running = seen
        .unit
        .known()
        .is_ok_and(|unit| unit.active_state == "active" && unit.main_pid != 0);
    match life(&seen) {
        Life::Alive(_) if running => Ok(Happened::new(
            Event::PrimaryRestored,
            format!("{name}: {} runs again", install.unit),
        )),
        Life::Alive(why) | Life::Stopped(why) | Life::Unknown(why) => {
            let said = reply
                .outputs
                .get(2)
                .map_or("", |output| output.last_words())
                .to_owned();
            Err(Happened::new(
                Event::LineLost,
                format!("{name} was not seen running again: {why} ({said})"),
            ))
        }
    }
}
