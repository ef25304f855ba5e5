//! The only way to a signer: judge everything again with fresh evidence, then unbar and start the backup, consuming
//! the fence proof. Must never start without an unexpired proof, and never believe a start that was not read back.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::fence::{Proof, bar_calls, generation_call, held, install, mine, prove};
use super::history::held_by_backup;
use super::{Done, FenceProof, Happened, Moment, World};
use crate::guards::{
    Finding, HostEvidence, Life, Reading, Role, RunEvidence, Stage, blocking, judge, life, reading_of,
};
use crate::observe::{Patience, Scope, evidence, read_reading, reading_calls};
use crate::protection::FloorMap;
use crate::protocol::Event;
use crate::services::host::read_identity;
use crate::transport::{Call, Op, Output};

/// How often the hosts are looked at before "could not be told" is the last word.
const LOOKS: u32 = 3;

/// Judges every guard of the start. After a resume it first takes what this process does not know: the proof, the
/// merged floors of the earlier process, the backup's database.
pub(super) async fn judge_start(world: &mut World) -> Done {
    let proof = fresh_proof(world).await?;
    let merged = merged_floors(world)?;
    if world.memory.read_back.is_none() {
        let found = held_by_backup(world).await.map_err(|happened| {
            if happened.event == Event::ReadBackFails {
                Happened {
                    event: Event::StartForbidden,
                    ..happened
                }
            } else {
                happened
            }
        })?;
        world.memory.read_back = Some(found.floors);
    }
    let Judged {
        findings,
        touched,
        asked,
    } = judged(world, &proof, merged).await?;
    let facts = json!({ "findings": findings });
    if let Some(first) = blocking(&findings).first() {
        let event = match first.id.as_str() {
            "claims-free" => Event::ClaimLost,
            // Seen alive, not only unseen: it must not be forgotten on the way to an undo.
            "backup-stopped" if first.verdict == "refuse" => Event::BackupHasRun,
            "primary-fenced" if touched => Event::HistoryStale,
            _ => Event::StartForbidden,
        };
        return Ok(Happened::with(
            event,
            format!("{}: {}", first.id, first.why),
            facts,
        ));
    }
    let readings = proof.readings + 1;
    world.memory.fence = Some(proof.confirmed(asked));
    Ok(Happened::with(
        Event::StartAllowed,
        format!(
            "{} guards passed, fence confirmed by reading {readings}",
            findings.len()
        ),
        facts,
    ))
}

/// The proof that is at hand, or a new one. A new one counts only if the primary was not started since its history was
/// collected: else that history is stale, however well it is fenced now.
async fn fresh_proof(world: &mut World) -> Result<FenceProof, Happened> {
    if let Some(proof) = world.memory.fence.take().and_then(FenceProof::unexpired) {
        return Ok(proof);
    }
    let proof = match prove(world, Role::Primary, None).await {
        Proof::Positive(proof) => proof,
        Proof::Not(happened) if happened.event == Event::LineLost => return Err(happened),
        Proof::Not(happened) => {
            return Err(Happened {
                event: Event::StartForbidden,
                ..happened
            });
        }
    };
    match &world.memory.collected {
        Some(collected) if collected.holds(&proof.reading) => Ok(proof),
        Some(_) | None => Err(Happened::new(
            Event::HistoryStale,
            "the primary's validator was started after its history was collected",
        )),
    }
}

