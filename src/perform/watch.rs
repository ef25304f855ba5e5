//! After the start: wait for the backup's first attestation, see it on chain, and see the primary still fenced. An
//! alive primary ends the wait at once. Must never call a hand-over complete that was not seen from both ends.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::fence::{Reading, install, reading_of};
use super::{Done, Found, Happened, World};
use crate::beacon::{
    Included, block_questions, duties_question, liveness_question, read_inclusion, read_liveness,
};
use crate::clients::Install;
use crate::guards::{Life, Role, life};
use crate::observe::{Patience, client, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output};

/// Longest single wait on the backup, seconds.
const STRETCH_S: u64 = 16;
/// Seconds for one request to the beacon node.
const HTTP_S: u64 = 5;

/// The backup's first attestation, as its client tells it.
struct First {
    /// Unix seconds of the backup's clock.
    at_s: f64,
    /// The slot of that moment.
    slot: u64,
}

/// How often the primary is read while the watch lasts, seconds.
const LOOK_S: u64 = 2;

/// The primary as the last readings showed it: fenced, or why that could not be seen.
type Fenced = Result<(), String>;

/// Watches until both ends were seen, or time runs out. The primary is read all the while, on its own line: an alive
/// one ends the watch wherever it stands.
pub(super) async fn watch(world: &mut World) -> Done {
    let world = &*world;
    let primary = reading_calls(&install(&world.hosts.primary)?);
    let (eye, fenced) = channel(Err("it was not read".to_owned()));
    tokio::select! {
        biased;
        why = primary_alive(world, &primary, &eye) => Err(Happened::new(Event::PrimaryAlive, why)),
        done = both_ends(world, fenced) => done,
    }
}

