//! Looking at everything before anything is touched, for the run, its dry run and the audit. Must never change a host.

use serde_json::json;

use super::{Done, Found, Happened, World};
use crate::config::Plan;
use crate::guards::{
    Evidence, Finding, HostEvidence, Life, RunEvidence, Stage, Verdict, blocking, fence_reading, judge,
    keys_of, life, stands_barred,
};
use crate::observe::{Hosts, Patience, Scope, discover, evidence};
use crate::protocol::Event;

/// Looks at both hosts and judges the guards of the preflight.
pub(super) async fn check_everything(world: &mut World) -> Done {
    let run = RunEvidence {
        id: Some(world.run.id.clone()),
        ended_runs: world.ended_runs.clone(),
        ..RunEvidence::default()
    };
    let (seen, findings) = look(&mut world.hosts, &world.plan, Stage::Preflight, run).await;
    world.memory.findings.clone_from(&findings);
    let (name_a, name_b) = (&world.plan.primary.name, &world.plan.backup.name);
    if let Some(generation) = already_done(&seen, &world.run.pair) {
        return Ok(Happened::with(
            Event::AlreadyDone,
            format!("{name_b} signs and {name_a} is fenced since generation {generation}"),
            json!({ "findings": findings, "generation": generation, "keys": keys_of(&seen).len() }),
        ));
    }
    let refusals = blocking(&findings);
    if let Some(first) = refusals.first() {
        let more = refusals.len() - 1;
        let tail = if more > 0 {
            format!(" (and {more} more)")
        } else {
            String::new()
        };
        return Ok(Happened::with(
            Event::PreflightRefused,
            format!("{}: {}{tail}", first.id, first.why),
            json!({ "findings": findings, "keys": keys_of(&seen).len() }),
        ));
    }
    let found = match found(&seen) {
        Ok(found) => found,
        Err(why) => {
            return Ok(Happened::with(
                Event::PreflightRefused,
                why,
                json!({ "findings": findings }),
            ));
        }
    };
    if let (Ok(a), Ok(b)) = (seen.primary.papers.known(), seen.backup.papers.known()) {
        world.memory.papers = Some((a.generation.clone(), b.generation.clone()));
    }
    world.memory.backup_offset_s = seen
        .backup
        .identity
        .known()
        .map_or(0.0, |identity| identity.clock_offset_s);
    let why = if found.primary_ran {
        format!("{} guards passed; {name_a} signs", findings.len())
    } else {
        format!(
            "{} guards passed; {name_a}'s validator does not run",
            findings.len()
        )
    };
    let papers = world.memory.papers.as_ref();
    let facts = json!({ "found": found, "findings": findings, "keys": found.keys, "papers": papers });
    world.remember(found);
    Ok(Happened::with(Event::PreflightPassed, why, facts))
}

/// Discovers and looks at both hosts, and judges one stage. Read-only. A claim that a run which is over left behind does
/// not block.
pub async fn audit(
    hosts: &mut Hosts,
    plan: &Plan,
    stage: Stage,
    ended_runs: Vec<String>,
) -> (Evidence, Vec<Finding>) {
    look(
        hosts,
        plan,
        stage,
        RunEvidence {
            ended_runs,
            ..RunEvidence::default()
        },
    )
    .await
}

async fn look(hosts: &mut Hosts, plan: &Plan, stage: Stage, run: RunEvidence) -> (Evidence, Vec<Finding>) {
    hosts.connect().await;
    discover(hosts, Patience::Once).await;
    let seen = evidence(hosts, plan, Scope::Full, run, Patience::Once).await;
    let findings = judge(&seen, stage);
    (seen, findings)
}

/// The generation of a finished hand-over in this direction, when everything on both hosts shows it.
pub fn already_done(seen: &Evidence, pair: &str) -> Option<u64> {
    let (a, b) = (
        seen.primary.papers.known().ok()?,
        seen.backup.papers.known().ok()?,
    );
    let (fenced, signer) = (a.generation.as_ref()?, b.generation.as_ref()?);
    let papers = fenced.role == "fenced"
        && signer.role == "signer"
        && fenced.generation == signer.generation
        && fenced.pair == pair
        && signer.pair == pair
        && a.claim.is_none()
        && b.claim.is_none();
    let stopped = matches!(life(&seen.primary), Life::Stopped(_));
    let barred = matches!(stands_barred(&seen.primary), Verdict::Pass(_));
    (papers && stopped && barred && runs(&seen.backup)).then_some(signer.generation)
}

fn runs(host: &HostEvidence) -> bool {
    host.unit
        .known()
        .is_ok_and(|unit| unit.active_state == "active" && unit.main_pid != 0)
}

/// What a resumed run will still have to know. Everything in it was judged by a guard.
fn found(seen: &Evidence) -> Result<Found, String> {
    let beacon = seen.backup.beacon.known()?;
    let (genesis, spec) = (beacon.genesis.known()?, beacon.spec.known()?);
    let unit = seen.primary.unit.known()?;
    let keys = keys_of(seen);
    let indices = beacon
        .validators
        .known()?
        .iter()
        .filter(|(key, _)| keys.contains(*key));
    let backup = fence_reading(&seen.backup)?;
    Ok(Found {
        backup,
        primary_machine: seen.primary.identity.known()?.machine_id.clone(),
        backup_machine: seen.backup.identity.known()?.machine_id.clone(),
        primary_ran: matches!(life(&seen.primary), Life::Alive(_)),
        primary_enabled: unit.file_state.starts_with("enabled"),
        genesis_validators_root: genesis.validators_root.clone(),
        genesis_time: genesis.time,
        seconds_per_slot: spec.seconds_per_slot,
        slots_per_epoch: spec.slots_per_epoch,
        indices: indices.map(|(_, status)| status.index).collect(),
        keys: keys.len(),
    })
}