/// Every guard of the stage over fresh evidence, the primary's reading asked for at the moment that comes with it.
/// Where nothing refuses and something could not be told, it is asked again: one lost packet must not undo a run.
async fn judged(world: &mut World, proof: &FenceProof, merged: FloorMap) -> Result<Judged, Happened> {
    let found = world.memory.found.as_ref();
    let run = RunEvidence {
        id: Some(world.run.id.clone()),
        ended_runs: Vec::new(),
        generation: world.memory.generation,
        fence: Some(proof.reading.clone()),
        fence_left_s: None,
        fingerprint: world.memory.fingerprint.clone(),
        read_back_boot: world.memory.read_back_boot.clone(),
        genesis_validators_root: found.map(|found| found.genesis_validators_root.clone()),
        merged: Some(merged),
        read_back: world.memory.read_back.clone(),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let asked = Moment::now();
        let mut seen = evidence(
            &world.hosts,
            &world.plan,
            Scope::Start,
            run.clone(),
            Patience::Retry,
        )
        .await;
        if let Err(why) = seen.primary.identity.known().and(seen.backup.identity.known()) {
            return Err(Happened::new(Event::LineLost, why.to_owned()));
        }
        // What is left when the evidence is there, not when it was asked for.
        seen.run.fence_left_s = Some(proof.left_s());
        let findings = judge(&seen, Stage::Start);
        world.memory.findings.clone_from(&findings);
        let blocking = blocking(&findings);
        let undecided = !blocking.is_empty() && blocking.iter().all(|finding| finding.verdict == "unknown");
        if undecided && tries < LOOKS {
            sleep(Duration::from_secs(1)).await;
            continue;
        }
        let touched = matches!(
            (&run.fingerprint, seen.primary.fingerprint.known()),
            (Some(then), Ok(now)) if then != now
        );
        return Ok(Judged {
            findings,
            touched,
            asked,
        });
    }
}

/// What a judgement came to.
struct Judged {
    findings: Vec<Finding>,
    /// Whether the primary's database is another than when it was collected.
    touched: bool,
    /// When the primary's reading in it was asked for.
    asked: Moment,
}

/// The floors that this run merged, in this process or in an earlier one.
pub(super) fn merged_floors(world: &World) -> Result<FloorMap, Happened> {
    if let Some(merged) = &world.memory.merged {
        return Ok(merged.floors().clone());
    }
    let sha256 = world.memory.floors_sha256.as_deref();
    kept_floors(world, "merged-floors.json", sha256)
        .map_err(|why| Happened::new(Event::StartForbidden, format!("the merged floors: {why}")))
}