/// Reads the primary again and again. Comes to an end only when it is seen alive.
async fn primary_alive(world: &World, batch: &Batch, eye: &Sender<Fenced>) -> String {
    loop {
        let reading = match world.hosts.ask_beside(Role::Primary, batch, 5).await {
            Ok(reply) => reading_of(&read_reading(&world.hosts.primary, &reply, 0)),
            Err(error) => Reading::Unknown(error.to_string()),
        };
        match reading {
            Reading::Alive(why) => return why,
            Reading::Positive(_) => drop(eye.send_replace(Ok(()))),
            Reading::Unbarred(why) => drop(eye.send_replace(Err(why))),
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
        sleep(Duration::from_secs(LOOK_S)).await;
    }
}

async fn both_ends(world: &World, mut fenced: Receiver<Fenced>) -> Done {
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
    let first = first_attestation(world, &found, give_up).await?;
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

fn at(at_s: f64, found: &Found) -> First {
    // Slots and seconds since genesis are far below 2^53; a time before genesis gives slot 0.
    let slot = ((at_s - found.genesis_time as f64) / found.seconds_per_slot)
        .floor()
        .max(0.0) as u64;
    First { at_s, slot }
}

/// The client's metric where it serves one, else its log.
fn await_calls(world: &World, stretch_s: u64) -> Result<Batch, Happened> {
    let install: Install = install(&world.hosts.backup)?;
    let proof = client(&install).map_err(|why| ran_out(why, json!({})))?.proof;
    let stretch = stretch_s.to_string();
    Ok(vec![match &install.metrics_url {
        Some(url) => Call::new(
            Op::AwaitMetric,
            [url.as_str(), proof.metric, "0", &stretch, &install.unit],
        ),
        None => {
            let since = world.memory.started_s.unwrap_or(world.hosts.now_s() - 3600.0);
            Call::new(
                Op::AwaitJournal,
                [install.unit.as_str(), &format!("{since:.3}"), proof.log, &stretch],
            )
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

/// The slot of an attestation of ours that a block holds, or that the node saw live. Outer error: the backup's
/// validator does not run any more, or is not known.
async fn on_chain(
    world: &World,
    found: &Found,
    first: &First,
    give_up: Instant,
) -> Result<Result<u64, String>, Happened> {
    let install = install(&world.hosts.backup)?;
    let prefix = client(&install)
        .ok()
        .and_then(|client| client.api_prefixes.first().copied())
        .unwrap_or("/eth/v1");
    let Some(url) = install.beacon_urls.first() else {
        return Ok(Err("no beacon node is known".to_owned()));
    };
    let base = format!("{}{prefix}", url.trim_end_matches('/'));
    let indices: BTreeSet<u64> = found.indices.iter().copied().collect();
    // What the primary signed before its proven end may lie in the same blocks, and is no word of the backup's.
    let after_proof = match (found.primary_ran, world.memory.proven_s) {
        (true, Some(proven_s)) => at(proven_s, found).slot + 1,
        (true, None) | (false, _) => 0,
    };
    let since = first.slot.saturating_sub(1).max(after_proof);
    let mut upto = first.slot + 2;
    loop {
        let wait_s = ((found.seconds_per_slot * 4.0).ceil() as u64).max(4);
        let epochs: BTreeSet<u64> = [since, upto]
            .map(|slot| slot / found.slots_per_epoch.max(1))
            .into_iter()
            .collect();
        let mut batch: Batch = vec![Call::new(
            Op::AwaitHead,
            [&base, &upto.to_string(), &wait_s.to_string()],
        )];
        batch.extend(
            epochs
                .iter()
                .map(|epoch| liveness_question(url, prefix, *epoch, &indices, HTTP_S)),
        );
        batch.extend(
            epochs
                .iter()
                .map(|epoch| duties_question(url, prefix, *epoch, &indices, HTTP_S)),
        );
        let duties = 1 + epochs.len();
        let blocks = duties + epochs.len();
        let questions = block_questions(url, prefix, first.slot, upto, HTTP_S);
        let end = blocks + questions.len();
        batch.extend(questions);
        batch.extend(reading_calls(&install));
        let reply = world
            .hosts
            .ask(Role::Backup, &batch, wait_s + 20, Patience::Once)
            .await;
        let why = match reply {
            Err(error) => error.to_string(),
            Ok(reply) if reply.outputs.len() < end => "the answer ends too early".to_owned(),
            Ok(reply) => {
                if let Life::Stopped(why) = life(&read_reading(&world.hosts.backup, &reply, end)) {
                    return Err(Happened::new(Event::BackupDied, why));
                }
                match seen_on_chain(
                    &reply.outputs[..end],
                    duties,
                    blocks,
                    since,
                    epochs.len() > 1,
                    &indices,
                ) {
                    Ok(Some(slot)) => return Ok(Ok(slot.unwrap_or(first.slot))),
                    Ok(None) => format!("no block up to slot {upto} holds one"),
                    Err(why) => why,
                }
            }
        };
        if Instant::now() >= give_up {
            return Ok(Err(why));
        }
        upto += 1;
    }
}

/// Some when an attestation of ours was seen: by the blocks with its slot, by liveness without.
fn seen_on_chain(
    outputs: &[Output],
    duties: usize,
    blocks: usize,
    since: u64,
    newer_epoch: bool,
    indices: &BTreeSet<u64>,
) -> Result<Option<Option<u64>>, String> {
    let included: Result<BTreeSet<Included>, String> =
        read_inclusion(&outputs[duties..blocks], &outputs[blocks..], since);
    if let Ok(seen) = &included
        && let Some(first) = seen.first()
    {
        return Ok(Some(Some(first.slot)));
    }
    // Liveness would also count what the primary signed earlier in the same epoch, so only the word on an epoch that
    // began after the first attestation counts, and only where blocks cannot be read.
    match (included, read_liveness(indices, &outputs[duties - 1])) {
        (Ok(_), _) => Ok(None),
        (Err(_), Ok(live)) if newer_epoch && !live.is_empty() => Ok(Some(None)),
        (Err(why), _) => Err(why),
    }
}
