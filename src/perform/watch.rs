//! After the start: wait for the backup's first attestation, see it on chain, see the primary still fenced, and compare
//! what was read of its database with its client's export. An alive primary, or history that the backup was not given,
//! ends the wait at once. Must never call a hand-over complete that was not seen from both ends.

use serde_json::{Value, json};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::cross_check::{Checked, CrossCheck};
use super::fence::{bar_calls, install};
use super::inclusion::on_chain;
use super::{Done, Found, Happened, World};
use crate::clients::Install;
use crate::guards::{HostEvidence, Reading, Role, Seen, reading_of};
use crate::observe::{Patience, client, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output};

/// Longest single wait on the backup, seconds.
const STRETCH_S: u64 = 16;

/// The backup's first attestation, as its client tells it.
pub(super) struct First {
    /// Unix seconds of the backup's clock.
    pub(super) at_s: f64,
    /// The slot of that moment.
    pub(super) slot: u64,
}

/// How often the primary is read while the watch lasts, seconds.
const LOOK_S: u64 = 2;

/// The primary as the last readings showed it: fenced, or why that could not be seen.
type Fenced = Result<(), String>;

/// What the cross-check came to, once it has.
type Compared = Option<Checked>;

/// Watches until both ends were seen, or time runs out. The primary is read all the while, on its own line: an alive
/// one ends the watch wherever it stands.
pub(super) async fn watch(world: &mut World) -> Done {
    let check = CrossCheck::new(world);
    let world = &*world;
    let primary = reading_calls(&install(&world.hosts.primary)?);
    let (eye, fenced) = channel(Err("it was not read".to_owned()));
    let (said, compared) = channel(None);
    let awaited = check.is_some().then(|| compared.clone());
    let mut done = tokio::select! {
        biased;
        happened = primary_watched(world, &primary, &eye, check, &said) => Err(happened),
        done = both_ends(world, fenced, awaited) => done,
    };
    let (Ok(happened) | Err(happened)) = &mut done;
    if let (Value::Object(facts), Some(checked)) = (&mut happened.facts, &*compared.borrow()) {
        facts.insert("cross_check".to_owned(), checked.facts());
    }
    done
}

/// Reads the primary again and again, and once, when it was seen fenced, asks for its client's export. Comes to an end
/// only when the backup must not sign.
async fn primary_watched(
    world: &World,
    batch: &Batch,
    eye: &Sender<Fenced>,
    mut check: Option<CrossCheck>,
    said: &Sender<Compared>,
) -> Happened {
    let mut ours = None;
    loop {
        let reading = match world.hosts.ask_beside(Role::Primary, batch, 5).await {
            Ok(reply) => {
                let mut seen = read_reading(&world.hosts.primary, &reply, 0);
                without(ours.as_deref(), &mut seen);
                reading_of(&seen)
            }
            Err(error) => Reading::Unknown(error.to_string()),
        };
        let fenced = matches!(reading, Reading::Positive(_));
        if let Some(why) = looked(world, reading, eye).await {
            return Happened::new(Event::PrimaryAlive, why);
        }
        if let Some(check) = check.take_if(|_| fenced) {
            ours = Some(check.work());
            let checked = check.made(world).await;
            let higher = checked.incomplete();
            said.send_replace(Some(checked));
            match higher {
                Some(why) => return Happened::new(Event::HistoryIncomplete, why),
                // The shell was busy for a while: the primary is read again at once.
                None => continue,
            }
        }
        sleep(Duration::from_secs(LOOK_S)).await;
    }
}

/// Leaves out of a reading what an export of this run that lost its line has left running: by the work directory that
/// no other process names, and unless it holds the database itself.
fn without(ours: Option<&str>, seen: &mut HostEvidence) {
    if let (Some(work), Seen::Known(processes)) = (ours, &mut seen.processes) {
        let is_ours = |command: &str| command.contains(work);
        processes
            .validator
            .retain(|it| it.holds_database || !is_ours(&it.command));
    }
}

