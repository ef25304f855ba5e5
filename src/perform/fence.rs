//! Fencing a reachable primary: bar, stop, prove. The proof rests on consecutive positive readings only; a reading
//! that is unknown starts the count again. Must never take an exit status or a lost line for "stopped".

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::memory::Moment;
use super::{Done, FenceProof, Happened, World};
use crate::clients::Install;
use crate::guards::{FenceReading, Generation, Reading, Role, Verdict, reading_of, stands_barred};
use crate::observe::{Host, Patience, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Reply, TransportError};

/// The host's validator as found, or a lost line: without it nothing can be asked.
pub(super) fn install(host: &Host) -> Result<Install, Happened> {
    host.installed()
        .cloned()
        .map_err(|why| Happened::new(Event::LineLost, why))
}

/// What the lock file says, for people first.
pub(super) fn lock_text(world: &World, host: &str) -> String {
    format!(
        "This host's validator is barred by failover: another host may be signing with the same keys.\n\
         Do not remove this file by hand. Ask `failover status` which host signs; hand back with\n\
         `failover --primary OTHER --backup {host}`.\n\
         run {}\ngeneration {}\n",
        world.run.id,
        world.memory.generation.unwrap_or(0)
    )
}

/// The paper that says what this host is since this run.
pub(super) fn generation_call(world: &World, role: &str) -> Result<Call, Happened> {
    let generation = world
        .memory
        .generation
        .ok_or_else(|| Happened::new(Event::LineLost, "this run's generation is not known; resume it"))?;
    let paper = Generation {
        pair: world.run.pair.clone(),
        generation,
        role: role.to_owned(),
        run: world.run.id.clone(),
    };
    let text =
        serde_json::to_string(&paper).map_err(|error| Happened::new(Event::LineLost, error.to_string()))?;
    Ok(Call::new(Op::Generation, [generation.to_string(), text]))
}

/// The claim of this run, first in every batch that only its holder may send: without it the host begins nothing.
pub(super) fn mine(world: &World) -> Call {
    Call::new(Op::Mine, [&world.run.id])
}

/// Whether the host let the claim pass that stood first in the batch.
pub(super) fn held(host: &Host, reply: &Reply) -> Result<(), Happened> {
    let first = reply
        .outputs
        .first()
        .ok_or_else(|| Happened::new(Event::LineLost, "an empty answer"))?;
    // Only the host's own word that the claim is not there is somebody else's doing; a late or broken call is unknown.
    let event = if first.status == 9 {
        Event::ClaimLost
    } else {
        Event::LineLost
    };
    let answered = first.ok().map(|_| ());
    answered.map_err(|why| Happened::new(event, format!("{}: {why}", host.name())))
}

/// The calls that bar a host, with the readings that prove it behind them.
pub(super) fn bar_calls(world: &World, host: &Host) -> Result<(Batch, usize), Happened> {
    let install = install(host)?;
    let mut batch = vec![
        mine(world),
        generation_call(world, "fenced")?,
        Call::new(
            Op::Bar,
            [&install.unit, &install.lock_file, &lock_text(world, host.name())],
        ),
    ];
    let first = batch.len();
    batch.extend(reading_calls(&install));
    Ok((batch, first))
}

/// Bars the primary and reads the bar back.
pub(super) async fn bar_primary(world: &mut World) -> Done {
    let (batch, first) = bar_calls(world, &world.hosts.primary)?;
    let reply = world
        .hosts
        .ask(Role::Primary, &batch, 10, Patience::Retry)
        .await?;
    held(&world.hosts.primary, &reply)?;
    let paper = reply
        .outputs
        .get(1)
        .map_or(Err("no answer".to_owned()), |paper| paper.ok().map(|_| ()));
    if let Err(why) = paper {
        // Only a paper that lies there and says otherwise is somebody else's; a busy host is not.
        let refused = reply.outputs.get(1).is_some_and(|paper| paper.status == 3);
        return Ok(Happened::new(
            if refused {
                Event::ClaimLost
            } else {
                Event::LineLost
            },
            format!("{}: generation: {why}", world.hosts.primary.name()),
        ));
    }
    let seen = read_reading(&world.hosts.primary, &reply, first);
    Ok(match stands_barred(&seen) {
        Verdict::Pass(why) => Happened::new(Event::PrimaryBarred, why),
        Verdict::Refuse(why) => {
            let said = reply
                .outputs
                .get(2)
                .map_or("", |output| output.last_words())
                .to_owned();
            Happened::new(Event::BarFailed, format!("{why} ({said})"))
        }
        Verdict::Unknown(why) => Happened::new(Event::BarFailed, why),
    })
}