/// Floors that an earlier process of this run wrote.
pub(super) fn kept_floors(world: &World, name: &str, sha256: Option<&str>) -> Result<FloorMap, String> {
    let sha256 = sha256.ok_or("were never computed")?;
    let bytes = world.dir.read(name, sha256).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Unbars and starts the backup, and reads it back.
pub(super) async fn start_backup(world: &mut World) -> Done {
    let proof = world
        .memory
        .fence
        .take()
        .and_then(FenceProof::unexpired)
        .ok_or_else(|| {
            Happened::new(
                Event::LineLost,
                "the fence proof ran out before the start was asked; nothing was started",
            )
        })?;
    started(world, proof).await
}

/// Takes the proof by value: one proof, one start.
async fn started(world: &mut World, proof: FenceProof) -> Done {
    let install = install(&world.hosts.backup)?;
    let limit_s = world.plan.timeouts.start_s;
    let mut batch = vec![
        mine(world),
        Call::new(Op::Identity, [""; 0]),
        generation_call(world, "signer")?,
        Call::new(Op::Unbar, [&install.unit, &install.lock_file, "enable"]),
        Call::new(Op::Start, [&install.unit, &limit_s.to_string()]),
    ];
    let first = batch.len();
    batch.extend(reading_calls(&install));
    // Once: a second start must never be asked before it was looked what became of the first. Never later than the proof
    // is good for: the host itself refuses to begin a call after the deadline.
    let reply = world
        .hosts
        .ask_until(Role::Backup, &batch, proof.left_s().min(limit_s as f64 + 15.0))
        .await?;
    held(&world.hosts.backup, &reply)?;
    let name = world.hosts.backup.name().to_owned();
    let began = reply.outputs.get(1).and_then(|output| {
        read_identity(&reply.machine_id, &reply.boot_id, output, 0.0, 0.0)
            .ok()
            .map(|it| it.clock_offset_s)
    });
    world.memory.started_s = began;
    let seen = read_reading(&world.hosts.backup, &reply, first);
    let running = unit_runs(&seen);
    let facts = json!({ "started_s": began, "fence_left_s": proof.left_s() });
    match life(&seen) {
        Life::Alive(_) if running => Ok(Happened::with(
            Event::BackupStarted,
            format!("{name}: {} runs", install.unit),
            facts,
        )),
        // The host did not begin the start: look what became of it, instead of taking it for a failed one.
        Life::Stopped(why) if came_too_late(reply.outputs.get(..first).unwrap_or_default()) => {
            Err(Happened::with(Event::LineLost, why, facts))
        }
        Life::Alive(why) | Life::Stopped(why) => {
            let said: Vec<&str> = reply
                .outputs
                .iter()
                .take(first)
                .filter(|output| output.status != 0)
                .map(|output| output.last_words())
                .collect();
            let why = format!("{name} does not run after the start: {why}; {}", said.join("; "));
            Ok(Happened::with(Event::StartFailed, why, facts))
        }
        Life::Unknown(why) => Err(Happened::with(Event::LineLost, why, facts)),
    }
}

/// Whether nothing but time kept the host from beginning the start, the last of these steps: it may be asked again. A step
/// that failed by itself (a file system that cannot be written) fails again, and asking for ever would leave nobody signing.
fn came_too_late(steps: &[Output]) -> bool {
    let (late, not_begun) = (124, 125);
    let began = steps
        .last()
        .is_none_or(|start| ![late, not_begun].contains(&start.status));
    !began
        && steps
            .iter()
            .all(|step| [0, late, not_begun].contains(&step.status))
}

/// Looks what became of a start whose answer was lost. A backup that does not run is barred again.
pub(super) async fn look_at_backup(world: &mut World) -> Done {
    let host = &world.hosts.backup;
    let batch = reading_calls(&install(host)?);
    let reply = world.hosts.ask(Role::Backup, &batch, 5, Patience::Retry).await?;
    let seen = read_reading(host, &reply, 0);
    match reading_of(&seen) {
        Reading::Alive(why) => return Ok(lives(&seen, why)),
        Reading::Unknown(why) => return Err(Happened::new(Event::LineLost, why)),
        Reading::Positive(_) if world.memory.claims_gone => {
            let why = format!("{}: stopped and barred; {}", host.name(), super::over::GONE);
            return Ok(Happened::new(Event::FoundOver, why));
        }
        Reading::Positive(_) => {
            return Ok(Happened::new(
                Event::BackupStands,
                format!("{}: stopped and barred", host.name()),
            ));
        }
        Reading::Unbarred(_) => {}
    }
    let (batch, first) = bar_calls(world, host)?;
    let reply = world.hosts.ask(Role::Backup, &batch, 10, Patience::Retry).await?;
    held(host, &reply)?;
    let seen = read_reading(host, &reply, first);
    match reading_of(&seen) {
        Reading::Positive(_) => Ok(Happened::new(
            Event::BackupStands,
            format!("{}: barred again", host.name()),
        )),
        Reading::Alive(why) => Ok(lives(&seen, why)),
        Reading::Unbarred(why) | Reading::Unknown(why) => Err(Happened::new(Event::LineLost, why)),
    }
}

/// A backup that lives after a start: its unit as it was started, or something else, which a start cannot explain.
fn lives(seen: &HostEvidence, why: String) -> Happened {
    if unit_runs(seen) {
        Happened::new(Event::BackupRuns, why)
    } else {
        Happened::new(Event::StartFailed, format!("{why}, and its unit does not run"))
    }
}

/// Whether the unit is active with a main process.
pub(super) fn unit_runs(seen: &HostEvidence) -> bool {
    let unit = seen.unit.known();
    unit.is_ok_and(|unit| unit.active_state == "active" && unit.main_pid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a start which came too late is looked after and asked again, and that one which an earlier step kept from
    /// beginning is a failed one: a run would else ask for ever. (Found by the lab, F31: `/etc` of the backup read-only.)
    #[test]
    fn only_time_is_a_reason_to_ask_again() {
        let steps = |statuses: [i32; 5]| {
            statuses.map(|status| Output {
                status,
                ..Output::default()
            })
        };
        assert!(came_too_late(&steps([0, 0, 124, 125, 125])));
        assert!(came_too_late(&steps([0, 0, 0, 124, 125])));
        assert!(came_too_late(&steps([0, 0, 0, 0, 124])));
        assert!(!came_too_late(&steps([0, 0, 0, 1, 125])));
        assert!(!came_too_late(&steps([0, 0, 1, 125, 125])));
        assert!(!came_too_late(&steps([0, 0, 0, 0, 1])));
        assert!(!came_too_late(&steps([0, 0, 0, 0, 0])));
        assert!(!came_too_late(&[]));
    }
}