/// Takes one reading up. Some: the primary is alive.
async fn looked(world: &World, reading: Reading, eye: &Sender<Fenced>) -> Option<String> {
    match reading {
        Reading::Alive(why) => return Some(why),
        Reading::Positive(_) => drop(eye.send_replace(Ok(()))),
        Reading::Unbarred(why) => {
            drop(eye.send_replace(Err(why)));
            // Somebody took its bar away: without it the next reboot makes a second signer.
            if let Ok((batch, _)) = bar_calls(world, &world.hosts.primary) {
                let _ = world.hosts.ask_beside(Role::Primary, &batch, 10).await;
            }
        }
        // Unknown takes nothing back: it was seen stopped and barred after the start, and a bar holds.
        Reading::Unknown(why) => {
            eye.send_if_modified(|was| {
                was.as_mut().err().is_some_and(|was| {
                    *was = why;
                    true
                })
            });
        }
    }
    None
}

async fn both_ends(
    world: &World,
    mut fenced: Receiver<Fenced>,
    compared: Option<Receiver<Compared>>,
) -> Done {
    let found = world
        .memory
        .found
        .clone()
        .ok_or_else(|| ran_out("the chain is not known", json!({})))?;
    let epoch_s = found.seconds_per_slot * found.slots_per_epoch as f64;
    let limit_s = world
        .plan
        .timeouts
        .watch_s
        .map_or_else(|| (3.0 * epoch_s).max(30.0), |limit_s| limit_s as f64);
    let give_up = Instant::now() + Duration::from_secs_f64(limit_s);
    let first = match first_attestation(world, &found, give_up).await {
        Ok(first) => first,
        Err(happened) => return Err(unless_it_fails(world, happened).await),
    };
    let mut facts = json!({ "first_attestation_s": first.at_s, "first_slot": first.slot });
    if let (Some(asked), true, Value::Object(facts)) =
        (world.memory.stop_asked_s, found.primary_ran, &mut facts)
    {
        facts.insert(
            "gap_s".to_owned(),
            json!(first.at_s - world.memory.backup_offset_s - asked),
        );
    }
    let included = on_chain(world, &found, &first, give_up).await?;
    // At least one more reading is allowed for, however late the attestation came.
    let until = give_up.max(Instant::now() + Duration::from_secs(LOOK_S));
    if timeout_at(until, fenced.wait_for(Result::is_ok)).await.is_err() {
        let said = fenced.borrow().clone().err().unwrap_or_default();
        let why = format!("the backup signs, but the primary could not be seen fenced: {said}");
        return Err(ran_out(why, facts));
    }
    // It began with the first reading and has a limit of its own, so it is over, or soon will be.
    if let Some(mut compared) = compared {
        let _ = compared.wait_for(Option::is_some).await;
    }
    let name = world.hosts.backup.name();
    match included {
        Ok(slot) => {
            facts["on_chain_slot"] = json!(slot);
            let why = format!("{name} attested to slot {slot}, and a block holds it");
            Ok(Happened::with(Event::AttestationSeen, why, facts))
        }
        Err(why) => Err(ran_out(
            format!("{name} publishes attestations, but none was seen on chain in time ({why})"),
            facts,
        )),
    }
}

fn ran_out(why: impl Into<String>, facts: Value) -> Happened {
    Happened::with(Event::WatchRanOut, why, facts)
}

/// Waits on the backup's own host.
async fn first_attestation(world: &World, found: &Found, give_up: Instant) -> Result<First, Happened> {
    loop {
        let left_s = give_up.saturating_duration_since(Instant::now()).as_secs();
        let stretch_s = left_s.clamp(1, STRETCH_S);
        let wait = await_calls(world, stretch_s)?;
        let reply = world
            .hosts
            .ask(Role::Backup, &wait, stretch_s, Patience::Once)
            .await;
        let waited = reply
            .map_err(|error| error.to_string())
            .and_then(|reply| await_output(&reply.outputs));
        let why = match waited {
            Ok(Waited::Seen(at_s)) => return Ok(at(at_s, found)),
            Ok(Waited::Dead) => {
                let why = format!("{}: its validator has ended", world.hosts.backup.name());
                return Err(Happened::new(Event::BackupDied, why));
            }
            Ok(Waited::NotYet) => "no attestation was published in time".to_owned(),
            Err(why) => {
                // A refused line answers at once: without a pause this would be a busy loop.
                sleep(Duration::from_millis(250)).await;
                format!("the backup could not be seen attesting: {why}")
            }
        };
        if Instant::now() >= give_up {
            return Err(ran_out(why, json!({})));
        }
    }
}