/// Asks the primary to stop, and takes the first reading in the same round trip.
pub(super) async fn stop_primary(world: &mut World) -> Done {
    let install = install(&world.hosts.primary)?;
    let limit_s = world.plan.timeouts.stop_s;
    let mut batch = vec![
        mine(world),
        Call::new(Op::Stop, [install.unit.clone(), limit_s.to_string()]),
    ];
    batch.extend(reading_calls(&install));
    world.memory.readings = None;
    let asked = world.hosts.now_s();
    world.memory.stop_asked_s.get_or_insert(asked);
    let reply = world
        .hosts
        .ask(Role::Primary, &batch, limit_s + 15, Patience::Retry)
        .await?;
    held(&world.hosts.primary, &reply)?;
    let said = reply
        .outputs
        .get(1)
        .map(|output| output.ok().map(|_| "stopped".to_owned()));
    let seen = read_reading(&world.hosts.primary, &reply, 2);
    if let Reading::Positive(reading) = reading_of(&seen) {
        world.memory.readings = Some((1, reading));
    }
    let why = match said {
        Some(Ok(word)) => word,
        Some(Err(why)) => format!("systemctl stop: {why}"),
        None => "no output".to_owned(),
    };
    Ok(Happened::with(
        Event::StopAnswered,
        why,
        json!({ "asked_s": asked, "seconds": world.hosts.now_s() - asked }),
    ))
}

/// How proving a host's stop ended.
pub(super) enum Proof {
    /// So many readings in a row, the last of them this.
    Positive(FenceProof),
    /// Alive, not barred, or silent.
    Not(Happened),
}

/// Consecutive readings of a host, `have` of them taken already. Any other reading starts the count again.
pub(super) async fn prove(world: &World, role: Role, have: Option<(u32, FenceReading)>) -> Proof {
    let host = world.hosts.host(role);
    let batch: Batch = match install(host) {
        Ok(install) => reading_calls(&install),
        Err(happened) => return Proof::Not(happened),
    };
    let checks = &world.plan.checks;
    let interval = Duration::from_secs_f64(checks.interval_s);
    let give_up = Instant::now() + Duration::from_secs(world.plan.timeouts.retry_s) + interval * checks.count;
    let mut positive = have;
    let mut asked = Moment::now();
    loop {
        if let Some((count, last)) = &positive
            && *count >= checks.count
        {
            return Proof::Positive(FenceProof::new(last.clone(), *count, asked, checks.valid_s));
        }
        // The window between readings is the point of taking several; it is not a wait for a condition.
        if positive.is_some() {
            sleep(interval).await;
        }
        asked = Moment::now();
        let reply = world.hosts.ask(role, &batch, 5, Patience::Retry).await;
        let why = match after(host, reply, positive.take()) {
            Ok(more) => {
                positive = Some(more);
                continue;
            }
            Err(Reading::Alive(why)) => return Proof::Not(Happened::new(Event::SeenAlive, why)),
            Err(Reading::Unbarred(why)) => return Proof::Not(Happened::new(Event::BarFailed, why)),
            Err(Reading::Unknown(why)) => why,
            Err(Reading::Positive(_)) => "another machine or boot answered in mid-proof".to_owned(),
        };
        if Instant::now() >= give_up {
            return Proof::Not(Happened::new(Event::LineLost, why));
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// One more reading onto those before. A reading from another machine or boot does not continue the count.
fn after(
    host: &Host,
    reply: Result<Reply, TransportError>,
    before: Option<(u32, FenceReading)>,
) -> Result<(u32, FenceReading), Reading> {
    let reply = reply.map_err(|error| Reading::Unknown(error.to_string()))?;
    match reading_of(&read_reading(host, &reply, 0)) {
        Reading::Positive(reading) => match before {
            Some((count, last)) if last == reading => Ok((count + 1, reading)),
            Some(_) => Err(Reading::Positive(reading)),
            None => Ok((1, reading)),
        },
        other @ (Reading::Alive(_) | Reading::Unbarred(_) | Reading::Unknown(_)) => Err(other),
    }
}

/// Proves the primary stopped and barred; the proof is kept for the start.
pub(super) async fn prove_stopped(world: &mut World) -> Done {
    let have = world.memory.readings.take();
    match prove(world, Role::Primary, have).await {
        Proof::Not(happened) => Err(happened),
        Proof::Positive(proof) => {
            let (count, reading) = (proof.readings, &proof.reading);
            let why = format!("{count} readings in a row: stopped, cgroup empty, no process, barred");
            let proven_s = world.hosts.now_s();
            world.memory.proven_s = Some(proven_s);
            let facts = json!({
                "readings": count,
                "fence": reading,
                "proven_s": proven_s,
            });
            world.memory.collected = Some(reading.clone());
            world.memory.fence = Some(proof);
            Ok(Happened::with(Event::ProvenStopped, why, facts))
        }
    }
}
