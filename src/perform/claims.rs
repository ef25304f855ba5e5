//! Claims: written on both hosts exclusively before anything else, taken away last. Must never take away a claim of a
//! run that may still be going on.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Done, Happened, World};
use crate::guards::{Claim, Papers};
use crate::observe::Patience;
use crate::protocol::Event;
use crate::services::host::read_papers;
use crate::transport::{Batch, Call, Op, Reply};

/// For how long the holder of the tie host waits for the other coordinator to step back.
const STEP_BACK: Duration = Duration::from_secs(5);

/// Writes the claim on both hosts. When two coordinators hold one host each, the one on the host with the lower
/// machine id waits and the other steps back, so that exactly one of them goes on.
pub(super) async fn claim_both(world: &mut World) -> Done {
    let generation = match world.memory.generation {
        Some(generation) => generation,
        None => next_generation(world).await?,
    };
    let claim = Claim {
        run: world.run.id.clone(),
        pair: world.run.pair.clone(),
        generation,
        coordinator: world.run.coordinator.clone(),
        since: jiff::Timestamp::now().to_string(),
    };
    let text =
        serde_json::to_string(&claim).map_err(|error| Happened::new(Event::ClaimHeld, error.to_string()))?;
    let give_up = Instant::now() + STEP_BACK;
    let mut left_behind: Option<String> = None;
    loop {
        let mut batch: Batch = Vec::new();
        if let Some(run) = left_behind.take() {
            batch.push(Call::new(Op::Release, [run]));
        }
        batch.push(Call::new(Op::Claim, [&world.run.id, &text]));
        let (a, b) = world.hosts.ask_both(&batch, &batch, 0, Patience::Retry).await;
        let (a, b) = (a?, b?);
        let (machine_a, machine_b) = (a.machine_id.clone(), b.machine_id.clone());
        let (papers_a, papers_b) = (papers(&a)?, papers(&b)?);
        let lying = (papers_a.generation.clone(), papers_b.generation.clone());
        if world.memory.papers.as_ref().is_some_and(|seen| *seen != lying) {
            return Ok(Happened::new(
                Event::ClaimHeld,
                "another run handed over since the preflight looked",
            ));
        }
        let holders = [papers_a.claim, papers_b.claim];
        let foreign = holders.iter().flatten().find(|claim| claim.run != world.run.id);
        let Some(foreign) = foreign else {
            if holders.iter().any(Option::is_none) {
                return Err(Happened::new(
                    Event::ClaimHeld,
                    "a claim was written and is not there",
                ));
            }
            world.memory.generation = Some(generation);
            // A resume may have found none: these are new.
            world.memory.claims_gone = false;
            return Ok(Happened::with(
                Event::Claimed,
                format!("generation {generation}"),
                json!({ "generation": generation }),
            ));
        };
        let ours_is_tie_host = holders
            .iter()
            .zip([&machine_a, &machine_b])
            .any(|(claim, machine)| {
                claim.as_ref().is_some_and(|claim| claim.run == world.run.id)
                    && machine == (&machine_a).min(&machine_b)
            });
        if world.ended_runs.contains(&foreign.run) && left_behind.is_none() && Instant::now() < give_up {
            left_behind = Some(foreign.run.clone());
        } else if !(ours_is_tie_host && Instant::now() < give_up) {
            return Ok(held(foreign));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn held(foreign: &Claim) -> Happened {
    Happened::with(
        Event::ClaimHeld,
        format!(
            "run {} of {} ({}) holds a host since {}; on that coordinator: failover resume {}; if its journal is lost: \
             failover halt stops and bars both hosts and takes its claim away",
            foreign.run, foreign.coordinator, foreign.pair, foreign.since, foreign.run
        ),
        json!({ "holder": foreign }),
    )
}

fn papers(reply: &Reply) -> Result<Papers, Happened> {
    let output = reply
        .outputs
        .last()
        .ok_or_else(|| Happened::new(Event::LineLost, "an empty answer"))?;
    read_papers(output).map_err(|why| Happened::new(Event::LineLost, why))
}

/// One more than the highest generation on either host.
async fn next_generation(world: &mut World) -> Result<u64, Happened> {
    if world.memory.papers.is_none() {
        let batch = vec![Call::new(Op::Papers, [""; 0])];
        let (a, b) = world.hosts.ask_both(&batch, &batch, 0, Patience::Retry).await;
        world.memory.papers = Some((papers(&a?)?.generation, papers(&b?)?.generation));
    }
    let (a, b) = world
        .memory
        .papers
        .as_ref()
        .map_or((None, None), |(a, b)| (a.as_ref(), b.as_ref()));
    Ok([a, b]
        .into_iter()
        .flatten()
        .map(|paper| paper.generation)
        .max()
        .unwrap_or(0)
        + 1)
}

/// Takes this run's claims and work directories away.
pub(super) async fn release_claims(world: &mut World) -> Done {
    let run = world.run.id.clone();
    let batch = vec![Call::new(Op::ClearWork, [&run]), Call::new(Op::Release, [&run])];
    let (a, b) = world.hosts.ask_both(&batch, &batch, 0, Patience::Retry).await;
    let mut left: Vec<String> = Vec::new();
    for (host, reply) in [(&world.plan.primary.name, a), (&world.plan.backup.name, b)] {
        let released = match reply {
            Ok(reply) => match papers(&reply) {
                Ok(papers) => papers.claim.is_none_or(|claim| claim.run != run),
                Err(_) => false,
            },
            Err(_) => false,
        };
        if !released {
            left.push(host.clone());
        }
    }
    if left.is_empty() {
        return Ok(Happened::new(Event::ClaimsReleased, "both hosts are free"));
    }
    Ok(Happened::with(
        Event::LineLost,
        format!(
            "the claim of run {run} is left on {}; the next run from here takes it away",
            left.join(" and ")
        ),
        json!({ "claims_left_on": left }),
    ))
}