/// A wait that ran out, unless one more reading says that the backup's validator ends at every start and its unit only
/// waits to try again: that is dead. Only a positive reading counts, and a unit that came up again in between is alive.
async fn unless_it_fails(world: &World, ran_out: Happened) -> Happened {
    if ran_out.event != Event::WatchRanOut {
        return ran_out;
    }
    let Ok(install) = install(&world.hosts.backup) else {
        return ran_out;
    };
    let calls = reading_calls(&install);
    let reply = world
        .hosts
        .ask(Role::Backup, &calls, LOOK_S, Patience::Once)
        .await;
    let Ok(seen) = reply.map(|reply| read_reading(&world.hosts.backup, &reply, 0)) else {
        return ran_out;
    };
    match (seen.unit.known(), seen.processes.known()) {
        (Ok(unit), Ok(processes))
            if unit.sub_state.contains("auto-restart") && processes.validator.is_empty() =>
        {
            let why = format!(
                "{}: its validator ends at every start, {} waits to try again",
                seen.name, unit.name
            );
            Happened::new(Event::BackupDied, why)
        }
        _ => ran_out,
    }
}

pub(super) fn at(at_s: f64, found: &Found) -> First {
    // Slots and seconds since genesis are far below 2^53; a time before genesis gives slot 0.
    let slot = ((at_s - found.genesis_time as f64) / found.seconds_per_slot)
        .floor()
        .max(0.0) as u64;
    First { at_s, slot }
}

/// The client's metric where it serves one, else its log.
fn await_calls(world: &World, stretch_s: u64) -> Result<Batch, Happened> {
    let install: Install = install(&world.hosts.backup)?;
    let client = client(&install).map_err(|why| ran_out(why, json!({})))?;
    let proof = (client.proof)(&install);
    let stretch = stretch_s.to_string();
    Ok(vec![match (&install.metrics_url, proof.metric, proof.log) {
        (Some(url), Some(metric), _) => Call::new(
            Op::AwaitMetric,
            [url.as_str(), metric, "0", &stretch, &install.unit],
        ),
        (None, _, Some(log)) | (Some(_), None, Some(log)) => {
            let since = world.memory.started_s.unwrap_or(world.hosts.now_s() - 3600.0);
            Call::new(
                Op::AwaitJournal,
                [install.unit.as_str(), &format!("{since:.3}"), log, &stretch],
            )
        }
        (None, _, None) | (Some(_), None, None) => {
            let why = format!("{} does not say when it has attested", client.name);
            return Err(ran_out(why, json!({})));
        }
    }])
}

enum Waited {
    Seen(f64),
    NotYet,
    Dead,
}

fn await_output(outputs: &[Output]) -> Result<Waited, String> {
    let text = outputs.first().ok_or("the answer ends too early")?.ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    match field("seen=") {
        Some("no") => Ok(Waited::NotYet),
        Some("dead") => Ok(Waited::Dead),
        Some(_) => field("time=")
            .and_then(|time| time.parse().ok())
            .map(Waited::Seen)
            .ok_or_else(|| "the time of the first attestation cannot be read".to_owned()),
        None => Err("the wait gave no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::guards::{Process, Processes};
    use crate::observe::blank;

    /// Proves that only a process which names the work directory of this run's export, and does not hold the database
    /// itself, is left out of a reading.
    #[test]
    fn only_our_own_export_is_left_out() {
        let work = "/var/lib/failover/work/r1.7-0/";
        let process = |command: &str, holds_database| Process {
            pid: 7,
            exe: "/usr/bin/node".to_owned(),
            command: command.to_owned(),
            holds_database,
            because: "it is".to_owned(),
        };
        let ours = format!("node lodestar validator slashing-protection export --dataDir {work}");
        let alive = [
            process("node lodestar validator --dataDir /data", false),
            process(&ours, true),
            process("lodestar --dataDir /var/lib/failover/work/r1.8-0/", false),
        ];
        let mut seen = blank("val-a", "not read");
        let mut validator = alive.to_vec();
        validator.insert(1, process(&ours, false));
        seen.processes = Seen::Known(Processes {
            validator,
            listed: 9,
            must_hold: true,
        });
        without(None, &mut seen);
        assert_eq!(seen.processes.known().unwrap().validator.len(), 4);
        without(Some(work), &mut seen);
        assert_eq!(seen.processes.known().unwrap().validator, alive);
    }
}
